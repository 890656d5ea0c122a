//! Edits of an object's members in place, for a server that takes fewer of them.

use std::ops::Range;

use crate::json::{Fields, span_in, write_string};

/// Bytes that become others.
pub(super) type Edit = (Range<usize>, Vec<u8>);

/// What becomes of a member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    /// It stays as it is.
    Same,
    /// Its name becomes this.
    Renamed(&'static str),
    /// It is removed.
    Gone,
}

/// The edits of an object's members. `fields` were read from `body`.
pub(super) fn members(body: &[u8], fields: &Fields<'_>, becomes: impl Fn(&str) -> Becomes, edits: &mut Vec<Edit>) {
    let mut values = Vec::new();
    let mut changes = false;
    for (name, value) in fields.iter() {
        let Some(span) = span_in(body, value) else { return };
        let becomes = becomes(name);
        changes |= becomes != Becomes::Same;
        values.push((name, span, becomes));
    }
    let Some((_, first, _)) = values.first().filter(|_| changes) else { return };
    let before = body.get(..first.start).unwrap_or_default();
    // The brace that opens the object: a first member's name may hold one, but then in a string that ends behind it.
    let Some(open) = opening_brace(before) else { return };
    // Up to where the text is settled, and whether a member stands before there.
    let mut at = open.saturating_add(1);
    let mut follows = false;
    let mut gap = false;
    for (name, span, becomes) in values {
        let name = match becomes {
            Becomes::Gone => {
                gap = true;
                continue;
            }
            Becomes::Renamed(name) => Some(name),
            Becomes::Same => gap.then_some(name),
        };
        if let Some(name) = name {
            let mut key = if follows { b",".to_vec() } else { Vec::new() };
            write_string(name, &mut key);
            key.push(b':');
            edits.push((at..span.start, key));
        }
        (at, follows, gap) = (span.end, true, false);
    }
    if gap {
        let end = fields.iter().last().and_then(|(_, value)| span_in(body, value)).map_or(at, |span| span.end);
        edits.push((at..end, Vec::new()));
    }
}

/// Where the object begins whose first value stands right behind: the brace before the name, read backwards.
fn opening_brace(before: &[u8]) -> Option<usize> {
    let trimmed = before.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end().strip_suffix(b"\"")?;
    // The name's opening quote is the last one that no backslash escapes.
    let mut at = trimmed.len();
    let quote = loop {
        let quote = trimmed.get(..at)?.iter().rposition(|byte| *byte == b'"')?;
        let escapes = trimmed.get(..quote)?.iter().rev().take_while(|byte| **byte == b'\\').count();
        if escapes % 2 == 0 {
            break quote;
        }
        at = quote;
    };
    let brace = trimmed.get(..quote)?.trim_ascii_end();
    brace.ends_with(b"{").then(|| brace.len().saturating_sub(1))
}
