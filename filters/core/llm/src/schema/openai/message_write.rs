//! Messages of another schema as this one's.
//!
//! - Results of tools stand right behind the turn that called them, each in a message of its own, whatever was said between; the images,
//!   sound and files of a result, which a tool's message has no room for, follow in the user's message.
//! - A call without a result gets an empty one.
//! - Turns of the model's that follow each other are one where a call is among them, since nothing may stand between a call and its
//!   result.
//! - Reasoning of earlier turns is left out, and that a tool failed: its words have to say it.
//! - A last turn of the model's is said as it is; whether the answer goes on where it ends is the model's to decide.
//! - A document is text, which it may also hold as bytes, or a file; its title and context stand before its text.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use weir_config::{Capabilities, SystemRole};

use super::bound::{FAILED, call_id};
use super::is_own_family;
use crate::chat::{Document, DocumentSource, Image, Message, Part, Placed, Request, Role, ToolCall, ToolResult};
use crate::error::RequestError;
use crate::schema::Writing;

/// Why reasoning does not reach another provider.
const REASONING: &str = "reasoning of earlier turns, which only its issuer can verify";

/// Writes the conversation.
pub(super) fn write_messages(request: &Request, writing: &mut Writing<'_>) -> Result<Vec<Value>, RequestError> {
    let mut writer = Writer {
        own_family: is_own_family(request.origin),
        writing,
        written: Vec::new(),
        open: Vec::new(),
        answered: BTreeMap::new(),
    };
    let mut rest = request.messages.as_slice();
    while let Some(first) = rest.first() {
        let length = rest.iter().take_while(|message| is_assistant(message) == is_assistant(first)).count();
        let (run, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        if is_assistant(first) {
            writer.assistant_run(run)?
        } else {
            writer.user_run(run)?
        }
        rest = behind;
    }
    writer.answer_the_rest();
    Ok(writer.written)
}

fn is_assistant(message: &Message) -> bool {
    message.role == Role::Assistant
}

struct Writer<'a, 'b> {
    /// The client names files as this schema's provider does.
    own_family: bool,
    writing: &'a mut Writing<'b>,
    written: Vec<Value>,
    /// The calls of the last turn, and how many results each id got.
    open: Vec<String>,
    answered: BTreeMap<String, usize>,
}

impl Writer<'_, '_> {
    /// The user's and the application's messages between two turns of the model's.
    fn user_run(&mut self, messages: &[Message]) -> Result<(), RequestError> {
        let mut rests = Vec::with_capacity(messages.len());
        for message in messages {
            rests.push(self.results_of(message)?);
        }
        self.answer_the_rest();
        for (message, (said, has_results)) in messages.iter().zip(rests) {
            if said.is_empty() && has_results {
                continue;
            }
            let role = match message.role {
                Role::System => match self.writing.capabilities.system_role {
                    SystemRole::System => "system",
                    SystemRole::Developer => "developer",
                    SystemRole::User => "user",
                },
                Role::User | Role::Assistant => "user",
            };
            self.written.push(json!({"role": role, "content": content(said)}));
        }
        Ok(())
    }

    /// Gives each call that has none an empty result, which the schema insists on.
    fn answer_the_rest(&mut self) {
        for id in std::mem::take(&mut self.open) {
            match self.answered.get_mut(&id).filter(|results| **results > 0) {
                Some(results) => *results = results.saturating_sub(1),
                None => self.written.push(json!({"role": "tool", "tool_call_id": id, "content": ""})),
            }
        }
        self.answered.clear();
    }

    /// Writes the results in a message and answers the parts of all else in it, and whether there were results.
    fn results_of(&mut self, message: &Message) -> Result<(Vec<Value>, bool), RequestError> {
        let mut from_results = Vec::new();
        let mut said = Vec::new();
        let mut has_results = false;
        for (index, part) in message.parts.iter().enumerate() {
            let at = || format!("{}.content[{index}]", message.at);
            match part {
                Part::ToolResult(result) if message.role == Role::User => {
                    has_results = true;
                    self.result(result, &at, &mut from_results)?;
                }
                Part::Image(Placed { at, .. }) | Part::Document(Placed { at, .. }) | Part::Audio(Placed { at, .. })
                    if message.role == Role::System && !is_text(part) =>
                {
                    return Err(RequestError::unsupported("the provider of this model takes text only here").at(at));
                }
                Part::Text(_)
                | Part::Refusal(_)
                | Part::Image(_)
                | Part::Document(_)
                | Part::Audio(_)
                | Part::ToolCall(_)
                | Part::ToolResult(_)
                | Part::Thinking { .. }
                | Part::RedactedThinking(_)
                | Part::Unknown(_) => self.part(part, &at, &mut said)?,
            }
        }
        from_results.append(&mut said);
        Ok((from_results, has_results))
    }

    fn result(
        &mut self,
        result: &ToolResult,
        at: &dyn Fn() -> String,
        beside: &mut Vec<Value>,
    ) -> Result<(), RequestError> {
        let mut said = Vec::new();
        for part in &result.parts {
            if matches!(part, Part::ToolCall(_) | Part::ToolResult(_)) {
                return Err(RequestError::unsupported("no call or result may stand in a result").at(&at()));
            }
            self.part(part, at, if is_text(part) { &mut said } else { &mut *beside })?;
        }
        if result.is_error && said.is_empty() {
            said.push(text_part(FAILED));
        } else if result.is_error {
            self.writing
                .leave_out(format!("{}.is_error", at()), "the schema has no word for it: the result's text says it");
        }
        let id = call_id(&result.call_id);
        let results = self.answered.entry(id.clone()).or_default();
        *results = results.saturating_add(1);
        self.written.push(json!({"role": "tool", "tool_call_id": id, "content": content(said)}));
        Ok(())
    }

    /// Turns of the model's that follow each other: from the first with a call on they are one.
    fn assistant_run(&mut self, messages: &[Message]) -> Result<(), RequestError> {
        let calls = |message: &Message| message.parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
        let first_call = messages.iter().position(calls).unwrap_or(messages.len());
        let (apart, together) = messages.split_at_checked(first_call).unwrap_or((messages, &[]));
        for message in apart {
            self.assistant(std::slice::from_ref(message))?;
        }
        if together.is_empty() { Ok(()) } else { self.assistant(together) }
    }

    fn assistant(&mut self, messages: &[Message]) -> Result<(), RequestError> {
        self.answer_the_rest();
        let mut said = Vec::new();
        let mut calls = Vec::new();
        for message in messages {
            for (index, part) in message.parts.iter().enumerate() {
                let at = || format!("{}.content[{index}]", message.at);
                match part {
                    Part::ToolCall(call) => {
                        self.open.push(call_id(&call.id));
                        calls.push(write_call(call, call_id(&call.id)));
                    }
                    Part::Image(Placed { at, .. })
                    | Part::Document(Placed { at, .. })
                    | Part::Audio(Placed { at, .. })
                        if !is_text(part) =>
                    {
                        return Err(RequestError::unsupported("the model's own turns hold text only").at(at));
                    }
                    Part::ToolResult(_) => {
                        return Err(RequestError::unsupported("no result may stand in a turn of the model's").at(&at()));
                    }
                    Part::Text(_)
                    | Part::Refusal(_)
                    | Part::Image(_)
                    | Part::Document(_)
                    | Part::Audio(_)
                    | Part::Thinking { .. }
                    | Part::RedactedThinking(_)
                    | Part::Unknown(_) => self.part(part, &at, &mut said)?,
                }
            }
        }
        let nothing_is_left = said.is_empty() && calls.is_empty();
        if nothing_is_left && messages.iter().any(|message| !message.parts.is_empty()) {
            return Ok(());
        }
        let mut written = Map::new();
        written.insert("role".into(), "assistant".into());
        let silent = said.is_empty() && !calls.is_empty();
        written.insert("content".into(), if silent { Value::Null } else { content(said) });
        if !calls.is_empty() {
            written.insert("tool_calls".into(), calls.into());
        }
        self.written.push(written.into());
        Ok(())
    }

    /// Appends what a part is in this schema.
    fn part(&mut self, part: &Part, at: &dyn Fn() -> String, out: &mut Vec<Value>) -> Result<(), RequestError> {
        let capabilities = self.writing.capabilities;
        match part {
            Part::Text(text) => out.push(text_part(text)),
            Part::Refusal(refusal) => out.push(json!({"type": "refusal", "refusal": refusal})),
            Part::Image(image) => {
                needs(capabilities.images, "images", &image.at)?;
                let url = match &image.value {
                    Image::Url(url) => url.clone(),
                    Image::Base64 { media_type, data } => data_url(media_type, data),
                };
                out.push(json!({"type": "image_url", "image_url": {"url": url}}));
            }
            Part::Audio(audio) => {
                needs(capabilities.audio, "audio", &audio.at)?;
                let (data, format) = (&audio.value.data, &audio.value.format);
                out.push(json!({"type": "input_audio", "input_audio": {"data": data, "format": format}}));
            }
            Part::Document(document) => {
                write_document(document, capabilities, self.own_family, out)?;
            }
            Part::Thinking { .. } | Part::RedactedThinking(_) => self.writing.leave_out(at(), REASONING),
            Part::Unknown(unknown) => {
                let message = "the provider of this model knows no such part";
                return Err(RequestError::unsupported(message).at(&unknown.at));
            }
            Part::ToolCall(_) | Part::ToolResult(_) => {
                return Err(RequestError::unsupported("no call or result may stand here").at(&at()));
            }
        }
        Ok(())
    }
}

/// Whether a part is written as text, which may stand everywhere. What is left out or refused counts as such.
fn is_text(part: &Part) -> bool {
    match part {
        Part::Document(Placed { value: Document { source, .. }, .. }) => {
            matches!(source, DocumentSource::Text(_)) || source.as_text().is_some()
        }
        Part::Image(_) | Part::Audio(_) => false,
        Part::Text(_)
        | Part::Refusal(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Thinking { .. }
        | Part::RedactedThinking(_)
        | Part::Unknown(_) => true,
    }
}

fn needs(has: bool, what: &str, at: &str) -> Result<(), RequestError> {
    if has {
        return Ok(());
    }
    Err(RequestError::unsupported(format!("the provider of this model takes no {what}")).at(at))
}

fn write_document(
    document: &Placed<Document>,
    capabilities: &Capabilities,
    own_family: bool,
    out: &mut Vec<Value>,
) -> Result<(), RequestError> {
    let Placed { at, value: Document { title, context, source } } = document;
    let about = |title: Option<&String>| {
        let said = title.into_iter().chain(context.as_ref()).filter(|text| !text.is_empty());
        said.map(|text| text_part(text)).collect::<Vec<_>>()
    };
    let as_text = source.as_text();
    match as_text.as_ref().unwrap_or(source) {
        DocumentSource::Text(text) => {
            out.extend(about(title.as_ref()));
            out.push(text_part(text));
        }
        DocumentSource::Base64 { media_type, data } => {
            needs(capabilities.documents, "documents", at)?;
            out.extend(about(None));
            // A file needs a name.
            let unnamed = if media_type == "application/pdf" { "document.pdf" } else { "document" };
            let name = title.as_deref().unwrap_or(unnamed);
            let data = data_url(media_type, data);
            out.push(json!({"type": "file", "file": {"filename": name, "file_data": data}}));
        }
        DocumentSource::File(id) if own_family => {
            needs(capabilities.documents, "documents", at)?;
            out.extend(about(None));
            let mut file = Map::new();
            file.insert("file_id".into(), id.as_str().into());
            if let Some(title) = title {
                file.insert("filename".into(), title.as_str().into());
            }
            out.push(json!({"type": "file", "file": file}));
        }
        DocumentSource::File(_) => {
            return Err(RequestError::unsupported("the provider of this model does not have this file").at(at));
        }
        DocumentSource::Url(_) => {
            let message = "the provider of this model takes no documents by address";
            return Err(RequestError::unsupported(message).at(at));
        }
    }
    Ok(())
}

/// A call, under this id. Who reads the arguments parses them: none are an empty object.
pub(super) fn write_call(call: &ToolCall, id: String) -> Value {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { call.arguments.as_str() };
    json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

fn text_part(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn data_url(media_type: &str, data: &str) -> String {
    ["data:", media_type, ";base64,", data].concat()
}

/// One text as a plain string, which every compatible server understands; else an array of parts.
fn content(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [] => "".into(),
        [Value::Object(part)] if part.get("type").is_some_and(|kind| kind == "text") => {
            part.get_mut("text").map(Value::take).unwrap_or_default()
        }
        _ => parts.into(),
    }
}
