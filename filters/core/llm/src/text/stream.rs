use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::place::Place;
use super::scan::scan;
use super::value_of;
use crate::json::{Fields, span_in};
use crate::schema::Schema;

/// A piece of text in one event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamText {
    /// Pieces with the same channel follow each other in one text: a choice's content, a block, a tool call's arguments.
    pub channel: u32,
    /// The text, unescaped. Half a surrogate pair becomes U+FFFD.
    pub value: String,
    /// Where it stands in the event's data: a string or an object's name with its quotes, a number without any.
    pub span: Range<usize>,
    /// A number or a name: it never goes on in another event.
    pub whole: bool,
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
        client.stream_texts(&mut pieces);
    }
    pieces.texts
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<&'a RawValue>>,
}

/// What a choice and a tool call go by.
#[derive(Deserialize)]
struct Numbered {
    #[serde(default)]
    index: u32,
}

impl Numbered {
    fn index_of(value: &RawValue) -> u32 {
        serde_json::from_str::<Self>(value.get()).map_or(0, |numbered| numbered.index)
    }
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

/// The texts of one event, as they are found.
#[derive(Debug)]
pub struct Pieces<'a> {
    data: &'a str,
    texts: Vec<StreamText>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn openai(&mut self) -> Option<()> {
        let chunk: Chunk<'a> = serde_json::from_str(self.data).ok()?;
        for choice in chunk.choices? {
            self.choice(choice);
        }
        Some(())
    }

    fn choice(&mut self, choice: &'a RawValue) {
        let first = Numbered::index_of(choice).wrapping_mul(CHANNELS_OF_A_CHOICE);
        let other = first.wrapping_add(OTHER);
        let Ok(fields) = Fields::of(choice) else { return self.add(choice, Place::Choice, other) };
        for (name, value) in fields.iter() {
            match name {
                "delta" => self.delta(value, first),
                _ => self.add(value, Place::Choice.of_field(name), other),
            }
        }
    }

    fn delta(&mut self, delta: &'a RawValue, first: u32) {
        let other = first.wrapping_add(OTHER);
        let Ok(fields) = Fields::of(delta) else { return self.add(delta, Place::Message, other) };
        for (name, value) in fields.iter() {
            match name {
                "role" => self.add(value, Place::Word, other),
                "content" => self.add(value, Place::Content, first.wrapping_add(CONTENT)),
                "refusal" => self.add(value, Place::Text, first.wrapping_add(REFUSAL)),
                "function_call" => self.add(value, Place::ToolCall, first.wrapping_add(FUNCTION_CALL)),
                "tool_calls" => self.tool_calls(value, first.wrapping_add(FIRST_TOOL_CALL)),
                "audio" => self.add(value, Place::Audio, other),
                _ => self.add(value, Place::Text, other),
            }
        }
    }

    fn tool_calls(&mut self, value: &'a RawValue, first: u32) {
        let Ok(calls) = serde_json::from_str::<Vec<&'a RawValue>>(value.get()) else {
            return self.add(value, Place::ToolCall, first);
        };
        for call in calls {
            self.add(call, Place::ToolCall, first.wrapping_add(Numbered::index_of(call)));
        }
    }

    pub(crate) fn anthropic(&mut self) -> Option<()> {
        let event: BlockEvent<'a> = serde_json::from_str(self.data).ok()?;
        for part in [event.content_block, event.delta].into_iter().flatten() {
            self.add(part, Place::Content, event.index);
        }
        if let Some(message) = event.message {
            self.add(message, Place::MessagesResponse, event.index);
        }
        Some(())
    }

    /// The event's data, from which [`Self::add`] takes values.
    pub(crate) fn data(&self) -> &'a str {
        self.data
    }

    /// Adds what is text in a value and goes on in no other event.
    pub(crate) fn add_whole(&mut self, value: &'a RawValue, place: Place, channel: u32) {
        let first = self.texts.len();
        self.add(value, place, channel);
        for text in self.texts.iter_mut().skip(first) {
            text.whole = true;
        }
    }

    /// Adds what is text in a value.
    pub(crate) fn add(&mut self, value: &'a RawValue, place: Place, channel: u32) {
        let Some(offset) = span_in(self.data.as_bytes(), value.get()).map(|span| span.start) else { return };
        let mut spans = Vec::new();
        if scan(value.get(), place, &mut spans).is_err() {
            return;
        }
        self.texts.extend(spans.into_iter().map(|span| {
            let token = value.get().get(span.clone()).unwrap_or_default();
            let is_name = value.get().get(span.end..).is_some_and(|rest| rest.trim_start().starts_with(':'));
            StreamText {
                channel,
                value: value_of(token),
                span: span.start + offset..span.end + offset,
                whole: is_name || !token.starts_with('"'),
            }
        }));
    }
}
