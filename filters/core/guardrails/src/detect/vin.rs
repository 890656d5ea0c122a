//! Numbers of vehicles (ISO 3779): 17 capital letters and digits without I, O and Q, the ninth a check character (49 CFR 565.15), which
//! vehicles of North America and China have.

use std::ops::Range;

use super::named::{token_at, undecided};
use super::{Detector, Match, Runs, Trigger};
use weir_config::FindingType;

const LENGTH: usize = 17;
const WEIGHTS: [u32; LENGTH] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
/// Of the letters from A on; 0: none is in use.
const VALUES: [u32; 26] = [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9];

/// Finds numbers of vehicles.
#[derive(Debug)]
pub(super) struct Vin;

impl Detector for Vin {
    fn name(&self) -> &'static str {
        "vin"
    }

    fn finding(&self) -> FindingType {
        FindingType::Vin
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(token) = token_at(text, place.start) else { return };
        if text.get(token.clone()).is_some_and(is_vin) {
            each(self.found(token.start, token.end, 90));
        }
    }

    fn waits_like(&self) -> &'static str {
        "named"
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        undecided(text, from)
    }
}

fn is_vin(token: &[u8]) -> bool {
    let mut sum = 0_u32;
    for (byte, weight) in token.iter().zip(WEIGHTS) {
        let value = match byte {
            b'0'..=b'9' => u32::from(byte.wrapping_sub(b'0')),
            b'A'..=b'Z' => match VALUES.get(usize::from(byte.wrapping_sub(b'A'))) {
                Some(value) if *value > 0 => *value,
                _ => return false,
            },
            _ => return false,
        };
        sum = sum.saturating_add(value.saturating_mul(weight));
    }
    let check = match sum % 11 {
        10 => b'X',
        digit => b"0123456789".get(digit as usize).copied().unwrap_or_default(),
    };
    let letters = token.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    token.len() == LENGTH && letters >= 2 && token.get(8) == Some(&check)
}
