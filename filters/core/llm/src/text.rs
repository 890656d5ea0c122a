//! One visitor for every piece of text in a body, so that a guardrail need not know any schema.
//!
//! A body is walked once, by `reader` rather than by serde: it must be told where each string stands, and every value of a name that
//! stands twice must be seen, since the provider may read another one than the first. Which strings are text is decided by exclusion
//! ([`schema`]): in the parts that reach a model, an unknown field counts as text.

mod base64;
mod scan;
pub mod schema;
mod stream;

use std::ops::Range;

use crate::error::{RequestError, ResponseError};
use crate::json::{spliced, unescaped, write_string};
use crate::operation::Operation;
use crate::reader::Malformed;
use crate::schema::{Kind, Schema};
use scan::{Scanned, Unreadable, scan};
pub use schema::{Ends, Holds, Names, Source, TextSchema, Texts};

pub use stream::{MOST_TEXTS_OF_AN_EVENT, Role, StreamEvent, StreamText, continuation};

/// A piece of text in a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text, unescaped. Half a surrogate pair becomes U+FFFD. In a text that is JSON itself, like the arguments of a tool
    /// call, the characters that it need not escape stand as themselves.
    pub value: String,
    /// Where it stands in the body: a string or an object's name with its quotes, a number without any.
    pub span: Range<usize>,
    /// Of the name of an object's field: which object, counted from 1; 0 for what is no name.
    pub name_of: u32,
    /// Texts of the same number are parts that a model reads as one; 0: it stands alone.
    pub joined: u32,
    /// Of a text in base64: what stands before it in its string.
    pub base64_behind: Option<String>,
}

impl Text {
    /// What the string says in which this text is replaced by another.
    pub fn replaced(&self, text: String) -> String {
        match &self.base64_behind {
            Some(head) => format!("{head}{}", base64::of_text(&text)),
            None => text,
        }
    }
}

/// The texts of a whole body.
#[derive(Debug, Default)]
pub struct BodyTexts {
    /// In their order.
    pub texts: Vec<Text>,
    /// Values that spell a text once more, token by token for example. See [`edited`].
    pub spellings: Vec<Range<usize>>,
    /// How many values there are that a model reads and nobody here can: pictures, sound, documents, tokens.
    pub unread: u32,
}

/// Every piece of text in a request that a model could read: system prompts, messages of all roles, tool calls and their
/// results, tool definitions, embedding inputs, and every field that is not known to be something else. Images, audio, ids
/// and settings are none. In texts' places numbers of 12 digits and more count too, and so do the names in tool inputs,
/// schemas and unknown fields.
///
/// Fails on what is no JSON or is nested deeper than 127 levels.
pub fn request_texts(operation: Operation, body: &[u8]) -> Result<BodyTexts, RequestError> {
    let Some(place) = request_place(operation) else { return Ok(BodyTexts::default()) };
    let body = as_text(body).map_err(malformed)?;
    Ok(body_texts(body, scan(body, place).map_err(malformed)?))
}

/// How many characters [`request_texts`] would give, one text at a time in memory.
pub fn request_characters(operation: Operation, body: &[u8]) -> Result<u64, RequestError> {
    let Some(place) = request_place(operation) else { return Ok(0) };
    let body = as_text(body).map_err(malformed)?;
    Ok(characters(body, &scan(body, place).map_err(malformed)?))
}

fn request_place(operation: Operation) -> Option<&'static TextSchema> {
    place_of(operation.schema().texts().requests, operation.kind())
}

fn place_of(places: &[(Kind, &'static TextSchema)], kind: Kind) -> Option<&'static TextSchema> {
    places.iter().find(|(of, _)| *of == kind).map(|(_, place)| *place)
}

fn malformed(error: Unreadable) -> RequestError {
    RequestError::new(format!("the body is not valid: {error}"))
}

/// Every piece of text in a whole answer in the client's schema, the arguments of tool calls included.
///
/// Fails on what is no such answer: an object with one list of choices, or of content. Not every JSON is, and what stands
/// elsewhere would go unseen.
pub fn response_texts(client: Schema, operation: Operation, body: &[u8]) -> Result<BodyTexts, ResponseError> {
    let Some(place) = answer_place(client, operation) else { return Ok(BodyTexts::default()) };
    let scanned = as_text(body).and_then(|body| Ok((body, scan(body, place)?)));
    match scanned {
        Ok((body, scanned)) if scanned.is_answer => Ok(body_texts(body, scanned)),
        Ok(_) => Err(ResponseError::new("it has no list of what the model said".to_owned())),
        Err(error) => Err(ResponseError::new(error.to_string())),
    }
}

/// How many characters there are in what the model said in a whole answer, also in one that [`response_texts`] refuses. What is
/// no JSON has none.
pub fn response_characters(client: Schema, operation: Operation, body: &[u8]) -> u64 {
    let Some(place) = answer_place(client, operation) else { return 0 };
    as_text(body).and_then(|body| Ok(characters(body, &scan(body, place)?))).unwrap_or(0)
}

fn answer_place(client: Schema, operation: Operation) -> Option<&'static TextSchema> {
    place_of(client.texts().answers, operation.kind())
}

/// A copy with some texts replaced by JSON strings, escaped anew; everything else byte for byte. The spans are those that
/// came with the texts. A number that is replaced becomes a string.
pub fn with_texts(body: &[u8], edits: &[(Range<usize>, String)]) -> Vec<u8> {
    edited(body, edits, &[])
}

/// The same, without the values that spell a text once more: a string is empty then, anything else null.
pub fn edited(body: &[u8], edits: &[(Range<usize>, String)], spellings: &[Range<usize>]) -> Vec<u8> {
    let texts = edits.iter().map(|(span, text)| {
        let mut json = Vec::with_capacity(text.len().saturating_add(2));
        write_string(text, &mut json);
        (span.clone(), json)
    });
    let gone = spellings.iter().map(|span| {
        let nothing: &[u8] = if body.get(span.start) == Some(&b'"') { b"\"\"" } else { b"null" };
        (span.clone(), nothing.to_vec())
    });
    spliced(body, &mut texts.chain(gone).collect::<Vec<_>>())
}

fn as_text(body: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(body).map_err(|error| Malformed::NotUtf8(error.valid_up_to()).into())
}

/// One text at a time in memory.
fn characters(body: &str, scanned: &Scanned) -> u64 {
    let characters = |span: Range<usize>| {
        let token = body.get(span).unwrap_or_default();
        if token.starts_with('"') { unescaped(token).chars().count() } else { token.len() }
    };
    let said = scanned.texts.iter().filter(|found| !found.is_beside).map(|found| found.span.clone());
    u64::try_from(said.map(characters).fold(0_usize, usize::saturating_add)).unwrap_or(u64::MAX)
}

fn body_texts(body: &str, scanned: Scanned) -> BodyTexts {
    let mut unread = scanned.unread;
    let mut as_text = |found: scan::Found| {
        let value = value_of(body.get(found.span.clone()).unwrap_or_default());
        let (span, name_of, joined) = (found.span, found.name_of, found.joined);
        let plain = |value| Text { value, span: span.clone(), name_of, joined, base64_behind: None };
        let Some(head) = found.base64_behind else { return plain(without_needless_escapes(value)) };
        // It is read as it stands, too, where it is none.
        let Some((head, base64)) = value.split_at_checked(head) else { return plain(value) };
        match base64::text_of(base64) {
            Some(text) => Text { base64_behind: Some(head.to_owned()), ..plain(text) },
            None => {
                unread = unread.saturating_add(1);
                plain(value)
            }
        }
    };
    let texts = scanned.texts.into_iter().map(&mut as_text).collect();
    BodyTexts { texts, spellings: scanned.spellings, unread }
}

/// What a string or a number says.
fn value_of(token: &str) -> String {
    if token.starts_with('"') { unescaped(token).into_owned() } else { token.to_owned() }
}

/// The same JSON with `\\uXXXX` only where it must be; what is no JSON stays as it is.
fn without_needless_escapes(text: String) -> String {
    let is_escaped_json = text.trim_start().starts_with(['{', '[', '"'])
        && text.contains("\\u")
        && crate::json::parse::<serde::de::IgnoredAny>(&text).is_ok();
    if !is_escaped_json {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = escape.strip_prefix('u').and_then(|digits| digits.get(..4));
        let character = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        // `u` and its digits, or the one character of a short escape.
        let length = match (code, character) {
            (Some(_), Some(character)) if !character.is_control() && !matches!(character, '"' | '\\') => {
                plain.push(character);
                5
            }
            _ => {
                plain.push('\\');
                let length = escape.chars().next().map_or(0, char::len_utf8);
                plain.push_str(escape.get(..length).unwrap_or_default());
                length
            }
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests;
