use std::collections::BTreeMap;

use serde_json::json;

use super::bound::made_id;
use super::legacy;
use super::usage;
use crate::chat::Finish;
use crate::error::ProviderError;
use crate::json::{write, write_string};
use crate::schema::StreamWriter;
use crate::stream::{Delta, StreamOptions};
use crate::usage::Usage;

/// Writes chunks.
#[derive(Debug)]
pub(super) struct Writer {
    /// What every chunk begins with: `{"id":…,"choices":`.
    head: Vec<u8>,
    wants_usage: bool,
    /// The client reads `function_call`, of which there is one.
    is_legacy: bool,
    started: bool,
    /// What the ids of calls begin with that the provider gave none.
    id: String,
    /// Tool calls by their key. OpenAI counts calls only, not what else the answer consists of.
    calls: BTreeMap<u32, Call>,
    finished: bool,
    usage: Option<Usage>,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    index: usize,
    has_arguments: bool,
}

impl Writer {
    pub(super) fn new(options: StreamOptions) -> Self {
        let mut head = b"data: {\"id\":".to_vec();
        write_string(&options.id, &mut head);
        head.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        write(&options.created_unix_s, &mut head);
        head.extend_from_slice(b",\"model\":");
        write_string(&options.client_model, &mut head);
        head.extend_from_slice(b",\"choices\":");
        Self {
            head,
            wants_usage: options.client_wants_usage,
            is_legacy: legacy::is_legacy(&options.echo),
            started: false,
            id: options.id,
            calls: BTreeMap::new(),
            finished: false,
            usage: None,
        }
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        if !self.started && !matches!(delta, Delta::Model(_) | Delta::Ping | Delta::Usage(_)) {
            self.started = true;
            self.chunk(out, |out| out.extend_from_slice(br#"{"role":"assistant","content":"","refusal":null}"#), None);
        }
        match delta {
            Delta::Model(_) | Delta::Start | Delta::Opaque | Delta::Error(_) => {}
            Delta::Ping => out.extend_from_slice(b": ping\n\n"),
            Delta::Text(text) => self.text("content", text, out),
            Delta::Refusal(text) => self.text("refusal", text, out),
            Delta::Thinking(text) => self.text("reasoning_content", text, out),
            Delta::ToolCall { key, id, name } => {
                let index = self.calls.len();
                self.calls.insert(*key, Call { index, has_arguments: false });
                if self.is_legacy {
                    if index == 0 {
                        let call = json!({"function_call": {"name": name, "arguments": ""}});
                        self.chunk(out, |out| write(&call, out), None);
                    }
                    return Ok(());
                }
                let id = match id.as_ref() {
                    "" => made_id(&[&self.id, &index.to_string()]),
                    given => given.to_owned(),
                };
                let call = json!({"tool_calls": [{
                    "index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}
                }]});
                self.chunk(out, |out| write(&call, out), None);
            }
            Delta::Arguments { key, json } => self.arguments(*key, json, out),
            Delta::BlockEnd { key } => self.fill(*key, out),
            Delta::Finish { .. } if self.finished => {}
            Delta::Finish { finish, .. } => {
                self.finish(*finish, out);
            }
            Delta::Usage(usage) => {
                self.usage = Some(self.usage.map_or(*usage, |known| known.followed_by(usage)));
            }
            Delta::End => {
                // Some providers' last event is all that says it; clients look for the reason.
                if self.started && !self.finished {
                    self.finish(if self.calls.is_empty() { Finish::Stop } else { Finish::ToolCalls }, out);
                }
                self.end(out);
            }
        }
        Ok(())
    }
}

impl Writer {
    fn text(&self, field: &str, text: &str, out: &mut Vec<u8>) {
        let write_delta = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"{\"");
            out.extend_from_slice(field.as_bytes());
            out.extend_from_slice(b"\":");
            write_string(text, out);
            out.push(b'}');
        };
        self.chunk(out, write_delta, None);
    }

    fn finish(&mut self, finish: Finish, out: &mut Vec<u8>) {
        self.finished = true;
        for key in self.calls.keys().copied().collect::<Vec<_>>() {
            self.fill(key, out);
        }
        self.chunk(out, |out| out.extend_from_slice(b"{}"), Some(legacy::reason(finish, self.is_legacy)));
    }

    /// Clients parse the arguments: a call that has ended without any has an empty object.
    fn fill(&mut self, key: u32, out: &mut Vec<u8>) {
        if self.calls.get(&key).is_some_and(|call| !call.has_arguments) {
            self.arguments(key, "{}", out);
        }
    }

    fn arguments(&mut self, key: u32, json: &str, out: &mut Vec<u8>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.has_arguments = true;
        let call = match (self.is_legacy, call.index) {
            (false, index) => json!({"tool_calls": [{"index": index, "function": {"arguments": json}}]}),
            (true, 0) => json!({"function_call": {"arguments": json}}),
            (true, _) => return,
        };
        self.chunk(out, |out| write(&call, out), None);
    }

    fn chunk(&self, out: &mut Vec<u8>, write_delta: impl FnOnce(&mut Vec<u8>), finish_reason: Option<&str>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"[{\"index\":0,\"delta\":");
        write_delta(out);
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        write(&finish_reason, out);
        out.extend_from_slice(b"}]");
        if self.wants_usage {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.extend_from_slice(b"}\n\n");
    }

    fn end(&self, out: &mut Vec<u8>) {
        if let (true, Some(usage)) = (self.wants_usage, &self.usage) {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"[],\"usage\":");
            write(&usage::write(usage), out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}
