use serde_json::{Value, json};

use crate::error::ErrorParts;

/// An error. Its `type` follows from the status.
pub(super) fn body(error: &ErrorParts<'_>) -> Value {
    let ErrorParts { status, code, message, param } = *error;
    json!({"error": {"message": message, "type": kind(status, code), "param": param, "code": code}})
}

fn kind(status: u16, code: Option<&str>) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 if code == Some("insufficient_quota") => "insufficient_quota",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// The status that an error's `type` or `code` stands for.
pub(super) fn status(kind: &str, code: &str) -> Option<u16> {
    Some(match (kind, code) {
        ("invalid_request_error", _) => 400,
        ("authentication_error", _) => 401,
        ("permission_error", _) => 403,
        ("not_found_error", _) => 404,
        ("rate_limit_error" | "insufficient_quota" | "requests" | "tokens", _) => 429,
        (_, "rate_limit_exceeded" | "insufficient_quota") => 429,
        ("api_error" | "server_error", _) => 500,
        _ => return None,
    })
}
