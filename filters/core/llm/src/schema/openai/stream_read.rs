use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::call::arguments_of;
use super::finish::{Reason, reason_of};
use super::part::{Of, read_content, reasoning_of_details};
use super::stream_calls::{Calls, Kind, Piece};
use super::usage;
use crate::chat::{Finish, Part};
use crate::error::{ProviderError, error_of_json, says_something};
use crate::json::string_of;
use crate::node::Node;
use crate::schema::{Schema, StreamReader};
use crate::stream::Delta;
use crate::usage::{Usage, value_of};

/// Reads chunks. Leaves are read loosely, since compatible servers differ in them.
#[derive(Debug)]
pub(super) struct Reader {
    /// Another schema follows. It has one answer only, so all choices but the first are left out, and what cannot be read is an error; a
    /// client of this schema gets it as it came.
    translated: bool,
    started: bool,
    /// Something was said: a whole message would say it again.
    said: bool,
    finish: Option<Finish>,
    calls: Calls,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<Vec<Option<Choice<'a>>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    /// Where Groq says what it used.
    #[serde(borrow, default)]
    x_groq: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<ChoiceDelta<'a>>,
    /// What a server that was not asked to stream, or does not know how, sends in its one event.
    #[serde(borrow, default)]
    message: Option<ChoiceDelta<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
    /// Where Moonshot says what it used.
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ChoiceDelta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<Option<ToolCall<'a>>>>,
    #[serde(borrow, default)]
    function_call: Option<Function<'a>>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow, default)]
    index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
    /// A kind of call that only this schema has.
    #[serde(borrow, default)]
    custom: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// Stands for the index of the older spelling's one call.
const FUNCTION_CALL: u32 = u32::MAX;

impl Reader {
    pub(super) fn new(first_choice_only: bool) -> Self {
        Self {
            translated: first_choice_only,
            started: false,
            said: false,
            finish: None,
            calls: Calls::new(first_choice_only),
        }
    }
}

impl StreamReader for Reader {
    fn read<'a>(&mut self, data: &'a str) -> Result<Vec<Delta<'a>>, ProviderError> {
        if data.trim() == "[DONE]" {
            let mut deltas = Vec::new();
            self.calls.end(&mut deltas)?;
            deltas.push(Delta::End);
            return Ok(deltas);
        }
        // An array would be read as the fields in their order.
        let is_object = data.trim_start().starts_with('{');
        let chunk = is_object.then(|| crate::json::parse::<Chunk<'a>>(data).ok()).flatten();
        let Some(chunk) = chunk else { return self.read_odd(data) };
        if let Some(error) = error_of(&chunk, data) {
            return Ok(vec![Delta::Error(error)]);
        }
        let mut deltas = Vec::with_capacity(4);
        deltas.extend(chunk.model.map(|model| Delta::Model(model.get())));
        let choices: Vec<_> = chunk.choices.into_iter().flatten().flatten().collect();
        let has_choices = !choices.is_empty();
        if !self.started && has_choices {
            self.started = true;
            deltas.push(Delta::Start);
        }
        let before = deltas.len();
        let mut used = chunk.usage.and_then(used_of);
        for choice in choices {
            used = used.or_else(|| choice.usage.and_then(used_of));
            let index = choice.index.and_then(number).unwrap_or(0);
            if index == 0 || !self.translated {
                self.read_choice(index, choice, &mut deltas)?;
            }
        }
        // A chunk with a choice is never one of usage alone, which a client may not have asked for.
        if has_choices && !self.translated && deltas.len() == before {
            deltas.push(Delta::Start);
        }
        let used = used.or_else(|| usage::read(value_of(chunk.x_groq?.get())?.get("usage")?));
        deltas.extend(used.map(Delta::Usage));
        Ok(deltas)
    }
}

/// The error that an event tells of: beside or in place of an answer.
fn error_of(chunk: &Chunk<'_>, data: &str) -> Option<ProviderError> {
    let is_error = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get() == "\"error\"");
    let beside: Option<Value> = chunk.error.and_then(|error| crate::json::parse(error.get()).ok());
    let error = match beside.filter(says_something) {
        Some(error) => error,
        None if chunk.choices.is_none() && (is_error(chunk.object) || is_error(chunk.kind)) => {
            crate::json::parse(data).ok()?
        }
        None => return None,
    };
    Some(error_of_json(Schema(&super::OpenAi), 200, &error))
}

impl Reader {
    /// An event that is no chunk. JSON of another form says nothing that a client of this schema would read.
    fn read_odd<'a>(&self, data: &str) -> Result<Vec<Delta<'a>>, ProviderError> {
        let malformed = || ProviderError::protocol("the provider's stream has an event that is no chunk");
        let event: Value = crate::json::parse(data).map_err(|_| malformed())?;
        let error = event.get("error").or_else(|| event.get(0)?.get("error"));
        if let Some(error) = error.filter(|error| says_something(error)) {
            return Ok(vec![Delta::Error(error_of_json(Schema(&super::OpenAi), 200, error))]);
        }
        match (&event, self.translated) {
            (Value::Object(_), true) => Err(malformed()),
            (Value::Object(_), false) => {
                let usage = event.get("usage").and_then(usage::read).map(Delta::Usage);
                Ok([Delta::Opaque].into_iter().chain(usage).collect())
            }
            (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_), _) => Ok(Vec::new()),
        }
    }

    fn read_choice<'a>(
        &mut self,
        index: u32,
        choice: Choice<'a>,
        deltas: &mut Vec<Delta<'a>>,
    ) -> Result<(), ProviderError> {
        let whole = choice.message.filter(|_| !self.said);
        if let Some(delta) = choice.delta.or(whole) {
            let before = deltas.len();
            self.read_said(&delta, deltas)?;
            for call in delta.tool_calls.into_iter().flatten().flatten() {
                if call.function.is_none() && call.custom.is_some() {
                    deltas.push(Delta::Opaque);
                    continue;
                }
                let function = call.function.unwrap_or(Function { name: None, arguments: None });
                self.calls.piece(piece(index, call.index.and_then(number), text(call.id), function), deltas)?;
            }
            if let Some(function) = delta.function_call {
                self.calls.piece(piece(index, Some(FUNCTION_CALL), None, function), deltas)?;
            }
            self.said |= deltas.len() > before || self.calls.any();
        }
        let reason = choice.finish_reason.and_then(string_of).map_or(Reason::None, |word| reason_of(&word));
        if reason == Reason::Failed {
            return Err(ProviderError::protocol("the provider ended its stream with an error"));
        }
        if let Some(finish) = reason.finish(self.calls.any()) {
            self.calls.end(deltas)?;
            // Some servers say it in every chunk from the end on.
            if !self.translated || self.finish != Some(finish) {
                self.finish = Some(finish);
                deltas.push(Delta::Finish { finish, stop_sequence: None });
            }
        }
        Ok(())
    }

    fn read_said<'a>(&mut self, delta: &ChoiceDelta<'a>, deltas: &mut Vec<Delta<'a>>) -> Result<(), ProviderError> {
        let reasoning = delta.reasoning_content.or(delta.reasoning);
        match (text(reasoning), delta.reasoning_details) {
            (Some(said), _) => self.calls.text(Kind::Thinking, said, deltas),
            (None, Some(details)) => {
                let said = reasoning_of_details(&crate::json::parse(details.get()).unwrap_or_default());
                if !said.is_empty() {
                    self.calls.text(Kind::Thinking, Cow::Owned(said), deltas);
                }
            }
            (None, None) => {}
        }
        for (value, kind) in [(delta.content, Kind::Text), (delta.refusal, Kind::Refusal)] {
            match (text(value), value) {
                (Some(said), _) => self.calls.text(kind, said, deltas),
                (None, Some(value)) if !value.get().starts_with('"') => self.read_parts(value, kind, deltas)?,
                (None, _) => {}
            }
        }
        if delta.audio.is_some() || reasoning.is_some_and(|raw| !raw.get().starts_with('"')) {
            deltas.push(Delta::Opaque);
        }
        Ok(())
    }

    /// Content that is no plain text, read as that of a whole answer is.
    fn read_parts<'a>(
        &mut self,
        value: &RawValue,
        kind: Kind,
        deltas: &mut Vec<Delta<'a>>,
    ) -> Result<(), ProviderError> {
        let value: Value = crate::json::parse(value.get()).unwrap_or_default();
        let parts = match read_content(&Node::root(&value), Of::Answer, &mut Vec::new()) {
            Ok(parts) => parts,
            Err(_) if !self.translated => Vec::new(),
            Err(_) => return Err(ProviderError::protocol("the provider's stream has content that cannot be read")),
        };
        if !self.translated {
            deltas.push(Delta::Opaque);
        }
        for part in parts {
            match part {
                Part::Text(text) => self.calls.text(kind, Cow::Owned(text), deltas),
                Part::Refusal(text) => self.calls.text(Kind::Refusal, Cow::Owned(text), deltas),
                Part::Thinking { text, .. } => self.calls.text(Kind::Thinking, Cow::Owned(text), deltas),
                Part::Image(_)
                | Part::Document(_)
                | Part::Audio(_)
                | Part::ToolCall(_)
                | Part::ToolResult(_)
                | Part::RedactedThinking(_)
                | Part::Unknown(_) => deltas.push(Delta::Opaque),
            }
        }
        Ok(())
    }
}

fn used_of(raw: &RawValue) -> Option<Usage> {
    usage::read(&value_of(raw.get())?)
}

fn piece<'a>(choice: u32, index: Option<u32>, id: Option<Cow<'a, str>>, function: Function<'a>) -> Piece<'a> {
    let arguments = function.arguments.and_then(|raw| match string_of(raw) {
        Some(text) => Some(text).filter(|text| !text.is_empty()),
        // The JSON itself in place of its text.
        None => Some(Cow::Owned(arguments_of(&crate::json::parse(raw.get()).ok()?))),
    });
    Piece { choice, index, id, name: text(function.name), arguments }
}

/// A string that is not empty, or the digits of a number in its place.
fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let value = value?;
    let text = string_of(value).or_else(|| {
        let is_plain = !value.get().starts_with(['{', '[']);
        is_plain.then(|| Cow::Borrowed(value.get()))
    });
    text.filter(|text| !text.is_empty())
}

/// A whole number; anything else, `null` too, is as if it were absent.
fn number(value: &RawValue) -> Option<u32> {
    value.get().parse().ok()
}
