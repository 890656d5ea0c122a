use std::borrow::Cow;

use serde_json::{Value, json};

use super::answer::stop_reason;
use super::request_write::tool_id;
use super::usage;
use crate::chat::Finish;
use crate::error::ProviderError;
use crate::json::write;
use crate::schema::StreamWriter;
use crate::stream::{Delta, StreamOptions};
use crate::usage::Usage;

/// Writes events. The stop reason and the usage are told in one event at the end, since OpenAI tells usage last.
#[derive(Debug)]
pub(super) struct Writer {
    options: StreamOptions,
    started: bool,
    open: Option<Open>,
    next_index: u32,
    /// The keys of tool calls and the indexes of their blocks.
    calls: Vec<(u32, u32)>,
    finish: Option<(Finish, Option<String>)>,
    usage: Usage,
}

/// The block that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text(u32),
    Tool(u32),
}

impl Writer {
    pub(super) fn new(options: StreamOptions) -> Self {
        Self {
            options,
            started: false,
            open: None,
            next_index: 0,
            calls: Vec::new(),
            finish: None,
            usage: Usage::default(),
        }
    }
}

impl StreamWriter for Writer {
    /// Fails on arguments of a tool call behind which another block has begun: Anthropic's blocks follow each other, and what
    /// comes for one that has ended is read by nobody, client or guardrail.
    fn write(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        if !self.started && !matches!(delta, Delta::Model(_) | Delta::Ping | Delta::Usage(_)) {
            self.started = true;
            self.start(out);
        }
        match delta {
            Delta::Model(_) | Delta::Start | Delta::Opaque | Delta::BlockEnd { .. } | Delta::Error(_) => {}
            // A thinking block needs a signature that no other provider makes: the client sees a sign of life.
            Delta::Ping | Delta::Thinking(_) => event("ping", &json!({"type": "ping"}), out),
            Delta::Text(text) | Delta::Refusal(text) => {
                let index = self.text_block(out);
                let delta = json!({"type": "text_delta", "text": text});
                event(
                    "content_block_delta",
                    &json!({"type": "content_block_delta", "index": index, "delta": delta}),
                    out,
                );
            }
            Delta::ToolCall { key, id, name } => {
                let id = match id.as_ref() {
                    "" => Cow::Owned(format!("{}_{key}", self.options.id)),
                    given => Cow::Borrowed(given),
                };
                let id = tool_id(&id);
                let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
                let index = self.open_block(block, out);
                self.open = Some(Open::Tool(index));
                self.calls.push((*key, index));
            }
            Delta::Arguments { key, json } => {
                let Some((_, index)) = self.calls.iter().find(|(known, _)| known == key) else { return Ok(()) };
                if self.open != Some(Open::Tool(*index)) {
                    return Err(ProviderError::protocol("the provider mixes several tool calls"));
                }
                let delta = json!({"type": "input_json_delta", "partial_json": json});
                event(
                    "content_block_delta",
                    &json!({"type": "content_block_delta", "index": index, "delta": delta}),
                    out,
                );
            }
            Delta::Finish { finish, stop_sequence } => self.finish = Some((*finish, stop_sequence.clone())),
            Delta::Usage(usage) => self.usage = self.usage.followed_by(usage),
            Delta::End => self.end(out),
        }
        Ok(())
    }
}

impl Writer {
    fn start(&mut self, out: &mut Vec<u8>) {
        let message = json!({
            "id": self.options.id,
            "type": "message",
            "role": "assistant",
            "model": self.options.client_model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": usage::write(&self.usage),
        });
        event("message_start", &json!({"type": "message_start", "message": message}), out);
    }

    fn text_block(&mut self, out: &mut Vec<u8>) -> u32 {
        if let Some(Open::Text(index)) = self.open {
            return index;
        }
        let index = self.open_block(json!({"type": "text", "text": ""}), out);
        self.open = Some(Open::Text(index));
        index
    }

    fn open_block(&mut self, block: Value, out: &mut Vec<u8>) -> u32 {
        self.close_block(out);
        let index = self.next_index;
        self.next_index = index.saturating_add(1);
        let start = json!({"type": "content_block_start", "index": index, "content_block": block});
        event("content_block_start", &start, out);
        index
    }

    fn close_block(&mut self, out: &mut Vec<u8>) {
        if let Some(Open::Text(index) | Open::Tool(index)) = self.open.take() {
            event("content_block_stop", &json!({"type": "content_block_stop", "index": index}), out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.close_block(out);
        let (finish, stop_sequence) = self.finish.take().unwrap_or((Finish::Stop, None));
        let delta = json!({"stop_reason": stop_reason(finish), "stop_sequence": stop_sequence});
        let usage = usage::write(&self.usage);
        event("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}), out);
        event("message_stop", &json!({"type": "message_stop"}), out);
    }
}

fn event(name: &str, data: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write(data, out);
    out.extend_from_slice(b"\n\n");
}
