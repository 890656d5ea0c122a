//! Private keys: the text between the lines that say so (RFC 7468, RFC 4880, OpenSSH), its line breaks as they are or escaped.

use std::ops::Range;

use super::{LONGEST, begins};
use crate::detect::{Detector, Look, Match, Trigger, before};
use memchr::{memchr, memmem};
use weir_config::FindingType;

const BEGIN: &[u8] = b"-----BEGIN";
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY";
const END: &[u8] = b"-----END";
const DASHES: &[u8] = b"-----";
/// The longest first line: `-----BEGIN PGP PRIVATE KEY BLOCK-----`, with room for other names.
const LONGEST_LINE: usize = 64;
/// A key has at least so many characters, an Ed25519 one in DER.
const FEWEST: usize = 40;

/// Finds private keys.
#[derive(Debug)]
pub(crate) struct PrivateKey;

impl Detector for PrivateKey {
    fn name(&self) -> &'static str {
        "private_key"
    }

    fn finding(&self) -> FindingType {
        FindingType::Secret
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Secret]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, each: &mut dyn FnMut(Match)) {
        if let Look::Match(end) = look(text, place.start, true) {
            each(self.found(place.start, end, 99));
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(LONGEST).max(from);
        let tail = text.get(earliest..).unwrap_or_default();
        if memchr(b'-', tail).is_none() {
            return text.len();
        }
        let open = memmem::find_iter(tail, BEGIN)
            .map(|at| earliest.saturating_add(at))
            .find(|at| look(text, *at, false) == Look::Undecided);
        // Half of the first line's beginning.
        let least = text.len().saturating_sub(BEGIN.len().saturating_sub(1)).max(from);
        open.or_else(|| (least..text.len()).find(|at| text.get(*at..).is_some_and(|rest| BEGIN.starts_with(rest))))
            .unwrap_or(text.len())
    }
}

/// The key that begins at `start`. One whose end never comes ends with the text, or where a key is longest.
fn look(text: &[u8], start: usize, at_end: bool) -> Look {
    let limit = start.saturating_add(LONGEST);
    let rest = text.get(start..limit.min(text.len())).unwrap_or_default();
    let is_cut = text.len() >= limit;
    if !rest.starts_with(BEGIN) || before(text, start) == Some(b'-') && !begins(text, start) {
        return Look::Nothing;
    }
    let open = |otherwise| if at_end || is_cut { otherwise } else { Look::Undecided };
    let line = rest.get(BEGIN.len()..).unwrap_or_default();
    let line = line.get(..LONGEST_LINE.min(line.len())).unwrap_or_default();
    let Some(length) = memmem::find(line, DASHES) else {
        return if line.len() < LONGEST_LINE { open(Look::Nothing) } else { Look::Nothing };
    };
    if memmem::find(line.get(..length).unwrap_or_default(), PRIVATE_KEY).is_none() {
        return Look::Nothing;
    }
    let body = BEGIN.len().saturating_add(length).saturating_add(DASHES.len());
    let behind = rest.get(body..).unwrap_or_default();
    let Some(last) = memmem::find(behind, END) else {
        let end = start.saturating_add(rest.len());
        return open(if is_key(behind) { Look::Match(end) } else { Look::Nothing });
    };
    if !is_key(behind.get(..last).unwrap_or_default()) {
        return Look::Nothing;
    }
    let tail = behind.get(last.saturating_add(END.len())..).unwrap_or_default();
    let tail = tail.get(..LONGEST_LINE.min(tail.len())).unwrap_or_default();
    let before_tail = start.saturating_add(body).saturating_add(last).saturating_add(END.len());
    match memmem::find(tail, DASHES) {
        Some(dashes) => Look::Match(before_tail.saturating_add(dashes).saturating_add(DASHES.len())),
        None if tail.len() < LONGEST_LINE => open(Look::Match(before_tail)),
        None => Look::Match(before_tail),
    }
}

/// Whether this is a key rather than what stands in its place.
fn is_key(body: &[u8]) -> bool {
    let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'+' | b'/' | b'=');
    body.iter().filter(is_base64).take(FEWEST).count() >= FEWEST
}
