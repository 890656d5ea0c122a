use weir_host::{Host, Message};
use weir_llm::error::ClientError;

/// Whether a request's headers announce a body that can be read: JSON if they say what it is, not encoded, not too long.
/// Answers its length, or 0 if that is not announced.
pub(crate) fn check_announced(host: &dyn Host, limit: u64) -> Result<u64, ClientError> {
    if let Some(kind) = host.header(Message::Request, "content-type")
        && !is_json(&kind)
    {
        let message = "The content-type must be application/json.";
        return Err(ClientError::new(415, "unsupported_media_type", message));
    }
    if let Some(encoding) = host.header(Message::Request, "content-encoding")
        && !is_identity(&encoding)
    {
        let message = "The body must not be compressed: send it without content-encoding.";
        return Err(ClientError::new(415, "unsupported_content_encoding", message));
    }
    let announced = host.header_text(Message::Request, "content-length").and_then(|length| length.trim().parse().ok());
    let announced = announced.unwrap_or(0);
    check_length(announced, limit).map(|()| announced)
}

/// Whether a body of so many bytes is not too long.
pub(crate) fn check_length(length: u64, limit: u64) -> Result<(), ClientError> {
    if length <= limit {
        return Ok(());
    }
    Err(ClientError::new(413, "request_too_large", format!("The body is longer than {limit} bytes.")))
}

/// The media type without its parameters, told apart without regard to case (RFC 9110, 8.3.1).
fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Whether every coding in the list is the one that does nothing.
fn is_identity(content_encoding: &[u8]) -> bool {
    content_encoding
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}
