//! Routing numbers of banks in the United States: nine digits with a check digit, weights 3, 7 and 1 (American Bankers Association).
//! One number in ten has a valid check digit by chance: the words before have to say that it is one, or it stands alone, as in a field.

use std::ops::Range;

use super::context::nearest;
use super::number::{self, Number, Separator};
use super::{Detector, Match, Runs, Trigger};
use weir_config::FindingType;

const WORDS: [&str; 6] = ["aba", "routing", "rtn", "transit", "fedwire", "ach"];

/// What may stand before another number.
const OTHERS: [&str; 11] =
    ["acc", "account", "acct", "invoice", "order", "ref", "reference", "ticket", "tracking", "transaction", "txn"];

/// Finds routing numbers.
#[derive(Debug)]
pub(super) struct BankRouting;

impl Detector for BankRouting {
    fn name(&self) -> &'static str {
        "us_bank_routing"
    }

    fn finding(&self) -> FindingType {
        FindingType::UsBankRouting
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        for start in number::starts(text, place) {
            let Some(number) = Number::read(text, start) else { continue };
            let Some((end, _)) = number.ends_with(text, &[9]) else { continue };
            if !number::begins(text, start, Separator::None) || !is_routing(number.digits(9)) {
                continue;
            }
            if nearest(text, start, &WORDS, &OTHERS) == Some(true) {
                each(self.found(start, end, 95));
            } else if start == 0 && end == text.len() {
                each(self.found(start, end, 60));
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

fn is_routing(digits: &[u8]) -> bool {
    let sum: u32 =
        digits.iter().zip([3, 7, 1].into_iter().cycle()).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    digits.len() == 9 && sum.is_multiple_of(10) && sum > 0
}
