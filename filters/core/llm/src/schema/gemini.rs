//! Gemini's `generateContent`, version v1beta. The model stands in the path, and so does whether the answer is streamed.
//!
//! A stream has neither names of events nor a last one: each event is an answer with what is new, and the stream is over when the provider
//! has said why its answer ended and closes.

mod answer;
mod contents;
mod counting;
mod error;
mod fields;
mod finish;
mod generation;
mod hints;
mod model;
mod models;
mod part;
mod request_read;
mod request_write;
mod stream_read;
mod stream_write;
mod texts;
mod usage;

use std::ops::Range;

use serde_json::{Map, Value};

use super::dialect::{
    Counting, CredentialHeader, Dialect, Endpoint, Kind, ModelEntry, Setting, StreamReader, StreamWriter, ToolNameRule,
    Writing,
};
use crate::chat::{Request, Response};
use crate::error::{ErrorParts, RequestError};
use crate::head::{AnswerOptions, Content, HeadRules, JsonType, MessageRules};
use crate::node::Node;
use crate::stream::StreamOptions;
use crate::text::Texts;
use crate::usage::Usage;

pub(super) const NAME: &str = "gemini";

const VERSIONS: &[&str] = &["/v1beta", "/v1"];
/// Names under which models stand, here and at the provider.
const MODELS: &str = "/models/";
const WHOLE: &str = ":generateContent";
const STREAMED: &str = ":streamGenerateContent";
const COUNTED: &str = ":countTokens";
const EMBEDDED: &str = ":embedContent";
const EMBEDDED_IN_BATCH: &str = ":batchEmbedContents";

const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        versions: VERSIONS,
        action: WHOLE,
        streams: Some(false),
        ..Endpoint::of(Kind::Chat, "POST", MODELS, "generate_content")
    },
    Endpoint {
        versions: VERSIONS,
        action: STREAMED,
        streams: Some(true),
        ..Endpoint::of(Kind::Chat, "POST", MODELS, "generate_content")
    },
    Endpoint {
        versions: VERSIONS,
        action: COUNTED,
        streams: Some(false),
        ..Endpoint::of(Kind::CountTokens, "POST", MODELS, "count_tokens")
    },
    Endpoint {
        versions: VERSIONS,
        action: EMBEDDED,
        streams: Some(false),
        ..Endpoint::of(Kind::Embeddings, "POST", MODELS, "embed_content")
    },
    Endpoint {
        versions: VERSIONS,
        action: EMBEDDED_IN_BATCH,
        streams: Some(false),
        ..Endpoint::of(Kind::BatchEmbeddings, "POST", MODELS, "batch_embed_contents")
    },
    Endpoint { versions: VERSIONS, ..Endpoint::of(Kind::ListModels, "GET", "/models", "models") },
    Endpoint { versions: VERSIONS, ..Endpoint::of(Kind::GetModel, "GET", MODELS, "models") },
];

static CHAT_HEAD: HeadRules = HeadRules {
    content: Content {
        field: "contents",
        form: JsonType::Array,
        unless: &[],
        messages: Some(MessageRules { roles: &["user", "model", "function"], role_is_required: false }),
    },
    deciding: &[
        "contents",
        "systemInstruction",
        "system_instruction",
        "generationConfig",
        "generation_config",
        "tools",
        "cachedContent",
        "cached_content",
    ],
    types: &[
        ("tools", JsonType::Array),
        ("toolConfig", JsonType::Object),
        ("tool_config", JsonType::Object),
        ("safetySettings", JsonType::Array),
        ("safety_settings", JsonType::Array),
    ],
    answer: Some(AnswerOptions {
        limits: &["maxOutputTokens", "max_output_tokens"],
        may_ask_for_nothing: false,
        choices: &["candidateCount", "candidate_count"],
        within: Some(answer::ECHOED),
        stream_options: false,
    }),
};

static COUNTING_HEAD: HeadRules = HeadRules {
    content: Content { unless: counting::WITHIN, ..CHAT_HEAD.content },
    deciding: &["contents", "generateContentRequest", "generate_content_request"],
    types: &[],
    answer: None,
};

static EMBEDDING_HEAD: HeadRules = HeadRules {
    content: Content { field: "content", form: JsonType::Object, unless: &[], messages: None },
    deciding: &["content"],
    types: &[],
    answer: None,
};

static EMBEDDINGS_HEAD: HeadRules = HeadRules {
    content: Content { field: "requests", form: JsonType::Array, unless: &[], messages: None },
    deciding: &["requests"],
    types: &[],
    answer: None,
};

/// The schema.
#[derive(Debug)]
pub(super) struct Gemini;

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        ENDPOINTS
    }

    fn client_header(&self) -> Option<&'static str> {
        Some("x-goog-api-key")
    }

    fn path_prefixes(&self) -> &'static [&'static str] {
        &["/v1beta"]
    }

    fn headers(&self) -> &'static [&'static str] {
        &["x-goog-api-client"]
    }

    fn credential_header(&self) -> CredentialHeader {
        CredentialHeader { header: "x-goog-api-key", prefix: "" }
    }

    fn answer_id_prefix(&self) -> &'static str {
        ""
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
            Kind::CountTokens => Some(&COUNTING_HEAD),
            Kind::Embeddings => Some(&EMBEDDING_HEAD),
            Kind::BatchEmbeddings => Some(&EMBEDDINGS_HEAD),
            Kind::Moderation | Kind::ListModels | Kind::GetModel | Kind::OwnLimits | Kind::OwnUsage => None,
        }
    }

    fn read_request(&self, root: &Node<'_>) -> Result<Request, RequestError> {
        request_read::read_request(root)
    }

    fn write_request(&self, request: &Request, writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError> {
        request_write::write_request(request, writing)
    }

    fn tool_names(&self) -> Option<ToolNameRule> {
        Some(ToolNameRule { most_characters: 64 })
    }

    fn is_hint(&self, path: &str, value: &Value) -> bool {
        hints::is_hint(path, value)
    }

    fn path_of(&self, setting: Setting) -> &'static str {
        match setting {
            Setting::Stop => "generationConfig.stopSequences",
            // There is none.
            Setting::User => "user",
            Setting::ResponseFormat => "generationConfig.responseMimeType",
            Setting::ResponseSchema => "generationConfig.responseSchema",
            Setting::Reasoning => "generationConfig.thinkingConfig",
            Setting::ToolParameters => "functionDeclarations.parameters",
            Setting::ToolStrict => "functionDeclarations.strict",
        }
    }

    fn counting(&self) -> Option<&'static Counting> {
        Some(&counting::COUNTING)
    }

    fn model_edits(&self, kind: Kind, body: &[u8], model: &str) -> Vec<(Range<usize>, Vec<u8>)> {
        match kind {
            Kind::CountTokens => model::edits_within(body, counting::WITHIN, model),
            Kind::Embeddings => model::edits(body, model),
            Kind::BatchEmbeddings => model::edits_in_list(body, "requests", model),
            Kind::Chat | Kind::Moderation | Kind::ListModels | Kind::GetModel | Kind::OwnLimits | Kind::OwnUsage => {
                Vec::new()
            }
        }
    }

    fn path_at_provider(&self, kind: Kind, model: &str, stream: bool) -> Option<String> {
        let action = match (kind, stream) {
            (Kind::Chat, true) => [STREAMED, "?alt=sse"].concat(),
            (Kind::Chat, false) => WHOLE.to_owned(),
            (Kind::CountTokens, _) => COUNTED.to_owned(),
            (Kind::Embeddings, _) => EMBEDDED.to_owned(),
            (Kind::BatchEmbeddings, _) => EMBEDDED_IN_BATCH.to_owned(),
            (Kind::Moderation | Kind::ListModels | Kind::GetModel | Kind::OwnLimits | Kind::OwnUsage, _) => {
                return None;
            }
        };
        // Such a path would lead elsewhere at the provider, escaped or not.
        if model.split('/').any(|segment| matches!(segment, "." | "..")) {
            return None;
        }
        // A tuned model stands beside the vendor's.
        let place = if model.contains('/') { "/" } else { MODELS };
        Some([place, percent_encoded(model).as_str(), action.as_str()].concat())
    }

    fn usage_field(&self) -> &'static str {
        "usageMetadata"
    }

    fn model_field(&self) -> &'static str {
        "modelVersion"
    }

    fn blocked_field(&self) -> Option<&'static str> {
        Some("promptFeedback")
    }

    fn answer_field(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Chat => Some("candidates"),
            Kind::ListModels => Some("models"),
            Kind::BatchEmbeddings => Some("embeddings"),
            Kind::Embeddings
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
        error::body(error)
    }

    fn status_of_error(&self, kind: &str, _code: &str) -> Option<u16> {
        error::status(kind)
    }
}

/// A model's name as a path has it: all but letters, digits, `-`, `.`, `_`, `~` and `/` is escaped (RFC 3986, 2.3).
fn percent_encoded(name: &str) -> String {
    let mut written = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                written.push(char::from(byte))
            }
            byte => written.push_str(&format!("%{byte:02X}")),
        }
    }
    written
}

#[cfg(test)]
mod tests;
