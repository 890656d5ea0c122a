//! OpenAI's chat completions and embeddings, which many other servers speak too.

pub(super) mod adapt;
mod answer;
pub(super) mod bound;
mod call;
mod error;
mod finish;
mod hint;
pub(super) mod json_schema;
mod legacy;
mod message_read;
mod message_write;
mod models;
mod part;
mod request_read;
mod request_write;
mod stream_calls;
mod stream_read;
mod stream_write;
mod texts;
mod usage;

use std::ops::Range;

use serde_json::{Map, Value};
use weir_config::Capabilities;

use super::Schema;
use super::dialect::{
    CredentialHeader, Dialect, Endpoint, Kind, ModelEntry, StreamReader, StreamWriter, ToolNameRule, Writing,
};
use crate::chat::{Request, Response};
use crate::error::{ErrorParts, RequestError};
use crate::head::{AnswerOptions, Content, HeadRules, JsonType, MessageRules};
use crate::node::Node;
use crate::stream::StreamOptions;
use crate::text::Texts;
use crate::usage::Usage;

pub(super) const NAME: &str = "openai";

const ALSO_BELOW: &[&str] = &["/api"];

const ENDPOINTS: &[Endpoint] = &[
    Endpoint { also_below: ALSO_BELOW, ..Endpoint::of(Kind::Chat, "POST", "/chat/completions", "chat.completions") },
    Endpoint { also_below: ALSO_BELOW, ..Endpoint::of(Kind::Embeddings, "POST", "/embeddings", "embeddings") },
    Endpoint { also_below: ALSO_BELOW, ..Endpoint::of(Kind::Moderation, "POST", "/moderations", "moderations") },
    Endpoint { also_below: ALSO_BELOW, ..Endpoint::of(Kind::ListModels, "GET", "/models", "models") },
    Endpoint { also_below: ALSO_BELOW, ..Endpoint::of(Kind::GetModel, "GET", "/models/", "models") },
    Endpoint { also_below: ALSO_BELOW, ..Endpoint::of(Kind::OwnLimits, "GET", "/rate-limit", "rate_limit") },
    Endpoint { also_below: ALSO_BELOW, ..Endpoint::of(Kind::OwnUsage, "GET", "/usage", "usage") },
];

static CHAT_HEAD: HeadRules = HeadRules {
    content: Content {
        field: "messages",
        form: JsonType::Array,
        unless: &[],
        messages: Some(MessageRules {
            roles: &["system", "developer", "user", "assistant", "tool", "function"],
            role_is_required: true,
        }),
    },
    deciding: &[
        "model",
        "stream",
        "messages",
        "system",
        "input",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "stream_options",
    ],
    types: &[
        ("temperature", JsonType::Number),
        ("top_p", JsonType::Number),
        ("tools", JsonType::Array),
        ("metadata", JsonType::Object),
        ("stop", JsonType::TextOrArray),
        ("user", JsonType::Text),
    ],
    answer: Some(AnswerOptions {
        limits: &["max_completion_tokens", "max_tokens"],
        may_ask_for_nothing: false,
        choices: &["n"],
        within: None,
        stream_options: true,
    }),
};

static EMBEDDINGS_HEAD: HeadRules = HeadRules {
    content: Content { field: "input", form: JsonType::TextOrArray, unless: &[], messages: None },
    deciding: CHAT_HEAD.deciding,
    types: &[],
    answer: None,
};

/// Whether a client's schema is one of this vendor's, which name files and settings alike.
pub(super) fn is_own_family(schema: Schema) -> bool {
    matches!(schema.name(), NAME | super::responses::NAME)
}

/// The schema.
#[derive(Debug)]
pub(super) struct OpenAi;

impl Dialect for OpenAi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        ENDPOINTS
    }

    fn path_prefixes(&self) -> &'static [&'static str] {
        &["/v1/chat/completions", "/v1/embeddings", "/api/v1"]
    }

    fn headers(&self) -> &'static [&'static str] {
        &["openai-beta"]
    }

    fn credential_header(&self) -> CredentialHeader {
        CredentialHeader { header: "authorization", prefix: "Bearer " }
    }

    fn answer_id_prefix(&self) -> &'static str {
        "chatcmpl-"
    }

    fn model_list(&self, models: &[ModelEntry<'_>]) -> Value {
        models::list(models)
    }

    fn model(&self, model: &ModelEntry<'_>) -> Value {
        models::entry(model)
    }

    fn head(&self, kind: Kind) -> Option<&'static HeadRules> {
        match kind {
            Kind::Chat => Some(&CHAT_HEAD),
            // What they ask about has one name.
            Kind::Embeddings | Kind::Moderation => Some(&EMBEDDINGS_HEAD),
            Kind::BatchEmbeddings
            | Kind::CountTokens
            | Kind::ListModels
            | Kind::GetModel
            | Kind::OwnLimits
            | Kind::OwnUsage => None,
        }
    }

    fn read_request(&self, root: &Node<'_>) -> Result<Request, RequestError> {
        request_read::read_request(root)
    }

    fn write_request(&self, request: &Request, writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError> {
        request_write::write_request(request, writing)
    }

    fn is_hint(&self, path: &str, value: &Value) -> bool {
        hint::is_hint(path, value)
    }

    fn tool_names(&self) -> Option<ToolNameRule> {
        Some(ToolNameRule { most_characters: 64 })
    }

    fn adapt(&self, body: &[u8], capabilities: &Capabilities) -> Vec<(Range<usize>, Vec<u8>)> {
        adapt::edits(body, capabilities)
    }

    fn answer_field(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Chat => Some("choices"),
            Kind::Embeddings | Kind::ListModels => Some("data"),
            Kind::Moderation => Some("results"),
            Kind::BatchEmbeddings | Kind::CountTokens | Kind::GetModel | Kind::OwnLimits | Kind::OwnUsage => None,
        }
    }

    fn read_response(&self, root: &Node<'_>) -> Result<Response, RequestError> {
        answer::read_response(root)
    }

    fn echoed(&self) -> &'static [&'static str] {
        legacy::ECHOED
    }

    fn write_response(&self, response: &Response) -> Value {
        answer::write_response(response)
    }

    fn usage(&self, usage: &Value) -> Option<Usage> {
        usage::read(usage)
    }

    fn usage_is_opt_in(&self) -> bool {
        true
    }

    fn stream_reader(&self, first_choice_only: bool) -> Box<dyn StreamReader> {
        Box::new(stream_read::Reader::new(first_choice_only))
    }

    fn stream_writer(&self, options: StreamOptions) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(options))
    }

    fn texts(&self) -> &'static Texts {
        &texts::TEXTS
    }

    fn error_body(&self, error: &ErrorParts<'_>) -> Value {
        error::body(error)
    }

    fn status_of_error(&self, kind: &str, code: &str) -> Option<u16> {
        error::status(kind, code)
    }
}

#[cfg(test)]
mod tests;
