//! Dates of birth: a date in numbers behind words that say so.

use std::ops::Range;

use super::context::{begins_token, ends_token, words_before};
use super::number;
use super::{Detector, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;

const WORDS: [&str; 8] = ["dob", "born", "birth", "birthday", "birthdate", "dateofbirth", "geboren", "bday"];
/// Words of other dates.
const OTHERS: [&str; 9] = ["due", "expires", "expiry", "issued", "paid", "since", "today", "until", "valid"];
/// Words between such a word and the date.
const REACH: usize = 3;
/// `31/12/` in bytes.
const LONGEST_HEAD: usize = 6;

/// Finds dates of birth.
#[derive(Debug)]
pub(super) struct Birth;

impl Detector for Birth {
    fn name(&self) -> &'static str {
        "date_of_birth"
    }

    fn finding(&self) -> FindingType {
        FindingType::DateOfBirth
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    /// The date whose year stands at `year`.
    fn matches(&self, text: &[u8], year: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        if year.len() != 4 || !matches!(text.get(year.start..year.start.saturating_add(2)), Some(b"18" | b"19" | b"20"))
        {
            return;
        }
        let date = first_parts(text, year.start)
            .map(|start| (start, year.end))
            .or_else(|| Some((year.start, last_parts(text, year.end)?)));
        let Some((start, end)) = date else { return };
        let is = |word: &[u8], known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        let says = words_before(text, start)
            .take(REACH)
            .find(|word| WORDS.iter().chain(&OTHERS).any(|known| is(word, known)))
            .is_some_and(|word| WORDS.iter().any(|known| is(word, known)));
        if says && begins_token(text, start) && ends_token(text, end) {
            each(self.found(start, end, 90));
        }
    }

    fn waits_like(&self) -> &'static str {
        "number"
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        number::undecided(text, from)
    }
}

/// Where the date begins of which day and month stand before the year.
fn first_parts(text: &[u8], year: usize) -> Option<usize> {
    let separator = before(text, year).filter(|byte| is_separator(*byte))?;
    let earliest = year.saturating_sub(LONGEST_HEAD);
    let head = text.get(earliest..year)?;
    let start =
        year.saturating_sub(head.iter().rev().take_while(|byte| byte.is_ascii_digit() || **byte == separator).count());
    let head = text.get(start..year.saturating_sub(1))?;
    let at = head.iter().position(|byte| *byte == separator)?;
    is_day_and_month(head.get(..at)?, head.get(at.saturating_add(1)..)?).then_some(start)
}

/// Where the date ends of which month and day stand behind the year.
fn last_parts(text: &[u8], year_end: usize) -> Option<usize> {
    let separator = byte(text, year_end).filter(|byte| is_separator(*byte))?;
    let rest = text.get(year_end.saturating_add(1)..)?;
    let rest = rest.get(..LONGEST_HEAD.min(rest.len()))?;
    let first = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let second = rest.get(first.saturating_add(1)..)?;
    let length = second.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let fits = rest.get(first) == Some(&separator) && is_day_and_month(rest.get(..first)?, second.get(..length)?);
    fits.then(|| year_end.saturating_add(2).saturating_add(first).saturating_add(length))
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'-' | b'.')
}

/// Either may come first.
fn is_day_and_month(one: &[u8], other: &[u8]) -> bool {
    let value = |part: &[u8]| match *part {
        [digit @ b'0'..=b'9'] => Some(digit.wrapping_sub(b'0')),
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(tens.wrapping_sub(b'0').wrapping_mul(10).wrapping_add(ones.wrapping_sub(b'0')))
        }
        _ => None,
    };
    let (Some(one), Some(other)) = (value(one), value(other)) else { return false };
    let is = |month: u8, day: u8| (1..=12).contains(&month) && (1..=31).contains(&day);
    is(one, other) || is(other, one)
}
