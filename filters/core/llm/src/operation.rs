use std::borrow::Cow;

use crate::schema::{Endpoint, Kind, Schema};

/// The version that all schemas' clients ask for.
const VERSION: &str = "/v1";

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
        let mut found = Schema::all().filter_map(|schema| {
            let endpoint = schema.endpoints().iter().find(|endpoint| is_at(endpoint, path))?;
            Some(Self { endpoint, schema })
        });
        let first = found.next().ok_or(NoOperation::UnknownPath)?;
        let operation = match found.next() {
            None => first,
            Some(second) => {
                let spoken = Schema::by_header(has_header);
                [first, second].into_iter().chain(found).find(|one| Some(one.schema) == spoken).unwrap_or(first)
            }
        };
        let takes = operation.endpoint.method;
        if method == takes { Ok(operation) } else { Err(NoOperation::WrongMethod { takes }) }
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

    /// The path behind the API's version.
    pub fn path(self) -> &'static str {
        self.endpoint.path
    }

    /// Whether its requests have a JSON body.
    pub fn has_body(self) -> bool {
        match self.endpoint.kind {
            Kind::Chat | Kind::Embeddings => true,
            Kind::ListModels | Kind::GetModel => false,
        }
    }

    /// The model that the path of a request for one names, percent-decoded.
    pub fn model_of_path(path: &str) -> Option<String> {
        let (_, model) = without_query(path).split_once("/v1/models/")?;
        (!model.is_empty()).then(|| percent_decoded(model).into_owned())
    }
}

fn is_at(endpoint: &Endpoint, path: &str) -> bool {
    let below = |before: &str| {
        let rest = path.strip_prefix(before).and_then(|rest| rest.strip_prefix(VERSION));
        rest.is_some_and(|rest| match endpoint.path.strip_suffix('/') {
            Some(_) => rest.strip_prefix(endpoint.path).is_some_and(|model| !model.is_empty()),
            None => rest == endpoint.path,
        })
    };
    below("") || endpoint.also_below.iter().any(|before| below(before))
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
        check("GET", "/v1/models/gpt-4o", "", Ok((Kind::GetModel, "openai")));
        check("GET", "/v1/models/", "", Err(NoOperation::UnknownPath));
        check("GET", "/v1/chat/completions", "", Err(NoOperation::WrongMethod { takes: "POST" }));
        check("DELETE", "/v1/models", "", Err(NoOperation::WrongMethod { takes: "GET" }));
        check("POST", "/v1/chat/completions/x", "", Err(NoOperation::UnknownPath));
        check("GET", "/", "", Err(NoOperation::UnknownPath));
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
        assert_eq!(Operation::model_of_path("/v1/models/meta%2Fllama%zz?x=1").as_deref(), Some("meta/llama%zz"));
        assert_eq!(Operation::model_of_path("/api/v1/models/gpt-4o").as_deref(), Some("gpt-4o"));
        assert_eq!(Operation::model_of_path("/v1/models"), None);
    }
}
