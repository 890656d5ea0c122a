use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

use super::place::Place;
use crate::json::unescaped;

/// Levels of arrays and objects that are followed, as in serde_json.
const MOST_LEVELS: usize = 128;
/// Digits from which on a number counts as text: payment cards, accounts and identity numbers have as many.
const LONG_NUMBER: usize = 12;
/// Where the address of embedded data must say that it is base64.
const LONGEST_MEDIA_TYPE: usize = 128;

/// Why a text could not be scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is not JSON at byte {0}")]
    NotJson(usize),
    #[error("it is nested deeper than {MOST_LEVELS} levels")]
    TooDeep,
}

/// Appends the spans of all that is text, in their order: strings and names with their quotes, long numbers as they are. Tells
/// whether the whole is what an answer's place promises: an object with one list of what the model said.
pub(super) fn scan(json: &str, place: Place, spans: &mut Vec<Range<usize>>) -> Result<bool, Malformed> {
    let mut scanner = Scanner { bytes: json.as_bytes(), json, at: 0, spans, said: Said::Nothing };
    scanner.skip_space();
    let is_object = scanner.peek() == Some(b'{');
    scanner.value(place, MOST_LEVELS)?;
    scanner.skip_space();
    if scanner.at == json.len() { Ok(is_object && scanner.said == Said::List) } else { Err(scanner.malformed()) }
}

/// What an answer has where it says what the model said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    List,
    /// Something else, or more than one.
    Unclear,
}

struct Scanner<'a, 'out> {
    json: &'a str,
    bytes: &'a [u8],
    at: usize,
    spans: &'out mut Vec<Range<usize>>,
    said: Said,
}

impl<'a> Scanner<'a, '_> {
    fn value(&mut self, place: Place, levels: usize) -> Result<(), Malformed> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => {
                let span = self.string()?;
                if place.is_text() && !(place == Place::Url && self.is_embedded_media(&span)) {
                    self.spans.push(span);
                }
                Ok(())
            }
            Some(b'{') => self.object(place, levels.checked_sub(1).ok_or(Malformed::TooDeep)?),
            Some(b'[') => self.array(place, levels.checked_sub(1).ok_or(Malformed::TooDeep)?),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            Some(b'-' | b'0'..=b'9') => {
                let span = self.number();
                let digits = self.bytes.get(span.clone()).unwrap_or_default();
                if place.is_text()
                    && digits.len() >= LONG_NUMBER
                    && digits.iter().filter(|byte| byte.is_ascii_digit()).count() >= LONG_NUMBER
                {
                    self.spans.push(span);
                }
                Ok(())
            }
            _ => Err(self.malformed()),
        }
    }

    fn object(&mut self, place: Place, levels: usize) -> Result<(), Malformed> {
        self.at += 1;
        self.skip_space();
        if self.eat(b'}') {
            return Ok(());
        }
        let mut data: Option<Range<usize>> = None;
        let mut types = 0;
        let mut base64_types = 0;
        let mut is_text = false;
        loop {
            self.skip_space();
            let (name, name_span) = self.name()?;
            if place.has_text_name(&name) {
                self.spans.push(name_span);
            }
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            let (first_span, value_start) = (self.spans.len(), self.at);
            let value_place = place.of_field(&name);
            self.value(value_place, levels)?;
            match value_place {
                // A second one would hide what stands between: then all of it counts.
                Place::SourceData if place == Place::Source => {
                    is_text |= data.is_some();
                    data = Some(first_span..self.spans.len());
                }
                _ if place == Place::Source && name == "type" => {
                    types += 1;
                    base64_types += usize::from(self.json.get(value_start..self.at) == Some("\"base64\""));
                }
                _ if place == Place::Source && name == "media_type" => {
                    is_text |= self.json.get(value_start..self.at).is_some_and(|value| !is_binary(value));
                }
                Place::Choice | Place::Content | Place::ResponsesItem if place.is_answer() => {
                    let is_list = self.said == Said::Nothing && self.bytes.get(value_start) == Some(&b'[');
                    self.said = if is_list { Said::List } else { Said::Unclear };
                }
                _ => {}
            }
            self.skip_space();
            if self.eat(b'}') {
                break;
            }
            self.expect(b',')?;
        }
        let is_base64 = types > 0 && types == base64_types && !is_text;
        if let Some(data) = data.filter(|data| is_base64 && data.end <= self.spans.len()) {
            self.spans.drain(data);
        }
        Ok(())
    }

    fn array(&mut self, place: Place, levels: usize) -> Result<(), Malformed> {
        self.at += 1;
        self.skip_space();
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.value(place, levels)?;
            self.skip_space();
            if self.eat(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// A field's name; an escaped one is the name that it stands for.
    fn name(&mut self) -> Result<(Cow<'a, str>, Range<usize>), Malformed> {
        let span = self.string()?;
        let json: &'a str = self.json;
        Ok((unescaped(json.get(span.clone()).unwrap_or_default()), span))
    }

    fn number(&mut self) -> Range<usize> {
        let start = self.at;
        self.skip_while(|byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
        start..self.at
    }

    /// Whether a string is an address that holds the data itself, in base64, and the data is not text.
    fn is_embedded_media(&self, string: &Range<usize>) -> bool {
        let url = self.bytes.get(string.start.saturating_add(1)..string.end).unwrap_or_default();
        let Some(media_type) = url.strip_prefix(b"data:") else { return false };
        let head = media_type.get(..LONGEST_MEDIA_TYPE.min(media_type.len())).unwrap_or_default();
        let known: [&[u8]; 4] = [b"image/", b"audio/", b"video/", b"application/pdf;"];
        known.iter().any(|prefix| head.starts_with(prefix))
            && memchr::memchr(b',', head)
                .is_some_and(|comma| head.get(..comma).unwrap_or_default().ends_with(b";base64"))
    }

    fn string(&mut self) -> Result<Range<usize>, Malformed> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(plain) = memchr2(b'"', b'\\', rest) else { return Err(self.malformed()) };
            if has_control(rest.get(..plain).unwrap_or_default()) {
                return Err(self.malformed());
            }
            self.at += plain;
            if self.eat(b'"') {
                return Ok(start..self.at);
            }
            let escape = self.bytes.get(self.at + 1..).unwrap_or_default();
            self.at += match escape {
                [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
                [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => 6,
                _ => return Err(self.malformed()),
            };
        }
    }

    fn literal(&mut self, expected: &[u8]) -> Result<(), Malformed> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(expected)) {
            self.at += expected.len();
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) { Ok(()) } else { Err(self.malformed()) }
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn malformed(&self) -> Malformed {
        Malformed::NotJson(self.at)
    }
}

/// Whether a control character is among these bytes. Eight at a time: wasm has no wider registers without its vectors, and
/// prompts are long.
fn has_control(bytes: &[u8]) -> bool {
    const LOW: u64 = 0x2020_2020_2020_2020;
    const TOP: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    // Of a byte under 0x20 subtraction borrows, which sets its top bit; one that had it set before is none.
    let in_words =
        words.iter().map(|word| u64::from_le_bytes(*word)).any(|word| word.wrapping_sub(LOW) & !word & TOP != 0);
    in_words || rest.iter().any(|byte| *byte < 0x20)
}

/// Whether a source's media type, a JSON value, is one whose data is no text.
fn is_binary(media_type: &str) -> bool {
    let media_type = media_type.strip_prefix('"').unwrap_or(media_type);
    ["image/", "audio/", "video/", "application/pdf"].iter().any(|prefix| media_type.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::has_control;

    proptest! {
        #[test]
        fn control_characters_are_seen_wherever_they_stand(
            bytes in prop::collection::vec(prop_oneof![9 => 0x20..=0xff_u8, 1 => any::<u8>()], 0..40),
        ) {
            prop_assert_eq!(has_control(&bytes), bytes.iter().any(|byte| *byte < 0x20));
        }
    }
}
