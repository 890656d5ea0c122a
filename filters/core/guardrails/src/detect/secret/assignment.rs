//! Values that are named a secret: `password = "…"`, `api_key: …`, `--token …`, `Authorization: Bearer …`, "the password is …".
//!
//! The name says that it is one, and the value has to look like chance ([`super::chance`]): neither words, nor a placeholder, nor an
//! expression of a program. A value has no white space in it.

use std::ops::Range;

use super::chance::{Kinds, entropy, is_placeholder, is_words};
use super::run_end;
use crate::detect::{CONTEXT, Detector, Look, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;
use weir_llm::steps;

/// What leads to a name: parts of it, in small letters. None begins within another.
pub(super) const WORDS: [&str; 14] = [
    "--user",
    "-u ",
    "auth",
    "bearer",
    "credential",
    "identified by",
    "key",
    "pass",
    "psw",
    "pswd",
    "pwd",
    "pw",
    "secret",
    "token",
];

/// The most bytes from such a part to the value.
const FARTHEST: usize = CONTEXT - 4;
/// The longest value in bytes.
const LONGEST: usize = 512;
/// The most bytes between name, sign and value.
const MOST_BLANKS: usize = 16;

/// The most signs in one run before a value.
const MOST_SIGNS: usize = 6;

/// Finds values by their names.
#[derive(Debug)]
pub(crate) struct Assignment;

impl Detector for Assignment {
    fn name(&self) -> &'static str {
        "password"
    }

    fn finding(&self) -> FindingType {
        FindingType::Secret
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Secret]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(value) = Value::after(text, place.start).filter(|value| !value.is_of_another(text)) else { return };
        if let Look::Match(end) = value.end(text, true)
            && let Some((detector, score)) = value.judge(text, end)
        {
            each(Match { start: value.start, end, finding: self.finding(), detector, score, rule: None });
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        // A value has no white space in it.
        let tail = text.get(text.len().saturating_sub(LONGEST).max(from)..).unwrap_or_default();
        let run = tail.iter().rev().take_while(|byte| byte.is_ascii_graphic()).count();
        if run == 0 {
            return text.len();
        }
        let earliest = text.len().saturating_sub(run).saturating_sub(FARTHEST);
        steps::count(text.len().saturating_sub(earliest));
        let mut first = text.len();
        for (at, pair) in text.get(earliest..).unwrap_or_default().windows(2).enumerate() {
            let word = earliest.saturating_add(at);
            if word >= first {
                // A value stands behind its name.
                break;
            }
            if matches!(pair, [first, second] if may_begin(*first, *second))
                && let Some(value) = Value::after(text, word)
                && (from..first).contains(&value.start)
                && !value.is_of_another(text)
                && value.end(text, false) == Look::Undecided
            {
                first = value.start;
            }
        }
        first
    }
}

/// Whether a word of the list may begin with these: hardly any place does.
#[inline]
fn may_begin(first: u8, second: u8) -> bool {
    matches!(
        (first | 0x20, second | 0x20),
        (b'p', b'a' | b's' | b'w')
            | (b's' | b'k' | b'b', b'e')
            | (b't', b'o')
            | (b'a' | b'-', b'u')
            | (b'c', b'r')
            | (b'i', b'd')
            | (b'-', b'-')
    )
}

/// The word of the list that stands at `at`.
fn word_at(text: &[u8], at: usize) -> Option<&'static str> {
    let rest = text.get(at..)?;
    let [first, second, ..] = rest else { return None };
    if !may_begin(*first, *second) {
        return None;
    }
    WORDS
        .into_iter()
        .rev()
        .find(|word| rest.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word.as_bytes())))
}

/// How a value is tied to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// By a sign that means it: `=`, `:`, `->`.
    Assigns,
    /// By a word: "is".
    Says,
    /// By a space, a comma or a bracket: an argument.
    Follows,
    /// As what a tag of XML holds.
    Tag,
    /// Behind a scheme of `Authorization` (RFC 9110 section 11.4), or behind a user.
    Certain,
}

/// A value behind its name.
#[derive(Clone, Copy, Debug)]
struct Value {
    /// Where the word stands that led here.
    word: usize,
    /// Behind the name.
    name_end: usize,
    sign: Sign,
    quote: Option<u8>,
    start: usize,
}

impl Value {
    /// The value that the word at `word` names.
    fn after(text: &[u8], word: usize) -> Option<Self> {
        let known = word_at(text, word)?;
        if known.starts_with('-') {
            return Self::after_user(text, word, word.saturating_add(known.len()));
        }
        let behind = word.saturating_add(known.len());
        let name_end = run_end(text, behind, FARTHEST, is_name);
        let mut at = name_end;
        let mut is_closed = false;
        while let Some(b'"' | b'\'' | b'`' | b']' | b')' | b'*' | b'\\') = byte(text, at) {
            // An argument that is the name's string, a call without arguments.
            is_closed = true;
            at = at.saturating_add(1);
        }
        let blank_end = skip_blanks(text, at);
        let has_blank = blank_end > at;
        at = blank_end;
        if has_blank && text.get(at..).is_some_and(|rest| rest.starts_with(b"for ")) {
            // Whose it is.
            at = run_end(text, at.saturating_add(4), FARTHEST, |byte| {
                is_name(byte) || matches!(byte, b'@' | b'\'' | b'"')
            });
            at = skip_blanks(text, at);
        }
        let (sign, mut at) = match byte(text, at)? {
            b'=' | b':' | b'!' | b'?' | b'-' | b'+' | b'|' | b'.' => (Sign::Assigns, sign_end(text, at)?),
            b'%' if matches!(text.get(at..at.saturating_add(3)), Some(b"%3D" | b"%3d" | b"%3A" | b"%3a")) => {
                (Sign::Assigns, at.saturating_add(3))
            }
            b'>' if !has_blank && !is_closed => {
                let is_space = |byte: u8| byte.is_ascii_whitespace();
                (Sign::Tag, run_end(text, at.saturating_add(1), MOST_BLANKS, is_space))
            }
            b',' | b'(' => (Sign::Follows, at.saturating_add(1)),
            _ if has_blank || known == "identified by" => match text.get(at..)? {
                [b'i' | b'I', b's' | b'S', b' ', ..] => (Sign::Says, at.saturating_add(3)),
                [b'w' | b'W', b'a' | b'A', b's' | b'S', b' ', ..] => (Sign::Says, at.saturating_add(4)),
                _ => (Sign::Follows, at),
            },
            _ => return None,
        };
        at = skip_blanks(text, at);
        // A type between name and value.
        let mut sign = sign;
        if matches!(sign, Sign::Assigns | Sign::Follows) {
            let is_type = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'&' | b'?' | b'<' | b'>' | b'_');
            let type_end = run_end(text, at, MOST_BLANKS, is_type);
            let equals = skip_blanks(text, type_end);
            if type_end > at && byte(text, equals) == Some(b'=') && byte(text, equals.saturating_add(1)) == Some(b' ') {
                (sign, at) = (Sign::Assigns, skip_blanks(text, equals.saturating_add(1)));
            }
        }
        let opened = openers_end(text, at);
        let start = scheme_end(text, opened);
        if start > opened || known == "bearer" {
            sign = Sign::Certain;
        }
        let quote = before(text, start).filter(|byte| start > at && is_quote(*byte));
        let is_option = || {
            let name = name_start(text, word, start);
            name.checked_sub(1).is_some_and(|dash| byte(text, dash) == Some(b'-')) || byte(text, name) == Some(b'-')
        };
        if has_blank && is_option() || known == "identified by" {
            sign = if sign == Sign::Follows { Sign::Assigns } else { sign };
        }
        (start.saturating_sub(word) <= FARTHEST).then_some(Self { word, name_end, sign, quote, start })
    }

    /// The password behind a user: `-u user:password`.
    fn after_user(text: &[u8], word: usize, behind: usize) -> Option<Self> {
        let blank = run_end(text, behind, MOST_BLANKS, |byte| matches!(byte, b' ' | b'='));
        if blank == behind && before(text, behind) != Some(b' ')
            || before(text, word).is_some_and(|byte| !byte.is_ascii_whitespace())
        {
            return None;
        }
        let user = openers_end(text, blank);
        let quote = before(text, user).filter(|byte| user > blank && is_quote(*byte));
        let colon = run_end(text, user, FARTHEST, |byte| is_name(byte) || matches!(byte, b'@' | b'+'));
        let start = openers_end(text, colon.saturating_add(1));
        let quote = quote.or_else(|| before(text, start).filter(|byte| is_quote(*byte)));
        let is_known = byte(text, colon) == Some(b':') && start.saturating_sub(word) <= FARTHEST;
        is_known.then_some(Self { word, name_end: behind, sign: Sign::Certain, quote, start })
    }

    /// Whether it stands behind so many signs in one run that it is part of what the first of them ties: a value of its own has few.
    fn is_of_another(self, text: &[u8]) -> bool {
        let before = text.get(self.start.saturating_sub(CONTEXT)..self.start).unwrap_or_default();
        let run = before.iter().rev().take_while(|byte| is_unquoted(**byte)).count();
        let run = before.get(before.len().saturating_sub(run)..).unwrap_or_default();
        steps::count(run.len());
        let signs = run.iter().filter(|byte| matches!(byte, b'=' | b':' | b'(')).count();
        let escaped = run.windows(3).filter(|it| matches!(it, [b'%', b'3', b'A' | b'a' | b'D' | b'd'])).count();
        signs.saturating_add(escaped) > MOST_SIGNS
    }

    /// Where the value ends.
    fn end(self, text: &[u8], at_end: bool) -> Look {
        let is_part = |byte: u8| match self.quote {
            Some(quote) => byte.is_ascii_graphic() && byte != quote && byte != b'\\',
            None => is_unquoted(byte),
        };
        let end = run_end(text, self.start, LONGEST + 1, is_part);
        let length = end.saturating_sub(self.start);
        if length > LONGEST || length == 0 && end < text.len() {
            return Look::Nothing;
        }
        if end == text.len() && !at_end {
            return Look::Undecided;
        }
        // What a quote holds ends with it.
        if self.quote.is_some() && byte(text, end).is_some_and(|byte| byte == b' ' || !byte.is_ascii()) {
            return Look::Nothing;
        }
        let value = text.get(self.start..end).unwrap_or_default();
        let tail = match self.quote {
            Some(_) => 0,
            None => value.iter().rev().take_while(|byte| matches!(byte, b'.' | b':' | b'?' | b'*')).count(),
        };
        if length > tail { Look::Match(end.saturating_sub(tail)) } else { Look::Nothing }
    }

    /// Which detector's secret the value is, and how sure that is.
    fn judge(self, text: &[u8], end: usize) -> Option<(&'static str, u8)> {
        const FEWEST: usize = 5;
        let value = text.get(self.start..end).filter(|value| value.len() >= FEWEST)?;
        let kinds = Kinds::of(value);
        if kinds.lower == value.len() {
            return None;
        }
        let name = text.get(name_start(text, self.word, self.start)..self.name_end)?;
        let kind = NameKind::of(name)?;
        if is_expression(value, self.quote.is_some()) || is_placeholder(value) || is_time(value) {
            return None;
        }
        if is_uuid(value) && !names_secret(name) {
            return None;
        }
        let is_long = value.len() >= 16;
        if self.sign == Sign::Certain {
            let is_template = value.iter().all(|byte| matches!(byte, b'X' | b'x' | b'.' | b'*' | b'y' | b'-'));
            let is_mixed = kinds.digits > 0 || kinds.upper > 0 && kinds.lower > 0;
            return (!is_template && is_mixed && !is_words(value)).then_some(("password", 80));
        }
        match kind {
            NameKind::Password => {
                // Words have none of these between them.
                let is_strong = |byte: &&u8| !byte.is_ascii_alphanumeric() && !b"._-/:,=".contains(*byte);
                let strong = value.iter().filter(is_strong).count();
                let is_mixed = kinds.letters() > 0 && (kinds.digits > 0 || strong > 0);
                let looks_like_words = is_words(value) && (kinds.marks > strong || kinds.digits == 0 && strong == 0);
                let tied = match self.sign {
                    Sign::Says => kinds.digits > 0,
                    Sign::Follows if self.quote.is_none() => kinds.digits > 0 && value.len() >= 8 && !is_words(value),
                    _ => kinds.digits > 0 || self.quote.is_some() || strong > 1,
                };
                (is_mixed && !looks_like_words && tied).then_some(("password", 80))
            }
            NameKind::Key => {
                let bits = entropy(value);
                let has_digit = kinds.digits > 0 && kinds.letters() > 0;
                let is_number = kinds.digits == value.len() && value.len() >= 16;
                let enough = if is_long { 280 } else { 300 };
                let tied = self.sign != Sign::Follows || self.quote.is_some();
                let fits = value.len() >= 10
                    && bits >= enough
                    && !is_words(value)
                    && kinds.marks.saturating_mul(3) < value.len();
                (tied && (fits && has_digit || is_number && bits >= 250))
                    .then_some(("api_key", if is_long { 85 } else { 75 }))
            }
        }
    }
}

/// What a name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameKind {
    /// A person chose it.
    Password,
    /// A machine made it.
    Key,
}

impl NameKind {
    /// `None`: the value is something about a secret, not one.
    fn of(name: &[u8]) -> Option<Self> {
        /// Parts of names of what may be public.
        const PUBLIC: [&str; 42] = [
            "authority",
            "cachekey",
            "compass",
            "continuation",
            "csrf",
            "cursor",
            "enabled",
            "expire",
            "field",
            "filename",
            "fingerprint",
            "foreign",
            "hint",
            "idempotency",
            "keyboard",
            "keyfile",
            "keyword",
            "kmskeyid",
            "label",
            "length",
            "monkey",
            "name",
            "pagetoken",
            "partition",
            "passed",
            "passenger",
            "passing",
            "passive",
            "passport",
            "bypass",
            "path",
            "policy",
            "primary",
            "public",
            "regex",
            "size",
            "sortkey",
            "template",
            "tokeniz",
            "type",
            "uri",
            "url",
        ];
        /// Ends of names of times and numbers: `key_created_at`, `token_expires_at`, `access_key_id`.
        const PUBLIC_ENDS: [&str; 6] = ["date", "edat", "id", "resat", "time", "timestamp"];
        let (letters, length) = letters_of(name);
        let letters = letters.get(..length).unwrap_or_default();
        let has = |word: &str| contains(letters, word);
        if PUBLIC.iter().any(|word| has(word))
            || PUBLIC_ENDS.iter().any(|end| letters.ends_with(end.as_bytes()))
            || has("author") && !has("authori")
        {
            return None;
        }
        if letters == b"u" || letters.ends_with(b"user") {
            return Some(Self::Password);
        }
        let is_password = ["pass", "pwd", "psw", "identifiedby"].iter().any(|word| has(word)) && !has("passkey");
        let is_short = letters.ends_with(b"pw");
        match (
            is_password || is_short,
            ["auth", "bearer", "credential", "key", "secret", "token"].iter().any(|word| has(word)),
        ) {
            (true, _) => Some(Self::Password),
            (_, true) => Some(Self::Key),
            _ => None,
        }
    }
}

/// The letters and digits of a name, in small letters, and how many they are.
fn letters_of(name: &[u8]) -> ([u8; CONTEXT], usize) {
    let mut letters = [0_u8; CONTEXT];
    let mut length = 0_usize;
    for (place, byte) in letters.iter_mut().zip(name.iter().filter(|byte| byte.is_ascii_alphanumeric())) {
        *place = byte.to_ascii_lowercase();
        length = length.saturating_add(1);
    }
    (letters, length)
}

fn contains(letters: &[u8], word: &str) -> bool {
    letters.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Whether a name says outright that its value lets somebody in. Numbers of things look like a UUID that does.
fn names_secret(name: &[u8]) -> bool {
    let (letters, length) = letters_of(name);
    let letters = letters.get(..length).unwrap_or_default();
    ["apikey", "pass", "secret", "token"].iter().any(|word| contains(letters, word))
}

/// Eight, four, four, four and twelve hexadecimal digits (RFC 9562).
fn is_uuid(value: &[u8]) -> bool {
    const LENGTH: usize = 36;
    value.len() == LENGTH
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A date and a time (RFC 3339).
fn is_time(value: &[u8]) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00";
    value.get(..FORM.len()).is_some_and(|head| {
        head.iter().zip(FORM).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't' | b' '),
            _ => byte == form,
        })
    })
}

/// Whether a byte may stand in a value that has no quotes.
fn is_unquoted(byte: u8) -> bool {
    let ends = matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b',' | b';' | b'<' | b'>' | b'&' | b')' | b']' | b'}');
    byte.is_ascii_graphic() && !ends
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Where the name begins that the word is in, no further before the value than what is known.
fn name_start(text: &[u8], word: usize, value: usize) -> usize {
    let earliest = value.saturating_sub(CONTEXT);
    let head = text.get(earliest..word).unwrap_or_default();
    word.saturating_sub(head.iter().rev().take_while(|byte| is_name(**byte)).count())
}

fn skip_blanks(text: &[u8], at: usize) -> usize {
    run_end(text, at, MOST_BLANKS, |byte| matches!(byte, b' ' | b'\t'))
}

/// Behind the sign that begins at `at`, if it ties a value to a name.
fn sign_end(text: &[u8], at: usize) -> Option<usize> {
    let end = run_end(text, at, 4, |byte| matches!(byte, b'=' | b':' | b'!' | b'?' | b'-' | b'+' | b'|' | b'>' | b'.'));
    let sign = text.get(at..end)?;
    // A dash may begin the value.
    let sign = sign.get(..sign.iter().rposition(|byte| matches!(byte, b'=' | b':' | b'>'))?.saturating_add(1))?;
    Some(at.saturating_add(sign.len()))
}

/// Behind what may stand before a value: a prefix of a string's, brackets, quotes.
fn openers_end(text: &[u8], at: usize) -> usize {
    let mut at = at;
    if text.get(at..).is_some_and(|rest| rest.starts_with(b"&quot;")) {
        return at.saturating_add(6);
    }
    if let Some([b'b' | b'r' | b'f' | b'u' | b'L' | b'@' | b'$', b'"' | b'\'']) = text.get(at..at.saturating_add(2)) {
        at = at.saturating_add(1);
    }
    run_end(text, at, 8, |byte| matches!(byte, b'"' | b'\'' | b'`' | b'(' | b'[' | b'\\'))
}

/// Behind the scheme that begins at `at`, if one does.
fn scheme_end(text: &[u8], at: usize) -> usize {
    const SCHEMES: [&[u8]; 6] = [b"bearer ", b"basic ", b"token ", b"api-token ", b"apikey ", b"ntlm "];
    let rest = text.get(at..).unwrap_or_default();
    let known = SCHEMES.iter().find(|word| rest.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word)));
    at.saturating_add(known.map_or(0, |word| word.len()))
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Whether a value is what a program would compute rather than the value itself.
fn is_expression(value: &[u8], is_quoted: bool) -> bool {
    let has = |mark: &[u8]| value.windows(mark.len()).any(|window| window == mark);
    let is_variable = matches!(value, [b'$' | b'{' | b'<' | b'%' | b'@' | b'&' | b'*' | b'#' | b'/' | b'.', ..])
        && !is_quoted
        || matches!(value, [b'$' | b'{' | b'<' | b'%', b'{' | b'(' | b'%' | b'a'..=b'z' | b'A'..=b'Z' | b'_', ..]);
    is_variable
        || has(b"${")
        || has(b"{{")
        || has(b"://")
        || !is_quoted && (has(b"(") || has(b"[") || has(b"->") || has(b"::"))
}
