mod base64;

use std::fmt;

use weir_llm::ProviderError;

/// What stands in its place.
const REMOVED: &[u8] = b"[removed]";
/// Shorter ones are words that may stand in a message by themselves.
const SHORTEST: usize = 8;
/// So many backslashes may stand before a character of a quoted credential: JSON in JSON in JSON.
const MOST_BACKSLASHES: usize = 8;

/// The credential that an attempt showed to its provider, kept so that a provider that quotes it in an error does not show it
/// to the client.
pub(crate) struct Credential(Vec<u8>);

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credential")
    }
}

impl Credential {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// An error without it, in any of its texts.
    pub(crate) fn out_of(&self, error: ProviderError) -> ProviderError {
        error.hiding(&|text| self.hidden_in_error(text))
    }

    /// A text of an error without it, also where it stands in base64; `None`: it does not stand there.
    pub(crate) fn hidden_in_error(&self, text: &str) -> Option<String> {
        let plain = self.hidden_in(text);
        let bytes = plain.as_deref().unwrap_or(text).as_bytes();
        let runs = if self.is_short() { Vec::new() } else { base64::runs(bytes, &self.0) };
        if runs.is_empty() {
            return plain;
        }
        let (mut kept, mut at) = (Vec::new(), 0);
        for run in runs {
            kept.extend_from_slice(bytes.get(at..run.start).unwrap_or_default());
            kept.extend_from_slice(REMOVED);
            at = run.end;
        }
        kept.extend_from_slice(bytes.get(at..).unwrap_or_default());
        Some(String::from_utf8_lossy(&kept).into_owned())
    }

    /// Whether the headers of a failure show it together: as it is, escaped, in base64, or a piece of it in each.
    pub(crate) fn is_in_any(&self, values: &[&[u8]]) -> bool {
        let forward = values.concat();
        let backward: Vec<u8> = values.iter().rev().copied().flatten().copied().collect();
        [forward, backward]
            .iter()
            .any(|text| self.is_in(text) || (!self.is_short() && !base64::runs(text, &self.0).is_empty()))
    }

    fn is_short(&self) -> bool {
        self.0.len() < SHORTEST
    }

    /// Whether it stands in a text, as it is or escaped.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        self.find(text, 0, has_escapes(text)).is_some()
    }

    /// A text of an error without it; `None`: it does not stand there. The text is what a reader reads, not its JSON: what is escaped
    /// in it was escaped twice.
    pub(crate) fn hidden_in(&self, text: &str) -> Option<String> {
        let bytes = text.as_bytes();
        let has_escapes = has_escapes(bytes);
        let (mut kept, mut at) = (Vec::new(), 0);
        while let Some((start, end)) = self.find(bytes, at, has_escapes) {
            kept.extend_from_slice(bytes.get(at..start).unwrap_or_default());
            kept.extend_from_slice(REMOVED);
            at = end;
        }
        if at == 0 {
            return None;
        }
        kept.extend_from_slice(bytes.get(at..).unwrap_or_default());
        Some(String::from_utf8_lossy(&kept).into_owned())
    }

    /// Where it stands next, from a place on. A hostile provider chooses the text: each place is looked at for as long as it fits.
    fn find(&self, text: &[u8], from: usize, has_escapes: bool) -> Option<(usize, usize)> {
        let first = *self.0.first().filter(|_| !self.is_short())?;
        if !has_escapes {
            let start = from.saturating_add(memchr::memmem::find(text.get(from..)?, &self.0)?);
            return Some((start, start.saturating_add(self.0.len())));
        }
        let mut at = from;
        while let Some(next) = memchr::memchr3(first, b'\\', b'%', text.get(at..)?) {
            let start = at.saturating_add(next);
            if let Some(end) = self.end_at(text, start) {
                return Some((start, end));
            }
            at = start.saturating_add(1);
        }
        None
    }

    /// Where it ends, if it begins here.
    fn end_at(&self, text: &[u8], start: usize) -> Option<usize> {
        self.0.iter().try_fold(start, |at, byte| Some(at.saturating_add(length_of(*byte, text.get(at..)?)?)))
    }
}

/// Whether anything in a text may be escaped. If nothing is, it is searched by words: the first letter of a credential is common.
fn has_escapes(text: &[u8]) -> bool {
    memchr::memchr2(b'\\', b'%', text).is_some()
}

/// How many bytes at the beginning of a text stand for this one: itself, or an escape of JSON or of a URL.
fn length_of(byte: u8, text: &[u8]) -> Option<usize> {
    match text {
        [first, ..] if *first == byte => Some(1),
        [b'%', high, low, ..] => (hex(&[*high, *low]) == Some(u32::from(byte))).then_some(3),
        [b'\\', ..] => {
            let backslashes = text.iter().take(MOST_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
            match text.get(backslashes..)? {
                [b'u', digits @ ..] if hex(digits.get(..4)?) == Some(u32::from(byte)) => {
                    Some(backslashes.saturating_add(5))
                }
                [first, ..] if *first == byte => Some(backslashes.saturating_add(1)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_taken_out_wherever_it_stands() {
        let check = |credential: &str, text: &str, expect: &str| {
            let credential = Credential::new(credential.into());
            assert_eq!(credential.hidden_in(text).as_deref().unwrap_or(text), expect);
            assert_eq!(credential.is_in(text.as_bytes()), text != expect);
        };
        check("sk-12345678", "sk-12345678", "[removed]");
        check("sk-12345678", "a sk-12345678, sk-12345678 b sk-1234567", "a [removed], [removed] b sk-1234567");
        check("sk-12345678", "", "");
        check("sk-12345678", "\u{e9}sk-sk-12345678\u{e9}", "\u{e9}sk-[removed]\u{e9}");
        // JSON in the text of JSON, and in that of a URL.
        check("sk-12345678", r#"{"m":"\u0073k\u002D12345678"}"#, r#"{"m":"[removed]"}"#);
        check("sk-12345678", r"\\\u0073k-1234567\u0038.", "[removed].");
        check("sk-12345678", "?key=sk%2D12345678&a", "?key=[removed]&a");
        check("sk/12345678", r"sk\/12345678 sk/12345678", "[removed] [removed]");
        check(r#"sk-"1\23456"#, r#"{"m":"sk-\"1\\23456"} sk-"1\23456"#, r#"{"m":"[removed]"} [removed]"#);
        check("sk-12345678", r"\\\\\\\\\\\\ \u007 %7", r"\\\\\\\\\\\\ \u007 %7");
        // In an error it is found in base64 too, as it is and with a name before it.
        let credential = Credential::new("sk-12345678".into());
        for (text, expect) in [
            ("Basic dTpzay0xMjM0NTY3OA== was sk-12345678", Some("Basic [removed]== was [removed]")),
            ("c2stMTIzNDU2Nzg=", Some("[removed]=")),
            ("nothing of it", None),
        ] {
            assert_eq!(credential.hidden_in_error(text).as_deref(), expect);
        }
        let split = |values: &[&[u8]]| credential.is_in_any(values);
        assert!(split(&[b"sk-1234", b"5678"]) && split(&[b"5678", b"sk-1234"]) && split(&[b"c2stMTIzNDU2Nzg", b"1"]));
        assert!(!split(&[b"sk-1234", b"567"]) && !split(&[]));
        assert!(Credential::new("none".into()).hidden_in_error("none bm9uZQ==").is_none());
        // A word that is a credential only by name.
        check("none", "there is none", "there is none");
        assert_eq!(format!("{:?}", Credential::new(b"sk-12345678".to_vec())), "Credential");
    }
}
