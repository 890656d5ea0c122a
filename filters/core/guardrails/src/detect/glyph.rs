//! Digits and separators as people and programs write them: in other scripts, full width, and as JSON escapes.
//!
//! Text within text has its escapes escaped again: any number of backslashes up to [`MOST_BACKSLASHES`] counts as one.

/// JSON within JSON within JSON within JSON.
pub(super) const MOST_BACKSLASHES: usize = 8;

/// An escape `\u0034` with all its backslashes, in bytes.
pub(super) const LONGEST_ESCAPE: usize = MOST_BACKSLASHES + 5;

/// The value of the digit that begins at `at`, and its bytes.
pub(super) fn digit(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let bytes = text.get(at..)?;
    match *bytes.first()? {
        byte @ b'0'..=b'9' => Some((byte.wrapping_sub(b'0'), 1)),
        b'\\' => escaped(bytes).and_then(|(code, length)| Some((digit_of_code(code)?, length))),
        0x80.. => {
            let (character, length) = character(bytes)?;
            Some((digit_of_code(u32::from(character))?, length))
        }
        _ => None,
    }
}

/// Whether a digit ends before `at`. An escape counts by its last backslash.
pub(super) fn digit_ends(text: &[u8], at: usize) -> bool {
    let ends = |length: usize| {
        at.checked_sub(length).is_some_and(|start| digit(text, start).is_some_and(|(_, actual)| actual == length))
    };
    match at.checked_sub(1).and_then(|last| text.get(last)) {
        Some(b'0'..=b'9') => !super::ends_escape(text, at) || ends(6),
        Some(0x80..) => [2, 3, 4].into_iter().any(ends),
        _ => false,
    }
}

/// What may stand between two groups of digits: its bytes, and whether it is what people put there, rather than what may as well
/// part two numbers.
pub(super) fn separator(text: &[u8], at: usize) -> Option<(usize, bool)> {
    let (mut length, mut units, mut marks, mut is_usual) = (0_usize, 0_u32, 0_u32, true);
    while let Some(unit) = Unit::at(text, at.saturating_add(length)) {
        marks = marks.saturating_add(u32::from(!unit.is_blank));
        units = units.saturating_add(1);
        if units > 3 || marks > 1 {
            return None;
        }
        length = length.saturating_add(unit.length);
        is_usual &= unit.is_usual;
    }
    (units > 0).then_some((length, is_usual && units == 1))
}

/// Whether all of this may be the beginning of a separator and of what follows it: what comes decides.
pub(super) fn may_go_on(rest: &[u8]) -> bool {
    let (mut at, mut units) = (0_usize, 0_u32);
    while let Some(unit) = Unit::at(rest, at).filter(|_| units < 3) {
        at = at.saturating_add(unit.length);
        units = units.saturating_add(1);
    }
    let rest = rest.get(at..).unwrap_or_default();
    rest.is_empty() || may_be_escape(rest)
}

/// Whether all of this may be the beginning of an escape.
pub(super) fn may_be_escape(rest: &[u8]) -> bool {
    let backslashes = rest.iter().take(MOST_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
    let behind = rest.get(backslashes..).unwrap_or_default();
    backslashes > 0
        && match behind.split_first() {
            None => true,
            Some((b'u', digits)) => digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit),
            Some(_) => false,
        }
}

struct Unit {
    length: usize,
    is_blank: bool,
    is_usual: bool,
}

impl Unit {
    fn at(text: &[u8], at: usize) -> Option<Self> {
        let bytes = text.get(at..)?;
        let (code, length) = match *bytes.first()? {
            byte @ (b' ' | b'-' | b'.' | b'/' | b'+' | 0x09..=0x0d) => (u32::from(byte), 1),
            b'\\' => escaped(bytes)?,
            0x80.. => character(bytes).map(|(character, length)| (u32::from(character), length))?,
            _ => return None,
        };
        let (is_blank, is_usual) = match code {
            // Spaces of every width, breaking or not, and what has no width at all.
            0x20 | 0xa0 | 0x1680 | 0x180e | 0x2000..=0x200f | 0x202f | 0x205f..=0x2064 | 0x3000 | 0xfe0f | 0xfeff => {
                (true, true)
            }
            // Hyphens and dashes.
            0x2d | 0xad | 0x2010..=0x2015 | 0x2043 | 0x2212 | 0xfe58 | 0xfe63 | 0xff0d => (false, true),
            0x09..=0x0d | 0x2028 | 0x2029 => (true, false),
            // In a form of the web it is a space.
            0x2b => (true, false),
            0x2e | 0x2f | 0xb7 | 0x2022 | 0xff0e | 0xff0f => (false, false),
            _ => return None,
        };
        Some(Self { length, is_blank, is_usual })
    }
}

/// What an escape stands for, and its bytes.
fn escaped(bytes: &[u8]) -> Option<(u32, usize)> {
    let backslashes = bytes.iter().take(MOST_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
    let (first, rest) = bytes.get(backslashes..)?.split_first()?;
    let short = |code| Some((code, backslashes.saturating_add(1)));
    match first {
        b'n' => short(0x0a),
        b'r' => short(0x0d),
        b't' => short(0x09),
        b'/' => short(0x2f),
        b'u' => {
            let digits = rest.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            Some((code, backslashes.saturating_add(5)))
        }
        _ => None,
    }
}

fn character(bytes: &[u8]) -> Option<(char, usize)> {
    let most = bytes.get(..4).unwrap_or(bytes);
    // A piece may end within the next character, not within this one.
    let known = match std::str::from_utf8(most) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(most.get(..error.valid_up_to())?).ok()?,
    };
    known.chars().next().map(|character| (character, character.len_utf8()))
}

/// Decimal digits of the scripts that people write numbers in, by the code of their nought.
pub(crate) fn digit_of_code(code: u32) -> Option<u8> {
    const NOUGHTS: [u32; 15] =
        [0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0xff10];
    // Five styles of mathematical digits stand one behind the other.
    if (0x1d7ce..=0x1d7ff).contains(&code) {
        return u8::try_from(code.wrapping_sub(0x1d7ce) % 10).ok();
    }
    let value = NOUGHTS.into_iter().find_map(|nought| code.checked_sub(nought).filter(|value| *value < 10))?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::{digit, digit_ends, separator};

    #[test]
    fn digits_of_every_form_are_read() {
        for (text, value) in
            [("7", 7), ("７", 7), ("٧", 7), ("۷", 7), ("७", 7), ("๗", 7), ("𝟕", 7), (r"\u0037", 7), (r"\\\\uFF17", 7)]
        {
            assert_eq!(digit(text.as_bytes(), 0), Some((value, text.len())), "{text}");
            let behind = format!("x{text}");
            assert!(digit_ends(behind.as_bytes(), behind.len()), "{text}");
        }
        for text in ["a", "", r"\u0041", r"\u003", r"\n", "ä", "七"] {
            assert_eq!(digit(text.as_bytes(), 0), None, "{text}");
            assert!(!digit_ends(text.as_bytes(), text.len()) || text == r"\u003", "{text}");
        }
    }

    #[test]
    fn separators_are_read_with_all_that_belongs_to_them() {
        for (text, expect) in [
            (" 1", Some((1, true))),
            ("\u{a0}1", Some((2, true))),
            ("–1", Some((3, true))),
            (r"\u00a01", Some((6, true))),
            ("  1", Some((2, false))),
            (" - 1", Some((3, false))),
            ("\r\n1", Some((2, false))),
            (".1", Some((1, false))),
            (r"\\n1", Some((3, false))),
            ("--1", None),
            ("    1", None),
            ("1", None),
            ("", None),
        ] {
            assert_eq!(separator(text.as_bytes(), 0), expect, "{text:?}");
        }
    }
}
