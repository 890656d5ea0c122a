//! Places on the earth: latitude and longitude in decimal degrees with at least four decimals each (ten metres), where the words before
//! them say so; one of them where it is called so.

use std::ops::Range;

use super::context::{begins_token, ends_token, nearest, words_before};
use super::token::undecided_before_tail;
use super::{Detector, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;

/// What a pair of numbers stands behind.
const WORDS: [&str; 9] =
    ["coordinate", "coord", "geo", "geolocation", "gps", "latlng", "latlon", "located", "location"];
/// What one of them stands right behind.
const NAMES: [&str; 6] = ["lat", "latitude", "lng", "lon", "long", "longitude"];
const FEWEST_DECIMALS: usize = 4;
const MOST_DECIMALS: usize = 16;
/// Of degrees, before the point.
const MOST_WHOLE: usize = 3;
/// The longest number in bytes.
const LONGEST_NUMBER: usize = MOST_WHOLE + MOST_DECIMALS + 2;
/// The most bytes between both: `° N, `.
const MOST_BETWEEN: usize = 6;
const LONGEST: usize = 2 * LONGEST_NUMBER + MOST_BETWEEN;

/// Finds places on the earth.
#[derive(Debug)]
pub(super) struct Gps;

impl Detector for Gps {
    fn name(&self) -> &'static str {
        "gps"
    }

    fn finding(&self) -> FindingType {
        FindingType::GpsCoordinates
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    /// The place of whose first number these are the decimals.
    fn matches(&self, text: &[u8], decimals: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(point) = decimals.start.checked_sub(1).filter(|at| byte(text, *at) == Some(b'.')) else { return };
        let mut start = point;
        while point.saturating_sub(start) < MOST_WHOLE && before(text, start).is_some_and(|byte| byte.is_ascii_digit())
        {
            start = start.saturating_sub(1);
        }
        if matches!(before(text, start), Some(b'-' | b'+')) {
            start = start.saturating_sub(1);
        }
        if let Look::Match(end) | Look::MatchSoFar(end) = look(text, start) {
            each(self.found(start, end, 90));
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let is_open = |text: &[u8], at: usize| {
            matches!(byte(text, at), Some(b'-' | b'+' | b'0'..=b'9'))
                && matches!(look(text, at), Look::Undecided | Look::MatchSoFar(_))
        };
        let before_tail = undecided_before_tail(text, |head| {
            let earliest = head.len().saturating_sub(LONGEST).max(from);
            (earliest..head.len()).find(|at| is_open(head, *at)).unwrap_or(head.len())
        });
        // A sign at the end may belong to what follows.
        let last = text.len().saturating_sub(1).max(from);
        if before_tail == text.len() && is_open(text, last) { last } else { before_tail }
    }
}

/// What looking at one place of a text gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing begins here, whatever follows.
    Nothing,
    /// What ends here, whatever follows.
    Match(usize),
    /// What ends here if the text does.
    MatchSoFar(usize),
    /// What follows decides.
    Undecided,
}

/// What begins at `start`.
fn look(text: &[u8], start: usize) -> Look {
    let first = degrees(text, start);
    // A number with a sign is not the rest of one that was written with a comma.
    let is_second = matches!(byte(text, start), Some(b'-' | b'+')) && before(text, start) == Some(b',');
    if first == Look::Nothing || !(is_second || begins_token(text, start)) {
        return Look::Nothing;
    }
    let is_name = |word: &[u8]| NAMES.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    if words_before(text, start).next().is_some_and(is_name) {
        return first;
    }
    if nearest(text, start, &WORDS, &[]) != Some(true) {
        return Look::Nothing;
    }
    let (Look::Match(end) | Look::MatchSoFar(end)) = first else { return Look::Undecided };
    match between(text, end) {
        Look::Match(second) => degrees(text, second),
        other => other,
    }
}

/// A number of degrees.
fn degrees(text: &[u8], start: usize) -> Look {
    let digits = |from: usize, most: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take(most.saturating_add(1)).take_while(|byte| byte.is_ascii_digit()).count()
    };
    let signed = start.saturating_add(usize::from(matches!(byte(text, start), Some(b'-' | b'+'))));
    let whole = digits(signed, MOST_WHOLE);
    let point = signed.saturating_add(whole);
    match byte(text, point) {
        None if whole <= MOST_WHOLE => return Look::Undecided,
        Some(b'.') if (1..=MOST_WHOLE).contains(&whole) => {}
        _ => return Look::Nothing,
    }
    let number = text.get(signed..point).unwrap_or_default();
    let value =
        number.iter().fold(0_u32, |value, digit| value.saturating_mul(10).saturating_add(u32::from(digit & 15)));
    let decimals = digits(point.saturating_add(1), MOST_DECIMALS);
    let end = point.saturating_add(1).saturating_add(decimals);
    if value > 180 || decimals > MOST_DECIMALS {
        return Look::Nothing;
    }
    match (decimals >= FEWEST_DECIMALS, byte(text, end)) {
        (true, None) => Look::MatchSoFar(end),
        (false, None) => Look::Undecided,
        (true, Some(follows)) if follows == b',' || ends_token(text, end) => Look::Match(end),
        _ => Look::Nothing,
    }
}

/// What stands between both numbers: marks, and where on the earth the first one is. A match ends where the second one begins.
fn between(text: &[u8], start: usize) -> Look {
    let rest = text.get(start..).unwrap_or_default();
    let is_between = |byte: &&u8| matches!(byte, b' ' | b',' | b';' | b'N' | b'S' | b'E' | b'W' | 0xc2 | 0xb0);
    let length = rest.iter().take(MOST_BETWEEN).take_while(is_between).count();
    let second = start.saturating_add(length);
    match byte(text, second) {
        None => Look::Undecided,
        Some(b'-' | b'+' | b'0'..=b'9') if length > 0 => Look::Match(second),
        Some(_) => Look::Nothing,
    }
}
