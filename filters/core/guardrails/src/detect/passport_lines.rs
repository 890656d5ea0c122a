//! The lines of a passport, a visa or a card that machines read (ICAO Doc 9303, parts 4 to 7): two lines of 44 or 36 characters, of which
//! the second one has check digits over the number, the dates and all of it; or three of 30, of which the second one begins with the dates
//! and ends with a check digit over both.

use std::ops::Range;

use super::{Detector, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;

/// Of passports, and of smaller documents.
const LENGTHS: [usize; 2] = [44, 36];
/// Of a card, with three lines.
const CARD: usize = 30;
/// The longest in bytes: three lines, and the ends of two.
const LONGEST: usize = 3 * CARD + 8;

/// Finds the lines of passports.
#[derive(Debug)]
pub(super) struct PassportLines;

impl Detector for PassportLines {
    fn name(&self) -> &'static str {
        "passport_lines"
    }

    fn finding(&self) -> FindingType {
        FindingType::Passport
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    /// The lines in whose second one these are the first three digits in a row.
    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let mut start = place.start;
        let mut row = 0_usize;
        while place.start.saturating_sub(start) < 44 && before(text, start).is_some_and(is_of_line) {
            row = if before(text, start).is_some_and(|byte| byte.is_ascii_digit()) { row.saturating_add(1) } else { 0 };
            // Those were a trigger of their own.
            if row >= 3 {
                return;
            }
            start = start.saturating_sub(1);
        }
        // The end of a line that is escaped begins with no such character, and ends with a small letter.
        let line = run(text, start);
        if line.len() == CARD {
            if let Some(first) = line_before(text, start, CARD).filter(|first| is_of_card(run(text, *first), line)) {
                each(self.found(first, last_line(text, start.saturating_add(CARD)), 99));
            }
            return;
        }
        if !LENGTHS.contains(&line.len()) || !ends_line(text, start.saturating_add(line.len())) || !is_second(line) {
            return;
        }
        each(self.found(first_line(text, start, line.len()).unwrap_or(start), start.saturating_add(line.len()), 99));
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(LONGEST).max(from);
        let begins = |at: &usize| {
            if !byte(text, *at).is_some_and(is_of_line) || before(text, *at).is_some_and(is_of_line) {
                return false;
            }
            let first = run(text, *at);
            let end = at.saturating_add(first.len());
            if end == text.len() {
                return first.len() <= 44;
            }
            match first.len() {
                CARD => next_is_open(text, end, CARD, |end| next_is_open(text, end, CARD, |_| false)),
                length if LENGTHS.contains(&length) => next_is_open(text, end, length, |_| false),
                _ => false,
            }
        };
        (earliest..text.len()).find(begins).unwrap_or(text.len())
    }
}

fn is_of_line(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<'
}

/// What may be a line that begins at `start`, and one character more at most.
fn run(text: &[u8], start: usize) -> &[u8] {
    let rest = text.get(start..).unwrap_or_default();
    rest.get(..rest.iter().take(45).take_while(|byte| is_of_line(**byte)).count()).unwrap_or_default()
}

/// The length of the end of a line, as it is or escaped.
fn line_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at..)? {
        [b'\r', b'\n', ..] => Some(2),
        [b'\n', ..] => Some(1),
        [b'\\', b'r', b'\\', b'n', ..] => Some(4),
        [b'\\', b'n', ..] => Some(2),
        _ => None,
    }
}

/// Whether the line behind one that ends at `end` may not be there yet, or not all of it, or what `then` says of what stands behind it.
fn next_is_open(text: &[u8], end: usize, length: usize, then: impl Fn(usize) -> bool) -> bool {
    let Some(ending) = line_end(text, end) else { return is_part_of_line_end(text.get(end..).unwrap_or_default()) };
    let start = end.saturating_add(ending);
    let line = run(text, start);
    let end = start.saturating_add(line.len());
    if end == text.len() { line.len() <= length } else { line.len() == length && then(end) }
}

/// Whether all of a text may be the beginning of the end of a line.
fn is_part_of_line_end(rest: &[u8]) -> bool {
    rest.is_empty()
        || [b"\r\n".as_slice(), br"\r\n", br"\n"]
            .iter()
            .any(|ending| rest.len() < ending.len() && ending.starts_with(rest))
}

fn ends_line(text: &[u8], at: usize) -> bool {
    match byte(text, at) {
        None => true,
        Some(byte) => !byte.is_ascii_alphanumeric(),
    }
}

/// Where the line of this length begins that stands before the one at `second`.
fn line_before(text: &[u8], second: usize, length: usize) -> Option<usize> {
    let end = [4, 2, 1].into_iter().find_map(|ending| {
        let end = second.checked_sub(ending)?;
        (line_end(text, end) == Some(ending)).then_some(end)
    })?;
    let start = end.checked_sub(length)?;
    (run(text, start).len() == length && !before(text, start).is_some_and(is_of_line)).then_some(start)
}

/// Where the first line begins that goes with a second one.
fn first_line(text: &[u8], second: usize, length: usize) -> Option<usize> {
    line_before(text, second, length).filter(|start| {
        let line = run(text, *start);
        matches!(line.first(), Some(b'P' | b'V' | b'I' | b'A' | b'C')) && line.windows(2).any(|pair| pair == b"<<")
    })
}

/// Where the line with the holder's name ends that follows one which ends at `end`; without it, `end`.
fn last_line(text: &[u8], end: usize) -> usize {
    let after = || {
        let start = end.saturating_add(line_end(text, end)?);
        let line = run(text, start);
        let last = start.saturating_add(line.len());
        let is_name = line.len() == CARD && line.iter().all(|byte| !byte.is_ascii_digit());
        (is_name && ends_line(text, last)).then_some(last)
    };
    after().unwrap_or(end)
}

/// Whether two lines are the first ones of a card (Doc 9303-5, 4.2): all check digits are right.
fn is_of_card(first: &[u8], second: &[u8]) -> bool {
    let of = |line: &[u8], range: Range<usize>| line.get(range).unwrap_or_default().to_vec();
    let fits = |field: &[u8], line: &[u8], place: usize| line.get(place) == Some(&check_digit(field));
    let is_date = |field: Vec<u8>| field.iter().all(|byte| byte.is_ascii_digit() || *byte == b'<');
    let composite = [of(first, 5..30), of(second, 0..7), of(second, 8..15), of(second, 18..29)].concat();
    // A number that is too long goes on where others have a filler.
    (first.get(14) == Some(&b'<') || fits(&of(first, 5..14), first, 14))
        && matches!(first.first(), Some(b'I' | b'A' | b'C'))
        && is_date(of(second, 0..6))
        && fits(&of(second, 0..6), second, 6)
        && is_date(of(second, 8..14))
        && fits(&of(second, 8..14), second, 14)
        && fits(&composite, second, 29)
}

/// Whether all check digits of a second line are right.
fn is_second(line: &[u8]) -> bool {
    let field = |range: Range<usize>| line.get(range).unwrap_or_default();
    let fits = |range: Range<usize>| {
        let digit = line.get(range.end).copied();
        digit.is_some_and(|digit| digit == check_digit(field(range)))
    };
    let is_date = |range: Range<usize>| field(range).iter().all(|byte| byte.is_ascii_digit() || *byte == b'<');
    // A visa has no check digit over all, and its holder's state may have used the rest of the line.
    fits(0..9)
        && is_date(13..19)
        && fits(13..19)
        && is_date(21..27)
        && fits(21..27)
        && field(10..13).iter().all(|it| !it.is_ascii_digit())
}

/// With the weights 7, 3, 1 (Doc 9303-3, 4.9).
fn check_digit(field: &[u8]) -> u8 {
    let sum = field.iter().zip([7_u32, 3, 1].into_iter().cycle()).fold(0_u32, |sum, (byte, weight)| {
        let value = match byte {
            b'0'..=b'9' => u32::from(byte.wrapping_sub(b'0')),
            b'A'..=b'Z' => u32::from(byte.wrapping_sub(b'A')).saturating_add(10),
            _ => 0,
        };
        sum.saturating_add(value.saturating_mul(weight))
    });
    b'0'.saturating_add((sum % 10) as u8)
}
