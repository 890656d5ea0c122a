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
use crate::operation::{Operation, Schema};
use place::Place;
use scan::{Malformed, scan};

pub use stream::{StreamText, stream_texts};

/// A piece of text in a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text, unescaped. Half a surrogate pair becomes U+FFFD.
    pub value: String,
    /// Where its JSON string stands in the body, quotes included.
    pub span: Range<usize>,
}

/// Every piece of text in a request that a model would read: system prompts, messages of all roles, tool calls and their
/// results, tool descriptions, embedding inputs. Images, audio, ids and names of tools are none.
///
/// Fails on what is no JSON or is nested deeper than 128 levels.
pub fn request_texts(operation: Operation, body: &[u8]) -> Result<Vec<Text>, RequestError> {
    let place = match operation {
        Operation::ChatCompletions => Place::ChatRequest,
        Operation::Messages => Place::MessagesRequest,
        Operation::Embeddings => Place::EmbeddingsRequest,
        Operation::ListModels(_) | Operation::GetModel(_) => return Ok(Vec::new()),
    };
    texts(body, place).map_err(|error| RequestError::new(format!("the body is not valid: {error}")))
}

/// Every piece of text in a whole answer in the client's schema, the arguments of tool calls included.
pub fn response_texts(client: Schema, operation: Operation, body: &[u8]) -> Result<Vec<Text>, ResponseError> {
    let place = match (operation, client) {
        (Operation::ChatCompletions | Operation::Messages, Schema::OpenAi) => Place::ChatResponse,
        (Operation::ChatCompletions | Operation::Messages, Schema::Anthropic) => Place::MessagesResponse,
        (Operation::Embeddings | Operation::ListModels(_) | Operation::GetModel(_), _) => return Ok(Vec::new()),
    };
    texts(body, place).map_err(|error| ResponseError::new(error.to_string()))
}

/// A copy with some JSON strings replaced by others, escaped anew; everything else byte for byte. The spans are those that
/// came with the texts.
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

fn texts(body: &[u8], place: Place) -> Result<Vec<Text>, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed::NotUtf8)?;
    let mut spans = Vec::new();
    scan(text, place, &mut spans)?;
    let as_text = |span: Range<usize>| {
        let value = unescaped(text.get(span.clone()).unwrap_or_default()).into_owned();
        Text { value, span }
    };
    Ok(spans.into_iter().map(as_text).collect())
}

#[cfg(test)]
mod tests;
