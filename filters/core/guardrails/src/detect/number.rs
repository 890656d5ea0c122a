//! Numbers in groups of digits, as the detectors of numbers share them.
//!
//! Digits are those of any script, full width and escaped ones included; between two groups stands one space of any width, one dash
//! or one dot.

use std::ops::Range;

use super::context::{begins_token, ends_token};
use super::glyph::{LONGEST_ESCAPE, digit, may_be_escape, separator};
use super::{before, byte};

/// The most digits of a number.
pub(super) const MOST_DIGITS: usize = 18;
/// The most groups.
pub(super) const MOST_GROUPS: usize = 8;
/// The longest number in bytes that a stream waits for. One in escaped digits that is longer is found where it comes in one piece.
pub(super) const LONGEST: usize = MOST_DIGITS * LONGEST_ESCAPE;

/// What parts two groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Separator {
    /// Nothing does: the group is the last one.
    #[default]
    None,
    /// A space, of any width.
    Space,
    /// A hyphen.
    Dash,
    /// A dot.
    Dot,
}

/// Digits that stand together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    /// How many.
    pub(super) digits: usize,
    /// Behind the last of them.
    pub(super) end: usize,
    /// What follows, if another group does.
    pub(super) separator: Separator,
}

/// Groups of digits, as far as they are read.
#[derive(Debug, Default)]
pub(super) struct Number {
    values: [u8; MOST_DIGITS],
    count: usize,
    groups: [Group; MOST_GROUPS],
    group_count: usize,
}

impl Number {
    /// Reads from a digit on. `None`: it has more digits in one group than a number has.
    pub(super) fn read(text: &[u8], start: usize) -> Option<Self> {
        let mut number = Self::default();
        let mut at = start;
        while number.group_count < MOST_GROUPS {
            let first = number.count;
            while let Some((value, length)) = digit(text, at) {
                let Some(place) = number.values.get_mut(number.count) else {
                    // The groups before are a number all the same.
                    number.count = first;
                    return (number.group_count > 0).then_some(number);
                };
                *place = value;
                number.count = number.count.saturating_add(1);
                at = at.saturating_add(length);
            }
            let digits = number.count.saturating_sub(first);
            let (separator, length) = separator_at(text, at);
            let goes_on = separator != Separator::None && digit(text, at.saturating_add(length)).is_some();
            let separator = if goes_on { separator } else { Separator::None };
            if let Some(group) = number.groups.get_mut(number.group_count) {
                *group = Group { digits, end: at, separator };
            }
            number.group_count = number.group_count.saturating_add(1);
            if !goes_on {
                break;
            }
            at = at.saturating_add(length);
        }
        Some(number)
    }

    /// The groups.
    pub(super) fn groups(&self) -> &[Group] {
        self.groups.get(..self.group_count).unwrap_or_default()
    }

    /// The first `count` digits.
    pub(super) fn digits(&self, count: usize) -> &[u8] {
        self.values.get(..count.min(self.count)).unwrap_or_default()
    }

    /// Where the number ends whose groups have these lengths and one separator between them, if it does and nothing that belongs to it
    /// follows, with that separator.
    pub(super) fn ends_with(&self, text: &[u8], lengths: &[usize]) -> Option<(usize, Separator)> {
        let groups = self.groups().get(..lengths.len())?;
        let (last, others) = groups.split_last()?;
        let separator = others.first().map_or(Separator::None, |group| group.separator);
        let fits = groups.iter().map(|group| group.digits).eq(lengths.iter().copied())
            && others.iter().all(|group| group.separator == separator)
            && (last.separator == Separator::None || last.separator != separator)
            && ends_token(text, last.end);
        fits.then_some((last.end, separator))
    }
}

/// What may part two groups, and its bytes.
fn separator_at(text: &[u8], at: usize) -> (Separator, usize) {
    match byte(text, at) {
        Some(b' ') => (Separator::Space, 1),
        Some(b'-') => (Separator::Dash, 1),
        Some(b'.') => (Separator::Dot, 1),
        Some(b'\\' | 0x80..) => match separator(text, at) {
            Some((length, true)) => (Separator::Space, length),
            _ => (Separator::None, 0),
        },
        _ => (Separator::None, 0),
    }
}

/// Whether a number may begin at `at`: behind no word, and behind no group of a longer number with the same separator.
pub(super) fn begins(text: &[u8], at: usize, separator: Separator) -> bool {
    let follows_group = at.checked_sub(1).is_some_and(|at| super::glyph::digit_ends(text, at));
    begins_token(text, at) && !(follows_group && separator == Separator::Space && before(text, at) == Some(b' '))
}

/// Where in a row of digits a number may begin: at its first one, or behind an escape that was taken for digits because its beginning
/// is out of reach.
pub(super) fn starts(text: &[u8], place: Range<usize>) -> impl Iterator<Item = usize> {
    place.filter(|at| begins_token(text, *at) && digit(text, *at).is_some())
}

/// The first byte, at or after `from`, of what could still grow into a number: the digits at the end, what stands between them, and
/// what may stand before the first.
pub(super) fn undecided(text: &[u8], from: usize) -> usize {
    let earliest = text.len().saturating_sub(LONGEST).max(from);
    let mut start = text.len();
    while start > earliest && before(text, start).is_some_and(may_belong) {
        start = start.saturating_sub(1);
    }
    let begins = |at: usize| match byte(text, at) {
        Some(b'+' | b'(') => true,
        Some(b'\\') if may_be_escape(text.get(at..).unwrap_or_default()) => true,
        _ => digit(text, at).is_some(),
    };
    (start..text.len()).find(|at| begins(*at)).unwrap_or(text.len())
}

/// Whether a byte may stand in a number, its separators or their escapes.
fn may_belong(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
        || byte >= 0x80
        || matches!(byte, b' ' | b'-' | b'.' | b'/' | b'+' | b'(' | b')' | b'\\' | b'x' | b'u')
}
