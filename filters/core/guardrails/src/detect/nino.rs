//! National insurance numbers of the United Kingdom: two letters, six digits, a letter from A to D (HM Revenue and Customs, NIM39110).
//! In one piece, or in pairs with a space between them.

use std::ops::Range;

use super::context::{begins_token, ends_token};
use super::token::{self, has_form, has_one_case};
use super::{Detector, Match, Runs, Trigger, byte};
use weir_config::FindingType;

const FORM: &[u8] = b"AA999999A";
const PAIRS: &[u8] = b"AA 99 99 99 A";
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
        &[Trigger::Digits, Trigger::Pairs]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        // Of pairs the letters are the trigger's.
        let is_in_pairs = byte(text, place.start).is_some_and(|byte| byte.is_ascii_uppercase());
        let start = if is_in_pairs { Some(place.start) } else { place.start.checked_sub(LETTERS) };
        let Some(start) = start else { return };
        let form = if is_in_pairs { PAIRS } else { FORM };
        let end = start.saturating_add(form.len());
        let has_form = if is_in_pairs { is_of_pairs(text, start) } else { has_form(text, start, form) };
        let is_one = has_form && has_one_case(text, start, end) == Some(true);
        if !is_one || !begins_token(text, start) || !ends_token(text, end) {
            return;
        }
        let prefix = text.get(start..start.saturating_add(LETTERS)).unwrap_or_default();
        let last = byte(text, end.saturating_sub(1)).unwrap_or_default();
        let is_issued = !prefix.iter().any(|letter| b"DFIQUV".contains(letter))
            && prefix.last() != Some(&b'O')
            && !NOBODYS.contains(&prefix)
            && (b'A'..=b'D').contains(&last);
        if is_issued {
            each(self.found(start, end, 90));
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(PAIRS.len()).max(from);
        let begins = |at: &usize| {
            let rest = text.get(*at..).unwrap_or_default();
            begins_token(text, *at) && rest.iter().zip(PAIRS).all(|(byte, class)| is_of_class(*byte, *class))
        };
        token::undecided(text, from).min((earliest..text.len()).find(begins).unwrap_or(text.len()))
    }
}

fn is_of_pairs(text: &[u8], start: usize) -> bool {
    let token = text.get(start..start.saturating_add(PAIRS.len()));
    token.is_some_and(|token| token.iter().zip(PAIRS).all(|(byte, class)| is_of_class(*byte, *class)))
}

fn is_of_class(byte: u8, class: u8) -> bool {
    match class {
        b'A' => byte.is_ascii_uppercase(),
        b'9' => byte.is_ascii_digit(),
        other => byte == other,
    }
}
