//! Reading JSON where it stands, in one pass and without recursion: what a value is and where it begins and ends.
//!
//! This is the one walker of JSON text here, beside `serde_json`, which makes values of it: the head of a request, the fields of an
//! object and the search for text all go by it. `serde_json` cannot take its place, since it neither says where a value stands nor shows
//! a name that stands twice.
//!
//! A request is read strictly ([`Reader::strict`]): what passes is read alike by everybody after it, whichever provider that is, and
//! what `serde_json` would not take into a [`serde_json::Value`], as translation does, is refused for every provider. That is more than
//! the grammar: nesting is bounded, a number must fit into a double, and half a surrogate pair stands for no character (RFC 8259, 6, 8.2
//! and 9). What a provider wrote is read by the grammar alone ([`Reader::of`]): models do end in half a character.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::RequestError;
use crate::json::unescaped;
use crate::steps;

/// Levels of arrays and objects, the body's own included: as deep as `serde_json` reads.
const MOST_LEVELS: u32 = 127;
/// A number without an exponent is smaller than the largest double if it has no more characters.
const SURELY_A_DOUBLE: usize = 300;

/// Why a body is not valid. Positions count bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it begins with a byte-order mark, which JSON has not")]
    ByteOrderMark,
    #[error("it is not UTF-8 at byte {0}")]
    NotUtf8(usize),
    #[error("it is not JSON at byte {0}")]
    NotJson(usize),
    #[error("it goes on after its JSON ends, at byte {0}")]
    GoesOn(usize),
    #[error("it is nested deeper than {MOST_LEVELS} levels at byte {0}")]
    TooDeep(usize),
    #[error("the number at byte {0} is larger than a double holds")]
    NumberTooLarge(usize),
    #[error("half a surrogate pair is escaped at byte {0}")]
    HalfSurrogate(usize),
}

impl From<Malformed> for RequestError {
    fn from(error: Malformed) -> Self {
        Self::new(format!("the body is not valid: {error}"))
    }
}

/// A place in a JSON text.
pub(crate) struct Reader<'a> {
    json: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Arrays and objects around this place.
    levels: u32,
    is_strict: bool,
}

impl<'a> Reader<'a> {
    /// At the beginning of a body that is read strictly.
    pub(crate) fn strict(body: &'a [u8]) -> Result<Self, Malformed> {
        let json = std::str::from_utf8(body).map_err(|error| Malformed::NotUtf8(error.valid_up_to()))?;
        if json.starts_with('\u{feff}') {
            return Err(Malformed::ByteOrderMark);
        }
        Ok(Self { is_strict: true, ..Self::of(json) })
    }

    /// At the beginning of a text that is read by the grammar alone.
    pub(crate) fn of(json: &'a str) -> Self {
        Self { json, bytes: json.as_bytes(), at: 0, levels: 0, is_strict: false }
    }

    /// The first byte of what comes next, white space aside.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u8> {
        self.skip_space();
        self.peek()
    }

    /// Where this place is, to be given to [`Reader::since`].
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// What was passed since a position.
    pub(crate) fn since(&self, position: usize) -> &'a str {
        self.json.get(position..self.at).unwrap_or_default()
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        self.next().map_or(Ok(()), |_| Err(Malformed::GoesOn(self.at)))
    }

    /// Passes an object; `field` is called after each name, with where that stands, and must pass its value.
    pub(crate) fn object<E: From<Malformed>>(
        &mut self,
        mut field: impl FnMut(&mut Self, Cow<'a, str>, Range<usize>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{')?;
        if self.next() == Some(b'}') {
            return Ok(self.close(b'}')?);
        }
        loop {
            let (name, span) = self.name()?;
            field(self, name, span)?;
            if self.next() != Some(b',') {
                return Ok(self.close(b'}')?);
            }
            self.at += 1;
        }
    }

    /// Passes an array; `item` is called before each item, with its number, and must pass it.
    pub(crate) fn array<E: From<Malformed>>(
        &mut self,
        mut item: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'[')?;
        if self.next() == Some(b']') {
            return Ok(self.close(b']')?);
        }
        for index in 0.. {
            item(self, index)?;
            if self.next() != Some(b',') {
                break;
            }
            self.at += 1;
        }
        Ok(self.close(b']')?)
    }

    /// Passes any value and answers it as it is written.
    pub(crate) fn value(&mut self) -> Result<&'a str, Malformed> {
        let first = self.next();
        let start = self.at;
        if first == Some(b'"') {
            self.string()?;
            return Ok(self.since(start));
        }
        let outside = self.levels;
        // One bit for each level that was opened here, the innermost lowest: whether it is an object.
        let mut objects: u128 = 0;
        loop {
            let opened = self.scalar_or_open()?;
            if let Some(is_object) = opened {
                objects = objects << 1 | u128::from(is_object);
                let end = if is_object { b'}' } else { b']' };
                if self.next() != Some(end) {
                    if is_object {
                        self.pass_name()?;
                    }
                    continue;
                }
            }
            // A value is complete, or an empty array or object can be closed.
            let mut may_go_on = opened.is_none();
            loop {
                if self.levels == outside {
                    return Ok(self.since(start));
                }
                let is_object = objects & 1 == 1;
                if may_go_on && self.next() == Some(b',') {
                    self.at += 1;
                    if is_object {
                        self.pass_name()?;
                    }
                    break;
                }
                self.close(if is_object { b'}' } else { b']' })?;
                objects >>= 1;
                may_go_on = true;
            }
        }
    }

    /// Passes what is no array or object, or the beginning of one, and then says whether it is an object.
    fn scalar_or_open(&mut self) -> Result<Option<bool>, Malformed> {
        match self.next() {
            Some(b'{') => self.open(b'{').map(|()| Some(true)),
            Some(b'[') => self.open(b'[').map(|()| Some(false)),
            _ => self.scalar().map(|()| None),
        }
    }

    /// Passes what is no array or object.
    pub(crate) fn scalar(&mut self) -> Result<(), Malformed> {
        match self.next() {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(self.not_json()),
        }
    }

    fn open(&mut self, bracket: u8) -> Result<(), Malformed> {
        self.skip_space();
        if self.levels >= MOST_LEVELS && self.peek() == Some(bracket) {
            return Err(Malformed::TooDeep(self.at));
        }
        self.expect(bracket)?;
        self.levels += 1;
        steps::count(1);
        Ok(())
    }

    fn close(&mut self, bracket: u8) -> Result<(), Malformed> {
        self.skip_space();
        self.expect(bracket)?;
        self.levels = self.levels.saturating_sub(1);
        Ok(())
    }

    /// A field's name, and where it stands with its quotes; the colon after it is passed too.
    fn name(&mut self) -> Result<(Cow<'a, str>, Range<usize>), Malformed> {
        self.skip_space();
        let start = self.at;
        let has_escapes = self.string()?;
        let span = start..self.at;
        let name = if has_escapes {
            unescaped(self.since(start))
        } else {
            Cow::Borrowed(self.json.get(start.saturating_add(1)..self.at.saturating_sub(1)).unwrap_or_default())
        };
        self.skip_space();
        self.expect(b':')?;
        Ok((name, span))
    }

    /// The same without reading it.
    fn pass_name(&mut self) -> Result<(), Malformed> {
        self.skip_space();
        self.string()?;
        self.skip_space();
        self.expect(b':')
    }

    /// Passes a string; whether anything in it is escaped.
    fn string(&mut self) -> Result<bool, Malformed> {
        let start = self.at;
        self.expect(b'"')?;
        let mut has_escapes = false;
        loop {
            self.at += plain_length(self.rest());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    steps::count(self.at - start);
                    return Ok(has_escapes);
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                _ => return Err(self.not_json()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        if let [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] = self.rest() {
            self.at += 2;
            return Ok(());
        }
        let start = self.at;
        let half = Err(Malformed::HalfSurrogate(start));
        match self.escaped_unit()? {
            _ if !self.is_strict => Ok(()),
            0xd800..=0xdbff if self.rest().starts_with(b"\\u") => match self.escaped_unit()? {
                0xdc00..=0xdfff => Ok(()),
                _ => half,
            },
            0xd800..=0xdfff => half,
            _ => Ok(()),
        }
    }

    /// The UTF-16 unit of `\uXXXX`.
    fn escaped_unit(&mut self) -> Result<u32, Malformed> {
        let [b'\\', b'u', digits @ ..] = self.rest() else { return Err(self.not_json()) };
        let digits = digits.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let unit = unit.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or(self.not_json())?;
        self.at += 6;
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        steps::count(1);
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        let has_exponent = self.eat(b'e') || self.eat(b'E');
        if has_exponent {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let number = self.since(start);
        if self.is_strict
            && (has_exponent || number.len() > SURELY_A_DOUBLE)
            && !number.parse::<f64>().is_ok_and(f64::is_finite)
        {
            return Err(Malformed::NumberTooLarge(start));
        }
        Ok(())
    }

    /// One digit at least.
    fn digits(&mut self) -> Result<(), Malformed> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.not_json()) } else { Ok(()) }
    }

    fn literal(&mut self, expected: &[u8]) -> Result<(), Malformed> {
        if self.rest().starts_with(expected) {
            self.at += expected.len();
            Ok(())
        } else {
            Err(self.not_json())
        }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) { Ok(()) } else { Err(self.not_json()) }
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    pub(crate) fn not_json(&self) -> Malformed {
        Malformed::NotJson(self.at)
    }
}

/// How many bytes at the beginning stand for themselves in a string: neither a quote, nor a backslash, nor a control
/// character. Looks at eight at a time.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH_BITS: u64 = ONES << 7;
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = word ^ (ONES * b'"' as u64);
        let backslashes = word ^ (ONES * b'\\' as u64);
        // A byte's high bit is set here if the byte is smaller than 0x20, a quote or a backslash. Borrowing may set it in a
        // later byte too, never in an earlier one, so that the first is right.
        let found = (word.wrapping_sub(ONES * 0x20) & !word)
            | (quotes.wrapping_sub(ONES) & !quotes)
            | (backslashes.wrapping_sub(ONES) & !backslashes);
        let found = found & HIGH_BITS;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let plain = tail.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    words.len() * 8 + plain
}

#[cfg(test)]
mod tests;
