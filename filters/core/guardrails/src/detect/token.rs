//! Numbers with letters in them, in one word.

use super::before;
use super::glyph::{LONGEST_ESCAPE, may_be_escape};

/// The longest of them in bytes.
const LONGEST: usize = 16;

/// Whether the bytes at `at` have this form: `A` is a letter, `9` a digit.
pub(super) fn has_form(text: &[u8], at: usize, form: &[u8]) -> bool {
    text.get(at..at.saturating_add(form.len())).is_some_and(|token| {
        token.iter().zip(form).all(|(byte, class)| match class {
            b'A' => byte.is_ascii_alphabetic(),
            _ => byte.is_ascii_digit(),
        })
    })
}

/// The letters at `start..end` in one case: all capital, or all small.
pub(super) fn has_one_case(text: &[u8], start: usize, end: usize) -> Option<bool> {
    let token = text.get(start..end)?;
    let is_upper = !token.iter().any(u8::is_ascii_lowercase);
    (is_upper || !token.iter().any(u8::is_ascii_uppercase)).then_some(is_upper)
}

/// The first byte, at or after `from`, of a word at the end that is not too long.
pub(super) fn undecided(text: &[u8], from: usize) -> usize {
    undecided_before_tail(text, |head| {
        let earliest = head.len().saturating_sub(LONGEST).max(from);
        let mut start = head.len();
        while start > earliest && before(head, start).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            start = start.saturating_sub(1);
        }
        start
    })
}

/// What `undecided` tells of a text without what may follow a token at its end: a mark or an escape, of which it depends on what comes
/// whether it ends the token. Where nothing is open before it, nothing is.
pub(super) fn undecided_before_tail(text: &[u8], undecided: impl Fn(&[u8]) -> usize) -> usize {
    let earliest = text.len().saturating_sub(LONGEST_ESCAPE);
    let is_open = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        matches!(rest, [b'.' | b',' | b'-' | b':' | b'/']) || may_be_escape(rest)
    };
    let tail = (earliest..text.len()).find(|at| is_open(*at)).unwrap_or(text.len());
    let open = undecided(text.get(..tail).unwrap_or_default());
    if open < tail { open } else { text.len() }
}
