use serde_json::{Value, json};

use crate::error::ErrorParts;

/// An error as Google's APIs say it (google.rpc.Status): the HTTP status as `code`, and a word for it as `status`. Weir's own code is the
/// reason of an `ErrorInfo`, and a field's path that of a `BadRequest`.
pub(super) fn body(error: &ErrorParts<'_>) -> Value {
    let ErrorParts { status, code, message, param } = *error;
    let mut details = Vec::new();
    if let Some(code) = code {
        details.push(json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code}));
    }
    if let Some(param) = param {
        let violation = json!({"field": param, "description": message});
        details.push(json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}));
    }
    let mut inner = json!({"code": status, "message": message, "status": word(status)});
    if let (false, Some(inner)) = (details.is_empty(), inner.as_object_mut()) {
        inner.insert("details".to_owned(), details.into());
    }
    json!({"error": inner})
}

/// The canonical code that stands for an HTTP status (google/rpc/code.proto).
fn word(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// The HTTP status of a canonical code.
pub(super) fn status(word: &str) -> Option<u16> {
    Some(match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ABORTED" | "ALREADY_EXISTS" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "CANCELLED" => 499,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => 500,
        "UNIMPLEMENTED" => 501,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => return None,
    })
}
