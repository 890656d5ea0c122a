use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize};

/// What a server takes of what its schema can say. Compatible servers, and models, differ in it.
///
/// A value that is absent has its default, which is what the vendor's own current API takes; what an older module does not know it
/// ignores. The control plane has presets for kinds of servers and for models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// The field that bounds the output, where a schema has two.
    #[serde(deserialize_with = "max_tokens_field")]
    pub max_tokens_field: MaxTokensField,
    /// Whether `stream_options` may be sent. Without it a stream may not say what it used, which is then estimated.
    pub stream_options: bool,
    /// How the application's instructions are sent.
    #[serde(deserialize_with = "system_role")]
    pub system_role: SystemRole,
    /// Whether a sampling temperature may be set. Where not, it is left out, as `top_p` is.
    pub temperature: bool,
    /// Whether `temperature` and `top_p` may be set together. Where not, `top_p` is left out.
    pub temperature_with_top_p: bool,
    /// Whether more than four texts may end an answer, which is all that OpenAI's own API takes. Where not, a request with more is refused.
    pub many_stop_sequences: bool,
    /// Whether an answer's form can be asked for.
    #[serde(deserialize_with = "structured_output")]
    pub structured_output: StructuredOutput,
    /// Whether a tool's arguments can be held to its schema (`strict`). Where not, that word is left out.
    pub strict_tools: bool,
    /// Whether it may be said if the model may call several tools at once. Where not, that is left out.
    pub parallel_tool_calls: bool,
    /// Whether the model may call tools at all. Where not, a request with tools is refused.
    pub tools: bool,
    /// Whether it reads images. Where not, a request with one is refused.
    pub images: bool,
    /// Whether it hears audio. Where not, a request with some is refused.
    pub audio: bool,
    /// Whether it reads documents other than as text. Where not, a request with one is refused.
    pub documents: bool,
    /// Whether how much to reason can be asked for. Where not, that is left out.
    pub reasoning_effort: bool,
    /// Whether a conversation may be kept at the server (`store`, `previous_response_id`). Where not, a request that refers to one is
    /// refused.
    pub state: bool,
}

fn max_tokens_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MaxTokensField, D::Error> {
    known("max_tokens_field", deserializer)
}

fn system_role<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemRole, D::Error> {
    known("system_role", deserializer)
}

fn structured_output<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StructuredOutput, D::Error> {
    known("structured_output", deserializer)
}

/// A value of a newer control plane cannot be left aside as a field can: it is named, with its field.
fn known<'de, D: Deserializer<'de>, T: DeserializeOwned>(field: &str, deserializer: D) -> Result<T, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    T::deserialize(&value).map_err(|_| {
        D::Error::custom(format_args!("capabilities.{field}: this module does not know {value}: it is too old"))
    })
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            stream_options: true,
            system_role: SystemRole::System,
            temperature: true,
            temperature_with_top_p: true,
            many_stop_sequences: false,
            structured_output: StructuredOutput::JsonSchema,
            strict_tools: true,
            parallel_tool_calls: true,
            tools: true,
            images: true,
            audio: true,
            documents: true,
            reasoning_effort: true,
            state: true,
        }
    }
}

/// The field that bounds the output in OpenAI's chat schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// OpenAI's own; its reasoning models take no other.
    MaxCompletionTokens,
    /// The older one, which is all that many compatible servers know.
    MaxTokens,
}

/// How the application's instructions are sent in OpenAI's schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemRole {
    /// As `system`.
    System,
    /// As `developer`.
    Developer,
    /// As a message of the user's: for models whose template knows neither.
    User,
}

/// What can be asked of an answer's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StructuredOutput {
    /// JSON of a given schema, or any JSON.
    JsonSchema,
    /// Any JSON.
    JsonObject,
    /// Nothing.
    None,
}
