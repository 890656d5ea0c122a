use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::answer::{mark_unsigned, wants_thoughts, write_call};
use super::finish::word_of;
use super::usage;
use crate::chat::Finish;
use crate::error::ProviderError;
use crate::json::write;
use crate::schema::StreamWriter;
use crate::stream::{Delta, StreamOptions};
use crate::usage::Usage;

/// How much of calls' arguments is held in one stream: they come in pieces, and this schema says a call at once.
const MOST_HELD_BYTES: usize = 8 * 1024 * 1024;

/// Writes events, each an answer that holds what is new. The last one has the reason of the end and the usage.
#[derive(Debug)]
pub(super) struct Writer {
    id: String,
    model: String,
    wants_thoughts: bool,
    /// Calls that have not ended, by their key.
    calls: BTreeMap<u32, Call>,
    called: bool,
    /// A call was written.
    marked: bool,
    held: usize,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

impl Writer {
    pub(super) fn new(options: StreamOptions) -> Self {
        Self {
            wants_thoughts: wants_thoughts(&options.echo),
            id: options.id,
            model: options.client_model,
            calls: BTreeMap::new(),
            called: false,
            marked: false,
            held: 0,
            finish: None,
            usage: None,
        }
    }

    fn event(&self, parts: Vec<Value>, finish: Option<Finish>, out: &mut Vec<u8>) {
        let mut candidate = Map::new();
        candidate.insert("content".into(), json!({"parts": parts, "role": "model"}));
        if let Some(finish) = finish {
            candidate.insert("finishReason".into(), word_of(finish).into());
        }
        candidate.insert("index".into(), 0.into());
        let mut root = Map::new();
        root.insert("candidates".into(), json!([candidate]));
        if let (Some(_), Some(said)) = (finish, &self.usage) {
            root.insert("usageMetadata".into(), usage::write(said));
        }
        root.insert("modelVersion".into(), self.model.as_str().into());
        root.insert("responseId".into(), self.id.as_str().into());
        out.extend_from_slice(b"data: ");
        write(&root, out);
        out.extend_from_slice(b"\n\n");
    }

    fn text(&self, text: &str, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.event(vec![json!({"text": text})], None, out);
        }
    }

    fn call(&mut self, key: u32, out: &mut Vec<u8>) {
        let Some(call) = self.calls.remove(&key) else { return };
        self.held = self.held.saturating_sub(call.arguments.len());
        let mut part = write_call(&call.id, &call.name, &call.arguments);
        if !std::mem::replace(&mut self.marked, true) {
            mark_unsigned(&mut part);
        }
        self.event(vec![part], None, out);
    }

    fn end_calls(&mut self, out: &mut Vec<u8>) {
        for key in self.calls.keys().copied().collect::<Vec<_>>() {
            self.call(key, out);
        }
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        match delta {
            Delta::Model(_) | Delta::Start | Delta::Opaque | Delta::Error(_) => {}
            // The vendor's own clients take a comment for an answer, and fail.
            Delta::Ping => {}
            Delta::Text(text) | Delta::Refusal(text) => self.text(text, out),
            Delta::Thinking(text) => {
                if self.wants_thoughts && !text.is_empty() {
                    self.event(vec![json!({"text": text, "thought": true})], None, out);
                }
            }
            Delta::ToolCall { key, id, name } => {
                self.called = true;
                let call = Call { id: id.to_string(), name: name.to_string(), arguments: String::new() };
                self.calls.insert(*key, call);
            }
            Delta::Arguments { key, json } => {
                if let Some(call) = self.calls.get_mut(key) {
                    self.held = self.held.saturating_add(json.len());
                    if self.held > MOST_HELD_BYTES {
                        return Err(ProviderError::protocol("the arguments of the model's calls are too long"));
                    }
                    call.arguments.push_str(json);
                }
            }
            Delta::BlockEnd { key } => self.call(*key, out),
            Delta::Finish { finish, .. } => {
                self.end_calls(out);
                self.finish.get_or_insert(*finish);
            }
            Delta::Usage(said) => self.usage = Some(self.usage.map_or(*said, |known| known.followed_by(said))),
            Delta::End => {
                self.end_calls(out);
                let plain = if self.called { Finish::ToolCalls } else { Finish::Stop };
                self.event(vec![json!({"text": ""})], Some(self.finish.unwrap_or(plain)), out);
            }
        }
        Ok(())
    }
}
