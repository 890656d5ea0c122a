//! National insurance numbers of the United Kingdom: two letters, six digits, a letter from A to D (HM Revenue and Customs, NIM39110).
//! Those with spaces between pairs are not found.

use std::ops::Range;

use super::context::{begins_token, ends_token};
use super::token::{self, has_form, has_one_case};
use super::{Detector, Match, Runs, Trigger, byte};
use weir_config::FindingType;

const FORM: &[u8] = b"AA999999A";
/// Letters before the digits.
const LETTERS: usize = 2;
/// Given to nobody.
const NOBODYS: [&[u8]; 7] = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];

/// Finds national insurance numbers.
#[derive(Debug)]
pub(super) struct Nino;

impl Detector for Nino {
    fn name(&self) -> &'static str {
        "uk_nino"
    }

    fn finding(&self) -> FindingType {
        FindingType::UkNino
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(start) = place.start.checked_sub(LETTERS) else { return };
        let end = start.saturating_add(FORM.len());
        let is_one = has_form(text, start, FORM) && has_one_case(text, start, end) == Some(true);
        if !is_one || !begins_token(text, start) || !ends_token(text, end) {
            return;
        }
        let prefix = text.get(start..place.start).unwrap_or_default();
        let last = byte(text, end.saturating_sub(1)).unwrap_or_default();
        let is_issued = !prefix.iter().any(|letter| b"DFIQUV".contains(letter))
            && prefix.last() != Some(&b'O')
            && !NOBODYS.contains(&prefix)
            && (b'A'..=b'D').contains(&last);
        if is_issued {
            each(self.found(start, end, 90));
        }
    }

    fn waits_like(&self) -> &'static str {
        "token"
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        token::undecided(text, from)
    }
}
