//! The detectors: what each looks for, and how it decides.
//!
//! All enabled detectors share one automaton, whose patterns are cheap triggers; at each trigger the detector's own code
//! looks at the bytes around it and says what is there. A detector reads ASCII only: other bytes are boundaries, since many
//! scripts put no space between a word and a number.
//!
//! What a detector finds depends on nothing but the bytes of the match, [`CONTEXT`] bytes before it and what follows up to
//! the first byte that ends it, so that a stream can be decided piece by piece and gives what the whole text gives.

mod credit_card;
mod email;

use weir_config::FindingType;

/// Bytes before a match that may decide about it.
pub(crate) const CONTEXT: usize = 6;

/// The longest match of any detector in bytes. No detector looks further than this for the end of a match.
pub(crate) const LONGEST_MATCH: usize = email::LONGEST;

/// What looking at one place of a text gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing begins here, whatever follows.
    Nothing,
    /// A match that ends here, whatever follows.
    Match(usize),
    /// What follows decides.
    Undecided,
}

/// One place where a detector found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Match {
    /// First byte.
    pub(crate) start: usize,
    /// Behind the last byte.
    pub(crate) end: usize,
    /// What it is.
    pub(crate) finding: FindingType,
}

/// The pattern by which the shared automaton calls a detector. Patterns must not overlap: the search goes on behind each.
pub(crate) fn trigger(finding: FindingType) -> &'static str {
    match finding {
        FindingType::CreditCard => credit_card::TRIGGER,
        FindingType::Email => email::TRIGGER,
    }
}

/// The detector's name.
pub(crate) fn detector(finding: FindingType) -> &'static str {
    match finding {
        FindingType::CreditCard => "credit_card",
        FindingType::Email => "email",
    }
}

/// How sure a match of this detector is, from 0 to 1.
pub(crate) fn score(finding: FindingType) -> f32 {
    match finding {
        // One number in ten has a valid check digit by chance.
        FindingType::CreditCard => 0.95,
        FindingType::Email => 0.99,
    }
}

/// What stands in the place of a match that is redacted.
pub(crate) fn placeholder(finding: FindingType) -> &'static str {
    match finding {
        FindingType::CreditCard => "[CREDIT_CARD]",
        FindingType::Email => "[EMAIL]",
    }
}

/// Calls `each` with every match at a trigger that was found at `start..end`.
pub(crate) fn matches(finding: FindingType, text: &[u8], start: usize, end: usize, each: &mut dyn FnMut(Match)) {
    match finding {
        FindingType::CreditCard => credit_card::matches(text, start, end, each),
        FindingType::Email => email::matches(text, start, each),
    }
}

/// The first byte, at or after `from`, of what could still become a match or a longer one when text is added; the text's
/// length if there is none. Everything that begins before it is decided.
pub(crate) fn undecided(finding: FindingType, text: &[u8], from: usize) -> usize {
    match finding {
        FindingType::CreditCard => credit_card::undecided(text, from),
        FindingType::Email => email::undecided(text, from),
    }
}

fn byte(text: &[u8], at: usize) -> Option<u8> {
    text.get(at).copied()
}

/// The byte before `at`.
fn before(text: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).and_then(|index| byte(text, index))
}

/// Whether an escape such as `\n` or `\u003c` ends before `at`: text inside text, for example the arguments of a tool call,
/// has its line breaks and brackets written so, and what follows them begins a new word.
fn ends_escape(text: &[u8], at: usize) -> bool {
    [2, 6]
        .into_iter()
        .any(|length| at.checked_sub(length).is_some_and(|start| escape_length(text, start) == Some(length)))
}

/// How long the escape that begins at `start` is (RFC 8259 section 7); `None` if none does, or one for a single character of
/// punctuation.
fn escape_length(text: &[u8], start: usize) -> Option<usize> {
    match text.get(start..)? {
        [b'\\', b'n' | b'r' | b't' | b'b' | b'f', ..] => Some(2),
        [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => Some(6),
        _ => None,
    }
}
