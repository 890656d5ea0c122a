use std::borrow::Cow;

use crate::schema::{Endpoint, Kind, Schema};

/// What a client asks for, by method and path: what, and in which schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    endpoint: &'static Endpoint,
    schema: Schema,
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
    /// The operation of a request. The path may carry a query. Where several schemas have a path, `has_header` tells whether the
    /// request has the header that only one schema's clients send; without any the first schema counts.
    pub fn of(method: &str, path: &str, has_header: &dyn Fn(&str) -> bool) -> Result<Self, NoOperation> {
        let path = without_query(path);
        let at_path = || {
            let of_schema = |schema: Schema| schema.endpoints().iter().map(move |endpoint| Self { endpoint, schema });
            Schema::all().flat_map(of_schema).filter(|operation| is_at(operation.endpoint, path))
        };
        let mut found = at_path().filter(|operation| operation.endpoint.method == method);
        let Some(first) = found.next() else {
            let other = at_path().next().ok_or(NoOperation::UnknownPath)?;
            return Err(NoOperation::WrongMethod { takes: other.endpoint.method });
        };
        let Some(second) = found.next() else { return Ok(first) };
        let spoken = Schema::by_header(has_header);
        Ok([first, second].into_iter().chain(found).find(|one| Some(one.schema) == spoken).unwrap_or(first))
    }

    /// The names of all operations; schemas may share one.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Schema::all().flat_map(|schema| schema.endpoints()).map(|endpoint| endpoint.name)
    }

    /// The operation of this kind in a schema, if it has one.
    pub fn of_kind(kind: Kind, schema: Schema) -> Option<Self> {
        let endpoint = schema.endpoints().iter().find(|endpoint| endpoint.kind == kind)?;
        Some(Self { endpoint, schema })
    }

    /// The operation of this name that has a body.
    pub fn named(name: &str) -> Option<Self> {
        let mut all =
            Schema::all().flat_map(|schema| schema.endpoints().iter().map(move |endpoint| Self { endpoint, schema }));
        all.find(|operation| operation.name() == name && operation.has_body())
    }

    /// What is asked for.
    pub fn kind(self) -> Kind {
        self.endpoint.kind
    }

    /// The schema that the client speaks.
    pub fn schema(self) -> Schema {
        self.schema
    }

    /// A stable name for logs and usage records.
    pub fn name(self) -> &'static str {
        self.endpoint.name
    }

    /// The path that clients ask, with its version; `None`: it names a model.
    pub fn path(self) -> Option<String> {
        let Endpoint { versions, path, .. } = self.endpoint;
        (!self.endpoint.names_model()).then(|| [versions.first().copied().unwrap_or_default(), path].concat())
    }

    /// Whether the answer is streamed, where the path and not the body says it.
    pub fn streams(self) -> Option<bool> {
        self.endpoint.streams
    }

    /// Whether its requests have a JSON body.
    pub fn has_body(self) -> bool {
        self.endpoint.kind.has_body()
    }

    /// The model that the path of such a request names, percent-decoded; `None`: it names none.
    pub fn model_of_path(self, path: &str) -> Option<String> {
        rest_of(self.endpoint, without_query(path))
            .filter(|_| self.endpoint.names_model())
            .map(|model| percent_decoded(model).into_owned())
    }
}

fn is_at(endpoint: &Endpoint, path: &str) -> bool {
    rest_of(endpoint, path).is_some()
}

/// What a path without its query has in the place of a model's name, or nothing where the endpoint has no such place; `None`: the path is
/// another one.
fn rest_of<'a>(endpoint: &Endpoint, path: &'a str) -> Option<&'a str> {
    let of_version = |path: &'a str| {
        let path =
            endpoint.versions.iter().find_map(|version| path.strip_prefix(version)?.strip_prefix(endpoint.path))?;
        match endpoint.names_model() {
            true => path.strip_suffix(endpoint.action).filter(|model| !model.is_empty()),
            false => Some(path).filter(|rest| rest.is_empty()),
        }
    };
    let below = |before: &&str| of_version(path.strip_prefix(*before)?);
    of_version(path).or_else(|| endpoint.also_below.iter().find_map(below))
}

/// What stands behind the path, without its question mark; empty: nothing.
pub fn query_of(path: &str) -> &str {
    path.split_once('?').map_or("", |(_, query)| query)
}

pub(crate) fn without_query(path: &str) -> &str {
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

    fn check(method: &str, path: &str, header: &str, expect: Result<(Kind, &str), NoOperation>) {
        let found = Operation::of(method, path, &|name| name == header);
        let found = found.map(|operation| (operation.kind(), operation.schema().name()));
        assert_eq!(found, expect, "{method} {path}");
    }

    #[test]
    fn method_and_path_name_the_operation() {
        const VERSION: &str = "anthropic-version";
        check("POST", "/v1/chat/completions", "", Ok((Kind::Chat, "openai")));
        check("POST", "/v1/chat/completions", VERSION, Ok((Kind::Chat, "openai")));
        check("POST", "/api/v1/chat/completions?a=b", "", Ok((Kind::Chat, "openai")));
        check("POST", "/v1/embeddings", "", Ok((Kind::Embeddings, "openai")));
        check("POST", "/v1/messages?beta=true", VERSION, Ok((Kind::Chat, "anthropic")));
        check("POST", "/api/v1/messages", "", Err(NoOperation::UnknownPath));
        check("GET", "/v1/models", "", Ok((Kind::ListModels, "openai")));
        check("GET", "/v1/models?limit=2", VERSION, Ok((Kind::ListModels, "anthropic")));
        check("GET", "/v1/rate-limit", VERSION, Ok((Kind::OwnLimits, "openai")));
        check("GET", "/api/v1/usage?from=2026-11-01", "", Ok((Kind::OwnUsage, "openai")));
        check("POST", "/v1/usage", "", Err(NoOperation::WrongMethod { takes: "GET" }));
        check("GET", "/v1/models/gpt-4o", "", Ok((Kind::GetModel, "openai")));
        check("GET", "/v1/models/", "", Err(NoOperation::UnknownPath));
        check("GET", "/v1/chat/completions", "", Err(NoOperation::WrongMethod { takes: "POST" }));
        check("DELETE", "/v1/models", "", Err(NoOperation::WrongMethod { takes: "GET" }));
        check("POST", "/v1/chat/completions/x", "", Err(NoOperation::UnknownPath));
        check("GET", "/", "", Err(NoOperation::UnknownPath));
        check("POST", "/v1beta/models/m:generateContent", "", Ok((Kind::Chat, "gemini")));
        check("POST", "/v1beta/models/m:streamGenerateContent?alt=sse", "", Ok((Kind::Chat, "gemini")));
        check("POST", "/v1beta/models/:generateContent", "", Err(NoOperation::WrongMethod { takes: "GET" }));
        check("POST", "/v1beta/models/m:unheardOf", "", Err(NoOperation::WrongMethod { takes: "GET" }));
        check("GET", "/v1beta/models", "", Ok((Kind::ListModels, "gemini")));
        check("GET", "/v1/models", "x-goog-api-key", Ok((Kind::ListModels, "gemini")));
        check("GET", "/v1beta/models/m", "", Ok((Kind::GetModel, "gemini")));
    }

    #[test]
    fn errors_have_the_schema_of_the_path() {
        let check = |path: &str, header: &str, expect: &str| {
            assert_eq!(Schema::of_path(path, &|name| name == header).name(), expect, "{path}");
        };
        check("/v1/messages/batches?x", "", "anthropic");
        check("/v1/messagesx", "", "openai");
        check("/nothing", "anthropic-version", "anthropic");
        check("/nothing", "", "openai");
        check("/v1/chat/completions", "anthropic-version", "openai");
    }

    #[test]
    fn a_model_in_the_path_is_decoded() {
        let check = |method: &str, path: &str, model: Option<&str>| {
            let operation = Operation::of(method, path, &|_| false).unwrap();
            assert_eq!(operation.model_of_path(path).as_deref(), model, "{path}");
        };
        check("GET", "/v1/models/meta%2Fllama%zz?x=1", Some("meta/llama%zz"));
        check("GET", "/api/v1/models/gpt-4o", Some("gpt-4o"));
        check("GET", "/v1/models", None);
        check("POST", "/v1beta/models/gemini-2.5-pro:generateContent", Some("gemini-2.5-pro"));
        check("POST", "/v1/models/a%3Ab:streamGenerateContent?alt=sse", Some("a:b"));
        check("POST", "/v1/chat/completions", None);
    }
}
