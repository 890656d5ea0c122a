//! Taxpayer numbers of the United States for those who have no social security number: nine digits, the first a 9, the group from 50
//! to 65, 70 to 88, 90 to 92 or 94 to 99 (Internal Revenue Service, Publication 4757). With dashes the form alone is enough, unless the
//! words before say that it is something else.

use std::ops::Range;

use super::context::nearest;
use super::number::{self, Number, Separator};
use super::{Detector, Match, Runs, Trigger};
use weir_config::FindingType;

const WORDS: [&str; 5] = ["itin", "taxpayer", "tin", "tax", "irs"];

/// What may stand before another number; "id" stands before this one, too.
const OTHERS: [&str; 10] =
    ["case", "invoice", "order", "part", "ref", "reference", "serial", "ticket", "tracking", "version"];

/// Finds taxpayer numbers.
#[derive(Debug)]
pub(super) struct Itin;

impl Detector for Itin {
    fn name(&self) -> &'static str {
        "us_itin"
    }

    fn finding(&self) -> FindingType {
        FindingType::UsItin
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        for start in number::starts(text, place) {
            let Some(number) = Number::read(text, start) else { continue };
            let ends = number.ends_with(text, &[3, 2, 4]).or_else(|| number.ends_with(text, &[9]));
            let Some((end, separator)) = ends else { continue };
            let [9, _, _, tens, ones, ..] = *number.digits(9) else { continue };
            let group = tens.wrapping_mul(10).wrapping_add(ones);
            let is_issued = matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99);
            if !is_issued || !number::begins(text, start, separator) {
                continue;
            }
            match (separator, nearest(text, start, &WORDS, &OTHERS)) {
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
