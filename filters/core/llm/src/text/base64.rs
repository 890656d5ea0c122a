//! Base64 (RFC 4648), as much as documents in bodies need.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text that this says; `None` if it is no base64, or no text. Both alphabets are read; white space and padding may be missing.
pub(super) fn text_of(base64: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in base64.trim_end_matches('=').bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    // One letter alone says nothing.
    let text = String::from_utf8(bytes).ok().filter(|_| count < 6)?;
    (!text.contains('\0')).then_some(text)
}

/// A text in base64.
pub(super) fn of_text(text: &str) -> String {
    let mut base64 = String::with_capacity(text.len().div_ceil(3) * 4);
    for chunk in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4_usize {
            let letter = usize::try_from(bits >> (18 - 6 * at) & 63).ok().and_then(|value| LETTERS.get(value));
            let letter = letter.filter(|_| at <= chunk.len()).copied().unwrap_or(b'=');
            base64.push(char::from(letter));
        }
    }
    base64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{of_text, text_of};

    #[test]
    fn base64_is_as_the_standard_says() {
        for (text, base64) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(of_text(text), base64);
            assert_eq!(text_of(base64).as_deref(), Some(text));
            assert_eq!(text_of(base64.trim_end_matches('=')).as_deref(), Some(text));
        }
        assert_eq!(text_of("Zm9v\nYmFy").as_deref(), Some("foobar"));
        for other in ["a b!", "/9j/4AAQ", "AAAA", "%", "A", "Zm9vY"] {
            assert_eq!(text_of(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(text in "[^\\x00]{0,40}") {
            prop_assert_eq!(text_of(&of_text(&text)), Some(text));
        }
    }
}
