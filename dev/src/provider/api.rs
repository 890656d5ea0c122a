//! What every API of a provider has: the fake speaks several on one port, each in a file of its own.

use http::HeaderMap;
use serde_json::Value;

use super::answer::{Answer, Ask};
use super::{anthropic, bedrock, gemini, openai, responses};

/// A wire format.
pub(crate) trait Api: Sync {
    /// The path of chat requests, below the version that ends a base URL.
    fn path(&self) -> &'static str;

    /// Refuses a request without the credential that the real provider asks for. Any value is accepted.
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal>;

    /// Whether this is the path of a chat request.
    fn is_at(&self, path: &str) -> bool {
        path == self.path()
    }

    /// Reads a chat request. The path says more than where in few APIs.
    fn read(&self, path: &str, body: &Value) -> Result<Ask, Refusal>;

    /// Whether this is the path at which it counts tokens.
    fn counts_at(&self, _path: &str) -> bool {
        false
    }

    /// Counts the tokens of a request.
    fn count(&self, path: &str, _body: &Value) -> Result<Value, Refusal> {
        Err(Refusal { status: 404, message: format!("nothing is counted at {path}"), param: None })
    }

    /// The answer as one JSON document.
    fn whole(&self, answer: &Answer) -> Value;

    /// The answer as a stream of events, its content in `pieces`.
    fn events(&self, answer: &Answer, pieces: &[String], include_usage: bool) -> Events;

    /// The media type of a stream.
    fn content_type(&self) -> &'static str {
        "text/event-stream; charset=utf-8"
    }

    /// An event as it is sent.
    fn encode(&self, event: &Event, line_end: &str) -> Vec<u8> {
        let name = event.name.map(|name| format!("event: {name}{line_end}")).unwrap_or_default();
        format!("{name}data: {}{line_end}{line_end}", event.data).into_bytes()
    }

    /// An error document.
    fn error(&self, refusal: &Refusal) -> Value;

    /// The status that means "we are overloaded, try elsewhere".
    fn overloaded(&self) -> Refusal;

    /// An error as an event of a stream that began with 200.
    /// `sent` events came before it.
    fn error_event(&self, sent: usize) -> Event;

    /// The document by which a whole answer says that it failed, under status 200; `None` where only the status can say so.
    fn failed(&self, _answer: &Answer) -> Option<Value> {
        None
    }

    /// The event by which a stream says that the answer failed, after `sent` others: an error, where the API has no other.
    fn failed_event(&self, _answer: &Answer, sent: usize) -> Event {
        self.error_event(sent)
    }

    /// An object of the model list.
    fn model(&self, id: &str) -> Value;

    /// The model list.
    fn models(&self, ids: &[&str]) -> Value;
}

/// Every API that the provider speaks.
const APIS: [&dyn Api; 5] = [
    &openai::ChatCompletions,
    &responses::Responses,
    &anthropic::Messages,
    &gemini::GenerateContent,
    &bedrock::Converse,
];

/// The API of a path below the version. The models are in several, told apart by Anthropic's version header; what is in none is
/// answered as OpenAI would.
pub(crate) fn of(path: &str, headers: &HeaderMap) -> &'static dyn Api {
    if gemini::embeds_at(path) {
        return &gemini::GenerateContent;
    }
    let by_path = APIS.into_iter().find(|api| api.is_at(path) || api.counts_at(path));
    by_path.unwrap_or_else(|| match path.starts_with("/models") && headers.contains_key("anthropic-version") {
        true => &anthropic::Messages,
        false => &openai::ChatCompletions,
    })
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

/// Models that any of the APIs serves.
pub(crate) fn is_served(model: &str) -> bool {
    ["gpt-", "o1", "claude-", "gemini-", "text-embedding-"].iter().any(|prefix| model.starts_with(prefix))
}

/// Reads `model`, which every API requires.
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

/// Reads a JSON Schema that has a name, as OpenAI wants it in `param`.
pub(crate) fn named_schema(format: &Value, param: &'static str) -> Result<Value, Refusal> {
    let has_name = format["name"].as_str().is_some_and(|name| !name.is_empty());
    match [("name", has_name), ("schema", format["schema"].is_object())].into_iter().find(|(_, is_there)| !is_there) {
        Some((field, _)) => Err(Refusal::invalid(param, format!("Missing required parameter: '{param}.{field}'."))),
        None => Ok(format["schema"].clone()),
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
