//! Codes of Indian banks' branches (IFSC, Reserve Bank of India): four letters, a nought and six characters, of which those that are
//! found are digits.

use std::ops::Range;

use super::context::{OTHER_NUMBERS, begins_token, ends_token, nearest};
use super::token::{self, has_form, has_one_case};
use super::{Detector, Match, Runs, Trigger, byte};
use weir_config::FindingType;

const FORM: &[u8] = b"AAAA9999999";
/// Letters before the digits.
const LETTERS: usize = 4;
const WORDS: [&str; 5] = ["ifsc", "neft", "rtgs", "imps", "branch"];

/// Finds codes of branches.
#[derive(Debug)]
pub(super) struct Ifsc;

impl Detector for Ifsc {
    fn name(&self) -> &'static str {
        "in_ifsc"
    }

    fn finding(&self) -> FindingType {
        FindingType::InIfsc
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(start) = place.start.checked_sub(LETTERS) else { return };
        let end = start.saturating_add(FORM.len());
        let is_one = has_form(text, start, FORM) && byte(text, place.start) == Some(b'0');
        if !is_one || !begins_token(text, start) || !ends_token(text, end) {
            return;
        }
        match (has_one_case(text, start, end), nearest(text, start, &WORDS, &OTHER_NUMBERS)) {
            (Some(_), Some(true)) => each(self.found(start, end, 99)),
            (Some(true), None) => each(self.found(start, end, 70)),
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
