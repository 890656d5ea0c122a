use serde_json::{Value, json};

use crate::error::{About, ErrorParts};

/// An error. Its `type` follows from the status; the `code` is ours, beside Anthropic's own fields.
pub(super) fn body(error: &ErrorParts<'_>) -> Value {
    let ErrorParts { status, code, message, .. } = *error;
    let mut inner = json!({"type": kind(status), "message": message});
    if let (Some(code), Some(inner)) = (code, inner.as_object_mut()) {
        inner.insert("code".to_owned(), code.into());
    }
    json!({"type": "error", "error": inner})
}

fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// The status that an error's `type` stands for.
pub(super) fn status(kind: &str, _code: &str) -> Option<u16> {
    Some(match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "api_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

/// Clients shorten their conversation when they read this; the schema has no code for it.
pub(super) fn words(about: About) -> Option<&'static str> {
    (about == About::ContextLength).then_some("prompt is too long")
}
