use crate::json::write;
use crate::schema::Schema;
use crate::sse::write_event;

/// An error that Weir answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    /// HTTP status.
    pub status: u16,
    /// Stable and machine-readable: `invalid_api_key`, `model_not_found`, …
    pub code: &'static str,
    /// For people. Never holds a key or a prompt.
    pub message: String,
    /// The field of the request that is at fault.
    pub param: Option<String>,
}

impl ClientError {
    /// An error that is not about one field.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), param: None }
    }

    /// The same error, of this field.
    #[must_use]
    pub fn with_param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// The JSON body in the client's schema. The `type` follows from the status.
    pub fn body(&self, schema: Schema) -> Vec<u8> {
        error_body(schema, &self.parts())
    }

    fn parts(&self) -> ErrorParts<'_> {
        ErrorParts { status: self.status, code: Some(self.code), message: &self.message, param: self.param.as_deref() }
    }
}

/// The event that ends a stream of ours with an error, in the client's schema.
pub fn stream_event(schema: Schema, error: &ClientError) -> Vec<u8> {
    let mut out = Vec::new();
    write_error_event(schema, &error.parts(), &mut out);
    out
}

/// Appends the event that carries an error in a stream.
pub(crate) fn write_error_event(schema: Schema, error: &ErrorParts<'_>, out: &mut Vec<u8>) {
    write_event(schema.error_event(), &schema.error_in_stream(error).to_string(), out);
}

/// What every schema has in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorParts<'a> {
    /// HTTP status.
    pub status: u16,
    /// Stable and machine-readable.
    pub code: Option<&'a str>,
    /// For people.
    pub message: &'a str,
    /// The field of the request that is at fault.
    pub param: Option<&'a str>,
}

/// An error in the client's schema.
pub fn error_body(schema: Schema, error: &ErrorParts<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&schema.error_body(error), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Schema {
        Schema::named(name).unwrap()
    }

    fn check(schema: Schema, error: ClientError, expect: &str) {
        assert_eq!(String::from_utf8(error.body(schema)).unwrap(), expect);
    }

    #[test]
    fn each_schema_has_its_shape_and_type() {
        check(
            named("openai"),
            ClientError::new(404, "model_not_found", "no \"such\" model").with_param("model"),
            r#"{"error":{"message":"no \"such\" model","type":"not_found_error","param":"model","code":"model_not_found"}}"#,
        );
        check(
            named("openai"),
            ClientError::new(429, "insufficient_quota", "spent"),
            r#"{"error":{"message":"spent","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        );
        check(
            named("anthropic"),
            ClientError::new(413, "request_too_large", "too large"),
            r#"{"type":"error","error":{"type":"request_too_large","message":"too large","code":"request_too_large"}}"#,
        );
    }

    #[test]
    fn a_stream_ends_with_an_error_event() {
        let error = ClientError::new(400, "content_blocked", "blocked");
        let openai = String::from_utf8(stream_event(named("openai"), &error)).unwrap();
        assert!(openai.starts_with("data: {\"error\":") && openai.ends_with("}}\n\n"), "{openai}");
        let anthropic = String::from_utf8(stream_event(named("anthropic"), &error)).unwrap();
        assert!(anthropic.starts_with("event: error\ndata: {\"type\":\"error\""), "{anthropic}");
    }
}
