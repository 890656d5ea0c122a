//! Numbers of patients of the National Health Service in the United Kingdom: ten digits, the last a check digit with the weights 10 to 2
//! and modulus 11 (NHS Data Dictionary), where the words before say so.

use std::ops::Range;

use super::context::{OTHER_NUMBERS, nearest};
use super::number::{self, Number};
use super::{Detector, Match, Runs, Trigger};
use weir_config::FindingType;

const WORDS: [&str; 3] = ["nhs", "patient", "chi"];

/// Finds numbers of patients.
#[derive(Debug)]
pub(super) struct Nhs;

impl Detector for Nhs {
    fn name(&self) -> &'static str {
        "uk_nhs"
    }

    fn finding(&self) -> FindingType {
        FindingType::UkNhs
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        for start in number::starts(text, place) {
            let Some(number) = Number::read(text, start) else { continue };
            let ends = number.ends_with(text, &[3, 3, 4]).or_else(|| number.ends_with(text, &[10]));
            let Some((end, separator)) = ends else { continue };
            let is_one = number::begins(text, start, separator) && has_valid_check_digit(number.digits(10));
            if is_one && nearest(text, start, &WORDS, &OTHER_NUMBERS) == Some(true) {
                each(self.found(start, end, 99));
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

fn has_valid_check_digit(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().zip((1..=10).rev()).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    digits.len() == 10 && sum.is_multiple_of(11)
}
