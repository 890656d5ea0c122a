//! Whether a value looks like chance: neither words nor a placeholder.

use std::ops::Range;

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

/// Whether this is written where a secret belongs, or is a document's example.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let contains = |word: &&str| value.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()));
    PLACEHOLDERS.iter().any(contains) || is_documented(value)
}

/// Whether this is a document's example, or says that it is one.
pub(super) fn is_documented(value: &[u8]) -> bool {
    let contains = |word: &str| value.windows(word.len()).any(|window| window == word.as_bytes());
    DOCUMENTED.iter().any(|one| one.as_bytes() == value) || contains("EXAMPLE") || contains("example")
}

/// The entropy of a value's bytes, in hundredths of a bit for each (Shannon).
pub(super) fn entropy(value: &[u8]) -> u32 {
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
