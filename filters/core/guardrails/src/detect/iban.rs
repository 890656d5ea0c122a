//! International bank account numbers (ISO 13616-1): a country's letters, two check digits, and an account of the length that the
//! country registered, in one piece or in groups with one space or dash between them; ISO 7064 MOD 97-10.

use std::ops::Range;

use super::context::{begins_token, ends_token};
use super::token::undecided_before_tail;
use super::{Detector, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;

const MOST_CHARACTERS: usize = 34;
/// The longest number in bytes: groups of four with something between them.
pub(super) const LONGEST: usize = MOST_CHARACTERS + MOST_CHARACTERS / 4;

/// Lengths by country, from SWIFT's registry.
const COUNTRIES: [(&[u8; 2], usize); 89] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Finds international bank account numbers.
#[derive(Debug)]
pub(super) struct Iban;

impl Detector for Iban {
    fn name(&self) -> &'static str {
        "iban"
    }

    fn finding(&self) -> FindingType {
        FindingType::Iban
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    /// The number that these digits are the first three or more in a row of.
    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(start) = start_before(text, place.start) else { return };
        if let Some(end) = end_of(text, start) {
            each(self.found(start, end, 99));
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        undecided_before_tail(text, |head| {
            let earliest = head.len().saturating_sub(LONGEST + 2).max(from);
            let mut start = head.len();
            while start > earliest && before(head, start).is_some_and(may_belong) {
                start = start.saturating_sub(1);
            }
            (start..head.len()).find(|at| may_begin(head, *at)).unwrap_or(head.len())
        })
    }
}

fn may_belong(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-')
}

/// Whether what stands at `at` begins as a number does, as far as the text goes.
fn may_begin(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    let head = rest.get(..4).unwrap_or(rest);
    let fits = head.iter().enumerate().all(|(index, byte)| match index {
        0 | 1 => byte.is_ascii_alphabetic(),
        _ => byte.is_ascii_digit(),
    });
    fits && begins_token(text, at)
}

/// Where the number begins that has its first three digits in a row at `digits`.
fn start_before(text: &[u8], digits: usize) -> Option<usize> {
    // The check digits may be the first of them.
    let mut at = digits;
    let earliest = digits.saturating_sub(LONGEST);
    let mut row = 0_usize;
    loop {
        if may_begin(text, at) && text.len().saturating_sub(at) > 4 {
            return Some(at);
        }
        let byte = (at > earliest).then(|| before(text, at)).flatten().filter(|byte| may_belong(*byte))?;
        row = if byte.is_ascii_digit() { row.saturating_add(1) } else { 0 };
        // Digits before were a trigger of their own.
        if row >= 3 {
            return None;
        }
        at = at.saturating_sub(1);
    }
}

fn end_of(text: &[u8], start: usize) -> Option<usize> {
    let country = [byte(text, start)?.to_ascii_uppercase(), byte(text, start.saturating_add(1))?.to_ascii_uppercase()];
    let length = COUNTRIES.iter().find(|(code, _)| **code == country)?.1;
    let mut characters = [0_u8; MOST_CHARACTERS];
    let (mut at, mut count) = (start, 0_usize);
    while count < length {
        let byte = byte(text, at)?;
        if byte.is_ascii_alphanumeric() {
            *characters.get_mut(count)? = byte.to_ascii_uppercase();
            count = count.saturating_add(1);
        } else if !matches!(byte, b' ' | b'-') || !before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        at = at.saturating_add(1);
    }
    let known = characters.get(..count)?;
    (ends_token(text, at) && remainder(known) == 1).then_some(at)
}

/// Of the account, the country and the check digits, with a letter as two digits, divided by 97.
fn remainder(characters: &[u8]) -> u32 {
    let (head, account) = characters.split_at_checked(4).unwrap_or((characters, &[]));
    account.iter().chain(head).fold(0_u32, |rest, character| match character {
        b'0'..=b'9' => (rest * 10 + u32::from(character - b'0')) % 97,
        _ => (rest * 100 + u32::from(character.saturating_sub(b'A')) + 10) % 97,
    })
}
