//! Passwords in addresses: `scheme://user:password@host` (RFC 3986 section 3.2.1).

use std::ops::Range;

use super::run_end;
use crate::detect::{CONTEXT, Detector, Look, Match, Runs, Trigger, byte};
use memchr::memchr_iter;
use weir_config::FindingType;

/// The most bytes from the scheme's colon to the password: what stands before it is known.
const FARTHEST: usize = CONTEXT - 4;
/// The longest user, password and host together.
const LONGEST: usize = 320;

/// Finds passwords in addresses.
#[derive(Debug)]
pub(crate) struct UrlPassword;

impl Detector for UrlPassword {
    fn name(&self) -> &'static str {
        "url_password"
    }

    fn finding(&self) -> FindingType {
        FindingType::Secret
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Colon]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(start) = password_start(text, place.start) else { return };
        if let Look::Match(end) = password_end(text, start, true) {
            each(self.found(start, end, 90));
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(LONGEST).max(from).saturating_sub(FARTHEST);
        memchr_iter(b':', text.get(earliest..).unwrap_or_default())
            .filter_map(|colon| password_start(text, earliest.saturating_add(colon)))
            .find(|start| *start >= from && password_end(text, *start, false) == Look::Undecided)
            .unwrap_or(text.len())
    }
}

/// Where the password begins of the address whose scheme ends with this colon.
fn password_start(text: &[u8], colon: usize) -> Option<usize> {
    let rest = text.get(colon..)?;
    let slashes = [&b"://"[..], br":\/\/"].into_iter().find(|slashes| rest.starts_with(slashes))?;
    if !colon.checked_sub(1).and_then(|at| byte(text, at)).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let user = colon.saturating_add(slashes.len());
    let end = run_end(text, user, FARTHEST, |byte| is_authority(byte) && byte != b':' && byte != b'@');
    let start = end.saturating_add(1);
    (byte(text, end) == Some(b':') && start.saturating_sub(colon) <= FARTHEST).then_some(start)
}

/// Where the password ends: at the last sign before the host.
fn password_end(text: &[u8], start: usize, at_end: bool) -> Look {
    let end = run_end(text, start, LONGEST, is_authority);
    if end == text.len() && !at_end && end.saturating_sub(start) < LONGEST {
        return Look::Undecided;
    }
    let run = text.get(start..end).unwrap_or_default();
    let Some(length) = run.iter().rposition(|byte| *byte == b'@') else { return Look::Nothing };
    let password = run.get(..length).unwrap_or_default();
    let has_host = run.get(length.saturating_add(1)).is_some_and(u8::is_ascii_alphanumeric)
        || matches!(run.get(length.saturating_add(1)), Some(b'[' | b'%'));
    // A variable, a placeholder, stars.
    let is_template = password.iter().any(|byte| matches!(byte, b'{' | b'}' | b'$' | b'['))
        || password.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.'));
    if has_host && !is_template { Look::Match(start.saturating_add(length)) } else { Look::Nothing }
}

fn is_authority(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b',')
}
