use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::finish_of;
use crate::error::{ProviderError, error_of_json};
use crate::json::string_of;
use crate::schema::{Schema, StreamReader};
use crate::stream::Delta;
use crate::usage::value_of;

#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a RawValue,
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    content_block: Option<Block<'a>>,
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

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a RawValue,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

/// The `delta` of a block's event, or of `message_delta`.
#[derive(Deserialize)]
struct BlockDelta<'a> {
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

/// Reads events.
#[derive(Debug)]
pub(super) struct Reader;

impl StreamReader for Reader {
    fn read<'a>(&mut self, data: &'a str) -> Result<Vec<Delta<'a>>, ProviderError> {
        read(data)
    }
}

/// Reads one event. Kinds that are not known are passed over, as Anthropic asks of its clients.
fn read(data: &str) -> Result<Vec<Delta<'_>>, ProviderError> {
    let malformed = |_| ProviderError::protocol("the provider's stream has an event that cannot be read");
    let event: StreamEvent<'_> = serde_json::from_str(data).map_err(malformed)?;
    let kind = string_of(event.kind).unwrap_or_default();
    let mut deltas = Vec::new();
    match kind.as_ref() {
        "message_start" => {
            deltas.push(Delta::Start);
            if let Some(message) = event.message {
                deltas.extend(message.model.map(|model| Delta::Model(model.get())));
                deltas.extend(usage(message.usage));
            }
        }
        "content_block_start" => {
            deltas.extend(event.content_block.map(|block| read_block(event.index, &block)).unwrap_or_default())
        }
        "content_block_delta" => {
            deltas.extend(event.delta.map(|delta| read_delta(event.index, &delta)).unwrap_or_default())
        }
        "content_block_stop" => deltas.push(Delta::BlockEnd { key: event.index }),
        "message_delta" => {
            deltas.extend(event.delta.and_then(|delta| read_finish(&delta)));
            deltas.extend(usage(event.usage));
        }
        "message_stop" => deltas.push(Delta::End),
        "ping" => deltas.push(Delta::Ping),
        "error" => {
            let error = event.error.and_then(|error| serde_json::from_str(error.get()).ok()).unwrap_or_default();
            deltas.push(Delta::Error(error_of_json(Schema(&super::Anthropic), 200, &error)));
        }
        _ => {}
    }
    Ok(deltas)
}

fn read_block<'a>(key: u32, block: &Block<'a>) -> Vec<Delta<'a>> {
    let text_of = |value: Option<&'a RawValue>| value.and_then(string_of).unwrap_or_default();
    match string_of(block.kind).unwrap_or_default().as_ref() {
        "text" => Some(text_of(block.text)).filter(|text| !text.is_empty()).map(Delta::Text).into_iter().collect(),
        "tool_use" => {
            let mut deltas = vec![Delta::ToolCall { key, id: text_of(block.id), name: text_of(block.name) }];
            let input = block.input.map(RawValue::get).filter(|input| *input != "{}" && input.starts_with('{'));
            deltas.extend(input.map(|json| Delta::Arguments { key, json: json.into() }));
            deltas
        }
        "thinking" => Vec::new(),
        _ => vec![Delta::Opaque],
    }
}

fn read_delta<'a>(key: u32, delta: &BlockDelta<'a>) -> Vec<Delta<'a>> {
    let text_of = |value: Option<&'a RawValue>| value.and_then(string_of).filter(|text| !text.is_empty());
    let text = text_of(delta.text).map(Delta::Text);
    let thinking = text_of(delta.thinking).map(Delta::Thinking);
    let arguments = text_of(delta.partial_json).map(|json| Delta::Arguments { key, json });
    [text, thinking, arguments].into_iter().flatten().collect()
}

fn read_finish<'a>(delta: &BlockDelta<'a>) -> Option<Delta<'a>> {
    let reason = delta.stop_reason.and_then(string_of)?;
    let stop_sequence = delta.stop_sequence.and_then(string_of).map(|text| text.into_owned());
    Some(Delta::Finish { finish: finish_of(Some(&reason)), stop_sequence })
}

fn usage<'a>(value: Option<&RawValue>) -> Option<Delta<'a>> {
    super::usage::read(&value_of(value?.get())?).map(Delta::Usage)
}
