//! One conversation model: what a chat request or answer says, whatever the schema.
//!
//! A reader of a schema keeps everything that a body says: what this model has a place for in its place, and the rest, at any depth, with
//! its path among [`Request::others`]. The writer of the target then decides about each thing: it says it, leaves it out by a
//! documented rule and notes that, or refuses the request with the field's path. Nothing is dropped silently.
//!
//! Rules that hold between any two schemas:
//!
//! - Thinking of earlier turns is left out: only its issuer can verify it.
//! - A hint of the client's schema ([`Dialect::is_hint`](crate::schema::Dialect::is_hint)) about caching, speed, effort or storage is left
//!   out.
//! - Whatever else the target cannot say is refused as `unsupported_parameter`.
//!
//! The rules of one target stand at its writer.

mod count;
mod document;
mod echo;
mod supported;
mod tool_names;

use serde_json::{Map, Value};
use weir_config::Capabilities;

use crate::error::{RequestError, ResponseError};
use crate::node::Node;
use crate::schema::{LeftOut, Schema, Writing};
use crate::usage::Usage;

pub use count::{read_count_request, translate_count, write_count_request};
pub(crate) use document::{media_type_of_file, of_data_url};
pub use echo::Echo;
pub use supported::{check_supported, may_refuse};
pub use tool_names::ToolNames;

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
    /// How much the model is to reason.
    pub reasoning: Option<Reasoning>,
    /// Everything else that the client said, at any depth.
    pub others: Vec<Other>,
}

/// Something that the conversation model has no place for.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// Where it stood: `messages[2].content[0].cache_control`.
    pub path: String,
    /// What it said.
    pub value: Value,
}

/// How much the model is to reason before it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// As a word: `none`, `minimal`, `low`, `medium`, `high`, …
    pub effort: Option<String>,
    /// As a bound in tokens.
    pub budget_tokens: Option<u64>,
    /// The client wants none.
    pub off: bool,
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
    /// Where it stood: `messages[2]`.
    pub at: String,
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
    Image(Placed<Image>),
    /// A document.
    Document(Placed<Document>),
    /// Sound.
    Audio(Placed<Audio>),
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
    /// What this model has no place for: the whole part, under its own `type`.
    Unknown(Placed<Value>),
}

/// Something that not every schema can say, with the path by which a refusal names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// Where it stood: `messages[2].content[0]`. Empty in an answer.
    pub at: String,
    /// What it is.
    pub value: T,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is called.
    pub title: Option<String>,
    /// What the application says about it.
    pub context: Option<String>,
    /// Where it is.
    pub source: DocumentSource,
}

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentSource {
    /// Here, as text.
    Text(String),
    /// Here, as bytes.
    Base64 {
        /// `application/pdf`, …
        media_type: String,
        /// The bytes in base64.
        data: String,
    },
    /// Fetched by the provider.
    Url(String),
    /// With the provider, under this id.
    File(String),
}

/// Sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// `wav`, `mp3`, …
    pub format: String,
    /// The bytes in base64.
    pub data: String,
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
    /// What it repeats of its request; set it before writing.
    pub echo: Echo,
    /// Everything else that the answer says of what the model said: citations, log probabilities, …
    pub others: Vec<Other>,
}

/// Reads a request. Names what is missing or of the wrong type.
pub fn read_request(schema: Schema, body: &[u8]) -> Result<Request, RequestError> {
    let value: Value =
        crate::json::parse_bytes(body).map_err(|error| RequestError::new(format!("the body is not valid: {error}")))?;
    schema.read_request(&Node::root(&value))
}

/// A request as it goes to a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The body.
    pub body: Vec<u8>,
    /// What it leaves out.
    pub left_out: Vec<LeftOut>,
    /// What the tools are called there: its answer is to be read with them.
    pub tool_names: ToolNames,
}

/// Writes a request in another schema than its own. Refuses, with its path, what that schema or this server cannot say and what is no
/// hint.
pub fn write_request(schema: Schema, request: &Request, capabilities: &Capabilities) -> Result<Written, RequestError> {
    let WrittenFields { root, left_out, tool_names } = write_fields(schema, request, capabilities)?;
    let mut body = Vec::new();
    crate::json::write(&root, &mut body);
    Ok(Written { body, left_out, tool_names })
}

/// A written request as its fields.
struct WrittenFields {
    root: Map<String, Value>,
    left_out: Vec<LeftOut>,
    tool_names: ToolNames,
}

fn write_fields(schema: Schema, request: &Request, capabilities: &Capabilities) -> Result<WrittenFields, RequestError> {
    let has_no_such_setting =
        |other: &Other| RequestError::unsupported("the provider of this model has no such setting").at(&other.path);
    let is_hint = |other: &Other| request.origin.is_hint(&without_indices(&other.path), &other.value);
    // A body may refer to a conversation in place of one: that is what cannot be said then, and not that there is none.
    if request.messages.is_empty()
        && let Some(other) = request.others.iter().find(|other| !is_hint(other))
    {
        return Err(has_no_such_setting(other));
    }
    let mut writing = Writing::new(capabilities);
    let (request, tool_names) = tool_names::fitted(request, schema.tool_names());
    let root: Map<String, Value> = schema.write_request(&request, &mut writing)?;
    for other in &request.others {
        if writing.has_said(&other.path) {
            continue;
        }
        if !is_hint(other) {
            return Err(has_no_such_setting(other));
        }
        writing.leave_out(other.path.as_str(), "a hint that the provider of this model does not have");
    }
    Ok(WrittenFields { root, left_out: writing.left_out, tool_names })
}

/// `messages[2].content` as `messages[].content`.
fn without_indices(path: &str) -> String {
    path.chars().filter(|character| !character.is_ascii_digit()).collect()
}

/// Reads a whole answer: of several choices the first, which is all that a request across schemas can ask for.
pub fn read_response(schema: Schema, body: &[u8]) -> Result<Response, ResponseError> {
    let value: Value = crate::json::parse_bytes(body).map_err(|_| ResponseError::new("it is not valid JSON"))?;
    schema.read_response(&Node::root(&value)).map_err(|error| ResponseError::new(error.message))
}

/// Writes a whole answer.
pub fn write_response(schema: Schema, response: &Response) -> Vec<u8> {
    let mut out = Vec::new();
    crate::json::write(&schema.write_response(response), &mut out);
    out
}
