use std::borrow::Cow;

/// A wire schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schema {
    /// OpenAI's API.
    OpenAi,
    /// Anthropic's API, version 2023-06-01.
    Anthropic,
}

impl Schema {
    /// The schema in which to answer a request for this path, also when the path is none of ours.
    pub fn of_path(path: &str, anthropic_version_header: bool) -> Self {
        let path = without_query(path);
        let messages = path.strip_prefix("/v1/messages").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if messages || anthropic_version_header { Self::Anthropic } else { Self::OpenAi }
    }
}

/// What a client asks for, by method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/messages`
    Messages,
    /// `GET /v1/models`; both schemas have it, told apart by the `anthropic-version` header.
    ListModels(Schema),
    /// `GET /v1/models/{model}`
    GetModel(Schema),
}

/// Why a method and path are no operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOperation {
    /// To be answered with 404.
    #[error("there is nothing at this path")]
    UnknownPath,
    /// To be answered with 405.
    #[error("this path does not take this method")]
    WrongMethod {
        /// The one that it takes.
        takes: &'static str,
    },
}

impl Operation {
    /// The operation of a request. The path may carry a query; OpenAI's paths are also known under `/api/v1`.
    pub fn of(method: &str, path: &str, anthropic_version_header: bool) -> Result<Self, NoOperation> {
        let path = without_query(path);
        let (operation, takes) = match path.strip_prefix("/api").filter(|rest| *rest != "/v1/messages").unwrap_or(path)
        {
            "/v1/chat/completions" => (Self::ChatCompletions, "POST"),
            "/v1/embeddings" => (Self::Embeddings, "POST"),
            "/v1/messages" => (Self::Messages, "POST"),
            "/v1/models" => (Self::ListModels(Schema::of_path(path, anthropic_version_header)), "GET"),
            other if other.strip_prefix("/v1/models/").is_some_and(|model| !model.is_empty()) => {
                (Self::GetModel(Schema::of_path(path, anthropic_version_header)), "GET")
            }
            _ => return Err(NoOperation::UnknownPath),
        };
        if method == takes { Ok(operation) } else { Err(NoOperation::WrongMethod { takes }) }
    }

    /// The schema that the client speaks.
    pub fn schema(self) -> Schema {
        match self {
            Self::ChatCompletions | Self::Embeddings => Schema::OpenAi,
            Self::Messages => Schema::Anthropic,
            Self::ListModels(schema) | Self::GetModel(schema) => schema,
        }
    }

    /// A stable name for logs and usage records.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat.completions",
            Self::Embeddings => "embeddings",
            Self::Messages => "messages",
            Self::ListModels(_) | Self::GetModel(_) => "models",
        }
    }

    /// Whether its requests have a JSON body.
    pub fn has_body(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Embeddings | Self::Messages)
    }

    /// The model that the path of a [`Operation::GetModel`] names, percent-decoded.
    pub fn model_of_path(path: &str) -> Option<String> {
        let (_, model) = without_query(path).split_once("/v1/models/")?;
        (!model.is_empty()).then(|| percent_decoded(model).into_owned())
    }
}

fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(before, _)| before)
}

/// Decodes `%41` as `A`; what is no escape stays as it is, and what is no UTF-8 becomes U+FFFD.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(hex_value(*high) << 4 | hex_value(*low));
                rest = tail;
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn hex_value(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, header: bool, expect: Result<Operation, NoOperation>) {
        assert_eq!(Operation::of(method, path, header), expect, "{method} {path}");
    }

    #[test]
    fn method_and_path_name_the_operation() {
        use Schema::{Anthropic, OpenAi};
        check("POST", "/v1/chat/completions", false, Ok(Operation::ChatCompletions));
        check("POST", "/api/v1/chat/completions?a=b", false, Ok(Operation::ChatCompletions));
        check("POST", "/v1/embeddings", false, Ok(Operation::Embeddings));
        check("POST", "/v1/messages?beta=true", true, Ok(Operation::Messages));
        check("POST", "/api/v1/messages", false, Err(NoOperation::UnknownPath));
        check("GET", "/v1/models", false, Ok(Operation::ListModels(OpenAi)));
        check("GET", "/v1/models?limit=2", true, Ok(Operation::ListModels(Anthropic)));
        check("GET", "/v1/models/gpt-4o", false, Ok(Operation::GetModel(OpenAi)));
        check("GET", "/v1/models/", false, Err(NoOperation::UnknownPath));
        check("GET", "/v1/chat/completions", false, Err(NoOperation::WrongMethod { takes: "POST" }));
        check("DELETE", "/v1/models", false, Err(NoOperation::WrongMethod { takes: "GET" }));
        check("POST", "/v1/chat/completions/x", false, Err(NoOperation::UnknownPath));
        check("GET", "/", false, Err(NoOperation::UnknownPath));
    }

    #[test]
    fn errors_have_the_schema_of_the_path() {
        assert_eq!(Schema::of_path("/v1/messages/batches?x", false), Schema::Anthropic);
        assert_eq!(Schema::of_path("/v1/messagesx", false), Schema::OpenAi);
        assert_eq!(Schema::of_path("/nothing", true), Schema::Anthropic);
        assert_eq!(Schema::of_path("/nothing", false), Schema::OpenAi);
    }

    #[test]
    fn a_model_in_the_path_is_decoded() {
        assert_eq!(Operation::model_of_path("/v1/models/meta%2Fllama%zz?x=1").as_deref(), Some("meta/llama%zz"));
        assert_eq!(Operation::model_of_path("/api/v1/models/gpt-4o").as_deref(), Some("gpt-4o"));
        assert_eq!(Operation::model_of_path("/v1/models"), None);
    }
}
