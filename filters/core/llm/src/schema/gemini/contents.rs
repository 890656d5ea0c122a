use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::answer::{mark_unsigned, write_call};
use super::generation::Generation;
use crate::chat::{Audio, Document, DocumentSource, Image, Message, Part, Placed, Request, Role, ToolCall, ToolResult};
use crate::error::RequestError;
use crate::schema::Writing;

/// A conversation in Gemini's schema.
#[derive(Debug)]
pub(super) struct Contents {
    /// `systemInstruction`.
    pub(super) instruction: Option<Value>,
    /// `contents`.
    pub(super) contents: Vec<Value>,
}

/// Writes a conversation. Rules:
///
/// - All instructions go to `systemInstruction`, wherever they stood; without any turn they are the user's.
/// - Messages of one role that follow each other are one turn, and messages without content are none.
/// - Results stand first in the turn behind their calls, in the order of these. Calls without a result get an empty one, since both must
///   be as many; a result without a call is the user's. Ids are not sent. What a failed tool said is its `error`.
/// - The arguments of earlier calls are an object, or one whose `invalid_json` holds what the model wrote. Models that want signatures get
///   the word that stands for none.
/// - Pictures and documents in results stand behind these.
/// - Thinking of earlier turns is left out.
/// - Nothing is fetched by its address.
pub(super) fn write(request: &Request, writing: &mut Writing<'_>) -> Result<Contents, RequestError> {
    let generation = Generation::of(&request.model);
    let mut writer = Writer {
        generation,
        turns: Vec::new(),
        calls: Vec::new(),
        open: HashMap::new(),
        instruction: Vec::new(),
        writing,
    };
    for message in &request.messages {
        match message.role {
            Role::System => writer.instructions(message)?,
            Role::User | Role::Assistant => writer.message(message)?,
        }
    }
    writer.finish()
}

/// A turn that is being written. Results go first, each with the number of its call.
#[derive(Debug)]
struct Turn {
    role: Role,
    results: Vec<(usize, Value)>,
    parts: Vec<Value>,
    has_call: bool,
}

impl Turn {
    fn new(role: Role) -> Self {
        Self { role, results: Vec::new(), parts: Vec::new(), has_call: false }
    }

    fn is_empty(&self) -> bool {
        self.results.is_empty() && self.parts.is_empty()
    }
}

/// A call of an earlier turn.
#[derive(Debug)]
struct Call {
    name: String,
    /// The index of the turn behind the call's.
    answered_in: usize,
    is_answered: bool,
}

struct Writer<'a, 'b> {
    generation: Generation,
    turns: Vec<Turn>,
    calls: Vec<Call>,
    /// The number of the latest call of each id.
    open: HashMap<String, usize>,
    instruction: Vec<Value>,
    writing: &'a mut Writing<'b>,
}

impl Writer<'_, '_> {
    fn instructions(&mut self, message: &Message) -> Result<(), RequestError> {
        for part in &message.parts {
            match part {
                Part::Text(text) | Part::Refusal(text) => self.instruct(text),
                Part::Document(Placed { value: Document { source: DocumentSource::Text(text), .. }, .. }) => {
                    self.instruct(text);
                }
                Part::Thinking { .. } | Part::RedactedThinking(_) => self.leave_out_thinking(&message.at),
                Part::Image(Placed { at, .. }) | Part::Audio(Placed { at, .. }) => {
                    return Err(instructions_are_text(at));
                }
                Part::Document(Placed { at, .. }) => return Err(instructions_are_text(at)),
                Part::Unknown(Placed { at, .. }) => return Err(instructions_are_text(at)),
                Part::ToolCall(_) | Part::ToolResult(_) => return Err(instructions_are_text(&message.at)),
            }
        }
        Ok(())
    }

    fn instruct(&mut self, text: &str) {
        if !text.is_empty() {
            self.instruction.push(json!({"text": text}));
        }
    }

    fn leave_out_thinking(&mut self, at: &str) {
        self.writing.leave_out(at, "thinking that only its issuer can verify");
    }

    fn message(&mut self, message: &Message) -> Result<(), RequestError> {
        if self.turns.last().is_none_or(|turn| turn.role != message.role) {
            self.turns.push(Turn::new(message.role));
        }
        for part in &message.parts {
            match part {
                Part::ToolCall(call) => self.call(call),
                Part::ToolResult(result) => self.result(result, &message.at)?,
                _ => {
                    if let Some(part) = self.part(part, &message.at)? {
                        self.add(part);
                    }
                }
            }
        }
        if self.turns.last().is_some_and(Turn::is_empty) {
            self.turns.pop();
        }
        Ok(())
    }

    fn add(&mut self, part: Value) {
        if let Some(turn) = self.turns.last_mut() {
            turn.parts.push(part);
        }
    }

    fn call(&mut self, call: &ToolCall) {
        let mut part = write_call("", &call.name, &call.arguments);
        let had_call = self.turns.last_mut().map(|turn| std::mem::replace(&mut turn.has_call, true));
        // Of calls that were made at once only the first has one.
        if had_call == Some(false) && self.generation.signs_calls() {
            mark_unsigned(&mut part);
        }
        self.add(part);
        self.open.insert(call.id.clone(), self.calls.len());
        self.calls.push(Call { name: call.name.clone(), answered_in: self.turns.len(), is_answered: false });
    }

    /// Puts a result behind its call. What is a result of nothing is said by the user.
    fn result(&mut self, result: &ToolResult, at: &str) -> Result<(), RequestError> {
        let mut text = String::new();
        let mut media = Vec::new();
        for part in &result.parts {
            match part {
                Part::Text(said) | Part::Refusal(said) => {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(said);
                }
                _ => media.extend(self.part(part, at)?),
            }
        }
        let number = self.open.remove(&result.call_id);
        let call = number.and_then(|number| Some((number, self.calls.get_mut(number)?)));
        let Some((number, call)) = call else {
            if !text.is_empty() {
                self.add(json!({"text": text}));
            }
            media.into_iter().for_each(|part| self.add(part));
            return Ok(());
        };
        call.is_answered = true;
        let written = write_result(&call.name, &text, result.is_error);
        let latest = self.turns.len().saturating_sub(1);
        if let Some(turn) = self.turns.get_mut(call.answered_in.min(latest)) {
            turn.results.push((number, written));
        }
        media.into_iter().for_each(|part| self.add(part));
        Ok(())
    }

    /// A part that is no call and no result.
    fn part(&mut self, part: &Part, at: &str) -> Result<Option<Value>, RequestError> {
        let refuse = |message: &str, at: &str| Err(RequestError::unsupported(message.to_owned()).at(at));
        match part {
            Part::Text(text) | Part::Refusal(text) => Ok((!text.is_empty()).then(|| json!({"text": text}))),
            Part::Image(image) if !self.writing.capabilities.images => refuse("this model reads no images", &image.at),
            Part::Image(Placed { value: Image::Base64 { media_type, data }, .. }) => {
                // A name that no registry has, but many clients send.
                let media_type = if media_type == "image/jpg" { "image/jpeg" } else { media_type };
                Ok(Some(inline(media_type, data)))
            }
            Part::Image(Placed { value: Image::Url(_), at }) => {
                refuse("the provider of this model does not fetch images: send the image itself", at)
            }
            Part::Document(document) => self.document(document),
            Part::Audio(audio) if !self.writing.capabilities.audio => refuse("this model hears no audio", &audio.at),
            Part::Audio(Placed { value: Audio { format, data }, .. }) => {
                Ok(Some(inline(&format!("audio/{format}"), data)))
            }
            Part::Unknown(unknown) => refuse("the provider of this model has no such part", &unknown.at),
            Part::Thinking { .. } | Part::RedactedThinking(_) => {
                self.leave_out_thinking(at);
                Ok(None)
            }
            Part::ToolCall(_) | Part::ToolResult(_) => {
                Err(RequestError::new("a tool's result holds texts, images and documents").at(at))
            }
        }
    }

    fn document(&mut self, document: &Placed<Document>) -> Result<Option<Value>, RequestError> {
        let Placed { at, value: Document { title, context, source } } = document;
        for (name, value) in [("title", title), ("context", context)] {
            if value.is_some() {
                self.writing.leave_out(format!("{at}.{name}"), "the provider takes the document alone");
            }
        }
        let as_text = source.as_text();
        match as_text.as_ref().unwrap_or(source) {
            DocumentSource::Text(text) => Ok((!text.is_empty()).then(|| json!({"text": text}))),
            DocumentSource::Base64 { .. } if !self.writing.capabilities.documents => {
                Err(RequestError::unsupported("this model reads documents as text only").at(at))
            }
            DocumentSource::Base64 { media_type, data } => Ok(Some(inline(media_type, data))),
            DocumentSource::Url(_) => {
                let message = "the provider of this model does not fetch documents: send the document itself";
                Err(RequestError::unsupported(message).at(at))
            }
            DocumentSource::File(_) => {
                Err(RequestError::unsupported("the provider of this model does not have this file").at(at))
            }
        }
    }

    fn finish(mut self) -> Result<Contents, RequestError> {
        self.answer_the_rest();
        if self.turns.is_empty() {
            let parts = std::mem::take(&mut self.instruction);
            if parts.is_empty() {
                return Err(RequestError::new("a message with content is required").at("messages"));
            }
            self.turns.push(Turn { parts, ..Turn::new(Role::User) });
        }
        let contents = self.turns.into_iter().map(|mut turn| {
            turn.results.sort_by_key(|(number, _)| *number);
            let role = if turn.role == Role::Assistant { "model" } else { "user" };
            let parts: Vec<Value> = turn.results.into_iter().map(|(_, result)| result).chain(turn.parts).collect();
            json!({"role": role, "parts": parts})
        });
        let contents = contents.collect();
        let instruction = (!self.instruction.is_empty()).then(|| json!({"parts": self.instruction}));
        Ok(Contents { instruction, contents })
    }

    /// Gives each call that has none an empty result.
    fn answer_the_rest(&mut self) {
        for (number, call) in self.calls.iter().enumerate().filter(|(_, call)| !call.is_answered) {
            let written = write_result(&call.name, "", false);
            if self.turns.len() <= call.answered_in {
                self.turns.push(Turn::new(Role::User));
            }
            if let Some(turn) = self.turns.get_mut(call.answered_in) {
                turn.results.push((number, written));
            }
        }
    }
}

fn instructions_are_text(at: &str) -> RequestError {
    RequestError::unsupported("the provider of this model takes instructions as text only").at(at)
}

fn inline(media_type: &str, data: &str) -> Value {
    json!({"inlineData": {"mimeType": media_type, "data": data}})
}

/// A result as the object that the schema wants: its own where it is one.
fn write_result(name: &str, text: &str, is_error: bool) -> Value {
    let object = crate::json::parse::<Map<String, Value>>(text).ok().filter(|_| !is_error).map(Value::from);
    let response = object.unwrap_or_else(|| json!({(if is_error { "error" } else { "output" }): text}));
    json!({"functionResponse": {"name": name, "response": response}})
}
