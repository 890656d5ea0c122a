//! `If-Match` and `ETag`: a resource's revision in quotes.

use axum::extract::FromRequestParts;
use axum::http::{HeaderValue, header, request::Parts};

use crate::problem::{Code, Problem};

/// The revision that the caller has read and wants to change or delete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IfMatch(pub(crate) u64);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            return Err(Problem::new(
                Code::PreconditionRequired,
                "send If-Match with the ETag that you have read, so that nobody's change is lost",
            ));
        };
        let revision = value
            .to_str()
            .ok()
            .and_then(|value| value.trim().strip_prefix('"')?.strip_suffix('"'))
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        revision
            .map(Self)
            .ok_or_else(|| Problem::field(Code::InvalidHeader, "If-Match", "must be one ETag such as \"17\""))
    }
}

/// A revision as an `ETag`.
pub(crate) fn etag(revision: u64) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{revision}\"")).ok()
}
