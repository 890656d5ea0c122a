use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::finish_of;
use super::block::{Of, read_block};
use crate::chat::Part;
use crate::error::{ProviderError, error_of_json};
use crate::json::string_of;
use crate::node::Node;
use crate::schema::{Schema, StreamReader};
use crate::stream::Delta;
use crate::usage::value_of;

/// An event. Leaves are read loosely: what is no string is no text.
#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<BlockDelta<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// The `delta` of a block's event, or of `message_delta`.
#[derive(Deserialize)]
struct BlockDelta<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_sequence: Option<&'a RawValue>,
}

/// Reads events. Kinds of events, blocks and deltas that are not known are passed over, as Anthropic asks of its clients; they end
/// nothing.
#[derive(Debug)]
pub(super) struct Reader {
    /// Another schema follows: a block that it would get only half is an error.
    is_translated: bool,
    /// The index of the latest block; some servers leave it out of the events.
    latest: Option<u32>,
    /// The blocks that are calls. Arguments of others, which the provider's own tools get, are nobody's.
    calls: BTreeSet<u32>,
    /// Those of them that have arguments.
    argued: BTreeSet<u32>,
    /// The ids of calls, while they are few.
    ids: BTreeSet<String>,
}

/// The most ids of calls that are told apart.
const MOST_IDS: usize = 10_000;

impl Reader {
    pub(super) fn new(is_translated: bool) -> Self {
        Self { is_translated, latest: None, calls: BTreeSet::new(), argued: BTreeSet::new(), ids: BTreeSet::new() }
    }
}

impl StreamReader for Reader {
    fn read<'a>(&mut self, data: &'a str) -> Result<Vec<Delta<'a>>, ProviderError> {
        if data.trim() == "[DONE]" {
            return Ok(Vec::new());
        }
        let event: StreamEvent<'a> = crate::json::parse(data).map_err(|_| malformed())?;
        let kind = event.kind.and_then(string_of);
        let mut deltas = Vec::with_capacity(2);
        match kind.as_deref() {
            Some("message_start") => {
                deltas.push(Delta::Start);
                if let Some(message) = event.message {
                    deltas.extend(message.model.map(|model| Delta::Model(model.get())));
                    deltas.extend(usage(message.usage));
                }
            }
            Some("content_block_start") => self.read_start(&event, &mut deltas)?,
            Some("content_block_delta") => {
                let key = self.key(&event);
                deltas.extend(event.delta.and_then(|delta| self.read_delta(key, &delta)));
            }
            Some("content_block_stop") => deltas.push(Delta::BlockEnd { key: self.key(&event) }),
            Some("message_delta") => {
                deltas.extend(event.delta.and_then(|delta| read_finish(&delta)));
                deltas.extend(usage(event.usage));
            }
            Some("message_stop") => deltas.push(Delta::End),
            Some("ping") => deltas.push(Delta::Ping),
            Some("error") => deltas.push(read_error(event.error)),
            // Some servers say an error as in a whole answer.
            None if event.error.is_some() => deltas.push(read_error(event.error)),
            Some(_) | None => {}
        }
        Ok(deltas)
    }
}

impl Reader {
    /// The block that an event is about: without an index the latest.
    fn key(&self, event: &StreamEvent<'_>) -> u32 {
        index_of(event).or(self.latest).unwrap_or(0)
    }

    fn read_start<'a>(&mut self, event: &StreamEvent<'a>, deltas: &mut Vec<Delta<'a>>) -> Result<(), ProviderError> {
        let next = self.latest.map_or(0, |latest| latest.saturating_add(1));
        let key = index_of(event).unwrap_or(next);
        self.latest = Some(key);
        let Some(block) = event.content_block else { return Ok(()) };
        let block: Value = crate::json::parse(block.get()).map_err(|_| malformed())?;
        match read_block(&Node::root(&block), Of::Answer, &mut Vec::new()) {
            Ok(part) => self.read_part(key, part, deltas),
            Err(_) if self.is_translated => return Err(malformed()),
            Err(_) => deltas.push(Delta::Opaque),
        }
        Ok(())
    }

    fn read_part(&mut self, key: u32, part: Part, deltas: &mut Vec<Delta<'_>>) {
        match part {
            Part::Text(text) | Part::Refusal(text) => {
                deltas.extend(Some(text).filter(|text| !text.is_empty()).map(|text| Delta::Text(text.into())));
            }
            Part::Thinking { text, .. } => {
                deltas.extend(Some(text).filter(|text| !text.is_empty()).map(|text| Delta::Thinking(text.into())));
            }
            Part::ToolCall(call) => {
                self.calls.insert(key);
                // An id that stands twice is nobody's own: the writer makes one.
                let is_own = self.ids.len() >= MOST_IDS || self.ids.insert(call.id.clone());
                let id = if is_own { call.id } else { String::new() };
                deltas.push(Delta::ToolCall { key, id: id.into(), name: call.name.into() });
                let arguments =
                    Some(call.arguments).filter(|arguments| !matches!(arguments.trim(), "" | "{}" | "null"));
                if let Some(json) = arguments {
                    self.argued.insert(key);
                    deltas.push(Delta::Arguments { key, json: json.into() });
                }
            }
            Part::RedactedThinking(_)
            | Part::Image(_)
            | Part::Document(_)
            | Part::Audio(_)
            | Part::ToolResult(_)
            | Part::Unknown(_) => deltas.push(Delta::Opaque),
        }
    }

    /// A delta, by its type; by its fields where it has none.
    fn read_delta<'a>(&mut self, key: u32, delta: &BlockDelta<'a>) -> Option<Delta<'a>> {
        let (mut text, mut thinking, mut arguments) = (delta.text, delta.thinking, delta.partial_json);
        match delta.kind.and_then(string_of).as_deref() {
            Some("text_delta") => (thinking, arguments) = (None, None),
            Some("thinking_delta") => (text, arguments) = (None, None),
            Some("input_json_delta") => (text, thinking) = (None, None),
            Some("signature_delta") => return None,
            Some(_) => return Some(Delta::Opaque),
            None => {}
        }
        let said = text_of(text).map(Delta::Text).or_else(|| text_of(thinking).map(Delta::Thinking));
        said.or_else(|| match arguments_of(arguments?)? {
            _ if !self.calls.contains(&key) => Some(Delta::Opaque),
            // No arguments, where none came before.
            json if json.trim() == "null" && !self.argued.contains(&key) => None,
            json => {
                self.argued.insert(key);
                Some(Delta::Arguments { key, json })
            }
        })
    }
}

fn malformed() -> ProviderError {
    ProviderError::protocol("the provider's stream has an event that cannot be read")
}

fn index_of(event: &StreamEvent<'_>) -> Option<u32> {
    event.index.and_then(|index| index.get().parse().ok())
}

/// A string that is not empty.
fn text_of(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    value.and_then(string_of).filter(|text| !text.is_empty())
}

/// A piece of JSON; some servers send the JSON itself in place of its text.
fn arguments_of(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = string_of(value).unwrap_or(Cow::Borrowed(value.get()));
    Some(text).filter(|text| !text.is_empty())
}

/// The reason of the end; an empty one is none.
fn read_finish<'a>(delta: &BlockDelta<'a>) -> Option<Delta<'a>> {
    let reason = text_of(delta.stop_reason)?;
    let stop_sequence = delta.stop_sequence.and_then(string_of).map(Cow::into_owned);
    Some(Delta::Finish { finish: finish_of(Some(&reason)), stop_sequence })
}

fn read_error<'a>(error: Option<&RawValue>) -> Delta<'a> {
    let error = error.and_then(|error| crate::json::parse(error.get()).ok()).unwrap_or_default();
    Delta::Error(error_of_json(Schema(&super::Anthropic), 200, &error))
}

fn usage<'a>(value: Option<&RawValue>) -> Option<Delta<'a>> {
    super::usage::read(&value_of(value?.get())?).map(Delta::Usage)
}
