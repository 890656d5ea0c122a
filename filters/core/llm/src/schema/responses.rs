//! OpenAI's responses: one answer to a list of input items, whole or as a stream of typed events. Stateless: what refers to a
//! conversation that the provider keeps passes to a provider of this schema, and to no other.
//!
//! An answer consists of items: messages with parts, function calls, reasoning. A stream says each text up to four times: piece by piece,
//! whole when its part ends, whole again when its item ends, and once more in the response of the last event ([`texts`]).

mod adapt;
mod answer;
mod counting;
mod error;
mod hints;
mod items;
mod request_read;
mod request_write;
mod stream_read;
mod stream_write;
mod texts;
mod usage;

use std::ops::Range;

use serde_json::{Map, Value};
use weir_config::Capabilities;

use super::dialect::{
    Counting, CredentialHeader, Dialect, Endpoint, Kind, ModelEntry, Setting, StreamReader, StreamWriter, Writing,
};
use crate::chat::{Request, Response};
use crate::error::{ErrorParts, RequestError};
use crate::head::{AnswerOptions, Content, HeadRules, JsonType, MessageRules};
use crate::node::Node;
use crate::stream::StreamOptions;
use crate::text::Texts;
use crate::usage::Usage;

pub(super) const NAME: &str = "openai_responses";

const ALSO_BELOW: &[&str] = &["/api"];

const ENDPOINTS: &[Endpoint] = &[
    Endpoint { also_below: ALSO_BELOW, ..Endpoint::of(Kind::Chat, "POST", "/responses", "responses") },
    Endpoint {
        also_below: ALSO_BELOW,
        ..Endpoint::of(Kind::CountTokens, "POST", "/responses/input_tokens", "responses.input_tokens")
    },
];

/// Fields that refer to a conversation which the provider keeps, in place of one in the request or in front of it.
const KEPT_INPUT: &[&str] = &["previous_response_id", "prompt", "conversation"];

static CHAT_HEAD: HeadRules = HeadRules {
    content: Content {
        field: "input",
        form: JsonType::TextOrArray,
        unless: KEPT_INPUT,
        messages: Some(MessageRules { roles: &["user", "assistant", "system", "developer"], role_is_required: false }),
    },
    deciding: &[
        "model",
        "stream",
        "input",
        "instructions",
        "messages",
        "max_output_tokens",
        "previous_response_id",
        "prompt",
        "conversation",
        "store",
        "background",
    ],
    types: &[
        ("instructions", JsonType::Text),
        ("temperature", JsonType::Number),
        ("top_p", JsonType::Number),
        ("tools", JsonType::Array),
        ("include", JsonType::Array),
        ("metadata", JsonType::Object),
        ("text", JsonType::Object),
        ("reasoning", JsonType::Object),
        ("previous_response_id", JsonType::Text),
        ("user", JsonType::Text),
    ],
    answer: Some(AnswerOptions {
        limits: &["max_output_tokens"],
        may_ask_for_nothing: false,
        choices: &[],
        within: None,
        stream_options: false,
    }),
};

static COUNTING_HEAD: HeadRules = HeadRules { answer: None, ..CHAT_HEAD };

/// The schema.
#[derive(Debug)]
pub(super) struct Responses;

impl Dialect for Responses {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        ENDPOINTS
    }

    fn path_prefixes(&self) -> &'static [&'static str] {
        &["/v1/responses", "/api/v1/responses"]
    }

    fn headers(&self) -> &'static [&'static str] {
        &["openai-beta"]
    }

    fn credential_header(&self) -> CredentialHeader {
        CredentialHeader { header: "authorization", prefix: "Bearer " }
    }

    fn answer_id_prefix(&self) -> &'static str {
        answer::ID_PREFIX
    }

    fn model_list(&self, models: &[ModelEntry<'_>]) -> Value {
        super::openai::OpenAi.model_list(models)
    }

    fn model(&self, model: &ModelEntry<'_>) -> Value {
        super::openai::OpenAi.model(model)
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

    fn path_of(&self, setting: Setting) -> &'static str {
        match setting {
            // There is none.
            Setting::Stop => "stop",
            Setting::User => "user",
            Setting::ResponseFormat => "text.format",
            Setting::ResponseSchema => "text.format.schema",
            Setting::Reasoning => "reasoning",
            Setting::ToolParameters => "parameters",
            Setting::ToolStrict => "strict",
        }
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

    fn answer_field(&self, kind: Kind) -> Option<&'static str> {
        (kind == Kind::Chat).then_some("output")
    }

    fn read_response(&self, root: &Node<'_>) -> Result<Response, RequestError> {
        answer::read_response(root)
    }

    fn echoed(&self) -> &'static [&'static str] {
        answer::ECHOED
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

    fn texts(&self) -> &'static Texts {
        &texts::TEXTS
    }

    fn error_body(&self, error: &ErrorParts<'_>) -> Value {
        super::openai::OpenAi.error_body(error)
    }

    fn error_event(&self) -> &'static str {
        error::EVENT
    }

    fn error_in_stream(&self, error: &ErrorParts<'_>) -> Value {
        error::in_stream(error, 0)
    }

    fn status_of_error(&self, kind: &str, code: &str) -> Option<u16> {
        error::status(code).or_else(|| super::openai::OpenAi.status_of_error(kind, code))
    }
}

#[cfg(test)]
mod tests;
