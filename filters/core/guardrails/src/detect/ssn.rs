//! Social security numbers of the United States: three, two and four digits.
//!
//! An area is not 000, 666 or 900 and above, no group is zero (Social Security Administration, RM 10201.030; areas mean nothing since
//! 2011). With dashes the form alone is enough, unless the words before say that it is something else; with spaces or without
//! anything between the groups they must say that it is one.

use std::ops::Range;

use super::context::{OTHER_NUMBERS, nearest};
use super::number::{self, Number, Separator};
use super::{Detector, Match, Runs, Trigger};
use weir_config::FindingType;

const WORDS: [&str; 5] = ["ssn", "social", "security", "socialsecuritynumber", "ss"];
/// Printed in advertisements, and withdrawn: nobody's.
const NOBODYS: [[u8; 9]; 2] = [[0, 7, 8, 0, 5, 1, 1, 2, 0], [2, 1, 9, 0, 9, 9, 9, 9, 9]];

/// Finds social security numbers.
#[derive(Debug)]
pub(super) struct Ssn;

impl Detector for Ssn {
    fn name(&self) -> &'static str {
        "us_ssn"
    }

    fn finding(&self) -> FindingType {
        FindingType::UsSsn
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        for start in number::starts(text, place) {
            let Some(number) = Number::read(text, start) else { continue };
            let ends = number.ends_with(text, &[3, 2, 4]).or_else(|| number.ends_with(text, &[9]));
            let Some((end, separator)) = ends else { continue };
            if !number::begins(text, start, separator) || !is_issued(number.digits(9)) {
                continue;
            }
            match (separator, nearest(text, start, &WORDS, &OTHER_NUMBERS)) {
                (_, Some(true)) => each(self.found(start, end, 95)),
                (Separator::Dash, None) => each(self.found(start, end, 80)),
                _ => (),
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

fn is_issued(digits: &[u8]) -> bool {
    let [area @ .., _, _, _, _, _, _] = digits else { return false };
    let (group, serial) = (digits.get(3..5), digits.get(5..9));
    let is_zero = |digits: Option<&[u8]>| digits.is_none_or(|digits| digits.iter().all(|digit| *digit == 0));
    let is_area = !matches!(area, [0, 0, 0] | [6, 6, 6] | [9, ..]);
    is_area && !is_zero(group) && !is_zero(serial) && !NOBODYS.iter().any(|one| one == digits)
}
