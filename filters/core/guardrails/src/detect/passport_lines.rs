//! The lines of a passport or visa that machines read (ICAO Doc 9303, parts 4 to 7): two lines of 44 or 36 characters, of which the second
//! one has check digits over the number, the dates and all of it.

use std::ops::Range;

use super::{Detector, Match, Runs, Trigger, before, byte, escape_length};
use weir_config::FindingType;

/// Of passports, and of smaller documents.
const LENGTHS: [usize; 2] = [44, 36];
/// The longest in bytes: two lines, and the end of one.
const LONGEST: usize = 2 * 44 + 4;

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
            if !LENGTHS.contains(&first.len()) {
                return false;
            }
            match line_end(text, end) {
                None => matches!(text.get(end..), Some([b'\r'] | [b'\\'])),
                Some(length) => {
                    let second = end.saturating_add(length);
                    second.saturating_add(run(text, second).len()) == text.len()
                }
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

fn ends_line(text: &[u8], at: usize) -> bool {
    match byte(text, at) {
        None => true,
        Some(b'\\') => escape_length(text, at).is_some(),
        Some(byte) => !byte.is_ascii_alphanumeric(),
    }
}

/// Where the first line begins that goes with a second one.
fn first_line(text: &[u8], second: usize, length: usize) -> Option<usize> {
    let end = [4, 2, 1].into_iter().find_map(|ending| {
        let end = second.checked_sub(ending)?;
        (line_end(text, end) == Some(ending)).then_some(end)
    })?;
    let start = end.checked_sub(length)?;
    let line = run(text, start);
    let is_one = line.len() == length
        && matches!(line.first(), Some(b'P' | b'V' | b'I' | b'A' | b'C'))
        && line.windows(2).any(|pair| pair == b"<<")
        && !before(text, start).is_some_and(is_of_line);
    is_one.then_some(start)
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
