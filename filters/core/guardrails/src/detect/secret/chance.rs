//! Whether a value looks like chance: neither words nor a placeholder.

use std::ops::Range;

use memchr::memmem;
use weir_llm::steps;

/// Parts of placeholders, in small letters: what documents write where a secret belongs.
const PLACEHOLDERS: [&str; 27] = [
    "changeme",
    "change_me",
    "change-me",
    "dummy",
    "example",
    "fixme",
    "getenv",
    "insert",
    "keep_",
    "masked",
    "none",
    "null",
    "password",
    "passwd",
    "placeholder",
    "process.env",
    "redacted",
    "replace",
    "sample",
    "secret",
    "somefake",
    "todo",
    "token_here",
    "undefined",
    "xxxx",
    "your",
    "****",
];

/// Printed in documents of their issuers, and valid nowhere.
const DOCUMENTED: [&str; 4] = [
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
];

/// So much of a value tells how random it is.
const SAMPLE: usize = 256;

/// The beginning of a value.
pub(super) fn sample(value: &[u8]) -> &[u8] {
    value.get(..SAMPLE.min(value.len())).unwrap_or_default()
}

/// The first two bytes of the parts of placeholders, hashed into bits: most pairs begin none of them.
static BEGINNINGS: [u64; BEGINNING_WORDS] = beginnings();
const BEGINNING_WORDS: usize = 16;

const fn beginning_bit(first: u8, second: u8) -> (usize, u64) {
    let hash = (first as usize * 61 + second as usize) % (BEGINNING_WORDS * 64);
    (hash / 64, 1 << (hash % 64))
}

#[expect(clippy::indexing_slicing, reason = "it is done when this is compiled")]
const fn beginnings() -> [u64; BEGINNING_WORDS] {
    let mut bits = [0; BEGINNING_WORDS];
    let mut at = 0;
    while at < PLACEHOLDERS.len() {
        if let [first, second, ..] = PLACEHOLDERS[at].as_bytes() {
            let (word, bit) = beginning_bit(*first, *second);
            bits[word] |= bit;
        }
        at += 1;
    }
    bits
}

/// Whether this is written where a secret belongs, or is a document's example.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    steps::count(value.len());
    let may_begin = |pair: &[u8]| {
        let [first, second] = pair else { return false };
        let (word, bit) = beginning_bit(first.to_ascii_lowercase(), second.to_ascii_lowercase());
        BEGINNINGS.get(word).is_some_and(|bits| bits & bit != 0)
    };
    let begins = |rest: &[u8]| {
        steps::count(PLACEHOLDERS.len());
        PLACEHOLDERS
            .iter()
            .any(|word| rest.get(..word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes())))
    };
    let mut pairs = value.windows(2).enumerate().filter(|(_, pair)| may_begin(pair));
    pairs.any(|(at, _)| begins(value.get(at..).unwrap_or_default())) || is_documented(value)
}

/// Whether this is a document's example, or says early that it is one.
pub(super) fn is_documented(value: &[u8]) -> bool {
    let contains = |word: &[u8]| memmem::find(sample(value), word).is_some();
    DOCUMENTED.iter().any(|one| one.as_bytes() == value) || contains(b"EXAMPLE") || contains(b"example")
}

/// The entropy of a value's bytes, in hundredths of a bit for each (Shannon).
pub(super) fn entropy(value: &[u8]) -> u32 {
    steps::count(value.len());
    let mut counts = [0_u16; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let length = value.len() as f32;
    let bits: f32 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f32::from(*count) / length)
        .map(|part| -part * part.log2())
        .sum();
    (bits * 100.0) as u32
}

/// What kinds of characters a value has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds {
    pub(super) digits: usize,
    pub(super) lower: usize,
    pub(super) upper: usize,
    pub(super) marks: usize,
}

impl Kinds {
    pub(super) fn of(value: &[u8]) -> Self {
        value.iter().fold(Self::default(), |mut kinds, byte| {
            let kind = match byte {
                b'0'..=b'9' => &mut kinds.digits,
                b'a'..=b'z' => &mut kinds.lower,
                b'A'..=b'Z' => &mut kinds.upper,
                _ => &mut kinds.marks,
            };
            *kind = kind.saturating_add(1);
            kinds
        })
    }

    pub(super) fn letters(self) -> usize {
        self.lower.saturating_add(self.upper)
    }
}

/// Whether a value is made of words, each with a few digits behind it at most: a name, a path, an expression.
pub(super) fn is_words(value: &[u8]) -> bool {
    value.split(|byte| !byte.is_ascii_alphanumeric()).all(|word| {
        let letters = word.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let digits: Range<usize> = letters..word.len();
        let is_tail = word.get(digits.clone()).unwrap_or_default().iter().all(u8::is_ascii_digit);
        is_tail && (digits.len() <= 2 || letters == 0 && digits.len() <= 4)
    })
}

#[cfg(test)]
mod tests {
    use super::{entropy, is_placeholder, is_words};

    #[test]
    fn chance_is_told_from_words() {
        for text in ["user_password1", "self.token", "a-b-c", "config/keys/main2", "v1.2.2024"] {
            assert!(is_words(text.as_bytes()), "{text}");
        }
        for text in ["hunter2x", "8f3a9c", "a1b2c3"] {
            assert!(!is_words(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn entropy_is_in_hundredths_of_a_bit() {
        assert_eq!(entropy(b"aaaa"), 0);
        assert_eq!(entropy(b"abab"), 100);
        assert_eq!(entropy(b"0123456789abcdef"), 400);
    }

    #[test]
    fn what_documents_write_is_no_secret() {
        for text in ["your-api-key", "AKIAIOSFODNN7EXAMPLE", "CHANGEME", "xxxxxxxx"] {
            assert!(is_placeholder(text.as_bytes()), "{text}");
        }
        assert!(!is_placeholder(b"8f3a9c71d2"));
    }
}
