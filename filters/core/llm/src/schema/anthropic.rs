//! Anthropic's messages, version 2023-06-01.

mod adapt;
mod answer;
mod block;
mod counting;
mod error;
mod hints;
mod json_schema;
mod models;
mod reasoning;
mod request_read;
mod request_write;
mod stream_read;
mod stream_write;
mod texts;
mod tool_ids;
mod tools;
mod turns;
mod usage;

use std::ops::Range;

use serde_json::{Map, Value};
use weir_config::Capabilities;

use super::dialect::{
    Counting, CredentialHeader, Dialect, Endpoint, Kind, ModelEntry, Setting, StreamReader, StreamWriter, ToolNameRule,
    Writing,
};
use crate::chat::{Request, Response};
use crate::error::{About, ErrorParts, RequestError};
use crate::head::{AnswerOptions, Content, HeadRules, JsonType, MessageRules};
use crate::node::Node;
use crate::stream::StreamOptions;
use crate::text::Texts;
use crate::usage::Usage;

pub(super) const NAME: &str = "anthropic";

/// The version of the API that this folder writes and reads.
const VERSION: &str = "2023-06-01";

const ENDPOINTS: &[Endpoint] = &[
    Endpoint::of(Kind::Chat, "POST", "/messages", "messages"),
    Endpoint::of(Kind::CountTokens, "POST", "/messages/count_tokens", "messages.count_tokens"),
    Endpoint::of(Kind::ListModels, "GET", "/models", "models"),
    Endpoint::of(Kind::GetModel, "GET", "/models/", "models"),
];

static CHAT_HEAD: HeadRules = HeadRules {
    content: Content {
        field: "messages",
        form: JsonType::Array,
        unless: &[],
        messages: Some(MessageRules { roles: &["user", "assistant", "system"], role_is_required: true }),
    },
    deciding: &["model", "stream", "messages", "system", "max_tokens"],
    types: &[
        ("temperature", JsonType::Number),
        ("top_p", JsonType::Number),
        ("tools", JsonType::Array),
        ("stop_sequences", JsonType::Array),
        ("metadata", JsonType::Object),
        ("system", JsonType::TextOrArray),
    ],
    answer: Some(AnswerOptions {
        limits: &["max_tokens"],
        // It warms the cache.
        may_ask_for_nothing: true,
        choices: &[],
        within: None,
        stream_options: false,
    }),
};

static COUNTING_HEAD: HeadRules = HeadRules { answer: None, ..CHAT_HEAD };

/// The schema.
#[derive(Debug)]
pub(super) struct Anthropic;

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        ENDPOINTS
    }

    fn version_header(&self) -> Option<(&'static str, &'static str)> {
        Some(("anthropic-version", VERSION))
    }

    fn path_prefixes(&self) -> &'static [&'static str] {
        &["/v1/messages"]
    }

    fn headers(&self) -> &'static [&'static str] {
        &["anthropic-version", "anthropic-beta"]
    }

    fn credential_header(&self) -> CredentialHeader {
        CredentialHeader { header: "x-api-key", prefix: "" }
    }

    fn answer_id_prefix(&self) -> &'static str {
        "msg_"
    }

    fn model_list(&self, models: &[ModelEntry<'_>]) -> Value {
        models::list(models)
    }

    fn model(&self, model: &ModelEntry<'_>) -> Value {
        models::entry(model)
    }

    fn tool_names(&self) -> Option<ToolNameRule> {
        Some(ToolNameRule { most_characters: 64 })
    }

    fn head(&self, kind: Kind) -> Option<&'static HeadRules> {
        match kind {
            Kind::Chat => Some(&CHAT_HEAD),
            Kind::CountTokens => Some(&COUNTING_HEAD),
            Kind::Embeddings
            | Kind::BatchEmbeddings
            | Kind::Moderation
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
        hints::is_hint(path, value)
    }

    fn counting(&self) -> Option<&'static Counting> {
        Some(&counting::COUNTING)
    }

    fn adapt(&self, body: &[u8], capabilities: &Capabilities) -> Vec<(Range<usize>, Vec<u8>)> {
        adapt::edits(body, capabilities)
    }

    fn path_of(&self, setting: Setting) -> &'static str {
        match setting {
            Setting::Stop => "stop_sequences",
            Setting::User => "metadata.user_id",
            Setting::ResponseFormat => "output_config.format",
            Setting::ResponseSchema => "output_config.format.schema",
            Setting::Reasoning => "thinking",
            Setting::ToolParameters => "input_schema",
            Setting::ToolStrict => "strict",
        }
    }

    fn answer_field(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Chat => Some("content"),
            Kind::ListModels => Some("data"),
            Kind::Embeddings
            | Kind::BatchEmbeddings
            | Kind::CountTokens
            | Kind::Moderation
            | Kind::GetModel
            | Kind::OwnLimits
            | Kind::OwnUsage => None,
        }
    }

    fn read_response(&self, root: &Node<'_>) -> Result<Response, RequestError> {
        answer::read_response(root)
    }

    fn write_response(&self, response: &Response) -> Value {
        answer::write_response(response)
    }

    fn usage(&self, usage: &Value) -> Option<Usage> {
        usage::read(usage)
    }

    fn stream_reader(&self, first_choice_only: bool) -> Box<dyn StreamReader> {
        Box::new(stream_read::Reader::new(first_choice_only))
    }

    fn stream_writer(&self, options: StreamOptions) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(options))
    }

    fn last_event_is_enough(&self) -> bool {
        true
    }

    fn texts(&self) -> &'static Texts {
        &texts::TEXTS
    }

    fn error_body(&self, error: &ErrorParts<'_>) -> Value {
        error::body(error)
    }

    fn error_event(&self) -> &'static str {
        "error"
    }

    fn words_of(&self, about: About) -> Option<&'static str> {
        error::words(about)
    }

    fn status_of_error(&self, kind: &str, code: &str) -> Option<u16> {
        error::status(kind, code)
    }
}

#[cfg(test)]
mod tests;
