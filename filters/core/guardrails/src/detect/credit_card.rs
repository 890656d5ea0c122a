//! Payment card numbers (ISO/IEC 7812-1): 12 to 19 digits with the prefix of a known issuer, a length that this issuer uses,
//! and a valid Luhn check digit.
//!
//! Digits may stand in groups, with one space or one dash between two groups; each group but the last has at least three
//! digits. Other separators (two spaces, line breaks, tabs, dots, slashes) part numbers of their own more often than groups of
//! one: they count where the groups are those that are printed on cards. Digits are those of any script, full width and escaped
//! ones included ([`super::glyph`]).
//!
//! A number begins and ends where a group does: never inside a longer run of digits, an identifier or a decimal number. A group
//! beside it is no obstacle, since people write a security code or a date right after the number, nor is a word before it
//! (`card4111…`, `%B4111…^`). Of several numbers that begin in one place the longest counts.

use super::glyph::{LONGEST_ESCAPE, digit, digit_ends, may_be_escape, may_go_on, separator};
use std::ops::Range;

use super::{Detector, Look, Match, Runs, Trigger, before, byte, ends_escape};
use weir_config::FindingType;

const FEWEST_DIGITS: usize = 12;
const MOST_DIGITS: usize = 19;
const SMALLEST_GROUP: usize = 3;
const MOST_GROUPS: usize = MOST_DIGITS / SMALLEST_GROUP + 1;
/// The longest number in bytes: all digits escaped, and as many separators as there may be.
pub(super) const LONGEST: usize = MOST_DIGITS * LONGEST_ESCAPE + MOST_GROUPS * 3 * LONGEST_ESCAPE;
/// `\u0041` in bytes.
const ESCAPE: usize = 6;
/// Letters before a number that decide whether it belongs to an identifier.
const LETTERS_BEFORE: usize = 6;

/// Prefixes as `(first, last, digits in the prefix, allowed lengths)`, as the card networks publish them.
const ISSUERS: [(u32, u32, usize, &[usize]); 25] = [
    // Visa
    (4, 4, 1, &[13, 16, 19]),
    // Mastercard
    (51, 55, 2, &[16]),
    (2221, 2720, 4, &[16]),
    // American Express
    (34, 34, 2, &[15]),
    (37, 37, 2, &[15]),
    // Diners Club
    (300, 305, 3, &[14, 16, 17, 18, 19]),
    (3095, 3095, 4, &[14, 16, 17, 18, 19]),
    (36, 36, 2, &[14, 16, 17, 18, 19]),
    (38, 39, 2, &[14, 16, 17, 18, 19]),
    // JCB
    (3528, 3589, 4, &[16, 17, 18, 19]),
    (2131, 2131, 4, &[15]),
    (1800, 1800, 4, &[15]),
    // Discover
    (6011, 6011, 4, &[16, 17, 18, 19]),
    (644, 659, 3, &[16, 17, 18, 19]),
    // UnionPay
    (62, 62, 2, &[16, 17, 18, 19]),
    // RuPay
    (60, 60, 2, &[16]),
    (81, 82, 2, &[16]),
    (508, 508, 3, &[16]),
    // Mir
    (2200, 2204, 4, &[16, 17, 18, 19]),
    // Maestro
    (5018, 5018, 4, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (5020, 5020, 4, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (5038, 5038, 4, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (5893, 5893, 4, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (6304, 6304, 4, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (6759, 6763, 4, &[12, 13, 14, 15, 16, 17, 18, 19]),
];

/// The first two digits of every prefix, as bits.
const PAIRS: u128 = pairs();

const fn pairs() -> u128 {
    let mut pairs = 0_u128;
    let mut rest = ISSUERS.as_slice();
    while let [(first, last, digits, _), others @ ..] = rest {
        let (mut pair, last) = match digits {
            1 => (*first * 10, *last * 10 + 9),
            2 => (*first, *last),
            3 => (*first / 10, *last / 10),
            _ => (*first / 100, *last / 100),
        };
        while pair <= last {
            pairs |= 1 << pair;
            pair += 1;
        }
        rest = others;
    }
    pairs
}

/// One number in ten has a valid check digit by chance.
const SCORE: u8 = 95;

/// Finds payment card numbers.
#[derive(Debug)]
pub(super) struct CreditCard;

impl Detector for CreditCard {
    fn name(&self) -> &'static str {
        "credit_card"
    }

    fn finding(&self) -> FindingType {
        FindingType::CreditCard
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    /// Every number in the digits at `place`.
    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        for at in place {
            if !begins(text, at) {
                continue;
            }
            if let Look::Match(end) = look(text, at, true) {
                each(self.found(at, end, SCORE));
            }
        }
    }

    /// The first group from which a number could still grow.
    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(LONGEST).max(from);
        let mut start = text.len();
        while start > earliest && before(text, start).is_some_and(may_belong) {
            start = start.saturating_sub(1);
        }
        let is_open = |at: usize| {
            let is_escape = byte(text, at) == Some(b'\\') && may_be_escape(text.get(at..).unwrap_or_default());
            is_escape || begins(text, at) && look(text, at, false) == Look::Undecided
        };
        (start..text.len()).find(|at| is_open(*at)).unwrap_or(text.len())
    }
}

/// Whether a byte may stand in a number, its separators or their escapes.
fn may_belong(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
        || byte >= 0x80
        || matches!(byte, b' ' | b'-' | b'.' | b'/' | b'+' | b'\\' | 0x09..=0x0d | b'n' | b'r' | b't' | b'u')
}

/// Whether a number may begin here: a digit with nothing before it that it belongs to.
fn begins(text: &[u8], at: usize) -> bool {
    // Most places are within a run of plain digits.
    let follows_digit = before(text, at).is_some_and(|byte| byte.is_ascii_digit());
    if follows_digit && at.checked_sub(ESCAPE).and_then(|at| byte(text, at)) != Some(b'\\') {
        return false;
    }
    if digit(text, at).is_none() {
        return false;
    }
    match before(text, at) {
        None => true,
        // More backslashes of the same escape.
        Some(b'\\') => byte(text, at) != Some(b'\\'),
        Some(_) if digit_ends(text, at) => false,
        Some(_) if ends_escape(text, at) => true,
        Some(b'.') => !before(text, at.saturating_sub(1)).is_some_and(|byte| byte.is_ascii_digit()),
        Some(b'_') => false,
        Some(byte) if byte.is_ascii_alphabetic() => follows_word(text, at),
        Some(_) => true,
    }
}

/// Whether the letters before `at` are a word, and not part of an identifier or an escape.
fn follows_word(text: &[u8], at: usize) -> bool {
    let earliest = at.saturating_sub(LETTERS_BEFORE);
    let context = text.get(earliest..at).unwrap_or_default();
    let other = context.iter().rev().find(|byte| !byte.is_ascii_alphabetic());
    !other.is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'_' | b'\\'))
}

/// Reads groups from `start` on. `at_end`: nothing follows the text.
fn look(text: &[u8], start: usize, at_end: bool) -> Look {
    let mut digits = Digits::default();
    let mut longest = Look::Nothing;
    let mut at = start;
    loop {
        let group = digits.count;
        while let Some((value, length)) = digit(text, at) {
            if !digits.push(value) || !digits.may_be_issued() {
                return longest;
            }
            at = at.saturating_add(length);
        }
        digits.end_group(group);
        let rest = text.get(at..).unwrap_or_default();
        let may_be_followed = digits.count.saturating_sub(group) >= SMALLEST_GROUP;
        let is_open = matches!(rest, [] | [b'.']) || may_be_escape(rest) || (may_be_followed && may_go_on(rest));
        if is_open && !at_end {
            return Look::Undecided;
        }
        if ends(text, at) && digits.is_card() {
            longest = Look::Match(at);
        }
        if !may_be_followed {
            return longest;
        }
        let Some((length, is_usual)) = separator(text, at) else { return longest };
        digits.is_usual &= is_usual;
        at = at.saturating_add(length);
        if digit(text, at).is_none() {
            return longest;
        }
    }
}

/// Whether a group that is followed by what stands at `at` is a number's end there.
fn ends(text: &[u8], at: usize) -> bool {
    match byte(text, at) {
        Some(b'.') => !byte(text, at.saturating_add(1)).is_some_and(|next| next.is_ascii_digit()),
        Some(byte) => !(byte.is_ascii_alphanumeric() || byte == b'_'),
        None => true,
    }
}

/// The digits of one number.
struct Digits {
    values: [u8; MOST_DIGITS],
    count: usize,
    /// The first four digits, or all.
    prefix: u32,
    groups: [usize; MOST_GROUPS],
    group_count: usize,
    /// All separators are such as people write in numbers only.
    is_usual: bool,
}

impl Default for Digits {
    fn default() -> Self {
        Self { values: [0; MOST_DIGITS], count: 0, prefix: 0, groups: [0; MOST_GROUPS], group_count: 0, is_usual: true }
    }
}

impl Digits {
    /// False if there is one too many.
    fn push(&mut self, digit: u8) -> bool {
        let Some(place) = self.values.get_mut(self.count) else { return false };
        *place = digit;
        if self.count < 4 {
            self.prefix = self.prefix.saturating_mul(10).saturating_add(u32::from(digit));
        }
        self.count = self.count.saturating_add(1);
        true
    }

    /// The group that began with the digit of this number is over.
    fn end_group(&mut self, first: usize) {
        if let Some(group) = self.groups.get_mut(self.group_count) {
            *group = self.count.saturating_sub(first);
        }
        self.group_count = self.group_count.saturating_add(1);
    }

    /// Whether the groups are those that are printed on cards.
    fn is_grouped_as_printed(&self) -> bool {
        match self.groups.get(..self.group_count).unwrap_or_default() {
            [4, 6, 4 | 5] => true,
            [fours @ .., last] => fours.iter().all(|group| *group == 4) && *last <= 4,
            [] => false,
        }
    }

    fn known(&self) -> &[u8] {
        self.values.get(..self.count).unwrap_or_default()
    }

    /// Whether some issuer's prefix agrees with the digits so far.
    fn may_be_issued(&self) -> bool {
        match self.count {
            // Most numbers are none by their first two digits.
            2 => PAIRS >> self.prefix & 1 == 1,
            3 | 4 => ISSUERS.iter().any(|issuer| self.agrees(issuer)),
            // No prefix is longer than four digits.
            _ => true,
        }
    }

    fn agrees(&self, (first, last, digits, _): &(u32, u32, usize, &[usize])) -> bool {
        const SCALES: [u32; 5] = [1, 10, 100, 1000, 10_000];
        let scale = |digits: usize| SCALES.get(digits).copied().unwrap_or(1);
        // As many digits as both have.
        let known = self.count.min(4);
        let missing = scale(digits.saturating_sub(known));
        let prefix = self.prefix / scale(known.saturating_sub(*digits));
        (first / missing..=last / missing).contains(&prefix)
    }

    fn is_card(&self) -> bool {
        self.count >= FEWEST_DIGITS
            && (self.is_usual || self.is_grouped_as_printed())
            && ISSUERS.iter().any(|issuer| issuer.3.contains(&self.count) && self.agrees(issuer))
            && self.has_valid_check_digit()
    }

    /// The Luhn formula, ISO/IEC 7812-1 annex B.
    fn has_valid_check_digit(&self) -> bool {
        let sum: u32 = self
            .known()
            .iter()
            .rev()
            .enumerate()
            .map(|(index, digit)| match (index % 2, u32::from(*digit)) {
                (1, digit) if digit > 4 => digit * 2 - 9,
                (1, digit) => digit * 2,
                (_, digit) => digit,
            })
            .sum();
        sum.is_multiple_of(10)
    }
}
