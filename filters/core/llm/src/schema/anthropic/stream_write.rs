mod call;
mod held;
mod object;

use std::collections::HashMap;

use serde_json::{Value, json};

use super::answer::{input_of, stop_reason};
use super::tool_ids::ToolIds;
use super::usage;
use crate::chat::Finish;
use crate::error::ProviderError;
use crate::json::write;
use crate::schema::StreamWriter;
use crate::stream::{Delta, StreamOptions};
use crate::usage::Usage;
use call::{Call, State};
use held::{Block, Held};

/// The most calls of one answer.
const MOST_CALLS: usize = 10_000;

/// Writes events. The stop reason and the usage are told in one event at the end, since OpenAI tells usage last.
///
/// Anthropic's blocks follow each other, and other schemas mix theirs. So what comes while a call is not whole yet, be it a call or a
/// text, is held back, within a bound, and follows it; white space is not held, since it says nothing there.
#[derive(Debug)]
pub(super) struct Writer {
    options: StreamOptions,
    started: bool,
    open: Option<Open>,
    next_index: u32,
    calls: HashMap<u32, Call>,
    ids: ToolIds,
    held: Held,
    finish: Option<(Finish, Option<String>)>,
    usage: Usage,
}

/// The block that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text { index: u32 },
    Call { index: u32, key: u32 },
}

impl Writer {
    pub(super) fn new(options: StreamOptions) -> Self {
        Self {
            options,
            started: false,
            open: None,
            next_index: 0,
            calls: HashMap::new(),
            ids: ToolIds::default(),
            held: Held::default(),
            finish: None,
            usage: Usage::default(),
        }
    }
}

impl StreamWriter for Writer {
    /// Fails on arguments of a call that was whole already, on a call that never gets a name, and on more than can be held back.
    fn write(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        if !self.started && !matches!(delta, Delta::Model(_) | Delta::Ping | Delta::Usage(_)) {
            self.started = true;
            self.start(out);
        }
        match delta {
            Delta::Model(_) | Delta::Start | Delta::Opaque | Delta::Error(_) => {}
            // A thinking block needs a signature that no other provider makes: the client sees a sign of life.
            Delta::Ping | Delta::Thinking(_) => event("ping", &json!({"type": "ping"}), out),
            Delta::Text(text) | Delta::Refusal(text) => self.text(text, out)?,
            Delta::ToolCall { key, id, name } => self.call(*key, id, name, out)?,
            Delta::Arguments { key, json } => self.arguments(*key, json, out)?,
            Delta::BlockEnd { key } => {
                if let Some(call) = self.calls.get_mut(key) {
                    call.end();
                    self.go_on(out);
                }
            }
            Delta::Finish { finish, stop_sequence } => {
                self.end_calls(out);
                self.finish = Some((*finish, stop_sequence.clone()));
            }
            Delta::Usage(usage) => self.usage = self.usage.followed_by(usage),
            Delta::End => self.end(out)?,
        }
        Ok(())
    }
}

impl Writer {
    fn start(&self, out: &mut Vec<u8>) {
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

    fn text(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        if matches!(self.open, Some(Open::Call { .. })) && text.trim().is_empty() {
            return Ok(());
        }
        if self.waits() {
            return self.held.push_text(text);
        }
        self.write_text(text, out);
        Ok(())
    }

    /// A call begins, or more is known of one that has.
    fn call(&mut self, key: u32, id: &str, name: &str, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        if self.calls.len() >= MOST_CALLS && !self.calls.contains_key(&key) {
            return Err(ProviderError::protocol("the provider makes too many tool calls"));
        }
        let call = self.calls.entry(key).or_default();
        let before = call.held();
        let is_named = call.begin(id, name);
        let grown = call.held().saturating_sub(before);
        self.held.grow(grown)?;
        if is_named && self.waits() {
            self.set_state(key, State::Held);
            self.held.push_call(key)?;
        } else if is_named {
            self.open_call(key, out);
        }
        Ok(())
    }

    fn arguments(&mut self, key: u32, json: &str, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        let Some(call) = self.calls.get_mut(&key) else { return Ok(()) };
        if call.state == State::Written {
            return match json.trim() {
                "" => Ok(()),
                _ => Err(ProviderError::protocol("the provider goes on with a tool call that was whole")),
            };
        }
        let before = call.held();
        call.push(json);
        let grown = call.held().saturating_sub(before);
        self.held.grow(grown)?;
        if self.open_key() == Some(key) {
            self.write_arguments(key, out);
            self.go_on(out);
        }
        Ok(())
    }

    fn open_key(&self) -> Option<u32> {
        match self.open {
            Some(Open::Call { key, .. }) => Some(key),
            Some(Open::Text { .. }) | None => None,
        }
    }

    fn set_state(&mut self, key: u32, state: State) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.state = state;
        }
    }

    /// Whether something else than the open call has to wait for its end.
    fn waits(&self) -> bool {
        self.open_key().and_then(|key| self.calls.get(&key)).is_some_and(|call| !call.is_whole())
    }

    /// Writes what was held back, as far as the calls before it are whole.
    fn go_on(&mut self, out: &mut Vec<u8>) {
        while !self.waits() {
            match self.held.pop() {
                Some(Block::Text(text)) => self.write_text(&text, out),
                Some(Block::Call(key)) => self.open_call(key, out),
                None => return,
            }
        }
    }

    /// No more arguments follow.
    fn end_calls(&mut self, out: &mut Vec<u8>) {
        self.end_open_call();
        while !self.held.is_empty() {
            self.go_on(out);
            self.end_open_call();
        }
    }

    fn end_open_call(&mut self) {
        if let Some(call) = self.open_key().and_then(|key| self.calls.get_mut(&key)) {
            call.end();
        }
    }

    fn write_text(&mut self, text: &str, out: &mut Vec<u8>) {
        let index = match self.open {
            Some(Open::Text { index }) => index,
            Some(Open::Call { .. }) | None => {
                let index = self.open_block(&json!({"type": "text", "text": ""}), out);
                self.open = Some(Open::Text { index });
                index
            }
        };
        block_delta(index, &json!({"type": "text_delta", "text": text}), out);
    }

    fn open_call(&mut self, key: u32, out: &mut Vec<u8>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.state = State::Open;
        let (name, given) = (std::mem::take(&mut call.name), std::mem::take(&mut call.id));
        self.held.shrink(name.len().saturating_add(given.len()));
        let id = match given.as_str() {
            "" => self.ids.distinct(&format!("{}_{key}", self.options.id)),
            given => self.ids.distinct(given),
        };
        let index = self.open_block(&json!({"type": "tool_use", "id": id, "name": name, "input": {}}), out);
        self.open = Some(Open::Call { index, key });
        self.write_arguments(key, out);
    }

    /// Writes what there is of the open call's arguments, as long as they look like an object.
    fn write_arguments(&mut self, key: u32, out: &mut Vec<u8>) {
        let Some(Open::Call { index, .. }) = self.open else { return };
        let Some(json) = self.calls.get_mut(&key).and_then(Call::take_object) else { return };
        self.held.shrink(json.len());
        block_delta(index, &json!({"type": "input_json_delta", "partial_json": json}), out);
    }

    fn open_block(&mut self, block: &Value, out: &mut Vec<u8>) -> u32 {
        self.close_block(out);
        let index = self.next_index;
        self.next_index = index.saturating_add(1);
        let start = json!({"type": "content_block_start", "index": index, "content_block": block});
        event("content_block_start", &start, out);
        index
    }

    fn close_block(&mut self, out: &mut Vec<u8>) {
        let index = match self.open.take() {
            Some(Open::Text { index }) => index,
            Some(Open::Call { index, key }) => {
                self.close_call(index, key, out);
                index
            }
            None => return,
        };
        event("content_block_stop", &json!({"type": "content_block_stop", "index": index}), out);
    }

    /// What is no object is said as in a whole answer, and one that is broken is made whole.
    fn close_call(&mut self, index: u32, key: u32, out: &mut Vec<u8>) {
        let is_cut_off = matches!(self.finish, Some((Finish::Length, _)));
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.state = State::Written;
        let before = call.held();
        let rest = std::mem::take(&mut call.arguments);
        let of_object = call.rest_of_object(is_cut_off);
        self.held.shrink(before.saturating_sub(call.held()));
        if let Some(json) = of_object {
            let json = rest + &json;
            if !json.is_empty() {
                block_delta(index, &json!({"type": "input_json_delta", "partial_json": json}), out);
            }
            return;
        }
        let input = input_of(&rest);
        if input.as_object().is_some_and(|fields| !fields.is_empty()) {
            let json = input.to_string();
            block_delta(index, &json!({"type": "input_json_delta", "partial_json": json}), out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        self.end_calls(out);
        if self.calls.values().any(|call| call.state == State::Nameless && call.held() > 0) {
            return Err(ProviderError::protocol("the provider calls a tool without a name"));
        }
        self.close_block(out);
        let (finish, stop_sequence) = self.finish.take().unwrap_or((Finish::Stop, None));
        let delta = json!({"stop_reason": stop_reason(finish), "stop_sequence": stop_sequence});
        let usage = usage::write(&self.usage);
        event("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}), out);
        event("message_stop", &json!({"type": "message_stop"}), out);
        Ok(())
    }
}

fn block_delta(index: u32, delta: &Value, out: &mut Vec<u8>) {
    event("content_block_delta", &json!({"type": "content_block_delta", "index": index, "delta": delta}), out);
}

fn event(name: &str, data: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write(data, out);
    out.extend_from_slice(b"\n\n");
}
