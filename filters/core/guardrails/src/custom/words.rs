//! Lists of words, of tens of thousands: sorted, and searched by bisection from each place where a word may begin.
//!
//! There is no automaton to build: a list is ready as soon as it is sorted, which it is when it comes, and takes little more memory than
//! its words. Three bytes tell of nearly every place in a text that nothing begins there.

use weir_llm::steps;

use super::Look;
use crate::view::{Form, View};

/// The longest run of blanks that counts as one.
const MOST_BLANKS: usize = 4;
/// The bits of the table of beginnings.
const BEGINNINGS: usize = 1 << 16;

/// What words of a list stand between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Boundary {
    /// Anything: parts of words are found.
    None,
    /// No letters and digits.
    Word,
    /// Nothing that goes on with the name of a host; before it may stand a subdomain.
    Host,
}

/// A list, ready to search.
#[derive(Debug)]
pub(super) struct Words {
    /// All words one behind the other, in their order.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
    /// A bit for each hash of three bytes with which a word begins.
    beginnings: Vec<u64>,
    /// The longest word in bytes of a text.
    longest: usize,
    boundary: Boundary,
    ignores_case: bool,
}

impl Words {
    /// Of the words as they were written.
    pub(super) fn new(entries: &[String], boundary: Boundary, ignores_case: bool) -> Self {
        let mut words: Vec<_> = entries.iter().map(|entry| written(entry, ignores_case)).collect();
        words.retain(|word| !word.is_empty());
        words.sort_unstable();
        words.dedup();
        let mut list = Self {
            bytes: Vec::with_capacity(words.iter().map(Vec::len).sum()),
            ends: Vec::with_capacity(words.len()),
            beginnings: vec![0; BEGINNINGS / 64],
            longest: 0,
            boundary,
            ignores_case,
        };
        for word in &words {
            list.bytes.extend_from_slice(word);
            list.ends.push(u32::try_from(list.bytes.len()).unwrap_or(u32::MAX));
            let blanks = word.iter().filter(|byte| **byte == b' ').count();
            list.longest = list.longest.max(word.len().saturating_add(blanks.saturating_mul(MOST_BLANKS)));
            list.note_beginning(word);
        }
        list
    }

    fn note_beginning(&mut self, word: &[u8]) {
        let every = || 0..=u8::MAX;
        match *word {
            [first, second, third, ..] => self.set(first, second, third),
            [first, second] => every().for_each(|third| self.set(first, second, third)),
            [first] => {
                // As many as there are places in the table.
                every().for_each(|second| every().for_each(|third| self.set(first, second, third)));
            }
            [] => {}
        }
    }

    fn set(&mut self, first: u8, second: u8, third: u8) {
        let place = hash(first, second, third);
        if let Some(bits) = self.beginnings.get_mut(place / 64) {
            *bits |= 1 << (place % 64);
        }
    }

    /// How a text has to be read for this list.
    pub(super) fn form(&self) -> Form {
        if self.ignores_case { Form::Folded } else { Form::Plain }
    }

    /// The most bytes that decide about a word, with what follows it.
    pub(super) fn longest(&self) -> usize {
        self.longest.saturating_add(MOST_BLANKS)
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        let beginnings = self.beginnings.len().saturating_mul(size_of::<u64>());
        let ends = self.ends.len().saturating_mul(size_of::<u32>());
        self.bytes.len().saturating_add(ends).saturating_add(beginnings)
    }

    fn folded(&self, byte: u8) -> u8 {
        match byte {
            b'\t' | b'\n' | b'\r' => b' ',
            byte if self.ignores_case => byte.to_ascii_lowercase(),
            byte => byte,
        }
    }

    /// Whether a word may begin at `at`, by what is quickly seen.
    fn may_begin(&self, text: &[u8], at: usize) -> bool {
        let Some([first, second, third]) = text.get(at..at.saturating_add(3)) else { return at < text.len() };
        // A run of blanks counts as one, so that what follows it stands elsewhere.
        if second.is_ascii_whitespace() {
            return true;
        }
        let place = hash(self.folded(*first), self.folded(*second), self.folded(*third));
        self.beginnings.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1)
    }

    /// What begins at `at`: the longest word of the list.
    pub(super) fn look(&self, text: &[u8], at: usize) -> Look {
        if !self.may_begin(text, at) || !self.begins(text, at) {
            return Look::Nothing;
        }
        let (mut low, mut high) = (0_usize, self.ends.len());
        let (mut end, mut depth) = (at, 0_usize);
        let mut found = Look::Nothing;
        loop {
            // The shortest stands first.
            if self.word(low).is_some_and(|word| word.len() == depth) && depth > 0 {
                match self.ends_at(text, end) {
                    Some(true) => found = Look::Match(end),
                    Some(false) => {}
                    None => return Look::Undecided(Some(end)),
                }
                low = low.saturating_add(1);
            }
            if low >= high {
                return found;
            }
            let Some(byte) = text.get(end) else { return Look::Undecided(found.end()) };
            steps::count(1);
            let byte = self.folded(*byte);
            end = end.saturating_add(1);
            if byte == b' ' {
                let blanks = text.get(end..).unwrap_or_default().iter().take(MOST_BLANKS.saturating_sub(1));
                end = end.saturating_add(blanks.take_while(|byte| byte.is_ascii_whitespace()).count());
            }
            let next = |index: usize| self.word(index).and_then(|word| word.get(depth)).copied();
            let first = bisect(low, high, |index| next(index).is_none_or(|it| it < byte));
            high = bisect(first, high, |index| next(index).is_none_or(|it| it <= byte));
            low = first;
            depth = depth.saturating_add(1);
            if low >= high {
                return found;
            }
        }
    }

    fn word(&self, index: usize) -> Option<&[u8]> {
        let end = usize::try_from(*self.ends.get(index)?).ok()?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.bytes.get(usize::try_from(start).ok()?..end)
    }

    fn begins(&self, text: &[u8], at: usize) -> bool {
        match self.boundary {
            Boundary::None => text.get(at).is_some_and(|byte| byte & 0b1100_0000 != 0b1000_0000),
            Boundary::Word => !is_within_word(character_before(text, at)),
            Boundary::Host => !at.checked_sub(1).and_then(|before| text.get(before)).copied().is_some_and(is_of_host),
        }
    }

    /// Whether a word may end at `end`; `None`: what follows decides.
    fn ends_at(&self, text: &[u8], end: usize) -> Option<bool> {
        let rest = text.get(end..).unwrap_or_default();
        match (self.boundary, rest) {
            (Boundary::None, _) => Some(true),
            (_, []) => None,
            (Boundary::Word, rest) => Some(!is_within_word(first_character(rest))),
            (Boundary::Host, [b'.']) => None,
            (Boundary::Host, [b'.', byte, ..]) => Some(!byte.is_ascii_alphanumeric()),
            (Boundary::Host, [byte, ..]) => Some(!is_of_host(*byte)),
        }
    }
}

/// A word of a list as it is compared: read as texts are, with one space for each run of blanks.
fn written(entry: &str, ignores_case: bool) -> Vec<u8> {
    let form = if ignores_case { Form::Folded } else { Form::Plain };
    let view = View::of(entry.trim().as_bytes(), 0, form);
    let mut word = Vec::with_capacity(view.bytes().len());
    for byte in view.bytes() {
        match byte {
            byte if byte.is_ascii_whitespace() => {
                if word.last() != Some(&b' ') {
                    word.push(b' ');
                }
            }
            byte if ignores_case => word.push(byte.to_ascii_lowercase()),
            byte => word.push(*byte),
        }
    }
    word
}

fn hash(first: u8, second: u8, third: u8) -> usize {
    let bytes = u32::from(first) << 16 | u32::from(second) << 8 | u32::from(third);
    (bytes.wrapping_mul(0x9e37_79b1) >> 16) as usize % BEGINNINGS
}

/// The first index from `low` on for which this does not hold.
fn bisect(low: usize, high: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (low, high);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    low
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// Whether a character beside a word makes it part of a longer one. Scripts that put no spaces between words have none that do.
fn is_within_word(character: Option<char>) -> bool {
    character.is_some_and(|character| {
        let is_unspaced = matches!(
            u32::from(character),
            0xe00..=0xeff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0xd7ff | 0xf900..=0xfaff | 0x20000..
        );
        character == '_' || (character.is_alphanumeric() && !is_unspaced)
    })
}

fn character_before(text: &[u8], at: usize) -> Option<char> {
    match *text.get(at.checked_sub(1)?)? {
        byte if byte.is_ascii() => Some(char::from(byte)),
        _ => {
            let from = crate::detect::character_start(text, at.saturating_sub(1));
            first_character(text.get(from..at)?)
        }
    }
}

fn first_character(text: &[u8]) -> Option<char> {
    let most = text.get(..4).unwrap_or(text);
    most.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str], boundary: Boundary, ignores_case: bool) -> Words {
        Words::new(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>(), boundary, ignores_case)
    }

    #[track_caller]
    fn check(words: &Words, text: &str, expect: &[&str]) {
        let text = format!("{text} .");
        let view = View::of(text.as_bytes(), 0, words.form());
        let found: Vec<_> = (0..view.bytes().len())
            .filter_map(|at| match words.look(view.bytes(), at) {
                Look::Match(end) => Some(String::from_utf8(view.bytes()[at..end].to_vec()).unwrap()),
                Look::Nothing | Look::Undecided(_) => None,
            })
            .collect();
        assert_eq!(found, expect, "in {text:?}");
    }

    #[test]
    fn the_longest_word_of_a_list_is_found_between_boundaries() {
        let words = list(&["Acme", "acme corp", "X", "Änne"], Boundary::Word, true);
        check(&words, "ACME, Acme  Corp. and acme\ncorp", &["ACME", "Acme  Corp", "acme\ncorp"]);
        check(&words, "Acmeist, _acme, acme2, x-ray", &["x"]);
        check(&words, "änne ÄNNE АСМЕ", &["änne", "äNNE", "acme"]);
        check(&list(&["Acme"], Boundary::Word, false), "ACME Acme", &["Acme"]);
        check(&list(&["cat", "競合"], Boundary::None, true), "concatenate 競合他社", &["cat", "競合"]);
        check(&list(&["競合"], Boundary::Word, true), "当社の競合他社", &["競合"]);
        let hosts = list(&["evil.example"], Boundary::Host, true);
        check(&hosts, "https://a.evil.example/x, evil.example. evil.example:80", &["evil.example"; 3]);
        check(&hosts, "evil.example.org not-evil.example evil.example-x", &[]);
    }

    #[test]
    fn what_follows_decides_about_what_is_at_the_end() {
        let words = list(&["acme", "acme corp"], Boundary::Word, true);
        for (text, expect) in [
            ("acm", Look::Undecided(None)),
            ("acme", Look::Undecided(Some(4))),
            ("acme c", Look::Undecided(Some(4))),
            ("acme x", Look::Match(4)),
            ("acmex", Look::Nothing),
            ("b", Look::Nothing),
        ] {
            assert_eq!(words.look(text.as_bytes(), 0), expect, "{text}");
        }
    }
}
