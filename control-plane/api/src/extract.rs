//! Reading requests: bodies, paths and queries, with problems that name the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::{StatusCode, Uri, header, request::Parts};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use uuid::Uuid;
use weir_core::change::Streams;
use weir_core::json::{data_error, rule};
use weir_core::secret::sha256_bytes;
use weir_store::Idempotency;

use crate::problem::{Code, Problem};

/// A JSON body.
#[derive(Clone, Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        read_json(&read_bytes(request, state).await?).map(Self)
    }
}

/// The JSON body of a request that makes something, and its idempotency key if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Creation<T> {
    /// What is to be made.
    pub(crate) body: T,
    /// Set if the client wants repeats to have the same result.
    pub(crate) idempotency: Option<Idempotency>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Creation<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let key = match request.headers().get("idempotency-key") {
            None => None,
            Some(value) => {
                let key = value.to_str().ok().filter(|key| (1..=255).contains(&key.len())).ok_or_else(|| {
                    Problem::field(
                        Code::InvalidHeader,
                        "Idempotency-Key",
                        "must have 1 to 255 visible ASCII characters",
                    )
                })?;
                Some(key.to_owned())
            }
        };
        let path = request.uri().path().to_owned();
        let bytes = read_bytes(request, state).await?;
        let idempotency = key.map(|key| {
            let request = [path.as_bytes(), b"\n", &sha256_bytes(&bytes)].concat();
            Idempotency { key, request_sha256: sha256_bytes(&request) }
        });
        Ok(Self { body: read_json(&bytes)?, idempotency })
    }
}

/// The id in the path. What is no id names nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(pub(crate) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<Uuid>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| Problem::new(Code::NotFound, "the path holds no id of anything"))
    }
}

/// What a path names, by its id or its name, and whose it is, if the query says so.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// An id or a name.
    pub(crate) id_or_name: String,
    /// A tenant, by name or id.
    pub(crate) tenant: Option<String>,
    /// What becomes of its streams under way; `None`: that is not said.
    pub(crate) streams: Option<Streams>,
}

#[derive(serde::Deserialize)]
struct Owner {
    tenant: Option<String>,
    streams: Option<Streams>,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id_or_name) =
            path.map_err(|_| Problem::new(Code::NotFound, "the path holds no id or name of anything"))?;
        let Query(Owner { tenant, streams }) = Query::from_request_parts(parts, state).await?;
        Ok(Self { id_or_name, tenant, streams })
    }
}

impl IntoParams for Named {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || Some(ObjectBuilder::new().schema_type(Type::String));
        let id = ParameterBuilder::new()
            .name("id")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("Its id, or its name (of a user, the address)."))
            .schema(text());
        let tenant = ParameterBuilder::new()
            .name("tenant")
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some("Whose it is, by the tenant's name or id, where several are called so."))
            .schema(text());
        vec![id.build(), tenant.build()]
    }
}

/// The query's parameters.
#[derive(Clone, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

impl<T: DeserializeOwned> Query<T> {
    /// Reads those of a URI.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        // Postgres knows no text with NUL.
        if uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::field(Code::InvalidQuery, "query", "must not contain NUL"));
        }
        let query = axum::extract::Query::<T>::try_from_uri(uri);
        query.map(|query| Self(query.0)).map_err(|rejection| {
            use std::error::Error;
            let reason = rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string);
            let (field, reason) = query_error(&reason);
            Problem::field(Code::InvalidQuery, &field, reason)
        })
    }
}

async fn read_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .is_some_and(|media_type| media_type == "application/json" || media_type.ends_with("+json"));
    if !is_json {
        return Err(Problem::new(Code::UnsupportedMediaType, "send content-type: application/json"));
    }
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Code::BodyTooLarge, "a body may have at most 1 MiB, that of apply 8 MiB")
        }
        _ => Problem::new(Code::MalformedJson, "the body broke off"),
    })
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let malformed = |error: &serde_json::Error| {
        Problem::new(Code::MalformedJson, format!("not JSON at line {}, column {}", error.line(), error.column()))
    };
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if !error.is_data() {
            return malformed(&error);
        }
        Problem::fields(Code::InvalidFields, vec![data_error(&path, &error.to_string())])
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// The parameter that axum's message is about (`limit: invalid digit found in string`), and the rule that it breaks.
fn query_error(message: &str) -> (String, String) {
    let quoted = |prefix: &str| Some(message.split_once(prefix)?.1.split_once('`')?.0.to_owned());
    if let Some(name) = quoted("unknown field `") {
        return (name, "is not known".into());
    }
    if let Some(name) = quoted("duplicate field `") {
        return (name, "is given twice".into());
    }
    let is_name = |field: &&str| field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match message.split_once(": ").filter(|(field, _)| is_name(field)) {
        Some((field, reason)) => (field.to_owned(), rule(reason)),
        None => ("query".into(), rule(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its form matters")]
    struct Pool {
        name: String,
        members: Vec<Member>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its form matters")]
    struct Member {
        id: Uuid,
    }

    #[test]
    fn problems_name_the_field() {
        let check = |json: &str, field: &str| {
            let problem = read_json::<Pool>(json.as_bytes()).unwrap_err();
            let problem = serde_json::to_value(problem).unwrap();
            assert_eq!(problem["errors"][0]["field"], field, "{json} {problem}");
            assert!(!problem.to_string().contains("secret"), "{problem}");
        };
        check(r#"{"members":[]}"#, "name");
        check(r#"{"name":"a","members":[],"colour":1}"#, "colour");
        check(r#"{"name":["secret"],"members":[]}"#, "name");
        check(r#"{"name":1,"members":[]}"#, "name");
        check(r#"{"name":"a","members":[{"id":"secret"}]}"#, "members[0].id");
        check(r#"{"name":"a","members":[{}]}"#, "members[0].id");
        check(
            r#"{"name":"a","members":[{"id":"00000000-0000-0000-0000-000000000000","colour":1}]}"#,
            "members[0].colour",
        );
        check(r#"[]"#, "$");
    }

    #[test]
    fn rules_are_said_in_words_of_the_api() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "UPPERCASE")]
        enum Choice {
            One,
            Two,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only read into")]
        struct Thing {
            number: Option<u64>,
            at: Option<chrono::DateTime<chrono::Utc>>,
            id: Option<Uuid>,
            list: Option<Vec<String>>,
            choice: Option<Choice>,
            text: Option<String>,
            flag: Option<bool>,
        }
        let reason = |problem: Problem, field: &str| {
            let problem = serde_json::to_value(problem).unwrap();
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
            problem["errors"][0]["reason"].as_str().unwrap().to_owned()
        };
        let check = |field: &str, value: &str, expect: &str| {
            let json = format!("{{\"{field}\":{value}}}");
            let found = reason(read_json::<Thing>(json.as_bytes()).unwrap_err(), field);
            assert!(found.starts_with(expect), "{json}: {found}");
        };
        for value in ["-1", "1.5", "\"1\"", "18446744073709551616", "true", "[]", "{}"] {
            check("number", value, "must be a whole number that is not negative");
        }
        for value in [
            "\"\"",
            "\"yesterday\"",
            "\"2026-13-01T00:00:00Z\"",
            "\"2026-01-01T00:00:00\"",
            "\"2026-01-01T00:00:00Zx\"",
            "7",
        ] {
            check("at", value, "must be a time such as");
        }
        for value in ["\"\"", "\"x\"", "\"00000000-0000-0000-0000-00000000000g\"", "7", "{}"] {
            check("id", value, "must be a UUID");
        }
        check("list", "{}", "must be a list");
        check("list", "\"a\"", "must be a list");
        check("choice", "\"three\"", "must be `ONE` or `TWO`");
        check("text", "7", "must be a string");
        check("flag", "\"yes\"", "must be a boolean");
        check("flag", "true,\"flag\":true", "is given twice");
        let found = reason(read_json::<Thing>(b"7").unwrap_err(), "$");
        assert_eq!(found, "must be an object");

        let check = |query: &str, field: &str, expect: &str| {
            let uri: axum::http::Uri = format!("/x?{query}").parse().unwrap();
            let (mut parts, ()) = axum::http::Request::get(uri).body(()).unwrap().into_parts();
            let read = Query::<Thing>::from_request_parts(&mut parts, &());
            let problem = futures::executor::block_on(read).unwrap_err();
            let found = reason(problem, field);
            assert!(found.starts_with(expect), "{query}: {found}");
        };
        check("number=x", "number", "must be a whole number");
        check("number=-1", "number", "must be a whole number");
        check("number=", "number", "must be a whole number");
        check("number=99999999999999999999", "number", "must be a whole number");
        check("id=x", "id", "must be a UUID");
        check("at=now", "at", "must be a time");
        check("flag=1&flag=1", "flag", "");
        check("text=a&text=b", "text", "is given twice");
        check("text=a%00b", "query", "must not contain NUL");
        check("other=1", "other", "is not known");
    }

    #[test]
    fn what_is_not_json_says_where() {
        for json in ["", "{", "{\"name\":\"a\",\"members\":[]} x", "\u{1}"] {
            let problem = serde_json::to_value(read_json::<Pool>(json.as_bytes()).unwrap_err()).unwrap();
            assert_eq!(problem["code"], "malformed_json", "{json}");
        }
    }
}
