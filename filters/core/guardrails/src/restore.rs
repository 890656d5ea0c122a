//! What was replaced by a pseudonym on its way to the model, back in the answer.
//!
//! A pseudonym is a type and twelve letters in brackets, `[EMAIL_kfjelbabcdma]`. The letters are a part of the finding's digest, so that
//! the same thing has the same one in all of a conversation, and nobody makes one up for what is not in the request: what a user types
//! is restored only if the request has what it stands for. It is known by its letters, whatever a model makes of the word before them.
//!
//! Within URLs it stays, and within tags that have one: whoever can make a model write the address of a picture would read there what it
//! stands for. What a model splits or spells otherwise stays as well.

use std::collections::BTreeMap;

use weir_exchange::FindingDigest;
use weir_llm::steps;

use crate::json_text::JsonText;

/// Letters of a pseudonym: with four bits each among a million things few are alike by chance.
const LETTERS: usize = 12;
/// The most bytes of a pseudonym in its brackets, with a word of any language.
pub(crate) const LONGEST: usize = 96;
/// The most bytes of what is kept of a request to be restored. What is beyond stays replaced.
const MOST_BYTES: usize = 1024 * 1024;
/// Characters of a text that tell that a URL begins.
const MARKS: [&str; 6] = ["http", "//", "](", "www.", "mailto:", "\\u002f"];
/// As many as the longest of them has.
const LONGEST_MARK: usize = 7;

/// What stands for a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pseudonym([u8; LETTERS]);

impl Pseudonym {
    pub(crate) fn of(digest: &FindingDigest) -> Self {
        let mut letters = [b'a'; LETTERS];
        let halves = digest.bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        letters.iter_mut().zip(halves).for_each(|(letter, half)| *letter = b'a'.saturating_add(half));
        Self(letters)
    }

    /// With the name of what it stands for, itself in brackets.
    pub(crate) fn within(self, placeholder: &str) -> String {
        let letters = self.0.iter().map(|letter| char::from(*letter));
        let open = placeholder.trim_end_matches(']').chars().chain(['_']);
        open.chain(letters).chain([']']).collect()
    }

    /// What stands at the end of a word, behind a stroke.
    fn read(word: &str) -> Option<Self> {
        let (before, letters) = word.split_at_checked(word.len().checked_sub(LETTERS)?)?;
        let letters = <[u8; LETTERS]>::try_from(letters.as_bytes()).ok()?;
        before.ends_with(['_', '-']).then(|| Self(letters.map(|letter| letter.to_ascii_lowercase())))
    }
}

/// What pseudonyms of one request stand for. It goes with the request.
#[derive(Debug, Default)]
pub(crate) struct Originals {
    of: BTreeMap<Pseudonym, String>,
    bytes: usize,
}

impl Originals {
    /// Keeps what one stands for, as it was written first.
    pub(crate) fn add(&mut self, pseudonym: Pseudonym, original: &str) {
        let bytes = self.bytes.saturating_add(original.len());
        if bytes <= MOST_BYTES && !self.of.contains_key(&pseudonym) {
            self.of.insert(pseudonym, original.to_owned());
            self.bytes = bytes;
        }
    }

    /// Whether nothing was replaced.
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// A whole text with them restored.
    pub(crate) fn restored(&self, text: &str) -> String {
        let mut restorer = Restorer::default();
        let mut restored = String::with_capacity(text.len());
        restorer.push(self, text, &mut restored);
        restorer.finish(&mut restored);
        restored
    }
}

/// Restores what is in one text, in pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restorer {
    /// What may be the beginning of a pseudonym.
    held: String,
    url: Url,
    json: JsonText,
}

impl Restorer {
    /// Bytes held back.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Another text begins.
    pub(crate) fn begin_part(&mut self) {
        self.url = Url::default();
        self.json = JsonText::default();
    }

    /// Appends what may pass of a piece.
    pub(crate) fn push(&mut self, originals: &Originals, piece: &str, out: &mut String) {
        steps::count(piece.len());
        // As it was written.
        let mut passed = String::new();
        for character in piece.chars() {
            if !self.held.is_empty() {
                let goes_on = character.is_alphanumeric() || matches!(character, '_' | '-');
                if goes_on && self.held.len() < LONGEST {
                    self.held.push(character);
                    continue;
                }
                let held = std::mem::take(&mut self.held);
                if character == ']' {
                    self.json.pass(&passed);
                    passed.clear();
                    passed.push_str(&held);
                    passed.push(']');
                    let word = held.strip_prefix('[').unwrap_or_default();
                    let original = Pseudonym::read(word).and_then(|pseudonym| originals.of.get(&pseudonym));
                    self.write(original.filter(|_| !self.url.is_within), &passed, out);
                    continue;
                }
                passed.push_str(&held);
                self.url.pass(&held);
                out.push_str(&held);
            }
            if character == '[' {
                self.held.push(character);
                continue;
            }
            passed.push(character);
            self.url.next(character);
            out.push(character);
        }
        self.json.pass(&passed);
    }

    fn write(&mut self, original: Option<&String>, written: &str, out: &mut String) {
        let text = match original {
            Some(original) if self.json.is_in_string() => escaped(original),
            Some(original) => original.clone(),
            None => written.to_owned(),
        };
        self.url.pass(&text);
        out.push_str(&text);
    }

    /// Appends what is held, as if the text ended here.
    pub(crate) fn finish(&mut self, out: &mut String) {
        let held = std::mem::take(&mut self.held);
        self.json.pass(&held);
        self.url.pass(&held);
        out.push_str(&held);
    }
}

/// As it stands within a string of JSON.
fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// Whether a text stands within a URL.
#[derive(Clone, Debug, Default)]
struct Url {
    /// It does.
    is_within: bool,
    /// It stands within a tag: nothing but its end ends a URL there, as browsers read them.
    is_in_tag: bool,
    /// What came last, in small letters.
    last: String,
}

impl Url {
    fn pass(&mut self, text: &str) {
        text.chars().for_each(|character| self.next(character));
    }

    fn next(&mut self, character: char) {
        let ends = character.is_whitespace() || matches!(character, '"' | '\'' | '`' | '<' | '>');
        match character {
            '<' => self.is_in_tag = true,
            '>' => self.is_in_tag = false,
            _ => {}
        }
        if ends {
            self.last.clear();
            self.is_within &= self.is_in_tag;
            return;
        }
        if self.last.chars().count() >= LONGEST_MARK {
            self.last.remove(0);
        }
        self.last.push(character.to_ascii_lowercase());
        // An escape of JSON's.
        let is_mark = |mark: &str| self.last.ends_with(mark) || (mark == "//" && self.last.ends_with("/\\/"));
        self.is_within |= MARKS.into_iter().any(is_mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMAIL: &str = "[EMAIL_abcdefghijkl]";

    fn originals() -> Originals {
        let mut originals = Originals::default();
        originals.add(Pseudonym(*b"abcdefghijkl"), "a@b.io");
        originals.add(Pseudonym(*b"pppppppppppp"), "\"Ann\"\nLee\\");
        originals
    }

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(originals().restored(text), expect, "{text}");
    }

    #[test]
    fn what_stands_for_something_is_restored_wherever_it_stands() {
        check("To [EMAIL_abcdefghijkl], [PERSON_pppppppppppp]!", "To a@b.io, \"Ann\"\nLee\\!");
        check("[EMAIL_abcdefghijkl][EMAIL_abcdefghijkl]", "a@b.ioa@b.io");
        check("[[EMAIL_abcdefghijkl]] [x] [EMAIL_", "[a@b.io] [x] [EMAIL_");
        check("[Correo_ABCDEFGHIJKL] [Электронная-почта_abcdefghijkl]", "a@b.io a@b.io");
    }

    #[test]
    fn what_stands_for_nothing_stays() {
        for text in [
            "[EMAIL_abcdefghijkm]",
            "[EMAIL]",
            "[abcdefghijkl]",
            "[EMAIL_ abcdefghijkl]",
            "[EMAIL_abcdefgh ijkl]",
            "EMAIL_abcdefghijkl",
            "[",
            "[]",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn within_a_url_it_stays() {
        for before in [
            "https://evil.example/?q=",
            "HTTPS:evil.example/",
            "![x](//evil.example/",
            "[x](",
            "www.evil.example/",
            "mailto:",
            "<img src=\"//evil.example/ ",
            "<img src=//evil.example/?q=\"",
            "{\"url\":\"\\/\\/evil.example\\/",
            "![](<https://evil.example/ ",
        ] {
            let text = format!("{before}{EMAIL}");
            check(&text, &text);
        }
        check(&format!("https://x.example {EMAIL}"), "https://x.example a@b.io");
        check(&format!("<b>{EMAIL}</b> <i>x</i> {EMAIL}"), "<b>a@b.io</b> <i>x</i> a@b.io");
        check(&format!("<a href=\"https://x.example\">{EMAIL}</a>"), "<a href=\"https://x.example\">a@b.io</a>");
    }

    #[test]
    fn within_json_it_is_written_as_that() {
        check("{\"name\":\"[PERSON_pppppppppppp]\"}", "{\"name\":\"\\\"Ann\\\"\\nLee\\\\\"}");
        check("[\"[PERSON_pppppppppppp]\", 1]", "[\"\\\"Ann\\\"\\nLee\\\\\", 1]");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut originals = Originals::default();
        let long = "x".repeat(MOST_BYTES / 2);
        for letter in b'a'..b'f' {
            originals.add(Pseudonym([letter; LETTERS]), &long);
        }
        assert_eq!((originals.of.len(), originals.bytes), (2, MOST_BYTES));
    }

    proptest! {
        /// However a text is divided, it is restored as the whole is.
        #[test]
        fn every_division_gives_the_same(
            parts in prop::collection::vec(prop::sample::select(vec![
                EMAIL, "[PERSON_pppppppppppp]", "[", "]", "[EMAIL_", "{\"a\":\"", "\"}", " ", "http", "//", "<", ">", "é", "\\", "x",
            ]), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let text = parts.concat();
            let mut places: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            places.dedup();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| *cut.get(&places)).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let originals = originals();
            let (mut restorer, mut restored) = (Restorer::default(), String::new());
            for pair in cuts.windows(2) {
                restorer.push(&originals, &text[pair[0]..pair[1]], &mut restored);
                prop_assert!(restorer.held() <= LONGEST + 4);
            }
            restorer.finish(&mut restored);
            prop_assert_eq!(restored, originals.restored(&text));
        }
    }
}
