use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::answer::input_of;
use super::tool_ids::ToolIds;
use crate::chat::{Document, DocumentSource, Image, Message, Part, Placed, Request, Role, ToolCall, ToolResult};
use crate::error::RequestError;
use crate::schema::Writing;

/// A conversation in Anthropic's schema.
#[derive(Debug)]
pub(super) struct Turns {
    /// `system`.
    pub(super) system: Option<Value>,
    /// `messages`.
    pub(super) messages: Vec<Value>,
    /// The last turn answers a tool call of the one before.
    pub(super) is_in_tool_loop: bool,
}

/// Writes a conversation. Rules:
///
/// - All instructions go to `system`, wherever they stood; without any turn they are the user's.
/// - Messages of one role that follow each other are one turn, and messages without content are none.
/// - Blank texts are left out, and white space at the end of a last turn of the assistant's, which Anthropic would refuse. That turn is
///   otherwise kept: the model goes on from it.
/// - Results stand first in the turn behind their calls. Calls without a result get an empty one; a result without a call is the user's.
/// - The arguments of earlier calls are an object, or one whose `invalid_json` holds what the model wrote.
/// - Thinking of earlier turns is left out.
/// - Documents are text, which they may also hold as bytes, PDF or a web address. Where a server takes none, text is said as text.
pub(super) fn write(request: &Request, writing: &mut Writing<'_>) -> Result<Turns, RequestError> {
    let mut writer = Writer { ids: ToolIds::default(), turns: Vec::new(), system: Vec::new(), writing };
    for message in &request.messages {
        match message.role {
            Role::System => writer.instructions(message)?,
            Role::User | Role::Assistant => writer.message(message)?,
        }
    }
    writer.finish()
}

/// A turn that is being written. Results go first.
#[derive(Debug)]
struct Turn {
    role: Role,
    at: String,
    results: Vec<Value>,
    blocks: Vec<Value>,
}

struct Writer<'a, 'b> {
    ids: ToolIds,
    turns: Vec<Turn>,
    system: Vec<String>,
    writing: &'a mut Writing<'b>,
}

impl Writer<'_, '_> {
    fn instructions(&mut self, message: &Message) -> Result<(), RequestError> {
        for part in &message.parts {
            match part {
                Part::Text(text) | Part::Refusal(text) => self.instruct(text, &message.at),
                Part::Document(Placed { value: Document { source: DocumentSource::Text(text), .. }, at }) => {
                    self.instruct(text, at);
                }
                Part::Image(Placed { at, .. }) | Part::Audio(Placed { at, .. }) | Part::Unknown(Placed { at, .. }) => {
                    return Err(instructions_are_text(at));
                }
                Part::Document(Placed { at, .. }) => return Err(instructions_are_text(at)),
                Part::ToolCall(_) | Part::ToolResult(_) => return Err(instructions_are_text(&message.at)),
                Part::Thinking { .. } | Part::RedactedThinking(_) => self.leave_out_thinking(&message.at),
            }
        }
        Ok(())
    }

    /// Whether a text is not blank.
    fn is_said(&mut self, text: &str, at: &str) -> bool {
        let is_blank = text.trim().is_empty();
        if is_blank && !text.is_empty() {
            self.writing.leave_out(at, "a blank text");
        }
        !is_blank
    }

    fn instruct(&mut self, text: &str, at: &str) {
        if self.is_said(text, at) {
            self.system.push(text.to_owned());
        }
    }

    fn leave_out_thinking(&mut self, at: &str) {
        self.writing.leave_out(at, "thinking that only its issuer can verify");
    }

    fn message(&mut self, message: &Message) -> Result<(), RequestError> {
        let is_same = self.turns.last().is_some_and(|turn| turn.role == message.role);
        if !is_same {
            let turn = Turn { role: message.role, at: message.at.clone(), results: Vec::new(), blocks: Vec::new() };
            self.turns.push(turn);
        }
        for part in &message.parts {
            match part {
                Part::ToolCall(call) => self.call(call),
                Part::ToolResult(result) => self.result(result, &message.at)?,
                Part::Text(_)
                | Part::Refusal(_)
                | Part::Image(_)
                | Part::Document(_)
                | Part::Audio(_)
                | Part::Unknown(_)
                | Part::Thinking { .. }
                | Part::RedactedThinking(_) => {
                    if let Some(block) = self.block(part, &message.at)? {
                        self.add(block);
                    }
                }
            }
        }
        let is_empty = |turn: &mut Turn| turn.results.is_empty() && turn.blocks.is_empty();
        let _ = self.turns.pop_if(is_empty);
        Ok(())
    }

    fn add(&mut self, block: Value) {
        if let Some(turn) = self.turns.last_mut() {
            turn.blocks.push(block);
        }
    }

    fn call(&mut self, call: &ToolCall) {
        let id = self.ids.call(&call.id, self.turns.len());
        self.add(json!({"type": "tool_use", "id": id, "name": call.name, "input": input_of(&call.arguments)}));
    }

    /// Puts a result behind its call. What is a result of nothing is said by the user.
    fn result(&mut self, result: &ToolResult, at: &str) -> Result<(), RequestError> {
        let mut content = Vec::with_capacity(result.parts.len());
        for part in &result.parts {
            content.extend(self.block(part, at)?);
        }
        let Some(call) = self.ids.answer(&result.call_id) else {
            content.into_iter().for_each(|block| self.add(block));
            return Ok(());
        };
        let mut block = Map::new();
        block.insert("type".into(), "tool_result".into());
        block.insert("tool_use_id".into(), call.id.into());
        if !content.is_empty() {
            block.insert("content".into(), plain_if_one_text(content));
            // Anthropic refuses an error without words.
            if result.is_error {
                block.insert("is_error".into(), true.into());
            }
        }
        // `turn` counts from 1, so it is the index of the turn behind the call's.
        let latest = self.turns.len().saturating_sub(1);
        if let Some(turn) = self.turns.get_mut(call.turn.min(latest)) {
            turn.results.push(block.into());
        }
        Ok(())
    }

    /// A block that is no call and no result.
    fn block(&mut self, part: &Part, at: &str) -> Result<Option<Value>, RequestError> {
        Ok(match part {
            Part::Text(text) | Part::Refusal(text) => {
                self.is_said(text, at).then(|| json!({"type": "text", "text": text}))
            }
            Part::Image(image) if !self.writing.capabilities.images => {
                return Err(RequestError::unsupported("this model reads no images").at(&image.at));
            }
            Part::Image(image) => Some(write_image(&image.value)),
            Part::Document(document) => self.document(document)?,
            Part::Audio(audio) => {
                return Err(RequestError::unsupported("the provider of this model hears no audio").at(&audio.at));
            }
            Part::Unknown(unknown) => {
                let message = "the provider of this model has no such part";
                return Err(RequestError::unsupported(message).at(&unknown.at));
            }
            Part::Thinking { .. } | Part::RedactedThinking(_) => {
                self.leave_out_thinking(at);
                None
            }
            Part::ToolCall(_) | Part::ToolResult(_) => {
                return Err(RequestError::new("a tool's result holds texts, images and documents").at(at));
            }
        })
    }

    fn document(&mut self, document: &Placed<Document>) -> Result<Option<Value>, RequestError> {
        let Placed { at, value: Document { title, context, source } } = document;
        let as_text = source.as_text();
        let source = match as_text.as_ref().unwrap_or(source) {
            DocumentSource::Text(text) if text.trim().is_empty() => {
                self.writing.leave_out(at, "a blank text");
                return Ok(None);
            }
            DocumentSource::Text(text) if !self.writing.capabilities.documents => {
                for (name, value) in [("title", title), ("context", context)] {
                    if value.is_some() {
                        self.writing.leave_out(format!("{at}.{name}"), "the server takes the document's text only");
                    }
                }
                return Ok(Some(json!({"type": "text", "text": text})));
            }
            DocumentSource::Text(text) => json!({"type": "text", "media_type": "text/plain", "data": text}),
            DocumentSource::Base64 { .. } | DocumentSource::Url(_) if !self.writing.capabilities.documents => {
                return Err(RequestError::unsupported("this model reads documents as text only").at(at));
            }
            DocumentSource::Base64 { media_type, data } if media_type == "application/pdf" => {
                json!({"type": "base64", "media_type": media_type, "data": data})
            }
            DocumentSource::Base64 { .. } => {
                let message = "the provider of this model reads documents as text and as PDF only";
                return Err(RequestError::unsupported(message).at(at));
            }
            DocumentSource::Url(url) => json!({"type": "url", "url": url}),
            DocumentSource::File(_) => {
                return Err(RequestError::unsupported("the provider of this model does not have this file").at(at));
            }
        };
        let mut block = Map::new();
        block.insert("type".into(), "document".into());
        block.insert("source".into(), source);
        for (name, value) in [("title", title), ("context", context)] {
            if let Some(value) = value {
                block.insert(name.into(), value.as_str().into());
            }
        }
        Ok(Some(block.into()))
    }

    fn finish(mut self) -> Result<Turns, RequestError> {
        self.trim_end();
        self.answer_the_rest();
        if self.turns.is_empty() {
            let blocks: Vec<Value> = self.system.drain(..).map(|text| json!({"type": "text", "text": text})).collect();
            if blocks.is_empty() {
                return Err(RequestError::new("a message with content is required").at("messages"));
            }
            self.turns.push(Turn { role: Role::User, at: String::new(), results: Vec::new(), blocks });
        }
        let system = match self.system.len() {
            0 => None,
            1 => self.system.pop().map(Value::from),
            _ => Some(self.system.into_iter().map(|text| json!({"type": "text", "text": text})).collect()),
        };
        let is_in_tool_loop = self.turns.last().is_some_and(|turn| !turn.results.is_empty());
        let messages = self.turns.into_iter().map(|turn| {
            let name = if turn.role == Role::Assistant { "assistant" } else { "user" };
            let mut content = turn.results;
            content.extend(turn.blocks);
            json!({"role": name, "content": plain_if_one_text(content)})
        });
        Ok(Turns { system, messages: messages.collect(), is_in_tool_loop })
    }

    /// Anthropic refuses a last turn of the assistant's that ends in white space.
    fn trim_end(&mut self) {
        let Some(turn) = self.turns.last_mut().filter(|turn| turn.role == Role::Assistant) else { return };
        let Some(Value::String(text)) = turn.blocks.last_mut().and_then(|block| block.get_mut("text")) else { return };
        let trimmed = text.trim_end();
        if trimmed.len() < text.len() {
            *text = trimmed.to_owned();
            self.writing.leave_out(turn.at.as_str(), "white space at the end");
        }
    }

    /// Gives each call that has none an empty result, which Anthropic insists on.
    fn answer_the_rest(&mut self) {
        let mut missing: HashMap<usize, Vec<Value>> = HashMap::new();
        for call in std::mem::take(&mut self.ids).unanswered() {
            missing.entry(call.turn).or_default().push(json!({"type": "tool_result", "tool_use_id": call.id}));
        }
        for (index, results) in missing {
            match self.turns.get_mut(index) {
                Some(turn) => turn.results.extend(results),
                None => {
                    self.turns.push(Turn { role: Role::User, at: String::new(), results, blocks: Vec::new() });
                }
            }
        }
    }
}

fn instructions_are_text(at: &str) -> RequestError {
    RequestError::unsupported("the provider of this model takes instructions as text only").at(at)
}

/// A lone text may stand as a string.
fn plain_if_one_text(mut blocks: Vec<Value>) -> Value {
    if let [Value::Object(block)] = blocks.as_mut_slice()
        && block.get("type").is_some_and(|kind| kind == "text")
    {
        return block.get_mut("text").map(Value::take).unwrap_or_default();
    }
    blocks.into()
}

fn write_image(image: &Image) -> Value {
    match image {
        Image::Url(url) => json!({"type": "image", "source": {"type": "url", "url": url}}),
        Image::Base64 { media_type, data } => {
            // A name that no registry has, but many clients send.
            let media_type = if media_type == "image/jpg" { "image/jpeg" } else { media_type };
            json!({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}})
        }
    }
}
