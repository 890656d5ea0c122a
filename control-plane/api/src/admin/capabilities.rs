//! What a server takes of what its schema can say, as administrators write it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_config as config;
use weir_core::capabilities::CapabilityOverrides;

/// What a server, or a model at it, takes of what its schema can say. What is absent or null is as it is known of the kind of server
/// and of the model, or else as the vendor's own API has it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capabilities {
    /// The field that bounds the output, where a schema has two.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens_field: Option<MaxTokensField>,
    /// Whether `stream_options` may be sent. Without it a stream may not say what it used, which is then estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<bool>,
    /// How the application's instructions are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    system_role: Option<SystemRole>,
    /// Whether a sampling temperature may be set. Where not, it is left out, as `top_p` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<bool>,
    /// Whether `temperature` and `top_p` may be set together. Where not, `top_p` is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature_with_top_p: Option<bool>,
    /// Whether an answer's form can be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_output: Option<StructuredOutput>,
    /// Whether a tool's arguments can be held to its schema (`strict`). Where not, that word is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    strict_tools: Option<bool>,
    /// Whether it may be said if the model may call several tools at once. Where not, that is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    /// Whether the model may call tools at all. Where not, a request with tools is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<bool>,
    /// Whether it reads images. Where not, a request with one is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<bool>,
    /// Whether it hears audio. Where not, a request with some is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<bool>,
    /// Whether it reads documents other than as text. Where not, a request with one is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<bool>,
    /// Whether how much to reason can be asked for. Where not, that is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<bool>,
    /// Whether a conversation may be kept at the server (`store`, `previous_response_id`). Where not, a request that refers to one
    /// is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<bool>,
}

/// The field that bounds the output in OpenAI's chat schema.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MaxTokensField {
    /// OpenAI's own; its reasoning models take no other.
    MaxCompletionTokens,
    /// The older one, which is all that many compatible servers know.
    MaxTokens,
}

/// How the application's instructions are sent in OpenAI's schemas.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SystemRole {
    /// As `system`.
    System,
    /// As `developer`.
    Developer,
    /// As a message of the user's: for models whose template knows neither.
    User,
}

/// What can be asked of an answer's form.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StructuredOutput {
    /// JSON of a given schema, or any JSON.
    JsonSchema,
    /// Any JSON.
    JsonObject,
    /// Nothing.
    None,
}

/// Turns one enum into another with the same variants, both ways.
macro_rules! same {
    ($name:ident: $($variant:ident),*) => {
        impl From<config::$name> for $name {
            fn from(value: config::$name) -> Self {
                match value { $(config::$name::$variant => Self::$variant,)* }
            }
        }
        impl From<$name> for config::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant,)* }
            }
        }
    };
}

same!(MaxTokensField: MaxCompletionTokens, MaxTokens);
same!(SystemRole: System, Developer, User);
same!(StructuredOutput: JsonSchema, JsonObject, None);

/// Turns one struct into another with the same fields, both ways; the compiler finds a field that is missing.
macro_rules! same_fields {
    ($($field:ident),*) => {
        impl From<CapabilityOverrides> for Capabilities {
            fn from(said: CapabilityOverrides) -> Self {
                let CapabilityOverrides { $($field,)* } = said;
                Self { $($field: $field.map(Into::into),)* }
            }
        }
        impl From<Capabilities> for CapabilityOverrides {
            fn from(said: Capabilities) -> Self {
                let Capabilities { $($field,)* } = said;
                Self { $($field: $field.map(Into::into),)* }
            }
        }
    };
}

same_fields!(
    max_tokens_field,
    stream_options,
    system_role,
    temperature,
    temperature_with_top_p,
    structured_output,
    strict_tools,
    parallel_tool_calls,
    tools,
    images,
    audio,
    documents,
    reasoning_effort,
    state
);
