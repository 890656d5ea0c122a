use serde_json::Value;

use super::client::{ErrorParts, error_body};
use crate::schema::Schema;

/// The most characters of a provider's message that are passed on.
const MOST_MESSAGE_CHARACTERS: usize = 500;

/// An error that a provider answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderError {
    /// The provider's HTTP status; for an error inside a stream the status that its type stands for.
    pub status: u16,
    /// What the provider says, shortened.
    pub message: String,
    /// The provider's `type`.
    pub kind: Option<String>,
    /// The provider's `code`.
    pub code: Option<String>,
    /// The provider's `param`.
    pub param: Option<String>,
}

/// Reads an error answer. HTML, nothing or half a JSON give a plain message that names the status.
pub fn read_provider_error(schema: Schema, status: u16, body: &[u8]) -> ProviderError {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    match body.as_ref().and_then(|body| body.get("error")).filter(|error| !error.is_null()) {
        Some(error) => error_of_json(schema, status, error),
        None => ProviderError::without_body(status),
    }
}

/// The value of `error` in an answer or in an event of a stream: an object in both schemas, a bare string in some compatible
/// servers. `status` is that of the answer; an answer that began well takes the status that its error's type stands for.
pub(crate) fn error_of_json(schema: Schema, status: u16, error: &Value) -> ProviderError {
    let field = |name: &str| error.get(name).and_then(text).map(|text| shortened(&text));
    let (kind, code) = (field("type"), field("code"));
    let message = error.as_str().map(shortened).or_else(|| field("message")).filter(|text| !text.trim().is_empty());
    let status = if status == 200 { status_of(schema, kind.as_deref(), code.as_deref()) } else { status };
    ProviderError {
        status,
        message: message.unwrap_or_else(|| plain_message(status)),
        kind,
        code,
        param: field("param"),
    }
}

impl ProviderError {
    /// An error of which only the status is known.
    pub fn without_body(status: u16) -> Self {
        Self { status, message: plain_message(status), kind: None, code: None, param: None }
    }

    /// An answer that broke the provider's own protocol: 502 with this message.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self {
            status: 502,
            message: message.into(),
            kind: None,
            code: Some("upstream_invalid_response".to_owned()),
            param: None,
        }
    }

    /// Whether it is about the operator's credential, which is nothing that the client could mend or should read about.
    fn is_about_credential(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    /// The status for the client: the provider's own, but 502 where the operator's credential was refused and where an error
    /// came with a status that says success.
    pub fn client_status(&self) -> u16 {
        match self.status {
            401 | 403 => 502,
            400.. => self.status,
            _ => 502,
        }
    }

    /// The stable code for the client: the provider's own if it sent one.
    pub fn client_code(&self) -> &str {
        if self.is_about_credential() {
            return "upstream_auth_failed";
        }
        match (&self.code, self.client_status()) {
            (Some(code), _) => code,
            (None, 404) => "not_found",
            (None, 413) => "request_too_large",
            (None, 429) => "rate_limit_exceeded",
            (None, 500..) => "upstream_unavailable",
            (None, _) => "invalid_request",
        }
    }

    /// The message for the client. A provider's words about the operator's credential are not passed on: they may quote it.
    pub fn client_message(&self) -> &str {
        if self.is_about_credential() { "the provider refused the gateway's credential" } else { &self.message }
    }

    /// The JSON body in the client's schema.
    pub fn to_client(&self, client: Schema) -> Vec<u8> {
        error_body(client, &self.parts())
    }

    /// What the client is told.
    pub(crate) fn parts(&self) -> ErrorParts<'_> {
        ErrorParts {
            status: self.client_status(),
            code: Some(self.client_code()),
            message: self.client_message(),
            param: self.param.as_deref().filter(|_| !self.is_about_credential()),
        }
    }
}

fn plain_message(status: u16) -> String {
    format!("the provider answered with status {status} and no message")
}

/// A string as it is, a number as its digits, anything else as nothing.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MOST_MESSAGE_CHARACTERS).collect()
}

fn status_of(schema: Schema, kind: Option<&str>, code: Option<&str>) -> u16 {
    let (kind, code) = (kind.unwrap_or_default(), code.unwrap_or_default());
    let as_number = || code.parse().ok().filter(|status| (400..600).contains(status));
    schema.status_of_error(kind, code).or_else(as_number).unwrap_or(502)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Schema {
        Schema::named(name).unwrap()
    }

    fn check(schema: Schema, status: u16, body: &str, expect: (u16, &str, &str)) {
        let error = read_provider_error(schema, status, body.as_bytes());
        assert_eq!((error.client_status(), error.client_code(), error.client_message()), expect, "{body}");
        serde_json::from_slice::<Value>(&error.to_client(named("openai"))).unwrap();
        serde_json::from_slice::<Value>(&error.to_client(named("anthropic"))).unwrap();
    }

    #[test]
    fn any_answer_becomes_a_clear_error() {
        let (openai, anthropic) = (named("openai"), named("anthropic"));
        check(
            openai,
            400,
            r#"{"error":{"message":"bad tool","type":"invalid_request_error","param":"tools","code":null}}"#,
            (400, "invalid_request", "bad tool"),
        );
        check(
            openai,
            429,
            r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#,
            (429, "rate_limit_exceeded", "slow down"),
        );
        check(
            anthropic,
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            (529, "upstream_unavailable", "Overloaded"),
        );
        check(
            openai,
            401,
            r#"{"error":{"message":"Incorrect API key provided: sk-abc"}}"#,
            (502, "upstream_auth_failed", "the provider refused the gateway's credential"),
        );
        check(openai, 400, r#"{"error":"plain"}"#, (400, "invalid_request", "plain"));
        check(openai, 400, r#"{"error":{"message":"x","code":1214}}"#, (400, "1214", "x"));
        let plain = "the provider answered with status 503 and no message";
        for body in ["", "<html>busy</html>", "{\"error\":{\"mess", "[]", "{\"error\":null}", "{\"error\":{}}"] {
            check(openai, 503, body, (503, "upstream_unavailable", plain));
        }
    }

    #[test]
    fn an_error_under_a_good_status_is_told_by_its_type() {
        let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        assert_eq!(read_provider_error(named("anthropic"), 200, body.as_bytes()).status, 529);
        let body = r#"{"error":{"message":"gone","type":"mystery"}}"#;
        assert_eq!(read_provider_error(named("openai"), 200, body.as_bytes()).client_status(), 502);
        // A redirection is nobody's bad request.
        let body = r#"{"error":{"message":"moved","type":"invalid_request_error"}}"#;
        assert_eq!(read_provider_error(named("openai"), 302, body.as_bytes()).client_status(), 502);
    }

    #[test]
    fn long_messages_are_shortened() {
        let body = format!(r#"{{"error":{{"message":"{}"}}}}"#, "ä".repeat(2_000));
        let error = read_provider_error(named("openai"), 400, body.as_bytes());
        assert_eq!(error.message.chars().count(), 500);
    }
}
