//! Amazon Bedrock's Converse and ConverseStream, for providers alone: no client speaks it here. What is asked of it as a client's schema
//! is answered as OpenAI's.
//!
//! The model stands in the path, and so does whether the answer is streamed. A stream is one of binary messages ([`crate::event_stream`]),
//! and says what it used behind the reason of its end.

mod answer;
mod blocks;
mod counting;
mod finish;
mod request_write;
mod stream_read;
mod usage;

use serde_json::{Map, Value};

use super::dialect::{
    Counting, CredentialHeader, Dialect, Endpoint, Framing, Kind, ModelEntry, StreamReader, StreamWriter, ToolNameRule,
    Writing,
};
use super::openai::OpenAi;
use crate::chat::{Request, Response};
use crate::error::{ErrorParts, RequestError};
use crate::head::HeadRules;
use crate::node::Node;
use crate::stream::StreamOptions;
use crate::text::Texts;
use crate::usage::Usage;

pub(super) const NAME: &str = "bedrock_converse";

const MODELS: &str = "/model/";
const WHOLE: &str = "/converse";
const STREAMED: &str = "/converse-stream";
const COUNTED: &str = "/count-tokens";

/// Without a version a path is no client's.
const ENDPOINTS: &[Endpoint] = &[
    Endpoint { versions: &[], action: WHOLE, ..Endpoint::of(Kind::Chat, "POST", MODELS, "converse") },
    Endpoint { versions: &[], action: COUNTED, ..Endpoint::of(Kind::CountTokens, "POST", MODELS, "count_tokens") },
];

/// The schema.
#[derive(Debug)]
pub(super) struct Converse;

impl Dialect for Converse {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        ENDPOINTS
    }

    fn path_prefixes(&self) -> &'static [&'static str] {
        &[]
    }

    fn headers(&self) -> &'static [&'static str] {
        &[]
    }

    fn credential_header(&self) -> CredentialHeader {
        CredentialHeader { header: "authorization", prefix: "Bearer " }
    }

    fn answer_id_prefix(&self) -> &'static str {
        OpenAi.answer_id_prefix()
    }

    fn model_list(&self, models: &[ModelEntry<'_>]) -> Value {
        OpenAi.model_list(models)
    }

    fn model(&self, model: &ModelEntry<'_>) -> Value {
        OpenAi.model(model)
    }

    fn head(&self, _kind: Kind) -> Option<&'static HeadRules> {
        None
    }

    fn read_request(&self, root: &Node<'_>) -> Result<Request, RequestError> {
        OpenAi.read_request(root)
    }

    fn write_request(&self, request: &Request, writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError> {
        request_write::write_request(request, writing)
    }

    fn tool_names(&self) -> Option<ToolNameRule> {
        Some(ToolNameRule { most_characters: 64 })
    }

    fn is_hint(&self, _path: &str, _value: &Value) -> bool {
        false
    }

    fn counting(&self) -> Option<&'static Counting> {
        Some(&counting::COUNTING)
    }

    fn path_at_provider(&self, kind: Kind, model: &str, stream: bool) -> Option<String> {
        let action = match (kind, stream) {
            (Kind::Chat, true) => STREAMED,
            (Kind::Chat, false) => WHOLE,
            (Kind::CountTokens, _) => COUNTED,
            (
                Kind::Embeddings
                | Kind::BatchEmbeddings
                | Kind::Moderation
                | Kind::ListModels
                | Kind::GetModel
                | Kind::OwnLimits
                | Kind::OwnUsage,
                _,
            ) => return None,
        };
        // Such a path would lead elsewhere.
        if matches!(model, "" | "." | "..") {
            return None;
        }
        Some([MODELS, percent_encoded(model).as_str(), action].concat())
    }

    fn framing(&self) -> Framing {
        Framing::EventStream
    }

    fn read_response(&self, root: &Node<'_>) -> Result<Response, RequestError> {
        answer::read_response(root)
    }

    fn write_response(&self, response: &Response) -> Value {
        OpenAi.write_response(response)
    }

    fn usage(&self, usage: &Value) -> Option<Usage> {
        usage::read(usage)
    }

    fn stream_reader(&self, _first_choice_only: bool) -> Box<dyn StreamReader> {
        Box::new(stream_read::Reader)
    }

    fn stream_writer(&self, options: StreamOptions) -> Box<dyn StreamWriter> {
        OpenAi.stream_writer(options)
    }

    fn texts(&self) -> &'static Texts {
        OpenAi.texts()
    }

    fn error_body(&self, error: &ErrorParts<'_>) -> Value {
        OpenAi.error_body(error)
    }

    fn status_of_error(&self, kind: &str, _code: &str) -> Option<u16> {
        // Their names may begin with a capital letter.
        let mut letters = kind.chars();
        let name = letters.next().map(|first| first.to_ascii_lowercase().to_string() + letters.as_str())?;
        Some(match name.as_str() {
            "validationException" | "serviceQuotaExceededException" => 400,
            "accessDeniedException" => 403,
            "resourceNotFoundException" => 404,
            "modelTimeoutException" => 408,
            "throttlingException" | "modelNotReadyException" => 429,
            "internalServerException" => 500,
            "modelErrorException" | "modelStreamErrorException" => 502,
            "serviceUnavailableException" => 503,
            _ => return None,
        })
    }
}

/// A model's name or ARN as one segment of a path (RFC 3986, 2.3).
fn percent_encoded(name: &str) -> String {
    let mut written = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => written.push(char::from(byte)),
            byte => written.push_str(&format!("%{byte:02X}")),
        }
    }
    written
}

#[cfg(test)]
mod tests;
