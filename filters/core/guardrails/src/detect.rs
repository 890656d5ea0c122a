//! The detectors: what each looks for, and how it decides.
//!
//! All enabled detectors share one automaton, whose patterns are cheap triggers: a run of digits, an `@`. At each trigger every
//! detector that goes by it looks at the bytes around it and says what is there, so that none hides what another looks for.
//! Between a word and a number many scripts put no space: what is not ASCII is a boundary, unless it is a digit or separator in
//! another form.
//!
//! What a detector finds depends on nothing but the bytes of the match, [`CONTEXT`] bytes before it and what follows up to
//! the first byte that ends it, so that a stream can be decided piece by piece and gives what the whole text gives.

mod credit_card;
mod email;
mod glyph;

use weir_config::FindingType;

/// Bytes before a match that may decide about it.
pub(crate) const CONTEXT: usize = 6;

/// The longest match of any detector in bytes. No detector looks further than this for the end of a match.
pub(crate) const LONGEST_MATCH: usize =
    if email::LONGEST > credit_card::LONGEST { email::LONGEST } else { credit_card::LONGEST };

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

/// By what detectors are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trigger {
    /// At least three digits in a row, of any form.
    Digits,
    /// The sign of an address, of any form.
    At,
}

impl Trigger {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Digits, Self::At];

    /// Its pattern in the shared automaton, which reads bytes. Patterns of two triggers never begin in one place, nor one within
    /// the other: the search goes on behind each.
    pub(crate) fn pattern(self) -> &'static str {
        match self {
            Self::Digits => concat!(
                r"(?:[0-9]|\xEF\xBC[\x90-\x99]|\xD9[\xA0-\xA9]|\xDB[\xB0-\xB9]",
                r"|\xE0[\xA5\xA7\xA9\xAB\xAD\xAF\xB1\xB3\xB5][\xA6-\xAF]|\xE0[\xB9\xBB][\x90-\x99]|\xF0\x9D\x9F[\x8E-\xBF]",
                r"|\\{1,8}u(?:003|[Ff][Ff]1|066|06[Ff])[0-9]){3,}",
            ),
            Self::At => r"@|\xEF\xBC\xA0|\xEF\xB9\xAB|\\{1,8}u0040|%40|&#64;",
        }
    }

    /// Whether this detector goes by it.
    pub(crate) fn calls(self, finding: FindingType) -> bool {
        self == match finding {
            FindingType::CreditCard => Self::Digits,
            FindingType::Email => Self::At,
        }
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
        FindingType::Email => email::matches(text, start, end, each),
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

/// How many digits of any form there are in a text.
pub(crate) fn digits(text: &[u8]) -> usize {
    let (mut at, mut count) = (0_usize, 0_usize);
    while at < text.len() {
        let length = glyph::digit(text, at).map(|(_, length)| length);
        count = count.saturating_add(usize::from(length.is_some()));
        at = at.saturating_add(length.unwrap_or(1));
    }
    count
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
