//! Words and marks of a text.

use super::model::{self, Kind};

/// The longest word that may be part of a name or an address, in bytes.
const LONGEST_WORD: usize = 64;

/// What a token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Form {
    /// A letter or more, all small; also those of scripts that know no others.
    Small = 1,
    /// A capital letter, small ones behind it if there are any.
    Capital,
    /// Capital letters, at least two.
    Capitals,
    /// Letters in another order.
    Mixed,
    /// Letters and digits.
    LettersAndDigits,
    /// One digit.
    Digit,
    /// Two digits.
    TwoDigits,
    /// Three.
    ThreeDigits,
    /// Four.
    FourDigits,
    /// Five.
    FiveDigits,
    /// More.
    Digits,
    /// A line's end.
    LineBreak,
    /// Any other mark.
    Mark,
}

/// A word, a number, or a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// What it looks like.
    pub form: Form,
    /// Of its characters, in small letters.
    pub hash: u32,
    /// Of its first three.
    pub beginning: u32,
    /// Of its last three.
    pub ending: u32,
    /// Which lists it stands in: bit 0 given names, bit 1 family names, bit 2 words of addresses.
    pub lists: u8,
}

impl Token {
    /// Whether it is a word or a number.
    pub fn is_word(self) -> bool {
        !matches!(self.form, Form::LineBreak | Form::Mark)
    }

    /// Whether it has digits only.
    pub fn is_number(self) -> bool {
        use Form::{Digit, Digits, FiveDigits, FourDigits, ThreeDigits, TwoDigits};
        matches!(self.form, Digit | TwoDigits | ThreeDigits | FourDigits | FiveDigits | Digits)
    }

    /// Whether it may be part of a name or an address.
    pub fn is_candidate(self) -> bool {
        let may_be = match self.form {
            Form::Small => self.lists != 0,
            Form::LineBreak | Form::Mark => false,
            _ => true,
        };
        may_be && !self.is_long()
    }

    /// Whether it is longer than any word of a name or an address.
    pub fn is_long(self) -> bool {
        self.end.saturating_sub(self.start) > LONGEST_WORD
    }

    /// Whether it may stand between words of one name, or of one address: a mark; in an address also a small word, or the end of a line.
    pub fn is_within(self, kind: Kind) -> bool {
        const OF_NAMES: [char; 4] = ['.', '-', '\'', '’'];
        const OF_ADDRESSES: [char; 5] = [',', '/', '#', '>', '\n'];
        let is = |mark: char| mixed(SEED, u32::from(mark)) == self.hash;
        match kind {
            _ if !self.is_word() && OF_NAMES.into_iter().any(is) => true,
            Kind::Person => false,
            Kind::Address if self.is_word() => self.form == Form::Small && self.lists == 0,
            Kind::Address => OF_ADDRESSES.into_iter().any(is),
        }
    }

    /// Form and lists in one number.
    pub fn class(self) -> u32 {
        (self.form as u32) << 3 | u32::from(self.lists)
    }
}

/// The tokens of a text in their order. White space is none, but for ends of lines.
#[derive(Debug)]
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    from: usize,
}

impl<'a> Tokens<'a> {
    /// Those from the character that begins at `from`.
    pub fn new(text: &'a [u8], from: usize) -> Self {
        Self { text, at: from, from }
    }

    /// Bytes read.
    pub fn read(&self) -> usize {
        self.at.saturating_sub(self.from)
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let start = self.at;
            let first = *self.text.get(start)?;
            match class(first) {
                Class::Word => return Some(self.word(start)),
                Class::Other if character(self.text, start)?.0.is_alphanumeric() => return Some(self.word(start)),
                Class::Other => {
                    let (character, length) = character(self.text, start)?;
                    self.at = start.saturating_add(length);
                    if !character.is_whitespace() {
                        return Some(mark(Form::Mark, start, self.at, character));
                    }
                }
                Class::Space => self.at = start.saturating_add(1),
                Class::LineBreak => {
                    self.at = start.saturating_add(1);
                    return Some(mark(Form::LineBreak, start, self.at, '\n'));
                }
                Class::Mark => {
                    self.at = start.saturating_add(1);
                    // In text within text the ends of lines are escaped (RFC 8259 section 7).
                    match (first, self.text.get(self.at)) {
                        (b'\\', Some(b'n')) => {
                            self.at = start.saturating_add(2);
                            return Some(mark(Form::LineBreak, start, self.at, '\n'));
                        }
                        (b'\\', Some(b'r' | b't')) => self.at = start.saturating_add(2),
                        _ => return Some(mark(Form::Mark, start, self.at, char::from(first))),
                    }
                }
            }
        }
    }
}

/// What a byte is, or begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A letter or digit of ASCII.
    Word,
    Space,
    LineBreak,
    Mark,
    /// A character that is not ASCII.
    Other,
}

fn class(byte: u8) -> Class {
    match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => Class::Word,
        b'\n' => Class::LineBreak,
        b' ' | b'\t' | b'\r' | 0x0b | 0x0c => Class::Space,
        0x80.. => Class::Other,
        _ => Class::Mark,
    }
}

/// For each byte 0 if it is no letter or digit of ASCII, else the small letter or the digit, with the highest bit set for a capital.
#[expect(clippy::indexing_slicing, reason = "it is done when this is compiled")]
static SMALL: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = byte.to_ascii_lowercase() | (byte.is_ascii_uppercase() as u8) << 7;
        }
        byte += 1;
    }
    table
};

fn mark(form: Form, start: usize, end: usize, character: char) -> Token {
    let hash = mixed(SEED, u32::from(character));
    Token { start, end, form, hash, beginning: hash, ending: hash, lists: 0 }
}

impl Tokens<'_> {
    /// The word that begins at `start`.
    fn word(&mut self, start: usize) -> Token {
        let mut word = Word { hash: SEED, beginning: SEED, characters: 0, digits: 0, capitals: 0, last: [0; 3] };
        let mut at = start;
        let begins_with_capital = loop {
            // Nearly all there is.
            while let Some(small @ 1..) = self.text.get(at).and_then(|byte| SMALL.get(usize::from(*byte))).copied() {
                word.add(u32::from(small & 0x7f), small >> 7, u8::from(small <= b'9'));
                at = at.wrapping_add(1);
            }
            match character(self.text, at) {
                Some((character, length)) if !character.is_ascii() && character.is_alphanumeric() => {
                    let is_capital = character.is_uppercase();
                    let small =
                        if is_capital { character.to_lowercase().next().unwrap_or(character) } else { character };
                    word.add(u32::from(small), u8::from(is_capital), u8::from(character.is_numeric()));
                    at = at.saturating_add(length);
                }
                _ => break character(self.text, start).is_some_and(|(first, _)| first.is_uppercase()),
            }
        };
        self.at = at;
        word.end(start, at, begins_with_capital)
    }
}

/// A word that is being read.
struct Word {
    hash: u32,
    beginning: u32,
    characters: u32,
    digits: u32,
    capitals: u32,
    last: [u32; 3],
}

impl Word {
    fn add(&mut self, small: u32, capitals: u8, digits: u8) {
        self.hash = mixed(self.hash, small);
        self.characters = self.characters.wrapping_add(1);
        self.capitals = self.capitals.wrapping_add(u32::from(capitals));
        self.digits = self.digits.wrapping_add(u32::from(digits));
        if self.characters <= 3 {
            self.beginning = self.hash;
        }
        let [_, second, third] = self.last;
        self.last = [second, third, small];
    }

    fn end(self, start: usize, end: usize, begins_with_capital: bool) -> Token {
        let letters = self.characters.wrapping_sub(self.digits);
        let form = match (letters, self.digits) {
            (0, 1) => Form::Digit,
            (0, 2) => Form::TwoDigits,
            (0, 3) => Form::ThreeDigits,
            (0, 4) => Form::FourDigits,
            (0, 5) => Form::FiveDigits,
            (0, _) => Form::Digits,
            (_, 0) => match self.capitals {
                0 => Form::Small,
                1 if begins_with_capital => Form::Capital,
                capitals if capitals == letters => Form::Capitals,
                _ => Form::Mixed,
            },
            _ => Form::LettersAndDigits,
        };
        let ending = self.last.into_iter().fold(SEED, mixed);
        let lists = if self.digits == 0 && letters > 1 { model::lists(self.hash) } else { 0 };
        Token { start, end, form, hash: self.hash, beginning: self.beginning, ending, lists }
    }
}

/// The hash of a word in small letters, as of a token.
pub fn hash(word: &str) -> u32 {
    word.chars().map(u32::from).fold(SEED, mixed)
}

const SEED: u32 = 0x811c_9dc5;

/// FNV-1a, a character at a time.
fn mixed(hash: u32, character: u32) -> u32 {
    (hash ^ character).wrapping_mul(0x0100_0193)
}

/// The character at a place, and its length in bytes. What is no UTF-8 is a mark.
fn character(text: &[u8], at: usize) -> Option<(char, usize)> {
    let first = *text.get(at)?;
    if first.is_ascii() {
        return Some((char::from(first), 1));
    }
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let bytes = text.get(at..at.saturating_add(length)).and_then(|bytes| std::str::from_utf8(bytes).ok());
    Some(bytes.and_then(|text| text.chars().next()).map_or((char::REPLACEMENT_CHARACTER, 1), |it| (it, length)))
}
