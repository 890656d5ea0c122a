//! Internet addresses: four numbers of one byte with dots between them (RFC 1123 section 2.1), and version 6 (RFC 4291 section 2.2) with
//! at least three groups.
//!
//! What is no host's address of the Internet or of a network is nobody's: the unspecified address, loopback, masks. Versions of
//! programs have the form of addresses, too: a word before them says so.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::context::{begins_token, nearest};
use super::{Detector, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;

/// The longest in bytes: version 6 that ends in version 4.
const LONGEST: usize = 45;
const WORDS: [&str; 8] = ["address", "addr", "host", "ip", "ipv4", "ipv6", "server", "subnet"];
const VERSIONS: [&str; 8] = ["build", "firmware", "release", "section", "upgrade", "v", "ver", "version"];

/// Finds Internet addresses.
#[derive(Debug)]
pub(super) struct IpAddress;

impl Detector for IpAddress {
    fn name(&self) -> &'static str {
        "ip_address"
    }

    fn finding(&self) -> FindingType {
        FindingType::IpAddress
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Dot, Trigger::Colon]
    }

    /// The address whose first dot or colon stands at `place`.
    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let found = match byte(text, place.start) {
            Some(b'.') => version_4(text, place.start),
            _ => version_6(text, place.start),
        };
        let Some((start, end)) = found else { return };
        if nearest(text, start, &WORDS, &VERSIONS) != Some(false) {
            each(self.found(start, end, 90));
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(LONGEST + 2).max(from);
        let mut start = text.len();
        while start > earliest && before(text, start).is_some_and(may_belong) {
            start = start.saturating_sub(1);
        }
        start
    }
}

fn may_belong(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')
}

fn version_4(text: &[u8], dot: usize) -> Option<(usize, usize)> {
    let is_digit = |at: usize| byte(text, at).is_some_and(|byte| byte.is_ascii_digit());
    let earliest = dot.saturating_sub(3);
    let mut start = dot;
    while start > earliest && start.checked_sub(1).is_some_and(is_digit) {
        start = start.saturating_sub(1);
    }
    if start == dot || !begins_token(text, start) || before(text, start) == Some(b'.') {
        return None;
    }
    let most = start.saturating_add(15).min(text.len());
    let mut end = start;
    while end < most && (is_digit(end) || byte(text, end) == Some(b'.') && is_digit(end.saturating_add(1))) {
        end = end.saturating_add(1);
    }
    let follows = |at: usize| byte(text, at).unwrap_or_default();
    let goes_on = follows(end).is_ascii_alphanumeric()
        || matches!(follows(end), b'_' | b'.' | b'-') && follows(end.saturating_add(1)).is_ascii_alphanumeric();
    let address: Ipv4Addr = std::str::from_utf8(text.get(start..end)?).ok()?.parse().ok()?;
    let is_hosts = !address.is_unspecified() && !address.is_loopback() && !matches!(address.octets(), [0 | 255, ..]);
    (is_hosts && !goes_on).then_some((start, end))
}

fn version_6(text: &[u8], colon: usize) -> Option<(usize, usize)> {
    let earliest = colon.saturating_sub(4);
    let mut start = colon;
    while start > earliest && before(text, start).is_some_and(|byte| byte.is_ascii_hexdigit()) {
        start = start.saturating_sub(1);
    }
    if before(text, start).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.')) {
        return None;
    }
    let most = colon.saturating_add(LONGEST).min(text.len());
    let mut end = colon;
    while end < most && byte(text, end).is_some_and(may_belong) {
        end = end.saturating_add(1);
    }
    // What follows a sentence or a name is no part of it.
    while end > colon && matches!(before(text, end), Some(b'.')) {
        end = end.saturating_sub(1);
    }
    if byte(text, end).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let token = std::str::from_utf8(text.get(start..end)?).ok()?;
    let groups = token.split(':').filter(|group| !group.is_empty()).count();
    let has_digit = token.bytes().any(|byte| byte.is_ascii_digit());
    (groups >= 3 && has_digit && token.parse::<Ipv6Addr>().is_ok()).then_some((start, end))
}
