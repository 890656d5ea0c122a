//! The two wire formats behind one door.

use http::HeaderMap;
use serde_json::Value;

use super::answer::{Answer, Ask};
use super::{anthropic, openai};

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    OpenAi,
    Anthropic,
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// OpenAI's events have no name.
    pub(crate) name: Option<&'static str>,
    pub(crate) data: String,
}

/// A streamed answer, in its three parts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Events {
    /// Events before the first that carries content.
    pub(crate) opening: Vec<Event>,
    /// One event for each piece of the answer.
    pub(crate) content: Vec<Event>,
    /// Finish reason, usage, last event.
    pub(crate) closing: Vec<Event>,
}

/// A request that a real provider would refuse.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
    /// The field at fault.
    pub(crate) param: Option<&'static str>,
}

impl Refusal {
    /// 400: `param` says `message`.
    pub(crate) fn invalid(param: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status: 400, message: message.into(), param: Some(param) }
    }

    /// 401: no credential.
    pub(crate) fn unauthorized(message: &str) -> Refusal {
        Refusal { status: 401, message: message.into(), param: None }
    }

    /// 404: nobody serves this model.
    pub(crate) fn unknown_model(model: &str) -> Refusal {
        Refusal { status: 404, message: format!("The model '{model}' does not exist"), param: Some("model") }
    }
}

impl Api {
    /// The API of a path below the base URL; `/v1/models` belongs to both and is told apart by Anthropic's version header.
    pub(crate) fn of(path: &str, headers: &HeaderMap) -> Api {
        // Only the models are in both, told apart by the header.
        let in_both = path.contains("/v1/models");
        if path.ends_with("/v1/messages") || in_both && headers.contains_key("anthropic-version") {
            Api::Anthropic
        } else {
            Api::OpenAi
        }
    }

    /// Refuses a request without the credential that the real provider asks for. Any value is accepted.
    pub(crate) fn authorize(self, headers: &HeaderMap) -> Result<(), Refusal> {
        match self {
            Api::OpenAi => openai::authorize(headers),
            Api::Anthropic => anthropic::authorize(headers),
        }
    }

    /// Reads a chat request.
    pub(crate) fn read(self, body: &Value) -> Result<Ask, Refusal> {
        match self {
            Api::OpenAi => openai::read(body),
            Api::Anthropic => anthropic::read(body),
        }
    }

    /// The answer as one JSON document.
    pub(crate) fn whole(self, answer: &Answer) -> Value {
        match self {
            Api::OpenAi => openai::whole(answer),
            Api::Anthropic => anthropic::whole(answer),
        }
    }

    /// The answer as a stream of events, its content in `pieces`.
    pub(crate) fn events(self, answer: &Answer, pieces: &[String], include_usage: bool) -> Events {
        match self {
            Api::OpenAi => openai::events(answer, pieces, include_usage),
            Api::Anthropic => anthropic::events(answer, pieces),
        }
    }

    /// An error document.
    pub(crate) fn error(self, refusal: &Refusal) -> Value {
        match self {
            Api::OpenAi => openai::error(refusal),
            Api::Anthropic => anthropic::error(refusal),
        }
    }

    /// The status that means "we are overloaded, try elsewhere".
    pub(crate) fn overloaded(self) -> Refusal {
        let (status, message) = match self {
            Api::OpenAi => (503, "The server is currently overloaded with other requests."),
            Api::Anthropic => (529, "Overloaded"),
        };
        Refusal { status, message: message.into(), param: None }
    }

    /// An error as an event of a stream that began with 200.
    pub(crate) fn error_event(self) -> Event {
        let name = match self {
            Api::OpenAi => None,
            Api::Anthropic => Some("error"),
        };
        Event { name, data: self.error(&self.overloaded()).to_string() }
    }
}

/// Models that any of the two APIs serves.
pub(crate) fn is_served(model: &str) -> bool {
    ["gpt-", "o1", "claude-", "text-embedding-"].iter().any(|prefix| model.starts_with(prefix))
}

/// Reads `model`, which both APIs require.
pub(crate) fn read_model(body: &Value) -> Result<String, Refusal> {
    match body["model"].as_str() {
        None | Some("") => Err(Refusal::invalid("model", "you must provide a model parameter")),
        Some(model) if !is_served(model) => Err(Refusal::unknown_model(model)),
        Some(model) => Ok(model.to_owned()),
    }
}

/// Reads an optional true or false.
pub(crate) fn read_flag(body: &Value, name: &'static str) -> Result<bool, Refusal> {
    match &body[name] {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        _ => Err(Refusal::invalid(name, format!("{name} must be true or false"))),
    }
}

/// Text of a message's content: a string, or parts of which those of type text count.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// Characters in all strings of a document: what the provider counts as input.
pub(crate) fn characters(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.iter().map(characters).sum(),
        Value::Object(fields) => fields.values().map(characters).sum(),
        _ => 0,
    }
}
