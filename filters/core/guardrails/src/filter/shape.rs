//! The little of the stream formats that holding text back needs: which event ends which text, and how an event looks that
//! brings the rest of one.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use weir_llm::Schema;
use weir_llm::sse::Event;

use super::path::is_deeper;

/// The data of the last event of an OpenAI stream.
pub(super) const DONE: &str = "[DONE]";

/// Which texts an event ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// None.
    Nothing,
    /// All that are open, before its own begin.
    Everything,
    /// Those of this block.
    Block(u32),
    /// Those of these choices, after its own text.
    Choices(Vec<u32>),
}

impl Ends {
    /// Whether the text at `span` of an event's data is among them.
    pub(super) fn include(&self, data: &str, span: &Range<usize>) -> bool {
        let Self::Choices(ended) = self else { return false };
        choice_at(data, span).is_none_or(|index| ended.contains(&index))
    }
}

/// What an event is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Which texts it ends.
    pub(super) ends: Ends,
    /// Whether it brings pieces of text.
    pub(super) of_deltas: bool,
}

/// The deepest nesting that is searched for text.
const DEEPEST: usize = 100;

/// What an event is; `None` if its data is nothing that can be searched for text.
pub(super) fn read(schema: Schema, event: &Event<'_>) -> Option<Shape> {
    if event.data == DONE {
        return Some(Shape { ends: Ends::Everything, of_deltas: false });
    }
    if !event.data.trim_start().starts_with('{') || is_deeper(event.data, DEEPEST) {
        return None;
    }
    match schema.name() {
        "openai" => read_chunk(event.data),
        _ => read_block_event(event.data),
    }
}

fn read_chunk(data: &str) -> Option<Shape> {
    let ends = match choices_of(data)? {
        // An error, for example.
        None => Ends::Everything,
        Some(choices) => {
            let ended: Vec<_> =
                choices.into_iter().filter(|choice| choice.finished).map(|choice| choice.index).collect();
            if ended.is_empty() { Ends::Nothing } else { Ends::Choices(ended) }
        }
    };
    Some(Shape { ends, of_deltas: true })
}

fn read_block_event(data: &str) -> Option<Shape> {
    #[derive(Deserialize)]
    struct BlockEvent<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
        #[serde(default)]
        index: u32,
        #[serde(rename = "delta")]
        _delta: Option<IgnoredAny>,
        #[serde(rename = "content_block")]
        _content_block: Option<IgnoredAny>,
        #[serde(rename = "message")]
        _message: Option<IgnoredAny>,
    }
    let event: BlockEvent<'_> = serde_json::from_str(data).ok()?;
    Some(match event.kind.as_ref() {
        "content_block_delta" => Shape { ends: Ends::Nothing, of_deltas: true },
        // Blocks follow each other, but a client puts them together by their index: text goes on until its own block ends.
        "content_block_stop" => Shape { ends: Ends::Block(event.index), of_deltas: false },
        "content_block_start" | "ping" => Shape { ends: Ends::Nothing, of_deltas: false },
        _ => Shape { ends: Ends::Everything, of_deltas: false },
    })
}

struct Choice {
    index: u32,
    finished: bool,
    span: Range<usize>,
}

/// The choices of a chunk; `Some(None)` if it has none at all, `None` if it cannot be read. Everything that the search for
/// text goes by must have its type, else text could go unseen.
fn choices_of(data: &str) -> Option<Option<Vec<Choice>>> {
    #[derive(Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow)]
        choices: Option<Vec<&'a RawValue>>,
    }
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        index: u32,
        finish_reason: Option<IgnoredAny>,
        #[serde(rename = "delta")]
        _delta: Option<Delta>,
    }
    #[derive(Deserialize)]
    struct Delta {
        #[serde(rename = "tool_calls")]
        _tool_calls: Option<Vec<Call>>,
    }
    #[derive(Deserialize)]
    struct Call {
        #[serde(default, rename = "index")]
        _index: u32,
        #[serde(rename = "function")]
        _function: Option<IgnoredAny>,
        #[serde(rename = "custom")]
        _custom: Option<IgnoredAny>,
    }
    let chunk: Chunk<'_> = serde_json::from_str(data).ok()?;
    let Some(choices) = chunk.choices else { return Some(None) };
    let choices = choices.into_iter().map(|raw| {
        let start = raw.get().as_ptr().addr().checked_sub(data.as_ptr().addr())?;
        let head: Head = serde_json::from_str(raw.get()).ok()?;
        let span = start..start.saturating_add(raw.get().len());
        Some(Choice { index: head.index, finished: head.finish_reason.is_some(), span })
    });
    choices.collect::<Option<_>>().map(Some)
}

fn choice_at(data: &str, span: &Range<usize>) -> Option<u32> {
    choices_of(data)??.into_iter().find(|choice| choice.span.contains(&span.start)).map(|choice| choice.index)
}

/// Makes an event that brought text into one that brings more of it: what must come once only is taken out.
pub(super) fn continuation(schema: Schema, data: Vec<u8>) -> Vec<u8> {
    let Ok(mut event) = serde_json::from_slice::<Value>(&data) else { return data };
    match schema.name() {
        "openai" => continue_chunk(&mut event),
        _ => continue_block(&mut event),
    }
    serde_json::to_vec(&event).unwrap_or(data)
}

/// The name of such an event.
pub(super) fn continuation_name(schema: Schema, name: &str) -> &str {
    match (schema.name(), name) {
        ("anthropic", "content_block_start") => "content_block_delta",
        _ => name,
    }
}

fn continue_chunk(chunk: &mut Value) {
    if let Some(chunk) = chunk.as_object_mut() {
        chunk.shift_remove("usage");
    }
    for choice in chunk.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(choice) = choice.as_object_mut() {
            choice.shift_remove("logprobs");
            choice.insert("finish_reason".into(), Value::Null);
        }
        let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) else { continue };
        delta.shift_remove("role");
        for call in delta.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(call) = call.as_object_mut() {
                call.shift_remove("id");
                call.shift_remove("type");
            }
            for kind in ["function", "custom"] {
                if let Some(called) = call.get_mut(kind).and_then(Value::as_object_mut) {
                    called.shift_remove("name");
                }
            }
        }
    }
}

/// A block may begin with text: the rest of that comes as a delta.
fn continue_block(event: &mut Value) {
    if event.get("type").and_then(Value::as_str) != Some("content_block_start") {
        return;
    }
    let Some(event) = event.as_object_mut() else { return };
    let Some(mut block) = event.shift_remove("content_block") else { return };
    let delta_type = match block.get("type").and_then(Value::as_str) {
        Some("thinking") => "thinking_delta",
        _ => "text_delta",
    };
    if let Some(block) = block.as_object_mut() {
        block.insert("type".into(), delta_type.into());
        block.retain(|name, _| matches!(name.as_str(), "type" | "text" | "thinking"));
    }
    event.insert("type".into(), "content_block_delta".into());
    event.insert("delta".into(), block);
}

/// Whether a text in JSON names log probabilities that are not null.
pub(super) fn has_probabilities(data: &str) -> bool {
    let is_null =
        |rest: &str| rest.trim_start().strip_prefix(':').is_some_and(|value| value.trim_start().starts_with("null"));
    !data.split("\"logprobs\"").skip(1).all(is_null)
}

/// Takes the log probabilities out of an OpenAI answer: they spell the text token by token, as it was.
pub(super) fn without_probabilities(data: Vec<u8>) -> Vec<u8> {
    // Most answers say null here, if anything.
    if std::str::from_utf8(&data).is_ok_and(|text| !has_probabilities(text)) {
        return data;
    }
    let Ok(mut answer) = serde_json::from_slice::<Value>(&data) else { return data };
    for choice in answer.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(probabilities) = choice.get_mut("logprobs") {
            *probabilities = Value::Null;
        }
    }
    serde_json::to_vec(&answer).unwrap_or(data)
}
