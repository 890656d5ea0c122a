//! E-mail addresses: the dot-atom form of RFC 5322 section 3.4.1 at a domain name of at least two labels.
//!
//! Of the characters that the standard allows in the local part, those are left out that far more often stand around an
//! address than in it (`= / ? * { | } ` and the backquote): `mail=a@b.com` is the address `a@b.com`. The local part is at most
//! 64 bytes (RFC 5321 section 4.5.3.1.1); where more stand before the `@`, the last 64 are taken, so that a long run hides no
//! address. A domain ends with a label of letters.

use super::{Look, Match, before, byte, escape_length};
use weir_config::FindingType;

/// What every address has.
pub(super) const TRIGGER: &str = "@";

const LONGEST_LOCAL: usize = 64;
/// RFC 1035 section 2.3.4, without the length octets.
const LONGEST_DOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;
/// The longest address in bytes.
pub(super) const LONGEST: usize = LONGEST_LOCAL + 1 + LONGEST_DOMAIN;

/// The address whose `@` stands at `at`.
pub(super) fn matches(text: &[u8], at: usize, each: &mut dyn FnMut(Match)) {
    let Some(start) = local_start(text, at) else { return };
    if let Look::Match(end) = domain_end(text, at.saturating_add(1), true) {
        each(Match { start, end, finding: FindingType::Email });
    }
}

/// The first byte, at or after `from`, of what could still grow into an address.
pub(super) fn undecided(text: &[u8], from: usize) -> usize {
    let earliest = text.len().saturating_sub(LONGEST_DOMAIN + 2).max(from);
    let mut at = text.len();
    while at > earliest && before(text, at).is_some_and(is_domain) {
        at = at.saturating_sub(1);
    }
    let sign = at.saturating_sub(1);
    let pending = at > earliest
        && before(text, at) == Some(b'@')
        && domain_end(text, at, false) == Look::Undecided
        && local_start(text, sign).is_some();
    // Also what is cut off a local part is held: where it begins depends on what stands before it.
    run_start(text, if pending { sign } else { text.len() }).max(from)
}

/// Where the characters of a local part that end before `end` begin.
fn run_start(text: &[u8], end: usize) -> usize {
    let earliest = end.saturating_sub(LONGEST_LOCAL);
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
