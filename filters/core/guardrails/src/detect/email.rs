//! E-mail addresses: the dot-atom form of RFC 5322 section 3.4.1 at a domain name of at least two labels.
//!
//! Of the characters that the standard allows in the local part, those are left out that far more often stand around an
//! address than in it (`= / ? * { | } ` and the backquote): `mail=a@b.com` is the address `a@b.com`. The local part is at most
//! 64 bytes (RFC 5321 section 4.5.3.1.1); where more stand before the `@`, the last 64 are taken, so that a long run hides no
//! address. A domain ends with a label of letters. The sign between both may be of full width, or escaped for JSON, a URL or HTML.

use std::ops::Range;

use super::glyph::{LONGEST_ESCAPE, MOST_BACKSLASHES};
use super::{Detector, Look, Match, Runs, Trigger, before, byte, escape_length};
use weir_config::FindingType;

const LONGEST_LOCAL: usize = 64;
/// RFC 1035 section 2.3.4, without the length octets.
const LONGEST_DOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;
/// The longest address in bytes.
pub(super) const LONGEST: usize = LONGEST_LOCAL + LONGEST_ESCAPE + LONGEST_DOMAIN;
/// All of `&#64;` but its end.
const OPEN_SIGN: usize = 4;
/// The sign in JSON, behind its backslashes.
const ESCAPE: &[u8] = b"u0040";

const SCORE: u8 = 99;

/// Finds e-mail addresses.
#[derive(Debug)]
pub(super) struct Email;

impl Detector for Email {
    fn name(&self) -> &'static str {
        "email"
    }

    fn finding(&self) -> FindingType {
        FindingType::Email
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::At]
    }

    /// The address whose `@` stands at `sign`.
    fn matches(&self, text: &[u8], sign: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(start) = local_start(text, sign.start) else { return };
        if let Look::Match(end) = domain_end(text, sign.end, true) {
            each(self.found(start, end, SCORE));
        }
    }

    /// The first byte of what could still grow into an address.
    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(LONGEST_DOMAIN + ESCAPE.len() + 2).max(from);
        let mut at = text.len();
        while at > earliest && before(text, at).is_some_and(is_domain) {
            at = at.saturating_sub(1);
        }
        if at > earliest
            && let Some((sign, domain)) = sign_before(text, at)
            && domain_end(text, domain, false) == Look::Undecided
            && local_start(text, sign).is_some()
        {
            return run_start(text, sign).max(from);
        }
        // Also what is cut off a local part is held: where it begins depends on what stands before it.
        // The beginning of a sign in a URL or in HTML looks like the end of one.
        let start = bounded_run_start(text, text.len(), LONGEST_LOCAL + OPEN_SIGN);
        let is_open_escape =
            ESCAPE.starts_with(text.get(start..).unwrap_or_default()) && before(text, start) == Some(b'\\');
        let start = if is_open_escape { run_start(text, backslashes_start(text, start)) } else { start };
        start.max(from)
    }
}

/// The sign before what may be a domain that begins at `at`, and where the domain begins: the end of an escaped sign looks like
/// the beginning of one.
fn sign_before(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let (head, tail) = text.split_at_checked(at)?;
    for whole in [&b"@"[..], "＠".as_bytes(), "﹫".as_bytes(), b"&#64;"] {
        if head.ends_with(whole) {
            return Some((at.checked_sub(whole.len())?, at));
        }
    }
    if head.ends_with(b"%") && tail.starts_with(b"40") {
        return Some((at.checked_sub(1)?, at.saturating_add(2)));
    }
    let is_escape = head.ends_with(b"\\") && tail.starts_with(ESCAPE);
    is_escape.then(|| (backslashes_start(text, at), at.saturating_add(ESCAPE.len())))
}

/// Where the backslashes that end before `end` begin.
fn backslashes_start(text: &[u8], end: usize) -> usize {
    let before = text.get(..end).unwrap_or_default();
    end.saturating_sub(before.iter().rev().take(MOST_BACKSLASHES).take_while(|byte| **byte == b'\\').count())
}

/// Where the characters of a local part that end before `end` begin.
fn run_start(text: &[u8], end: usize) -> usize {
    bounded_run_start(text, end, LONGEST_LOCAL)
}

fn bounded_run_start(text: &[u8], end: usize, most: usize) -> usize {
    let earliest = end.saturating_sub(most);
    let mut start = end;
    while start > earliest && before(text, start).is_some_and(is_local) {
        start = start.saturating_sub(1);
    }
    start
}

/// Where the local part before the `@` at `at` begins; `None` if there is none.
fn local_start(text: &[u8], at: usize) -> Option<usize> {
    let mut start = run_start(text, at);
    let run = text.get(start..at)?;
    if let Some(dots) = run.windows(2).rposition(|pair| pair == b"..") {
        start = start.saturating_add(dots).saturating_add(2);
    }
    if let Some(length) = start.checked_sub(1).and_then(|escape| escape_length(text, escape)) {
        start = start.saturating_add(length).saturating_sub(1);
    }
    let local = text.get(start..at)?;
    let first = local.iter().position(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')?;
    (local.last() != Some(&b'.')).then(|| start.saturating_add(first))
}

/// Where the domain name that begins at `start` ends. `at_end`: nothing follows the text.
fn domain_end(text: &[u8], start: usize, at_end: bool) -> Look {
    let mut end = Look::Nothing;
    let mut at = start;
    loop {
        let label_start = at;
        while byte(text, at).is_some_and(is_label) {
            at = at.saturating_add(1);
            if at.saturating_sub(label_start) > LONGEST_LABEL || at.saturating_sub(start) > LONGEST_DOMAIN {
                return end;
            }
        }
        let label = text.get(label_start..at).unwrap_or_default();
        if at == text.len() && !at_end {
            return Look::Undecided;
        }
        if !label.first().is_some_and(u8::is_ascii_alphanumeric) {
            return end;
        }
        if label_start > start
            && let Some(length) = top_label_length(label)
        {
            end = Look::Match(label_start.saturating_add(length));
        }
        if byte(text, at) != Some(b'.') || label.last() == Some(&b'-') {
            return end;
        }
        at = at.saturating_add(1);
    }
}

/// How many bytes of a label can be the domain's last label.
fn top_label_length(label: &[u8]) -> Option<usize> {
    if label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"xn--")) {
        return Some(label.iter().rposition(|byte| *byte != b'-')?.saturating_add(1));
    }
    let letters = label.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    (letters >= 2 && matches!(label.get(letters), None | Some(b'-'))).then_some(letters)
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'%' | b'\'' | b'!' | b'#' | b'$' | b'&' | b'^' | b'~')
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn is_domain(byte: u8) -> bool {
    is_label(byte) || byte == b'.'
}
