mod bound;
mod fields;
mod rules;

use std::ops::Range;

use crate::error::RequestError;
use crate::json::{Fields, span_in, spliced, write_string};
use crate::operation::Operation;
use fields::TopFields;

pub use bound::OutputBounds;
pub use rules::{AnswerOptions, Content, HeadRules, JsonType, MessageRules};

/// What routing, quota and metering need of a request body, and where in it they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The model asked for.
    pub model: String,
    /// Where its JSON string stands in the body, quotes included; `None`: the path names it.
    pub model_span: Option<Range<usize>>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The most output tokens that the client accepts in each answer, if it says so.
    pub max_output_tokens: Option<u64>,
    /// How many answers the client asks for (`n`); 1 where it does not say.
    pub choices: u64,
    /// Whether the client itself asked for usage in its stream (`stream_options.include_usage`).
    pub include_usage: bool,
    /// Where the value of `stream_options` stands in the body, if there is one.
    pub stream_options_span: Option<Range<usize>>,
}

/// Reads and checks the head of a request body: one JSON object without duplicate names, every field that Weir itself
/// relies on of the right type, and messages that each have a role. What it does not read stays the provider's to judge,
/// but it must be JSON that all read alike (`reader`), so that a request means the same to whichever provider it meets.
///
/// `path` is the request's, with its query; it matters only to operations whose path names the model.
pub fn read_head(operation: Operation, path: &str, body: &[u8]) -> Result<RequestHead, RequestError> {
    let rules =
        operation.schema().head(operation.kind()).ok_or_else(|| RequestError::new("this operation takes no body"))?;
    let fields = TopFields::read(rules, body)?;
    let (model, model_span) = match operation.streams() {
        Some(stream) => (model_of_path(operation, path, stream)?, None),
        None => read_model(body, &fields)?,
    };
    if model.trim().is_empty() {
        return Err(RequestError::new("a model is required").at("model"));
    }
    check_content(&rules.content, &fields)?;
    let mut head = RequestHead {
        model,
        model_span,
        stream: operation.streams().unwrap_or(false),
        max_output_tokens: None,
        choices: 1,
        include_usage: false,
        stream_options_span: None,
    };
    if let Some(options) = &rules.answer {
        fields.check_types(rules.types)?;
        read_answer_options(options, body, &fields, &mut head)?;
    }
    Ok(head)
}

fn read_model(body: &[u8], fields: &TopFields<'_>) -> Result<(String, Option<Range<usize>>), RequestError> {
    let json = fields.get("model").ok_or_else(|| RequestError::new("a model is required").at("model"))?;
    let model = read_as::<String>(json, "model", "a string")?;
    let span = span_in(body, json).ok_or_else(|| RequestError::new("the model was not found").at("model"))?;
    Ok((model, Some(span)))
}

/// The query by which a stream is one of events. Without it, it would be one long list, which no client here reads.
const EVENTS: &str = "alt=sse";

fn model_of_path(operation: Operation, path: &str, stream: bool) -> Result<String, RequestError> {
    let has_events = path.split_once('?').is_some_and(|(_, query)| query.split('&').any(|one| one == EVENTS));
    if stream && !has_events {
        return Err(RequestError::unsupported("a stream is sent as events: ask for it with ?alt=sse").at("alt"));
    }
    operation.model_of_path(path).ok_or_else(|| RequestError::new("a model is required").at("model"))
}

impl RequestHead {
    /// The body with another model, everything else byte for byte. `body` must be the one that the head was read from.
    pub fn with_model(&self, body: &[u8], model: &str) -> Vec<u8> {
        spliced(body, &mut self.model_edit(model).into_iter().collect::<Vec<_>>())
    }

    /// The body of a chat with another model, with these edits, and if `ask_usage` with `stream_options.include_usage` true where
    /// it asks for a stream. Everything else stays byte for byte.
    pub fn adapted(
        &self,
        body: &[u8],
        model: &str,
        ask_usage: bool,
        mut edits: Vec<(Range<usize>, Vec<u8>)>,
    ) -> Vec<u8> {
        edits.extend(self.model_edit(model));
        if ask_usage && self.stream && !self.include_usage {
            edits.extend(self.usage_edit(body));
        }
        spliced(body, &mut edits)
    }

    /// Notes a limit. Compatible servers read one or the other: the larger is the bound.
    fn limit(&mut self, options: &AnswerOptions, limit: u64) {
        if limit > 0 || options.may_ask_for_nothing {
            self.max_output_tokens = self.max_output_tokens.max(Some(limit));
        }
    }

    fn model_edit(&self, model: &str) -> Option<(Range<usize>, Vec<u8>)> {
        let span = self.model_span.clone()?;
        let mut name = Vec::with_capacity(model.len().saturating_add(2));
        write_string(model, &mut name);
        Some((span, name))
    }

    fn usage_edit(&self, body: &[u8]) -> Option<(Range<usize>, Vec<u8>)> {
        let Some(span) = self.stream_options_span.clone() else {
            let first = body.iter().position(|byte| *byte == b'{')?.checked_add(1)?;
            return Some((first..first, br#""stream_options":{"include_usage":true},"#.to_vec()));
        };
        let options = body.get(span.clone())?;
        let Some(fields) = Fields::read(options) else {
            return Some((span, br#"{"include_usage":true}"#.to_vec()));
        };
        if let Some(value) = fields.get_or_null("include_usage") {
            let inner = span_in(body, value)?;
            return Some((inner, b"true".to_vec()));
        }
        let first = span.start.checked_add(1)?;
        let new: &[u8] = if fields.is_empty() { br#""include_usage":true"# } else { br#""include_usage":true,"# };
        Some((first..first, new.to_vec()))
    }
}

fn check_content(content: &Content, fields: &TopFields<'_>) -> Result<(), RequestError> {
    let name = content.field;
    let is_elsewhere = || content.unless.iter().any(|other| fields.get(other).is_some());
    let Some(value) = fields.get(name) else {
        return if is_elsewhere() { Ok(()) } else { Err(RequestError::new("the field is required").at(name)) };
    };
    if !content.form.fits(value) {
        // A text is another way to write one message.
        let form = if content.form == JsonType::TextOrArray { JsonType::Array } else { content.form };
        return Err(RequestError::new(format!("{} is expected", form.name())).at(name));
    }
    let empty = value == "\"\"" || value.strip_prefix('[').is_some_and(|rest| rest.trim_start() == "]");
    if empty && !is_elsewhere() { Err(RequestError::new("must not be empty").at(name)) } else { Ok(()) }
}

fn read_answer_options(
    options: &AnswerOptions,
    body: &[u8],
    fields: &TopFields<'_>,
    head: &mut RequestHead,
) -> Result<(), RequestError> {
    if let Some(within) = options.within {
        return read_settings(options, within, fields, head);
    }
    if let Some(value) = fields.get("stream") {
        head.stream = read_as(value, "stream", "true or false")?;
    }
    for name in options.limits {
        if let Some(value) = fields.get(name) {
            head.limit(options, read_as(value, name, "a whole number, at least 0,")?);
        }
    }
    if let Some(value) = options.choices.iter().find_map(|name| fields.get(name)) {
        head.choices = read_as(value, "n", "a whole number")?;
    }
    if options.stream_options {
        if let Some(value) = fields.get_or_null("stream_options") {
            head.stream_options_span = span_in(body, value);
        }
        if let Some(value) = fields.get("stream_options") {
            head.include_usage = read_include_usage(value)?;
        }
    }
    Ok(())
}

/// The same where they stand in a field of their own, which has several spellings, as they have.
fn read_settings(
    options: &AnswerOptions,
    within: &[&str],
    fields: &TopFields<'_>,
    head: &mut RequestHead,
) -> Result<(), RequestError> {
    let mut said = within.iter().filter_map(|name| Some((*name, fields.get(name)?)));
    let Some((place, settings)) = said.next() else { return Ok(()) };
    if let Some((other, _)) = said.next() {
        return Err(RequestError::new("the field stands there twice").at(other));
    }
    let settings = Fields::of(settings).ok_or_else(|| RequestError::new("an object is expected").at(place))?;
    if let Some(name) = settings.duplicate() {
        return Err(RequestError::new("the field stands twice").at(&format!("{place}.{name}")));
    }
    let number = |name: &str| {
        let value = settings.get(name)?;
        Some(read_as::<u64>(value, name, "a whole number, at least 0,"))
    };
    for limit in options.limits.iter().filter_map(|name| number(name)) {
        head.limit(options, limit?);
    }
    for choices in options.choices.iter().filter_map(|name| number(name)) {
        head.choices = choices?.max(head.choices);
    }
    Ok(())
}

fn read_include_usage(options: &str) -> Result<bool, RequestError> {
    let fields = Fields::of(options).ok_or_else(|| RequestError::new("an object is expected").at("stream_options"))?;
    if fields.duplicate().is_some() {
        return Err(RequestError::new("a field in it stands twice").at("stream_options"));
    }
    match fields.get("include_usage") {
        Some(value) => read_as(value, "stream_options.include_usage", "true or false"),
        None => Ok(false),
    }
}

fn read_as<'a, T: serde::Deserialize<'a>>(value: &'a str, name: &str, expected: &str) -> Result<T, RequestError> {
    crate::json::parse(value).map_err(|_| RequestError::new(format!("{expected} is expected")).at(name))
}

#[cfg(test)]
mod tests;
