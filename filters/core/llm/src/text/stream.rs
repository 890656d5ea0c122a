use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::place::Place;
use super::scan::scan;
use crate::json::{Fields, span_in, unescaped};
use crate::operation::Schema;

/// A piece of text in one event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamText {
    /// Pieces with the same channel follow each other in one text: a choice's content, a block, a tool call's arguments.
    pub channel: u32,
    /// The text, unescaped. Half a surrogate pair becomes U+FFFD.
    pub value: String,
    /// Where its JSON string stands in the event's data, quotes included.
    pub span: Range<usize>,
}

/// Channels of one choice: its texts by kind, then its tool calls by index.
const CONTENT: u32 = 0;
const REFUSAL: u32 = 1;
const FUNCTION_CALL: u32 = 2;
const OTHER: u32 = 3;
const FIRST_TOOL_CALL: u32 = 16;
const CHANNELS_OF_A_CHOICE: u32 = 1 << 16;

/// The pieces of text in one event of a stream in the client's schema. [`super::with_texts`] edits the data by their spans.
/// What is no JSON object (`[DONE]`, the empty data of a comment) has none.
pub fn stream_texts(client: Schema, event_data: &str) -> Vec<StreamText> {
    let mut pieces = Pieces { data: event_data, texts: Vec::new() };
    if event_data.starts_with('{') || event_data.trim_start().starts_with('{') {
        match client {
            Schema::OpenAi => pieces.openai(),
            Schema::Anthropic => pieces.anthropic(),
        };
    }
    pieces.texts
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    function: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct BlockEvent<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

struct Pieces<'a> {
    data: &'a str,
    texts: Vec<StreamText>,
}

impl<'a> Pieces<'a> {
    fn openai(&mut self) -> Option<()> {
        let chunk: Chunk<'a> = serde_json::from_str(self.data).ok()?;
        for choice in chunk.choices? {
            let first = choice.index.wrapping_mul(CHANNELS_OF_A_CHOICE);
            let Some(delta) = choice.delta.and_then(|delta| Fields::of(delta).ok()) else { continue };
            for (name, value) in delta.iter() {
                match name {
                    "role" => {}
                    "content" => self.add(value, Place::Content, first.wrapping_add(CONTENT)),
                    "refusal" => self.add(value, Place::Text, first.wrapping_add(REFUSAL)),
                    "function_call" => self.add(value, Place::ToolCall, first.wrapping_add(FUNCTION_CALL)),
                    "tool_calls" => self.tool_calls(value, first),
                    "audio" => self.add(value, Place::Audio, first.wrapping_add(OTHER)),
                    _ => self.add(value, Place::Text, first.wrapping_add(OTHER)),
                }
            }
        }
        Some(())
    }

    fn tool_calls(&mut self, value: &'a RawValue, first: u32) {
        let Ok(calls) = serde_json::from_str::<Vec<ToolCall<'a>>>(value.get()) else { return };
        for call in calls {
            if let Some(function) = call.function {
                let channel = first.wrapping_add(FIRST_TOOL_CALL).wrapping_add(call.index);
                self.add(function, Place::ToolCall, channel);
            }
        }
    }

    fn anthropic(&mut self) -> Option<()> {
        let event: BlockEvent<'a> = serde_json::from_str(self.data).ok()?;
        for part in [event.content_block, event.delta].into_iter().flatten() {
            self.add(part, Place::Content, event.index);
        }
        if let Some(message) = event.message {
            self.add(message, Place::MessagesResponse, event.index);
        }
        Some(())
    }

    fn add(&mut self, value: &'a RawValue, place: Place, channel: u32) {
        let Some(offset) = span_in(self.data.as_bytes(), value.get()).map(|span| span.start) else { return };
        let mut spans = Vec::new();
        if scan(value.get(), place, &mut spans).is_err() {
            return;
        }
        self.texts.extend(spans.into_iter().map(|span| StreamText {
            channel,
            value: unescaped(value.get().get(span.clone()).unwrap_or_default()).into_owned(),
            span: span.start + offset..span.end + offset,
        }));
    }
}
