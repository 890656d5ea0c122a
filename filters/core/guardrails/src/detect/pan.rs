//! Permanent account numbers of the Indian tax department: five letters, four digits, a letter; the fourth letter is the holder's
//! kind, the digits are not all zero. In small letters only where the words before say that it is one.

use std::ops::Range;

use super::context::{OTHER_NUMBERS, begins_token, ends_token, nearest};
use super::token::{self, has_form, has_one_case};
use super::{Detector, Match, Runs, Trigger, byte};
use weir_config::FindingType;

const FORM: &[u8] = b"AAAAA9999A";
/// Letters before the digits.
const LETTERS: usize = 5;
/// Association, body, company, firm, government, family, juridical person, local authority, person, trust.
const HOLDERS: &[u8] = b"ABCFGHJLPT";
const WORDS: [&str; 5] = ["pan", "permanent", "kyc", "tax", "income"];

/// Finds permanent account numbers.
#[derive(Debug)]
pub(super) struct Pan;

impl Detector for Pan {
    fn name(&self) -> &'static str {
        "in_pan"
    }

    fn finding(&self) -> FindingType {
        FindingType::InPan
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(start) = place.start.checked_sub(LETTERS) else { return };
        let end = start.saturating_add(FORM.len());
        if !has_form(text, start, FORM) || !begins_token(text, start) || !ends_token(text, end) {
            return;
        }
        let holder = byte(text, start.saturating_add(3)).unwrap_or_default().to_ascii_uppercase();
        let digits = text.get(place.start..place.start.saturating_add(4)).unwrap_or_default();
        if !HOLDERS.contains(&holder) || digits == b"0000" {
            return;
        }
        match (has_one_case(text, start, end), nearest(text, start, &WORDS, &OTHER_NUMBERS)) {
            (Some(_), Some(true)) => each(self.found(start, end, 99)),
            (Some(true), None) => each(self.found(start, end, 85)),
            _ => (),
        }
    }

    fn waits_like(&self) -> &'static str {
        "token"
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        token::undecided(text, from)
    }
}
