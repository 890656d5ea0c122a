//! Aadhaar numbers of India: twelve digits, the first not 0 or 1, the last a Verhoeff check digit (UIDAI), in one piece or in fours.

use std::ops::Range;

use super::context::{OTHER_NUMBERS, nearest};
use super::number::{self, Number, Separator};
use super::{Detector, Match, Runs, Trigger};
use weir_config::FindingType;

const WORDS: [&str; 6] = ["aadhaar", "aadhar", "adhaar", "adhar", "uidai", "uid"];

/// Finds Aadhaar numbers.
#[derive(Debug)]
pub(super) struct Aadhaar;

impl Detector for Aadhaar {
    fn name(&self) -> &'static str {
        "in_aadhaar"
    }

    fn finding(&self) -> FindingType {
        FindingType::InAadhaar
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        for start in number::starts(text, place) {
            let Some(number) = Number::read(text, start) else { continue };
            let ends = number.ends_with(text, &[4, 4, 4]).or_else(|| number.ends_with(text, &[12]));
            let Some((end, separator)) = ends.filter(|(_, separator)| *separator != Separator::Dot) else { continue };
            let digits = number.digits(12);
            if !number::begins(text, start, separator)
                || matches!(digits, [0 | 1, ..])
                || !has_valid_check_digit(digits)
            {
                continue;
            }
            match nearest(text, start, &WORDS, &OTHER_NUMBERS) {
                Some(true) => each(self.found(start, end, 99)),
                None => each(self.found(start, end, 80)),
                Some(false) => (),
            }
        }
    }

    fn waits_like(&self) -> &'static str {
        "number"
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        number::undecided(text, from)
    }
}

/// J. Verhoeff, Error Detecting Decimal Codes, 1969: multiplication in the dihedral group of order ten.
fn has_valid_check_digit(digits: &[u8]) -> bool {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permuted = |digit: u8, times: usize| {
        (0..times % 8).fold(digit, |digit, _| PERMUTATION.get(usize::from(digit)).copied().unwrap_or_default())
    };
    let check =
        digits.iter().rev().enumerate().fold(0_u8, |check, (index, digit)| multiply(check, permuted(*digit, index)));
    check == 0
}

/// Elements 0 to 4 are rotations, 5 to 9 reflections.
fn multiply(a: u8, b: u8) -> u8 {
    match (a < 5, b < 5) {
        (true, true) => a.wrapping_add(b) % 5,
        (true, false) => a.wrapping_add(b.wrapping_sub(5)) % 5 + 5,
        (false, true) => a.wrapping_sub(5).wrapping_add(5).wrapping_sub(b) % 5 + 5,
        (false, false) => a.wrapping_add(5).wrapping_sub(b) % 5,
    }
}
