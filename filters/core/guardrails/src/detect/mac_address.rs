//! Addresses of network interfaces (IEEE 802, MAC-48): six pairs of hexadecimal digits with colons or hyphens between them. Digits alone
//! may as well be a time, and are found behind words that say so.

use std::ops::Range;

use super::context::{begins_token, ends_token, nearest};
use super::token::undecided_before_tail;
use super::{Detector, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;

const LENGTH: usize = 17;
const WORDS: [&str; 5] = ["ether", "ethernet", "hwaddr", "mac", "physical"];

/// Finds addresses of network interfaces.
#[derive(Debug)]
pub(super) struct MacAddress;

impl Detector for MacAddress {
    fn name(&self) -> &'static str {
        "mac_address"
    }

    fn finding(&self) -> FindingType {
        FindingType::MacAddress
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Colon, Trigger::Dash]
    }

    /// The address of which this is the first mark.
    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(start) = place.start.checked_sub(2) else { return };
        let end = start.saturating_add(LENGTH);
        let Some(address) = text.get(start..end) else { return };
        let Some(mark) = byte(text, place.start) else { return };
        let fits = address.iter().enumerate().all(|(index, byte)| match index % 3 {
            2 => *byte == mark,
            _ => byte.is_ascii_hexdigit(),
        });
        let is_longer = byte(text, end) == Some(mark) || follows_pair(text, start, mark);
        if !fits || is_longer || !begins_token(text, start) || !ends_token(text, end) || is_of_nobody(address) {
            return;
        }
        let has_letters = address.iter().any(u8::is_ascii_alphabetic);
        if has_letters || nearest(text, start, &WORDS, &[]) == Some(true) {
            each(self.found(start, end, 95));
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        undecided_before_tail(text, |head| {
            let earliest = head.len().saturating_sub(LENGTH).max(from);
            let is_mark = |byte: u8| matches!(byte, b':' | b'-');
            let fits = |at: &usize| {
                let mut rest = head.get(*at..).unwrap_or_default().iter().enumerate();
                rest.all(|(index, byte)| if index % 3 == 2 { is_mark(*byte) } else { byte.is_ascii_hexdigit() })
                    && begins_token(head, *at)
            };
            (earliest..head.len()).find(fits).unwrap_or(head.len())
        })
    }
}

/// Whether another pair stands before `start`: this is the end of a longer row, as fingerprints are.
fn follows_pair(text: &[u8], start: usize, mark: u8) -> bool {
    let pair = start.checked_sub(3).and_then(|from| Some((from, text.get(from..start)?)));
    pair.is_some_and(|(from, pair)| {
        let is_pair = matches!(pair, [a, b, c] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() && *c == mark);
        is_pair && !before(text, from).is_some_and(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The one of everybody, and the one of nobody.
fn is_of_nobody(address: &[u8]) -> bool {
    let mut digits = address.iter().filter(|byte| byte.is_ascii_hexdigit());
    let first = digits.next();
    matches!(first, Some(b'0' | b'f' | b'F')) && digits.all(|digit| Some(digit) == first)
}
