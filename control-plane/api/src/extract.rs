//! Reading requests: bodies, paths and queries, with problems that name the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::{StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use uuid::Uuid;
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

/// The query's parameters.
#[derive(Clone, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query.map(|query| Self(query.0)).map_err(|rejection| {
            use std::error::Error;
            let mut reason = rejection.to_string();
            if let Some(source) = rejection.source() {
                reason = source.to_string();
            }
            let (field, reason) = named_field(&reason).unwrap_or(("query".into(), reason));
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
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::BodyTooLarge, "a body may have at most 1 MiB"),
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
        let (field, reason) = data_error(&path, &error.to_string());
        Problem::field(Code::InvalidFields, &field, reason)
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// The field that serde's message is about, and what it says, without the place in the text. A value from the request is
/// never repeated: it may be a secret.
fn data_error(path: &str, message: &str) -> (String, String) {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let parent = if path == "." { "" } else { path };
    let child = |name: &str| {
        // Depending on the type, the path ends at the object or at its unknown field.
        if parent == name || parent.ends_with(&format!(".{name}")) {
            parent.to_owned()
        } else if parent.is_empty() {
            name.to_owned()
        } else {
            format!("{parent}.{name}")
        }
    };
    let quoted = |prefix: &str| message.strip_prefix(prefix)?.split_once('`').map(|(name, _)| name);
    if let Some(name) = quoted("missing field `") {
        return (child(name), "is required".into());
    }
    if let Some(name) = quoted("unknown field `") {
        return (child(name), "is not known".into());
    }
    let field = if parent.is_empty() { "$".to_owned() } else { parent.to_owned() };
    let expected = message.rsplit_once("expected ").map(|(_, expected)| format!("must be {expected}"));
    (field, expected.unwrap_or_else(|| "has a value of the wrong form".into()))
}

/// `field: reason`, as axum writes it, or serde's unknown field.
fn named_field(message: &str) -> Option<(String, String)> {
    if let Some((_, rest)) = message.split_once("unknown field `") {
        let (name, _) = rest.split_once('`')?;
        return Some((name.to_owned(), "is not known".into()));
    }
    let (field, reason) = message.split_once(": ")?;
    let is_name = field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_name.then(|| (field.to_owned(), reason.to_owned()))
}

/// A field that may be absent, null or set: absent leaves the value as it is.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    serde::Deserialize::deserialize(deserializer).map(Some)
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
    fn what_is_not_json_says_where() {
        for json in ["", "{", "{\"name\":\"a\",\"members\":[]} x", "\u{1}"] {
            let problem = serde_json::to_value(read_json::<Pool>(json.as_bytes()).unwrap_err()).unwrap();
            assert_eq!(problem["code"], "malformed_json", "{json}");
        }
    }
}
