//! Private keys: the text between the lines that say so (RFC 7468, RFC 4880, OpenSSH), its line breaks as they are or escaped.

use std::ops::Range;

use super::formats::Class;
use super::{LONGEST, begins, run_end};
use crate::detect::{Detector, Look, Match, Runs, Trigger, before, byte};
use memchr::{memchr, memmem};
use weir_config::FindingType;
use weir_llm::steps;

const BEGIN: &[u8] = b"-----BEGIN";
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY";
const END: &[u8] = b"-----END";
const DASHES: &[u8] = b"-----";
/// The longest first line: `-----BEGIN PGP PRIVATE KEY BLOCK-----`, with room for other names.
const LONGEST_LINE: usize = 64;
/// A key has at least so many characters in a row, line breaks aside: an Ed25519 one in DER.
const FEWEST: usize = 40;
/// No line but the last is shorter.
const SHORTEST_LINE: usize = 16;
/// So many short words may stand between lines: a last line, an escape, a mark that lines were left out.
const MOST_WORDS: usize = 3;
/// The most bytes that are no base64 between two lines.
const MOST_BETWEEN: usize = 80;
/// The longest value of a header.
const LONGEST_HEADER: usize = 160;

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

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
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
        steps::count(tail.len());
        let open = memmem::find_iter(tail, BEGIN)
            .map(|at| earliest.saturating_add(at))
            .find(|at| look(text, *at, false) == Look::Undecided);
        // Half of the first line's beginning.
        let least = text.len().saturating_sub(BEGIN.len().saturating_sub(1)).max(from);
        open.or_else(|| (least..text.len()).find(|at| text.get(*at..).is_some_and(|rest| BEGIN.starts_with(rest))))
            .unwrap_or(text.len())
    }
}

/// The key that begins at `start`. One whose end never comes ends with its last line, or where a key is longest.
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
    let body = Body::read(rest, BEGIN.len().saturating_add(length).saturating_add(DASHES.len()));
    let key = if body.is_key { Look::Match(start.saturating_add(body.key_end)) } else { Look::Nothing };
    let behind = match body.last_line {
        None if body.end == rest.len() => return open(key),
        None => return key,
        Some(_) if !body.is_key => return Look::Nothing,
        Some(last) => last.saturating_add(END.len()),
    };
    let tail = rest.get(behind..).unwrap_or_default();
    let tail = tail.get(..LONGEST_LINE.min(tail.len())).unwrap_or_default();
    let before_tail = start.saturating_add(behind);
    match memmem::find(tail, DASHES) {
        Some(dashes) => Look::Match(before_tail.saturating_add(dashes).saturating_add(DASHES.len())),
        None if tail.len() < LONGEST_LINE => open(Look::Match(before_tail)),
        None => Look::Match(before_tail),
    }
}

/// What stands behind the first line: lines of base64, with headers before them (RFC 1421 section 4.6, RFC 4880 section 6.2). Line
/// breaks may be escaped or spaces; between lines may stand what quotes, joins or comments them.
#[derive(Debug, Default)]
struct Body {
    /// Behind the last byte that may belong to a key or stand beside its lines.
    end: usize,
    /// Behind the last line of base64.
    key_end: usize,
    /// Whether that is a key rather than what stands in its place.
    is_key: bool,
    /// Where the line begins that says that the key ends.
    last_line: Option<usize>,
}

impl Body {
    fn read(text: &[u8], from: usize) -> Self {
        let mut body = Self { end: from, key_end: from, ..Self::default() };
        // Characters of lines in a row, and short words behind them.
        let (mut joined, mut words) = (0_usize, 0_usize);
        loop {
            let between = Between::read(text, body.end);
            steps::count(between.end.saturating_sub(body.end));
            body.end = between.end;
            if between.is_last_line {
                body.last_line = Some(between.end);
                return body;
            }
            if joined == 0
                && let Some(end) = header_end(text, body.end)
            {
                body.end = end;
                continue;
            }
            let end = run_end(text, body.end, LONGEST, is_base64);
            let length = end.saturating_sub(body.end);
            let is_padded = end > body.end && byte(text, end.saturating_sub(1)) == Some(b'=');
            if length >= SHORTEST_LINE {
                joined = if between.is_break { joined.saturating_add(length) } else { length };
                body.is_key |= joined >= FEWEST;
                body.key_end = end;
                words = 0;
            } else if length == 0 || words == MOST_WORDS {
                return body;
            } else {
                // The last line of a key is as long as it happens to be.
                if joined > 0 && words == 0 && between.is_break && (is_padded || end == text.len()) {
                    body.key_end = end;
                }
                words = words.saturating_add(1);
            }
            body.end = end;
        }
    }
}

/// What stands between two lines of base64.
struct Between {
    end: usize,
    /// Whether a line ends in it.
    is_break: bool,
    /// Whether the line begins behind it that says that the key ends.
    is_last_line: bool,
}

impl Between {
    fn read(text: &[u8], from: usize) -> Self {
        let mut between = Self { end: from, is_break: false, is_last_line: false };
        while between.end.saturating_sub(from) < MOST_BETWEEN {
            let length = match text.get(between.end..).unwrap_or_default() {
                rest if rest.starts_with(END) => {
                    between.is_last_line = true;
                    return between;
                }
                rest if rest.starts_with(BEGIN) => return between,
                [b'\\', b'n' | b'r', ..] => {
                    between.is_break = true;
                    2
                }
                [b'\\', b't', ..] => 2,
                [b'\n' | b'\r', ..] => {
                    between.is_break = true;
                    1
                }
                // Two strings may be joined by a sign that base64 has.
                rest @ [b'+' | b'/' | b'=', ..] => {
                    let signs = run_end(rest, 0, MOST_BETWEEN, |byte| is_base64(byte) && byte.is_ascii_punctuation());
                    if byte(rest, signs).is_some_and(is_base64) {
                        return between;
                    }
                    signs
                }
                [byte, ..] if byte.is_ascii_whitespace() || byte.is_ascii_punctuation() => 1,
                _ => return between,
            };
            between.end = between.end.saturating_add(length);
        }
        between
    }
}

/// Behind the header that begins at `at`, if one does: `Name: value` up to the line's end, or to a line of base64 where spaces stand for
/// line breaks.
fn header_end(text: &[u8], at: usize) -> Option<usize> {
    let name = run_end(text, at, MOST_BETWEEN, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if name == at || byte(text, name) != Some(b':') {
        return None;
    }
    let limit = name.saturating_add(LONGEST_HEADER).min(text.len());
    let mut end = name;
    while end < limit {
        let line = run_end(text, end, FEWEST, is_base64);
        let is_end = match text.get(end..).unwrap_or_default() {
            [b'\\', b'n' | b'r', ..] => true,
            [byte, ..] => byte.is_ascii_control(),
            [] => true,
        };
        if is_end || line.saturating_sub(end) >= FEWEST {
            return Some(end);
        }
        end = line.max(end.saturating_add(1));
    }
    (end >= text.len()).then_some(text.len())
}

fn is_base64(byte: u8) -> bool {
    Class::Base64.has(byte)
}
