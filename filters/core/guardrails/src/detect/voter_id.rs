//! Numbers of Indian voters' cards (EPIC, Election Commission of India): three letters and seven digits.
//!
//! Orders and articles have such numbers too: the letters are capital, none of the usual abbreviations, and the words before say nothing
//! else.

use std::ops::Range;

use super::context::{OTHER_NUMBERS, begins_token, ends_token, nearest};
use super::token::{self, has_form, has_one_case};
use super::{Detector, Match, Runs, Trigger};
use weir_config::FindingType;

const FORM: &[u8] = b"AAA9999999";
/// Letters before the digits.
const LETTERS: usize = 3;
const WORDS: [&str; 6] = ["epic", "voter", "election", "electoral", "elector", "voting"];
const ABBREVIATIONS: [&[u8]; 16] = [
    b"ACC", b"BUG", b"CVE", b"DOC", b"INC", b"INV", b"ISO", b"ORD", b"PNR", b"REF", b"REQ", b"RFC", b"SKU", b"TCK",
    b"TKT", b"TXN",
];

/// Finds voters' numbers.
#[derive(Debug)]
pub(super) struct VoterId;

impl Detector for VoterId {
    fn name(&self) -> &'static str {
        "in_voter_id"
    }

    fn finding(&self) -> FindingType {
        FindingType::InVoterId
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
        let letters = text.get(start..place.start).unwrap_or_default();
        match (has_one_case(text, start, end), nearest(text, start, &WORDS, &OTHER_NUMBERS)) {
            (Some(_), Some(true)) => each(self.found(start, end, 95)),
            (Some(true), None) if !ABBREVIATIONS.contains(&letters) => each(self.found(start, end, 60)),
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
