//! Where a text says a secret in base64 (RFC 4648, sections 4 and 5), as basic authentication and dumps of headers have it.

use std::ops::Range;

use super::{MOST_BACKSLASHES, hex};

/// Bits of a symbol.
const BITS: u32 = 6;

/// The runs of symbols that say the secret, alone or among more, in their order. What is escaped for JSON or a URL is a symbol too.
/// Line breaks within a run do not end it (RFC 2045, section 6.8), and are no symbols in any spelling.
pub(super) fn runs(text: &[u8], secret: &[u8]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let (mut start, mut end, mut at) = (0_usize, 0_usize, 0_usize);
    let mut symbols = Vec::new();
    while let Some(rest) = text.get(at..) {
        match read(rest) {
            Some((Read::Symbol(symbol), length)) => {
                if symbols.is_empty() {
                    start = at;
                }
                symbols.push(symbol);
                at = at.saturating_add(length);
                end = at;
            }
            Some((Read::LineBreak, length)) => at = at.saturating_add(length),
            None => {
                if says(&symbols, secret) {
                    runs.push(start..end);
                }
                symbols.clear();
                at = at.saturating_add(1);
            }
        }
    }
    runs
}

/// Whether they say the secret, at whichever of them its bytes begin.
fn says(symbols: &[u8], secret: &[u8]) -> bool {
    let can_hold = symbols.len().saturating_mul(3) / 4 >= secret.len();
    can_hold
        && (0..4)
            .any(|first| memchr::memmem::find(&decoded(symbols.get(first..).unwrap_or_default()), secret).is_some())
}

fn decoded(symbols: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(symbols.len());
    for four in symbols.chunks(4) {
        let (bits, count) = four
            .iter()
            .fold((0_u32, 0_u32), |(bits, count), symbol| (bits << BITS | u32::from(*symbol), count.saturating_add(1)));
        let word =
            bits.checked_shl(32_u32.saturating_sub(count.saturating_mul(BITS))).unwrap_or_default().to_be_bytes();
        let whole = usize::try_from(count.saturating_mul(BITS) / 8).unwrap_or_default();
        bytes.extend_from_slice(word.get(..whole).unwrap_or_default());
    }
    bytes
}

/// What has a meaning in base64.
#[derive(Clone, Copy)]
enum Read {
    Symbol(u8),
    LineBreak,
}

/// What stands at the beginning of a text, and its bytes there.
fn read(text: &[u8]) -> Option<(Read, usize)> {
    match text {
        [b'%', high, low, ..] => Some((value(hex(&[*high, *low])?)?, 3)),
        [b'\\', ..] => {
            let backslashes = text.iter().take(MOST_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
            match text.get(backslashes..)? {
                [b'u', digits @ ..] => Some((value(hex(digits.get(..4)?)?)?, backslashes.saturating_add(5))),
                [b'/', ..] => Some((value(u32::from(b'/'))?, backslashes.saturating_add(1))),
                [b'n' | b'r', ..] => Some((Read::LineBreak, backslashes.saturating_add(1))),
                _ => None,
            }
        }
        [byte, ..] => Some((value(u32::from(*byte))?, 1)),
        [] => None,
    }
}

/// What a character stands for, in either alphabet.
fn value(character: u32) -> Option<Read> {
    let byte = u8::try_from(character).ok()?;
    let symbol = match byte {
        b'\r' | b'\n' => return Some(Read::LineBreak),
        b'A'..=b'Z' => byte.checked_sub(b'A'),
        b'a'..=b'z' => byte.checked_sub(b'a')?.checked_add(26),
        b'0'..=b'9' => byte.checked_sub(b'0')?.checked_add(52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    symbol.map(Read::Symbol)
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn a_secret_is_found_wherever_it_stands_in_what_is_encoded() {
        let check = |text: &str, expect: &[&str]| {
            let runs = runs(text.as_bytes(), b"sk-12345678");
            assert_eq!(runs.into_iter().map(|run| &text[run]).collect::<Vec<_>>(), expect, "{text}");
        };
        // `sk-12345678`, `:sk-12345678`, `Bearer sk-12345678 and more`.
        check("c2stMTIzNDU2Nzg=", &["c2stMTIzNDU2Nzg"]);
        check("Basic OnNrLTEyMzQ1Njc4, no", &["OnNrLTEyMzQ1Njc4"]);
        check("x QmVhcmVyIHNrLTEyMzQ1Njc4IGFuZCBtb3Jl.", &["QmVhcmVyIHNrLTEyMzQ1Njc4IGFuZCBtb3Jl"]);
        // Behind other letters, and twice.
        check("keyc2stMTIzNDU2Nzg c2stMTIzNDU2Nzg", &["keyc2stMTIzNDU2Nzg", "c2stMTIzNDU2Nzg"]);
        check(r"c2st\u004dTIzNDU2Nzg", &[r"c2st\u004dTIzNDU2Nzg"]);
        check("%632stMTIzNDU2Nzg%3D", &["%632stMTIzNDU2Nzg"]);
        // Wrapped, as MIME has it, and what is about a run is left.
        for wrap in ["\r\n", "\n", r"\r\n", r"\\n", r"\u000a", "%0D%0A"] {
            check(&format!("a {wrap}c2stMTIz{wrap}NDU2Nzg={wrap}b"), &[&format!("c2stMTIz{wrap}NDU2Nzg")]);
            check(&format!("{wrap}OnNr{wrap}LTEyMzQ1Njc4{wrap} no"), &[&format!("OnNr{wrap}LTEyMzQ1Njc4")]);
        }
        check("c2stMTIzNDU2Nz c2stMTIzNDU2Nzk sk-12345678 %zz \\\\ ", &[]);
        check("", &[]);
    }

    #[test]
    fn both_alphabets_count() {
        for text in ["+/+/+/+/+/+/", "-_-_-_-_-_-_", r"+\/+\/+\/+\/+\/+\/", "%2B%2F+/+/+/+/+/"] {
            let secret = [0xfb, 0xff, 0xbf, 0xfb, 0xff, 0xbf, 0xfb, 0xff, 0xbf];
            let found = runs(text.as_bytes(), &secret);
            assert_eq!(found.first().map(|run| (run.start, run.end)), Some((0, text.len())), "{text}");
        }
    }
}
