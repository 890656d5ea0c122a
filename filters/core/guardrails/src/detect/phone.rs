//! Telephone numbers: international ones behind a `+` (ITU-T E.164), and national ones in a form that is used for nothing else, or
//! where the words before say so.
//!
//! Between two groups of digits stand up to two of space, dash, dot, slash and brackets. An extension may follow (`x123`).

use std::ops::Range;

use super::bank_account::follows_account;
use super::context::{OTHER_NUMBERS, begins_token, ends_token, nearest};
use super::glyph::digit;
use super::number::{self, MOST_GROUPS};
use super::{Detector, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;

const FEWEST_DIGITS: usize = 7;
/// E.164 has 15, and two may lead abroad.
const MOST_DIGITS: usize = 17;
/// The most bytes before the first three digits in a row: `+46 (0)8 `.
const LONGEST_PREFIX: usize = 10;
/// The most digits of an extension.
const LONGEST_EXTENSION: usize = 6;

const WORDS: [&str; 25] = [
    "call",
    "called",
    "calling",
    "cell",
    "cellphone",
    "contact",
    "dial",
    "fax",
    "helpline",
    "hotline",
    "landline",
    "mob",
    "mobile",
    "ph",
    "phone",
    "reach",
    "ring",
    "sms",
    "tel",
    "telephone",
    "telefon",
    "text",
    "tlf",
    "voicemail",
    "whatsapp",
];
const OTHER_PERSONAL: [&str; 14] = [
    "aadhaar", "aba", "account", "acct", "card", "iban", "ifsc", "license", "pan", "passport", "routing", "security",
    "ssn", "zip",
];

/// Finds telephone numbers.
#[derive(Debug)]
pub(super) struct Phone;

impl Detector for Phone {
    fn name(&self) -> &'static str {
        "phone"
    }

    fn finding(&self) -> FindingType {
        FindingType::Phone
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let prefix = prefix_start(text, place.start)..place.start;
        let found = prefix.chain(number::starts(text, place)).filter(|at| begins(text, *at)).find_map(|start| {
            let (end, score) = Reading::new(text, start).judge(text)?;
            Some(self.found(start, end, score))
        });
        if let Some(found) = found {
            each(found);
        }
    }

    fn waits_like(&self) -> &'static str {
        "number"
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        number::undecided(text, from)
    }
}

/// The earliest byte from which a number may begin that has its first three digits in a row at `digits`.
fn prefix_start(text: &[u8], digits: usize) -> usize {
    let earliest = digits.saturating_sub(LONGEST_PREFIX);
    let (mut at, mut row) = (digits, 0_usize);
    while at > earliest {
        match before(text, at) {
            Some(b'0'..=b'9') if row < 2 => row = row.saturating_add(1),
            Some(b' ' | b'-' | b'.' | b'(' | b')' | b'+') => row = 0,
            _ => break,
        }
        at = at.saturating_sub(1);
    }
    at
}

fn begins(text: &[u8], at: usize) -> bool {
    let first = match byte(text, at) {
        Some(b'+' | b'(') => byte(text, at.saturating_add(1)).is_some_and(|byte| byte.is_ascii_digit() || byte == b'+'),
        _ => digit(text, at).is_some(),
    };
    // Behind a number in groups it is part of that.
    let follows_group = matches!(before(text, at), Some(b' ' | b')' | b'(')) && {
        let head = text.get(..at).unwrap_or_default();
        let end =
            head.iter().rposition(|byte| !matches!(byte, b' ' | b')' | b'(')).map_or(0, |last| last.saturating_add(1));
        at.saturating_sub(end) <= 2 && super::glyph::digit_ends(text, end)
    };
    first && begins_token(text, at) && (!follows_group || byte(text, at) == Some(b'+'))
}

/// What stands between two groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Joint {
    has_space: bool,
    has_mark: bool,
    has_bracket: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    digits: usize,
    end: usize,
    /// What follows before the next group.
    joint: Joint,
}

/// A number, as far as it may be read.
#[derive(Debug, Default)]
struct Reading {
    start: usize,
    has_plus: bool,
    has_bracket: bool,
    first: [u8; 4],
    groups: [Group; MOST_GROUPS],
    count: usize,
}

impl Reading {
    fn new(text: &[u8], start: usize) -> Self {
        let mut reading = Self { start, ..Self::default() };
        let mut at = start;
        while let Some(sign @ (b'+' | b'(')) = byte(text, at).filter(|_| at.saturating_sub(start) < 2) {
            reading.has_plus |= sign == b'+';
            reading.has_bracket |= sign == b'(';
            at = at.saturating_add(1);
        }
        let mut total = 0_usize;
        while reading.count < MOST_GROUPS {
            let mut digits = 0_usize;
            while let Some((value, length)) = digit(text, at).filter(|_| digits <= MOST_DIGITS) {
                if let Some(place) = reading.first.get_mut(total) {
                    *place = value;
                }
                (digits, total) = (digits.saturating_add(1), total.saturating_add(1));
                at = at.saturating_add(length);
            }
            let (joint, length) = joint_at(text, at);
            let goes_on = length > 0 && digit(text, at.saturating_add(length)).is_some();
            if let Some(group) = reading.groups.get_mut(reading.count) {
                *group = Group { digits, end: at, joint: if goes_on { joint } else { Joint::default() } };
            }
            reading.count = reading.count.saturating_add(1);
            if !goes_on {
                break;
            }
            at = at.saturating_add(length);
        }
        reading
    }

    /// Where the number ends, and how sure that is. Of several numbers that begin here the longest counts.
    fn judge(&self, text: &[u8]) -> Option<(usize, u8)> {
        if !self.has_plus && follows_account(text, self.start) {
            return None;
        }
        let known = self.groups.get(..self.count).unwrap_or_default();
        let context = nearest(text, self.start, &WORDS, &OTHER_NUMBERS)
            .filter(|is_phone| *is_phone || !self.has_plus)
            .or_else(|| nearest(text, self.start, &WORDS, &OTHER_PERSONAL).filter(|_| !self.has_plus));
        (1..=self.count).rev().find_map(|count| {
            let groups = known.get(..count)?;
            let (last, inner) = groups.split_last()?;
            let follows = last.joint;
            // What is cut off must be held together by something else.
            let is_cut = count < self.count && inner.iter().any(|group| group.joint == follows);
            if is_cut || !ends_token(text, last.end) && !is_extension(text, last.end) {
                return None;
            }
            let score = self.score(groups, context)?;
            Some((extension_end(text, last.end), score))
        })
    }

    fn score(&self, groups: &[Group], context: Option<bool>) -> Option<u8> {
        let total: usize = groups.iter().map(|group| group.digits).sum();
        if context == Some(false) || !(FEWEST_DIGITS..=MOST_DIGITS).contains(&total) {
            return None;
        }
        let lengths: [usize; MOST_GROUPS] =
            std::array::from_fn(|index| groups.get(index).map_or(0, |group| group.digits));
        let is_parted = groups.len() > 1;
        let has_bracket = self.has_bracket || groups.iter().any(|group| group.joint.has_bracket);
        let has_space_only = groups.iter().all(|group| !group.joint.has_mark && !group.joint.has_bracket);
        let form = match (self.first, lengths) {
            (first, _) if self.has_plus => (first.first() != Some(&0) && (8..=15).contains(&total)).then_some(95),
            ([0, 0, 1..=9, _], _) if is_parted && total >= 10 => Some(85),
            // North America: area and exchange begin with 2 to 9.
            ([2..=9, ..], [3, 3, 4, 0, ..]) => Some(if has_space_only { 75 } else { 90 }),
            ([1, 2..=9, ..], [1, 3, 3, 4, 0, ..]) => Some(90),
            // India: mobile numbers begin with 6 to 9.
            ([6..=9, ..], [5, 5, 0, ..])
            | ([0, 6..=9, ..], [11, 0, ..])
            | ([9, 1, 6..=9, _], [2, 5, 5, 0, ..] | [2, 10, 0, ..]) => Some(80),
            (_, _) if has_bracket && is_parted && total <= 11 => Some(75),
            // In threes, twos and fours it is a social security number.
            ([0, 1..=9, ..], [3, 2, 4, 0, ..]) => None,
            ([0, 1..=9, ..], _) if is_parted && (9..=11).contains(&total) && !is_date(lengths) => Some(70),
            _ => None,
        };
        match (form, context) {
            (Some(score), Some(_)) => Some(score.max(95)),
            (Some(score), None) => Some(score),
            (None, Some(_)) if total <= 15 && !is_date(lengths) => Some(80),
            (None, _) => None,
        }
    }
}

fn is_date(lengths: [usize; MOST_GROUPS]) -> bool {
    matches!(lengths, [1 | 2, 1 | 2, 2 | 4, 0, ..] | [4, 1 | 2, 1 | 2, 0, ..])
}

/// What may stand between two groups at `at`, and its bytes.
fn joint_at(text: &[u8], at: usize) -> (Joint, usize) {
    let mut joint = Joint::default();
    let mut length = 0_usize;
    while let Some(byte) = byte(text, at.saturating_add(length)).filter(|_| length < 3) {
        let known = match byte {
            b' ' => std::mem::replace(&mut joint.has_space, true),
            b'-' | b'.' | b'/' => std::mem::replace(&mut joint.has_mark, true),
            b'(' | b')' => {
                joint.has_bracket = true;
                false
            }
            _ => break,
        };
        // No two spaces, and no two dashes.
        if known {
            return (Joint::default(), 0);
        }
        length = length.saturating_add(1);
    }
    (joint, length)
}

fn is_extension(text: &[u8], at: usize) -> bool {
    extension_end(text, at) > at
}

/// Behind an extension that follows a number, if one does.
fn extension_end(text: &[u8], at: usize) -> usize {
    if byte(text, at) != Some(b'x') {
        return at;
    }
    let digits = text.get(at.saturating_add(1)..).unwrap_or_default();
    let count = digits.iter().take(LONGEST_EXTENSION + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let end = at.saturating_add(1).saturating_add(count);
    if (1..=LONGEST_EXTENSION).contains(&count) && ends_token(text, end) { end } else { at }
}
