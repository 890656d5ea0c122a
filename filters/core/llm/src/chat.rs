//! One conversation model, and its readers and writers for each schema.
//!
//! What both schemas can say crosses unchanged. What only one can say is either harmless to leave out (a hint about caching,
//! speed or effort; see `others`) or makes [`write_request`] refuse with the field's name. Rules that lose something, all of
//! them on purpose:
//!
//! - System messages anywhere in an OpenAI conversation become Anthropic's one system prompt, in their order.
//! - Turns of one role that follow each other become one Anthropic turn; tool results stand first in theirs.
//! - Anthropic needs `max_tokens`: [`DEFAULT_MAX_TOKENS`] where the client gave none.
//! - Anthropic's temperature ends at 1: a higher one becomes 1.
//! - The `name` of an OpenAI message and `is_error` of an Anthropic tool result are left out.
//! - An image in a tool result follows it in a user message, since OpenAI's tool messages hold text only.
//! - Thinking of earlier turns is left out; thinking in an answer is shown to OpenAI clients as `reasoning_content`, and
//!   `reasoning_content` is not shown to Anthropic clients, whose thinking blocks need a signature.

mod anthropic;
mod node;
mod openai;
mod others;

use serde_json::{Map, Value};

use crate::error::{RequestError, ResponseError};
use crate::operation::Schema;
use crate::usage::Usage;
use node::Node;

pub(crate) use anthropic::{
    finish_of as finish_of_anthropic, stop_reason as anthropic_stop_reason, tool_id as anthropic_tool_id,
    usage_json as anthropic_usage_json,
};
pub(crate) use openai::{
    finish_of as finish_of_openai, finish_reason as openai_finish_reason, usage_json as openai_usage_json,
};

/// Anthropic's `max_tokens` for a client whose schema does not require one and that gave none.
pub const DEFAULT_MAX_TOKENS: u64 = 4096;

/// A request for the next message of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The schema that it was read from.
    pub origin: Schema,
    /// The model asked for.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The conversation, in its order.
    pub messages: Vec<Message>,
    /// The most output tokens.
    pub max_output_tokens: Option<u64>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Functions that the model may call.
    pub tools: Vec<Tool>,
    /// Whether and which tools the model must call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether the model may call several tools at once.
    pub parallel_tool_calls: Option<bool>,
    /// The client's own user.
    pub user: Option<String>,
    /// The form that the answer must have.
    pub response_format: Option<ResponseFormat>,
    /// All other fields, as the client sent them.
    pub others: Map<String, Value>,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The application's instructions (OpenAI's `system` and `developer`).
    System,
    /// The user, and the results of tools.
    User,
    /// The model.
    Assistant,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What it consists of.
    pub parts: Vec<Part>,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// An image.
    Image(Image),
    /// The model calls a tool.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// The model declined, in its own words.
    Refusal(String),
    /// The model's reasoning, with the signature that proves it the provider's own.
    Thinking {
        /// The reasoning; empty where the provider hides it.
        text: String,
        /// The provider's signature, if any.
        signature: Option<String>,
    },
    /// Reasoning that only the provider can read.
    RedactedThinking(String),
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// Fetched by the provider.
    Url(String),
    /// Sent along.
    Base64 {
        /// `image/png`, …
        media_type: String,
        /// The bytes in base64.
        data: String,
    },
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Names the call in its result.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as JSON text. Models write it, so it may be broken.
    pub arguments: String,
}

/// The result of a tool call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// The call.
    pub call_id: String,
    /// Texts and images.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub parameters: Option<Value>,
    /// Whether the arguments must match the schema exactly.
    pub strict: bool,
}

/// Whether and which tools the model must call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model sees fit.
    Auto,
    /// No tool.
    None,
    /// Some tool.
    Required,
    /// This tool.
    Named(String),
}

/// The form that the answer must have.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseFormat {
    /// Any JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema {
        /// A name for it; Anthropic has none.
        name: String,
        /// The JSON Schema.
        schema: Value,
    },
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It was done.
    Stop,
    /// It came to a text of `stop`.
    StopSequence,
    /// It came to the most output tokens, or the context was full.
    Length,
    /// It waits for the results of tools.
    ToolCalls,
    /// The provider's filter or the model declined.
    ContentFilter,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The provider's id for it.
    pub id: String,
    /// The model; set it to the name that the client knows before writing.
    pub model: String,
    /// Unix time in seconds; 0 where the provider's schema has none: set it before writing.
    pub created_unix_s: i64,
    /// What it consists of.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub finish: Finish,
    /// The text of `stop` that ended it, where the provider says which.
    pub stop_sequence: Option<String>,
    /// What the provider reported.
    pub usage: Option<Usage>,
}

/// Reads a request. Names what is missing, of the wrong type, or of a kind that this model cannot hold.
pub fn read_request(schema: Schema, body: &[u8]) -> Result<Request, RequestError> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| RequestError::new(format!("the body is not valid: {error}")))?;
    let root = Node::root(&value);
    match schema {
        Schema::OpenAi => openai::read_request(&root),
        Schema::Anthropic => anthropic::read_request(&root),
    }
}

/// Writes a request. Refuses, with its name, a field of the other schema that this one cannot say and that is not harmless.
///
/// An OpenAI stream always asks for usage: the client's own stream may need it, and so does metering.
pub fn write_request(schema: Schema, request: &Request) -> Result<Vec<u8>, RequestError> {
    let mut root = match schema {
        Schema::OpenAi => openai::write_request(request),
        Schema::Anthropic => anthropic::write_request(request)?,
    };
    if request.origin == schema {
        root.extend(request.others.clone());
    } else {
        others::refuse_what_cannot_be_said(request)?;
    }
    let mut out = Vec::new();
    crate::json::write(&root, &mut out);
    Ok(out)
}

/// Reads a whole answer: of several choices the first, which is all that a request across schemas can ask for.
pub fn read_response(schema: Schema, body: &[u8]) -> Result<Response, ResponseError> {
    let value: Value = serde_json::from_slice(body).map_err(|_| ResponseError::new("it is not valid JSON"))?;
    let root = Node::root(&value);
    match schema {
        Schema::OpenAi => openai::read_response(&root),
        Schema::Anthropic => anthropic::read_response(&root),
    }
    .map_err(|error| ResponseError::new(error.message))
}

/// Writes a whole answer.
pub fn write_response(schema: Schema, response: &Response) -> Vec<u8> {
    let mut out = Vec::new();
    let value = match schema {
        Schema::OpenAi => openai::write_response(response),
        Schema::Anthropic => anthropic::write_response(response),
    };
    crate::json::write(&value, &mut out);
    out
}

#[cfg(test)]
mod tests;
