//! Addresses of Indian payments (UPI): a name, the sign, and the handle of a bank or an application (National Payments Corporation of
//! India). A handle has no dot in it, which tells it from a domain.

use std::ops::Range;

use super::{Detector, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;

const LONGEST_NAME: usize = 64;
const LONGEST_HANDLE: usize = 16;
/// In small letters.
const HANDLES: [&[u8]; 58] = [
    b"abfspay",
    b"airtel",
    b"allbank",
    b"apl",
    b"axisb",
    b"axisbank",
    b"axisgo",
    b"axl",
    b"barodampay",
    b"boi",
    b"cboi",
    b"citi",
    b"cnrb",
    b"dbs",
    b"dlb",
    b"federal",
    b"fbl",
    b"freecharge",
    b"hdfcbank",
    b"hsbc",
    b"ibl",
    b"icici",
    b"idbi",
    b"idfcbank",
    b"idfcfirst",
    b"ikwik",
    b"indianbank",
    b"indus",
    b"iob",
    b"jio",
    b"jupiteraxis",
    b"kbl",
    b"kotak",
    b"mahb",
    b"naviaxis",
    b"okaxis",
    b"okhdfcbank",
    b"okicici",
    b"oksbi",
    b"paytm",
    b"pingpay",
    b"pnb",
    b"postbank",
    b"ptaxis",
    b"pthdfc",
    b"ptsbi",
    b"ptyes",
    b"rbl",
    b"sbi",
    b"sib",
    b"timecosmos",
    b"uco",
    b"unionbank",
    b"upi",
    b"waaxis",
    b"wahdfcbank",
    b"yapl",
    b"ybl",
];

/// Finds addresses of payments.
#[derive(Debug)]
pub(super) struct Upi;

impl Detector for Upi {
    fn name(&self) -> &'static str {
        "in_upi"
    }

    fn finding(&self) -> FindingType {
        FindingType::InUpi
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::At]
    }

    fn matches(&self, text: &[u8], sign: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        if byte(text, sign.start) != Some(b'@') {
            return;
        }
        let start = name_start(text, sign.start);
        let handle = text.get(sign.end..).unwrap_or_default();
        let length = handle.iter().take(LONGEST_HANDLE + 1).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let end = sign.end.saturating_add(length);
        let goes_on = match byte(text, end) {
            Some(b'.' | b'-') => byte(text, end.saturating_add(1)).is_some_and(|byte| byte.is_ascii_alphanumeric()),
            Some(byte) => byte == b'_' || byte == b'@',
            None => false,
        };
        let is_handle = || {
            let handle = text.get(sign.end..end).unwrap_or_default();
            HANDLES.iter().any(|known| known.eq_ignore_ascii_case(handle))
        };
        if sign.start.saturating_sub(start) >= 2 && !goes_on && is_handle() {
            each(self.found(start, end, 95));
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(LONGEST_NAME + LONGEST_HANDLE + 2).max(from);
        let mut start = text.len();
        while start > earliest && before(text, start).is_some_and(|byte| is_name(byte) || byte == b'@') {
            start = start.saturating_sub(1);
        }
        start
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

fn name_start(text: &[u8], sign: usize) -> usize {
    let earliest = sign.saturating_sub(LONGEST_NAME);
    let name = text.get(earliest..sign).unwrap_or_default();
    let start = sign.saturating_sub(name.iter().rev().take_while(|byte| is_name(**byte)).count());
    // What is escaped before it is no part of it, nor is a mark.
    let name = text.get(start..sign).unwrap_or_default();
    let skipped = name.iter().take_while(|byte| !byte.is_ascii_alphanumeric()).count();
    let follows_escape =
        skipped == 0 && before(text, start) == Some(b'\\') && matches!(byte(text, start), Some(b'n' | b'r' | b't'));
    start.saturating_add(skipped).saturating_add(usize::from(follows_escape))
}
