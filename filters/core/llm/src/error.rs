//! Errors: what is wrong with a request or an answer, and how the client is told in its own schema.

mod about;
mod client;
mod provider;
mod said;

pub use about::About;
pub use client::{ClientError, ErrorParts, error_body, stream_event};
pub use provider::{ProviderError, read_provider_error};
pub(crate) use provider::{error_of_event, error_of_json};
pub(crate) use said::{is_something, says_something};

/// A request that no provider could answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// What is wrong, for the person who sent it.
    pub message: String,
    /// The field: `messages[2].content`.
    pub param: Option<String>,
    /// Stable and machine-readable: `invalid_request`, or `unsupported_parameter` for what another provider could do.
    pub code: &'static str,
}

impl RequestError {
    /// An error of the request as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), param: None, code: "invalid_request" }
    }

    /// The request is good, but not for the provider of this model.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self { code: "unsupported_parameter", ..Self::new(message) }
    }

    /// The same error, of this field; its name also stands in the message.
    #[must_use]
    pub fn at(self, param: &str) -> Self {
        Self { message: format!("{param}: {}", self.message), param: Some(param.to_owned()), ..self }
    }
}

/// A provider's answer that is not what its schema says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider's answer cannot be read: {message}")]
pub struct ResponseError {
    /// What is wrong. Never quotes the answer.
    pub message: String,
}

impl ResponseError {
    /// An error with this reason.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
