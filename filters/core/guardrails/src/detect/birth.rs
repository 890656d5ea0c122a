//! Dates of birth: a date behind words that say so, in numbers or with the month's name.

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
/// In English, and in German where it is another word.
const MONTHS: [&str; 30] = [
    "january",
    "jan",
    "januar",
    "february",
    "feb",
    "februar",
    "march",
    "mar",
    "april",
    "apr",
    "may",
    "mai",
    "june",
    "jun",
    "juni",
    "july",
    "jul",
    "juli",
    "august",
    "aug",
    "september",
    "sep",
    "sept",
    "october",
    "oct",
    "oktober",
    "november",
    "december",
    "dec",
    "dezember",
];
/// `31st of September, ` in bytes, and more.
const LONGEST_WORDS: usize = 24;
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
            .or_else(|| Some((year.start, last_parts(text, year.end)?)))
            .or_else(|| Some((day_and_month(text, year.start)?, year.end)));
        let Some((start, end)) = date else { return };
        if is_of_birth(text, start) && begins_token(text, start) && ends_token(text, end) {
            each(self.found(start, end, 90));
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(LONGEST_WORDS + 4).max(from);
        let begins = |at: &usize| {
            byte(text, *at).is_some_and(|byte| byte.is_ascii_alphanumeric())
                && begins_token(text, *at)
                && may_become_date(text.get(*at..).unwrap_or_default())
                && is_of_birth(text, *at)
        };
        let of_words = (earliest..text.len()).find(begins).unwrap_or(text.len());
        number::undecided(text, from).min(of_words)
    }
}

/// Whether the words before a date say that it is one of birth.
fn is_of_birth(text: &[u8], start: usize) -> bool {
    let is = |word: &[u8], known: &str| word.eq_ignore_ascii_case(known.as_bytes());
    words_before(text, start)
        .take(REACH)
        .find(|word| WORDS.iter().chain(&OTHERS).any(|known| is(word, known)))
        .is_some_and(|word| WORDS.iter().any(|known| is(word, known)))
}

/// Where the date begins of which day and month stand before the year, the month by its name: `12th of March `, `March 12, `.
fn day_and_month(text: &[u8], year: usize) -> Option<usize> {
    let earliest = year.saturating_sub(LONGEST_WORDS);
    let head = text.get(earliest..year)?;
    let is_part = |byte: u8| byte.is_ascii_alphanumeric();
    let mut end = head.len();
    let (mut month, mut day) = (false, false);
    while !(month && day) {
        // One mark and one blank at most.
        let gap = head.get(..end)?.iter().rev().take_while(|byte| !is_part(**byte)).count();
        let between = head.get(end.saturating_sub(gap)..end)?;
        if !matches!(between, b" " | b", " | b"," | b"-" | b"/" | b". " | b".") {
            return None;
        }
        end = end.saturating_sub(gap);
        let length = head.get(..end)?.iter().rev().take_while(|byte| is_part(**byte)).count();
        let start = end.saturating_sub(length);
        let part = head.get(start..end)?;
        if part.eq_ignore_ascii_case(b"of") && month {
            end = start;
            continue;
        }
        match (is_month(part), is_day(part)) {
            (true, _) if !month => month = true,
            (_, true) if !day => day = true,
            _ => return None,
        }
        end = start;
    }
    Some(earliest.saturating_add(end))
}

fn is_month(part: &[u8]) -> bool {
    MONTHS.iter().any(|month| part.eq_ignore_ascii_case(month.as_bytes()))
}

/// A number of a day, also as it is counted: `1st`.
fn is_day(part: &[u8]) -> bool {
    let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, suffix) = part.split_at_checked(digits).unwrap_or_default();
    let value =
        number.iter().fold(0_u32, |value, digit| value.saturating_mul(10).saturating_add(u32::from(digit & 15)));
    let is_suffix = |known: &&[u8]| suffix.eq_ignore_ascii_case(known);
    (1..=2).contains(&digits)
        && (1..=31).contains(&value)
        && [b"".as_slice(), b"st", b"nd", b"rd", b"th"].iter().any(is_suffix)
}

/// Whether all of a text may be the beginning of a date with its month by name.
fn may_become_date(rest: &[u8]) -> bool {
    let mut parts = rest.split(|byte| !byte.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).peekable();
    let (mut count, mut is_named) = (0_usize, false);
    while let Some(part) = parts.next() {
        let is_open = parts.peek().is_none() && rest.last().is_some_and(u8::is_ascii_alphanumeric);
        let begins = |known: &str| known.as_bytes().get(..part.len()).is_some_and(|it| it.eq_ignore_ascii_case(part));
        let is_year = is_named && part.len() <= 4 && part.iter().all(u8::is_ascii_digit);
        let fits = is_day(part)
            || is_month(part)
            || (count > 0 && part.eq_ignore_ascii_case(b"of"))
            || (is_open
                && (is_year
                    || MONTHS.iter().any(|month| begins(month))
                    || (count > 0 && begins("of"))
                    || is_day_so_far(part)));
        is_named |= is_month(part);
        count = count.saturating_add(1);
        if !fits || count > 4 {
            return false;
        }
    }
    count > 0
        && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b',' | b'-' | b'/' | b'.'))
}

fn is_day_so_far(part: &[u8]) -> bool {
    matches!(part.split_last(), Some((b's' | b'n' | b'r' | b't' | b'S' | b'N' | b'R' | b'T', day)) if is_day(day))
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
