//! One visitor for every piece of text in a body, so that a guardrail need not know any schema.
//!
//! A body is walked once, by a scanner of its own rather than by serde: it must tell where each string stands, and it must
//! see every value of a name that stands twice, since the provider may read another one than the first. Which strings are
//! text is decided by exclusion ([`place`]): in the parts that reach a model, an unknown field counts as text.

mod place;
mod scan;
mod stream;

use std::ops::Range;

use crate::error::{RequestError, ResponseError};
use crate::json::{spliced, unescaped, write_string};
use crate::operation::Operation;
use crate::schema::Schema;
pub use place::Place;
use scan::{Malformed, scan};

pub use stream::{Pieces, StreamText, stream_texts};

/// A piece of text in a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text, unescaped. Half a surrogate pair becomes U+FFFD. In a text that is JSON itself, like the arguments of a tool
    /// call, the characters that it need not escape stand as themselves.
    pub value: String,
    /// Where it stands in the body: a string or an object's name with its quotes, a number without any.
    pub span: Range<usize>,
}

/// Every piece of text in a request that a model could read: system prompts, messages of all roles, tool calls and their
/// results, tool definitions, embedding inputs, and every field that is not known to be something else. Images, audio, ids
/// and settings are none. In texts' places numbers of 12 digits and more count too, and so do the names in tool inputs,
/// schemas and unknown fields.
///
/// Fails on what is no JSON or is nested deeper than 128 levels.
pub fn request_texts(operation: Operation, body: &[u8]) -> Result<Vec<Text>, RequestError> {
    let Some(place) = place_of(operation) else { return Ok(Vec::new()) };
    scanned(body, place).map(|(texts, _)| texts).map_err(malformed)
}

/// How many characters [`request_texts`] would give, one text at a time in memory.
pub fn request_characters(operation: Operation, body: &[u8]) -> Result<u64, RequestError> {
    let Some(place) = place_of(operation) else { return Ok(0) };
    characters(body, place).map_err(malformed)
}

fn place_of(operation: Operation) -> Option<Place> {
    operation.schema().request_place(operation.kind())
}

fn malformed(error: Malformed) -> RequestError {
    RequestError::new(format!("the body is not valid: {error}"))
}

/// Every piece of text in a whole answer in the client's schema, the arguments of tool calls included.
///
/// Fails on what is no such answer: an object with one list of choices, or of content. Not every JSON is, and what stands
/// elsewhere would go unseen.
pub fn response_texts(client: Schema, operation: Operation, body: &[u8]) -> Result<Vec<Text>, ResponseError> {
    let Some(place) = place_of_answer(client, operation) else { return Ok(Vec::new()) };
    match scanned(body, place) {
        Ok((texts, true)) => Ok(texts),
        Ok((_, false)) => Err(ResponseError::new("it has no list of what the model said".to_owned())),
        Err(error) => Err(ResponseError::new(error.to_string())),
    }
}

/// How many characters there are in the texts of a whole answer, also of one that [`response_texts`] refuses. What is no JSON
/// has none.
pub fn response_characters(client: Schema, operation: Operation, body: &[u8]) -> u64 {
    place_of_answer(client, operation).and_then(|place| characters(body, place).ok()).unwrap_or(0)
}

fn place_of_answer(client: Schema, operation: Operation) -> Option<Place> {
    client.answer_place(operation.kind())
}

/// A copy with some texts replaced by JSON strings, escaped anew; everything else byte for byte. The spans are those that
/// came with the texts. A number that is replaced becomes a string.
pub fn with_texts(body: &[u8], edits: &[(Range<usize>, String)]) -> Vec<u8> {
    let mut escaped: Vec<_> = edits
        .iter()
        .map(|(span, text)| {
            let mut json = Vec::with_capacity(text.len().saturating_add(2));
            write_string(text, &mut json);
            (span.clone(), json)
        })
        .collect();
    spliced(body, &mut escaped)
}

/// One text at a time in memory.
fn characters(body: &[u8], place: Place) -> Result<u64, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed::NotUtf8)?;
    let mut spans = Vec::new();
    scan(text, place, &mut spans)?;
    let characters = |span: Range<usize>| {
        let token = text.get(span).unwrap_or_default();
        if token.starts_with('"') { unescaped(token).chars().count() } else { token.len() }
    };
    let sum = spans.into_iter().map(characters).fold(0_usize, usize::saturating_add);
    Ok(u64::try_from(sum).unwrap_or(u64::MAX))
}

/// The texts, and whether the whole is an answer.
fn scanned(body: &[u8], place: Place) -> Result<(Vec<Text>, bool), Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed::NotUtf8)?;
    let mut spans = Vec::new();
    let is_answer = scan(text, place, &mut spans)?;
    let as_text = |span: Range<usize>| {
        let value = value_of(text.get(span.clone()).unwrap_or_default());
        Text { value: without_needless_escapes(value), span }
    };
    Ok((spans.into_iter().map(as_text).collect(), is_answer))
}

/// What a string or a number says.
fn value_of(token: &str) -> String {
    if token.starts_with('"') { unescaped(token).into_owned() } else { token.to_owned() }
}

/// The same JSON with `\\uXXXX` only where it must be; what is no JSON stays as it is.
fn without_needless_escapes(text: String) -> String {
    let is_escaped_json = text.trim_start().starts_with(['{', '[', '"'])
        && text.contains("\\u")
        && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
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
