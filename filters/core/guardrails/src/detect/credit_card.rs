//! Payment card numbers (ISO/IEC 7812-1): 13 to 19 digits with the prefix of a known issuer, a length that this issuer uses,
//! and a valid Luhn check digit.
//!
//! Digits may stand in groups, with one space or one dash between two groups; each group but the last has at least three
//! digits. A number begins and ends where a group does: never inside a longer run of digits, an identifier or a decimal
//! number. A group beside it is no obstacle, since people write a security code or a date right after the number. Of several
//! numbers that begin in one place the longest counts.

use super::{Look, Match, before, byte, ends_escape};
use weir_config::FindingType;

/// Enough digits in groups.
pub(super) const TRIGGER: &str = "[0-9](?:[ -]?[0-9]){12,}";

const FEWEST_DIGITS: usize = 13;
const MOST_DIGITS: usize = 19;
const SMALLEST_GROUP: usize = 3;
/// All digits in groups of three, and the two bytes behind that show whether the last group is a decimal number.
const REACH: usize = MOST_DIGITS + MOST_DIGITS / SMALLEST_GROUP + 2;

/// Prefixes as `(first, last, digits in the prefix, allowed lengths)`, as the card networks publish them.
const ISSUERS: [(u32, u32, usize, &[usize]); 22] = [
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
    (5018, 5018, 4, &[13, 14, 15, 16, 17, 18, 19]),
    (5020, 5020, 4, &[13, 14, 15, 16, 17, 18, 19]),
    (5038, 5038, 4, &[13, 14, 15, 16, 17, 18, 19]),
    (6304, 6304, 4, &[13, 14, 15, 16, 17, 18, 19]),
    (6759, 6763, 4, &[13, 14, 15, 16, 17, 18, 19]),
];

/// Every number in the groups at `start..end`.
pub(super) fn matches(text: &[u8], start: usize, end: usize, each: &mut dyn FnMut(Match)) {
    for at in start..end {
        if !begins(text, at) {
            continue;
        }
        if let Look::Match(end) = look(text, at, true) {
            each(Match { start: at, end, finding: FindingType::CreditCard });
        }
    }
}

/// The first group, at or after `from`, from which a number could still grow.
pub(super) fn undecided(text: &[u8], from: usize) -> usize {
    let earliest = text.len().saturating_sub(REACH).max(from);
    (earliest..text.len())
        .find(|at| begins(text, *at) && look(text, *at, false) == Look::Undecided)
        .unwrap_or(text.len())
}

/// Whether a number may begin here: a digit with nothing before it that it belongs to.
fn begins(text: &[u8], at: usize) -> bool {
    if !byte(text, at).is_some_and(|byte| byte.is_ascii_digit()) {
        return false;
    }
    match before(text, at) {
        Some(_) if ends_escape(text, at) => true,
        Some(b'.') => !before(text, at.saturating_sub(1)).is_some_and(|byte| byte.is_ascii_digit()),
        Some(byte) => !(byte.is_ascii_alphanumeric() || byte == b'_'),
        None => true,
    }
}

/// Reads groups from `start` on. `at_end`: nothing follows the text.
fn look(text: &[u8], start: usize, at_end: bool) -> Look {
    let mut digits = Digits::default();
    let mut longest = Look::Nothing;
    let mut at = start;
    loop {
        let group = at;
        while let Some(digit) = byte(text, at).filter(u8::is_ascii_digit) {
            if !digits.push(digit) || !digits.may_be_issued() {
                return longest;
            }
            at = at.saturating_add(1);
        }
        match ends(text, at, at_end) {
            Look::Undecided => return Look::Undecided,
            Look::Match(end) if digits.is_card() => longest = Look::Match(end),
            Look::Match(_) | Look::Nothing => {}
        }
        if at.saturating_sub(group) < SMALLEST_GROUP || !matches!(byte(text, at), Some(b' ' | b'-')) {
            return longest;
        }
        at = at.saturating_add(1);
        match byte(text, at) {
            Some(next) if next.is_ascii_digit() => {}
            None if !at_end => return Look::Undecided,
            _ => return longest,
        }
    }
}

/// Whether a group that is followed by `at` is a number's end there.
fn ends(text: &[u8], at: usize, at_end: bool) -> Look {
    match byte(text, at) {
        None if at_end => Look::Match(at),
        None => Look::Undecided,
        Some(b'.') => match byte(text, at.saturating_add(1)) {
            None if !at_end => Look::Undecided,
            Some(next) if next.is_ascii_digit() => Look::Nothing,
            _ => Look::Match(at),
        },
        Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => Look::Nothing,
        Some(_) => Look::Match(at),
    }
}

/// The digits of one number.
#[derive(Default)]
struct Digits {
    values: [u8; MOST_DIGITS],
    count: usize,
}

impl Digits {
    /// False if there is one too many.
    fn push(&mut self, digit: u8) -> bool {
        let Some(place) = self.values.get_mut(self.count) else { return false };
        *place = digit.wrapping_sub(b'0');
        self.count = self.count.saturating_add(1);
        true
    }

    fn known(&self) -> &[u8] {
        self.values.get(..self.count).unwrap_or_default()
    }

    /// Whether some issuer's prefix agrees with the digits so far.
    fn may_be_issued(&self) -> bool {
        // No prefix is longer than four digits.
        self.count > 4 || ISSUERS.iter().any(|issuer| self.agrees(issuer))
    }

    fn agrees(&self, (first, last, digits, _): &(u32, u32, usize, &[usize])) -> bool {
        let (mut low, mut high) = (*first, *last);
        for _ in self.count..*digits {
            low /= 10;
            high /= 10;
        }
        let prefix = self.known().iter().take(*digits).fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
        (low..=high).contains(&prefix)
    }

    fn is_card(&self) -> bool {
        self.count >= FEWEST_DIGITS
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
