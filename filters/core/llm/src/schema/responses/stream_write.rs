use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::answer::{Ended, made_id, write_outline};
use super::items::{
    Status, write_call, write_message, write_output_text, write_reasoning, write_refusal, write_summary,
};
use super::{error, usage};
use crate::chat::Finish;
use crate::error::{ErrorParts, ProviderError};
use crate::json::{write, write_string};
use crate::schema::StreamWriter;
use crate::sse::MOST_EVENT_BYTES;
use crate::stream::{Delta, StreamOptions};
use crate::usage::Usage;

/// How many bytes of JSON the texts of an answer may have: the last event says all of them again, and must not be too large for one.
const MOST_REPEATED_BYTES: usize = MOST_EVENT_BYTES - 64 * 1024;
/// What an item or a part takes there beside its texts.
const BYTES_OF_AN_ITEM: usize = 256;

/// Writes events. Texts follow each other; calls stay open until they end, since a provider may mix them.
#[derive(Debug)]
pub(super) struct Writer {
    options: StreamOptions,
    sequence_number: u64,
    started: bool,
    /// All items, in the order of the output.
    items: Vec<Item>,
    /// Of the message or the reasoning that is being written.
    open: Option<usize>,
    /// The last part of that message is said whole.
    part_is_done: bool,
    /// Calls that have not ended, by their keys.
    calls: BTreeMap<u32, usize>,
    repeated_bytes: usize,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

#[derive(Debug)]
struct Item {
    id: String,
    said: Said,
    /// Set when it is written whole.
    closed: Option<Status>,
}

#[derive(Debug)]
enum Said {
    Message(Vec<MessagePart>),
    Reasoning(String),
    Call { call_id: String, name: String, arguments: String },
}

#[derive(Debug)]
struct MessagePart {
    refuses: bool,
    text: String,
}

impl MessagePart {
    fn write(&self) -> Value {
        if self.refuses { write_refusal(&self.text) } else { write_output_text(&self.text) }
    }
}

impl Item {
    fn write(&self, status: Status) -> Value {
        match &self.said {
            Said::Message(parts) => write_message(&self.id, status, parts.iter().map(MessagePart::write).collect()),
            Said::Reasoning(text) => write_reasoning(&self.id, text, None),
            Said::Call { call_id, name, arguments, .. } => write_call(&self.id, status, call_id, name, arguments),
        }
    }
}

impl Writer {
    pub(super) fn new(options: StreamOptions) -> Self {
        Self {
            options,
            sequence_number: 0,
            started: false,
            items: Vec::new(),
            open: None,
            part_is_done: false,
            calls: BTreeMap::new(),
            repeated_bytes: 0,
            finish: None,
            usage: None,
        }
    }
}

impl StreamWriter for Writer {
    /// Fails on an answer that the last event could not repeat.
    fn write(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        if !self.started && !matches!(delta, Delta::Model(_) | Delta::Ping | Delta::Usage(_)) {
            self.start(out);
        }
        match delta {
            Delta::Model(_) | Delta::Start | Delta::Opaque | Delta::Error(_) => Ok(()),
            Delta::Ping => {
                out.extend_from_slice(b": ping\n\n");
                Ok(())
            }
            Delta::Text(text) => self.text(false, text, out),
            Delta::Refusal(text) => self.text(true, text, out),
            Delta::Thinking(text) => self.reasoning(text, out),
            Delta::ToolCall { key, id, name } => self.call(*key, id, name, out),
            Delta::Arguments { key, json } => self.arguments(*key, json, out),
            Delta::BlockEnd { key } => {
                match self.calls.remove(key) {
                    Some(index) => self.close(index, Status::Completed, out),
                    None => self.end_block(out),
                }
                Ok(())
            }
            Delta::Finish { finish, .. } => {
                self.finish = Some(*finish);
                Ok(())
            }
            Delta::Usage(usage) => {
                self.usage = Some(self.usage.map_or(*usage, |known| known.followed_by(usage)));
                Ok(())
            }
            Delta::End => {
                self.end(out);
                Ok(())
            }
        }
    }

    /// The event of the error, which most clients look for, and the response that failed, which is the end of a stream to the others.
    fn fail(&mut self, parts: &ErrorParts<'_>, out: &mut Vec<u8>) -> bool {
        let Value::Object(mut event) = error::in_stream(parts, self.sequence_number) else { return false };
        event.retain(|name, _| name != "type" && name != "sequence_number");
        self.event(error::EVENT, event.into(), out);
        let response = self.response(Ended::Badly(error::in_response(parts)), Vec::new());
        self.event("response.failed", json!({"response": response}), out);
        true
    }
}

impl Writer {
    fn start(&mut self, out: &mut Vec<u8>) {
        self.started = true;
        for name in ["response.created", "response.in_progress"] {
            let response = self.response(Ended::NotYet, Vec::new());
            self.event(name, json!({"response": response}), out);
        }
    }

    fn text(&mut self, refuses: bool, text: &str, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        let index = match self.open.filter(|index| self.is_message(*index)) {
            Some(index) => index,
            None => self.open_item("msg", Said::Message(Vec::new()), out)?,
        };
        let Some(Item { id, said: Said::Message(parts), .. }) = self.items.get_mut(index) else { return Ok(()) };
        let id = id.clone();
        if self.part_is_done || parts.last().is_none_or(|part| part.refuses != refuses) {
            let part = MessagePart { refuses, text: String::new() };
            let (written, begun) = (part.write(), parts.len());
            self.end_part(index, out);
            let Some(Item { said: Said::Message(parts), .. }) = self.items.get_mut(index) else { return Ok(()) };
            parts.push(part);
            self.part_is_done = false;
            let place = json!({"item_id": id, "output_index": index, "content_index": begun, "part": written});
            self.event("response.content_part.added", place, out);
            self.count(BYTES_OF_AN_ITEM)?;
        }
        let Some(Item { said: Said::Message(parts), .. }) = self.items.get_mut(index) else { return Ok(()) };
        let place = parts.len().saturating_sub(1);
        if let Some(part) = parts.last_mut() {
            part.text.push_str(text);
        }
        let mut delta = json!({"item_id": id, "output_index": index, "content_index": place, "delta": text});
        let name = if refuses { "response.refusal.delta" } else { "response.output_text.delta" };
        if !refuses && let Some(delta) = delta.as_object_mut() {
            delta.insert("logprobs".into(), json!([]));
        }
        self.event(name, delta, out);
        self.count(json_length(text))
    }

    fn reasoning(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        let index = match self.open.filter(|index| !self.is_message(*index)) {
            Some(index) => index,
            None => {
                let index = self.open_item("rs", Said::Reasoning(String::new()), out)?;
                self.summary_event(index, "response.reasoning_summary_part.added", "part", write_summary(""), out);
                index
            }
        };
        if let Some(Item { said: Said::Reasoning(said), .. }) = self.items.get_mut(index) {
            said.push_str(text);
        }
        self.summary_event(index, "response.reasoning_summary_text.delta", "delta", text.into(), out);
        self.count(json_length(text))
    }

    fn call(&mut self, key: u32, id: &str, name: &str, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        let call_id = match id {
            "" => Cow::Owned(made_id("call", &self.options.id, self.items.len())),
            given => Cow::Borrowed(given),
        };
        self.count(json_length(&call_id).saturating_add(json_length(name)))?;
        let said = Said::Call { call_id: call_id.into_owned(), name: name.to_owned(), arguments: String::new() };
        let index = self.open_item("fc", said, out)?;
        self.calls.insert(key, index);
        Ok(())
    }

    fn arguments(&mut self, key: u32, json: &str, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        let Some(index) = self.calls.get(&key).copied() else { return Ok(()) };
        self.argument_piece(index, json, out);
        self.count(json_length(json))
    }

    fn argument_piece(&mut self, index: usize, json: &str, out: &mut Vec<u8>) {
        let Some(Item { id, said: Said::Call { arguments, .. }, .. }) = self.items.get_mut(index) else { return };
        arguments.push_str(json);
        let delta = json!({"item_id": id, "output_index": index, "delta": json});
        self.event("response.function_call_arguments.delta", delta, out);
    }

    fn is_message(&self, index: usize) -> bool {
        self.items.get(index).is_some_and(|item| matches!(item.said, Said::Message(_)))
    }

    fn open_item(&mut self, kind: &str, said: Said, out: &mut Vec<u8>) -> Result<usize, ProviderError> {
        self.close_open(Status::Completed, out);
        let index = self.items.len();
        if !matches!(said, Said::Call { .. }) {
            self.open = Some(index);
        }
        let item = Item { id: made_id(kind, &self.options.id, index), said, closed: None };
        let written = item.write(Status::InProgress);
        self.items.push(item);
        self.event("response.output_item.added", json!({"output_index": index, "item": written}), out);
        self.count(BYTES_OF_AN_ITEM)?;
        Ok(index)
    }

    fn close_open(&mut self, status: Status, out: &mut Vec<u8>) {
        if let Some(index) = self.open.take() {
            self.close(index, status, out);
        }
    }

    /// Ends what may follow in a block of its own: a part of a message, or reasoning.
    fn end_block(&mut self, out: &mut Vec<u8>) {
        match self.open {
            Some(index) if self.is_message(index) => self.end_part(index, out),
            Some(_) => self.close_open(Status::Completed, out),
            None => {}
        }
    }

    /// Says the last part of a message whole, once.
    fn end_part(&mut self, index: usize, out: &mut Vec<u8>) {
        let Some(Item { id, said: Said::Message(parts), .. }) = self.items.get(index) else { return };
        let Some(part) = parts.last().filter(|_| !self.part_is_done) else { return };
        self.part_is_done = true;
        let (id, place) = (id.clone(), parts.len().saturating_sub(1));
        let whole = ("response.content_part.done", json!({"part": part.write()}));
        let events = match part.refuses {
            true => [("response.refusal.done", json!({"refusal": part.text})), whole],
            false => [("response.output_text.done", json!({"text": part.text, "logprobs": []})), whole],
        };
        for (name, fields) in events {
            let mut event = json!({"item_id": id, "output_index": index, "content_index": place});
            if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
                event.extend(fields);
            }
            self.event(name, event, out);
        }
    }

    /// Says an item whole, its last part first.
    fn close(&mut self, index: usize, status: Status, out: &mut Vec<u8>) {
        if matches!(self.items.get(index), Some(Item { said: Said::Call { arguments, .. }, .. }) if arguments.is_empty())
        {
            // Clients parse the arguments: a call without any has an empty object.
            self.argument_piece(index, "{}", out);
        }
        self.end_part(index, out);
        let Some(item) = self.items.get_mut(index) else { return };
        item.closed = Some(status);
        let id = item.id.clone();
        let written = item.write(status);
        match &item.said {
            Said::Message(_) => {}
            Said::Reasoning(text) => {
                let text = text.clone();
                let part = write_summary(&text);
                self.summary_event(index, "response.reasoning_summary_text.done", "text", text.into(), out);
                self.summary_event(index, "response.reasoning_summary_part.done", "part", part, out);
            }
            Said::Call { name, arguments, .. } => {
                let done = json!({"item_id": id, "output_index": index, "name": name, "arguments": arguments});
                self.event("response.function_call_arguments.done", done, out);
            }
        }
        self.event("response.output_item.done", json!({"output_index": index, "item": written}), out);
    }

    fn summary_event(&mut self, index: usize, name: &'static str, field: &str, value: Value, out: &mut Vec<u8>) {
        let id = self.items.get(index).map(|item| item.id.as_str()).unwrap_or_default();
        let event = json!({"item_id": id, "output_index": index, "summary_index": 0, field: value});
        self.event(name, event, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let finish = self.finish.unwrap_or(Finish::Stop);
        let (name, status) = match finish {
            Finish::Stop | Finish::StopSequence | Finish::ToolCalls => ("response.completed", Status::Completed),
            Finish::Length | Finish::ContentFilter => ("response.incomplete", Status::Incomplete),
        };
        self.open = None;
        for index in 0..self.items.len() {
            if self.items.get(index).is_some_and(|item| item.closed.is_none()) {
                self.close(index, status, out);
            }
        }
        let output = self.items.iter().map(|item| item.write(item.closed.unwrap_or(status))).collect();
        let response = self.response(Ended::Well(finish), output);
        self.event(name, json!({"response": response}), out);
    }

    fn response(&self, ended: Ended, output: Vec<Value>) -> Value {
        let options = &self.options;
        let usage = match ended {
            Ended::NotYet => None,
            Ended::Well(_) | Ended::Badly(_) => self.usage.as_ref().map(usage::write),
        };
        write_outline(&options.id, options.created_unix_s, &options.client_model, ended, output, usage, &options.echo)
    }

    fn count(&mut self, bytes: usize) -> Result<(), ProviderError> {
        self.repeated_bytes = self.repeated_bytes.saturating_add(bytes);
        if self.repeated_bytes <= MOST_REPEATED_BYTES {
            return Ok(());
        }
        Err(ProviderError::protocol("the answer is longer than the last event of its stream could say"))
    }

    fn event(&mut self, name: &str, fields: Value, out: &mut Vec<u8>) {
        let mut event = Map::new();
        event.insert("type".into(), name.into());
        event.insert("sequence_number".into(), self.sequence_number.into());
        self.sequence_number = self.sequence_number.saturating_add(1);
        if let Value::Object(fields) = fields {
            event.extend(fields);
        }
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        write(&event, out);
        out.extend_from_slice(b"\n\n");
    }
}

fn json_length(text: &str) -> usize {
    let mut json = Vec::with_capacity(text.len().saturating_add(2));
    write_string(text, &mut json);
    json.len()
}
