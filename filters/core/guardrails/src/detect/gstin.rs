//! Tax numbers of Indian businesses (GSTIN): a state's two digits, the holder's permanent account number, a character, `Z`, and a check
//! character in base 36 (Goods and Services Tax Network).

use std::ops::Range;

use super::context::{begins_token, ends_token};
use super::token;
use super::{Detector, Match, Runs, Trigger};
use weir_config::FindingType;

const LENGTH: usize = 15;
/// Characters before the four digits of the permanent account number.
const HEAD: usize = 7;
const LAST_STATE: u8 = 38;

/// Finds tax numbers of businesses.
#[derive(Debug)]
pub(super) struct Gstin;

impl Detector for Gstin {
    fn name(&self) -> &'static str {
        "in_gstin"
    }

    fn finding(&self) -> FindingType {
        FindingType::InGstin
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(start) = place.start.checked_sub(HEAD) else { return };
        let end = start.saturating_add(LENGTH);
        let is_one = text.get(start..end).is_some_and(is_gstin);
        if is_one && begins_token(text, start) && ends_token(text, end) {
            each(self.found(start, end, 99));
        }
    }

    fn waits_like(&self) -> &'static str {
        "token"
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        token::undecided(text, from)
    }
}

fn is_gstin(token: &[u8]) -> bool {
    if !token::has_form(token, 0, b"99AAAAA9999A") || token.get(13).is_none_or(|byte| !byte.eq_ignore_ascii_case(&b'Z'))
    {
        return false;
    }
    let value = |byte: &u8| (*byte as char).to_digit(36);
    let [tens, ones, ..] = *token else { return false };
    let state = tens.wrapping_sub(b'0').wrapping_mul(10).wrapping_add(ones.wrapping_sub(b'0'));
    if !(1..=LAST_STATE).contains(&state) && !matches!(state, 97 | 99) {
        return false;
    }
    let Some((last, head)) = token.split_last() else { return false };
    let mut sum = 0_u32;
    for (index, byte) in head.iter().enumerate() {
        let Some(value) = value(byte) else { return false };
        let product = if index % 2 == 0 { value } else { value.saturating_mul(2) };
        sum = sum.saturating_add(product / 36).saturating_add(product % 36);
    }
    value(last) == Some((36 - sum % 36) % 36)
}
