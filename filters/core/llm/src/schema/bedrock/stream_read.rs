use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Converse, finish::finish_of, usage};
use crate::error::{ProviderError, error_of_json};
use crate::json::{Fields, string_of};
use crate::schema::{Schema, StreamReader};
use crate::stream::Delta;
use crate::usage::value_of;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(default)]
    content_block_index: u32,
    #[serde(borrow, default)]
    start: Option<Start<'a>>,
    #[serde(borrow, default)]
    delta: Option<Piece<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow, default)]
    tool_use: Option<Call<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    #[serde(borrow, default)]
    tool_use_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Piece<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_use: Option<Input<'a>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Reasoning<'a>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Reasoning<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

/// Reads messages, each an object with one field that names it. Text begins without a word. What was used comes last, in `metadata`, so
/// that alone ends a stream.
#[derive(Debug)]
pub(super) struct Reader;

impl StreamReader for Reader {
    fn read<'a>(&mut self, data: &'a str) -> Result<Vec<Delta<'a>>, ProviderError> {
        let fields = Fields::of(data).ok_or_else(malformed)?;
        let Some((name, _)) = fields.iter().next() else { return Ok(Vec::new()) };
        let value = fields.get_or_null(name).ok_or_else(malformed)?;
        match name {
            "messageStart" => Ok(vec![Delta::Start]),
            "contentBlockStart" => read_start(&read_block(value)?),
            "contentBlockDelta" => Ok(read_piece(&read_block(value)?)),
            "contentBlockStop" => Ok(vec![Delta::BlockEnd { key: read_block(value)?.content_block_index }]),
            "messageStop" => {
                let said: Value = crate::json::parse(value).map_err(|_| malformed())?;
                let word = said.get("stopReason").and_then(Value::as_str).unwrap_or_default();
                Ok(vec![Delta::Finish { finish: finish_of(word)?, stop_sequence: None }])
            }
            "metadata" => {
                let said = Fields::of(value).ok_or_else(malformed)?;
                let usage = said.get("usage").and_then(value_of).and_then(|said| usage::read(&said));
                Ok(usage.map(Delta::Usage).into_iter().chain([Delta::End]).collect())
            }
            name if is_failure(name) => Ok(vec![Delta::Error(failure(name, value))]),
            _ => Ok(Vec::new()),
        }
    }
}

fn read_block(value: &str) -> Result<Block<'_>, ProviderError> {
    crate::json::parse(value).map_err(|_| malformed())
}

fn read_start<'a>(block: &Block<'a>) -> Result<Vec<Delta<'a>>, ProviderError> {
    let Some(start) = &block.start else { return Ok(Vec::new()) };
    let Some(call) = &start.tool_use else { return Ok(vec![Delta::Opaque]) };
    let name = call.name.and_then(string_of).filter(|name| !name.is_empty()).ok_or_else(malformed)?;
    let id = call.tool_use_id.and_then(string_of).unwrap_or_default();
    Ok(vec![Delta::ToolCall { key: block.content_block_index, id, name }])
}

fn read_piece<'a>(block: &Block<'a>) -> Vec<Delta<'a>> {
    let Some(piece) = &block.delta else { return Vec::new() };
    let delta = if let Some(text) = piece.text {
        string_of(text).map(Delta::Text)
    } else if let Some(call) = &piece.tool_use {
        let json = call.input.and_then(string_of);
        json.map(|json| Delta::Arguments { key: block.content_block_index, json })
    } else {
        // Without a text it is a signature, or sealed: for Bedrock alone.
        piece.reasoning_content.as_ref().and_then(|reasoning| reasoning.text).and_then(string_of).map(Delta::Thinking)
    };
    vec![delta.unwrap_or(Delta::Opaque)]
}

/// Whether a message says that the answer failed.
fn is_failure(name: &str) -> bool {
    name.ends_with("Exception") || name.ends_with("Error") || name == "error"
}

fn failure(name: &str, value: &str) -> ProviderError {
    let said: Value = crate::json::parse(value).unwrap_or(Value::Null);
    let message = ["message", "Message", "originalMessage"].iter().find_map(|name| said.get(*name));
    let message = message.cloned().unwrap_or_else(|| "the provider failed within its answer".into());
    error_of_json(Schema(&Converse), 200, &json!({"type": name, "message": message}))
}

fn malformed() -> ProviderError {
    ProviderError::protocol("the provider's stream has a message that cannot be read")
}
