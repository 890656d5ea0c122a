use serde_json::{Map, Value, json};

use crate::error::{ErrorParts, ProviderError, error_of_json};
use crate::schema::Schema;

/// The name of the event that carries an error.
pub(super) const EVENT: &str = "error";

/// An error as an event of a stream. Its fields stand twice: flat, as the reference has them, and within `error`, as the API really sends
/// them and as clients look for them.
pub(super) fn in_stream(error: &ErrorParts<'_>, sequence_number: u64) -> Value {
    let mut event = Map::new();
    event.insert("type".into(), EVENT.into());
    event.insert("sequence_number".into(), sequence_number.into());
    event.insert("code".into(), error.code.into());
    event.insert("message".into(), error.message.into());
    event.insert("param".into(), error.param.into());
    if let Value::Object(body) = Schema(&super::Responses).error_body(error) {
        event.extend(body);
    }
    event.into()
}

/// An error as the last response of a stream has it: clients know a short list of codes.
pub(super) fn in_response(error: &ErrorParts<'_>) -> Value {
    let code = match error.code {
        Some(code) if status(code).is_some() => code,
        _ if error.status == 429 => "rate_limit_exceeded",
        _ if error.status < 500 => "invalid_prompt",
        _ => "server_error",
    };
    json!({"code": code, "message": error.message})
}

/// The error of an event: within `error`, or flat beside the event's type.
pub(super) fn read(event: &Value) -> ProviderError {
    let schema = Schema(&super::Responses);
    match event.get("error").filter(|error| !error.is_null()) {
        Some(error) => error_of_json(schema, 200, error),
        None => {
            let mut flat = event.clone();
            if let Some(fields) = flat.as_object_mut() {
                fields.retain(|name, _| matches!(name.as_str(), "code" | "message" | "param"));
            }
            error_of_json(schema, 200, &flat)
        }
    }
}

/// The status that the code of a failed response stands for.
pub(super) fn status(code: &str) -> Option<u16> {
    Some(match code {
        "server_error" => 500,
        "vector_store_timeout" => 504,
        "rate_limit_exceeded" => 429,
        "invalid_prompt"
        | "data_residency_mismatch"
        | "bio_policy"
        | "misalignment_policy_violation"
        | "invalid_image"
        | "invalid_image_format"
        | "invalid_base64_image"
        | "invalid_image_url"
        | "image_too_large"
        | "image_too_small"
        | "image_parse_error"
        | "image_content_policy_violation"
        | "invalid_image_mode"
        | "image_file_too_large"
        | "unsupported_image_media_type"
        | "empty_image_file"
        | "failed_to_download_image"
        | "image_file_not_found" => 400,
        _ => return None,
    })
}
