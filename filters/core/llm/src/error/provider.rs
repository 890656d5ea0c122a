use serde_json::{Map, Value};
use weir_config::names::RETRIED_BELOW_500;

use super::about::{About, names_account};
use super::client::ErrorParts;
use super::said::{Said, is_error, is_something};
use crate::schema::Schema;
use crate::sse::write_event;

/// The most characters of a provider's message that are passed on.
const MOST_MESSAGE_CHARACTERS: usize = 500;
/// The longest code, type or field's name that is passed on.
const MOST_NAME_CHARACTERS: usize = 200;
/// What stands beside a message is passed on to clients of the provider's own schema if it has no more bytes.
const MOST_BESIDE_BYTES: usize = 8 * 1024;

/// The code of what is no answer of the provider's API.
const INVALID_RESPONSE: &str = "upstream_invalid_response";

/// An error that a provider answered with, as it said it: nothing is shortened or taken out until the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderError {
    /// The provider's HTTP status; for an error inside a stream the status that its type stands for.
    pub status: u16,
    /// What the provider says.
    pub message: String,
    /// The provider's `type`.
    pub kind: Option<String>,
    /// The provider's `code`.
    pub code: Option<String>,
    /// The provider's `param`.
    pub param: Option<String>,
    /// The whole body and its schema, for clients of the same one.
    body: Option<Box<(Schema, Value)>>,
}

/// Reads an error answer, whatever its shape. HTML, nothing or half a JSON give a plain message that names the status. What came with
/// status 200 has the status that its type or code stands for, and that of a broken provider where they stand for none.
pub fn read_provider_error(schema: Schema, status: u16, body: &[u8]) -> ProviderError {
    let (said, value) = Said::in_body(body);
    ProviderError::of(schema, status, said, value)
}

/// The value of `error` in an answer or in an event of a stream: an object in both schemas, a bare string in some compatible
/// servers. `status` is that of the answer; an answer that began well takes the status that its error's type stands for.
pub(crate) fn error_of_json(schema: Schema, status: u16, error: &Value) -> ProviderError {
    let body = Map::from_iter([("error".to_owned(), error.clone())]);
    ProviderError::of(schema, status, Said::in_value(error), Some(body.into()))
}

/// The error that an event of a stream is, if it has a plain sign of being one. For events that a schema's own reader does not know.
pub(crate) fn error_of_event(schema: Schema, data: &str) -> Option<ProviderError> {
    let signs = ["error", "\"code\"", "\"detail\"", "\"msg\"", "message", "status"];
    if !signs.iter().any(|sign| memchr::memmem::find(data.as_bytes(), sign.as_bytes()).is_some()) {
        return None;
    }
    let value: Value = crate::json::parse(data).ok().filter(is_error)?;
    Some(ProviderError::of(schema, 200, Said::in_value(&value), Some(value)))
}

impl ProviderError {
    fn of(schema: Schema, status: u16, said: Said, body: Option<Value>) -> Self {
        let by_number = said.status();
        let Said { message, kind, code, param } = said;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let by_type = || schema.status_of_error(&text(&kind), &text(&code));
        let told = if status == 200 { by_type().or(by_number).unwrap_or(502) } else { status };
        let error = Self {
            status: told,
            message: message.unwrap_or_else(|| plain_message(status)),
            kind,
            code,
            param,
            body: body.map(|body| Box::new((schema, body))),
        };
        let has = |says: fn(&Value) -> bool| error.body.as_deref().is_some_and(|(_, body)| says(body));
        if status != 200 || has(|body| body.get("error").is_some_and(is_something)) {
            return error;
        }
        // Without an `error` it is no answer, whatever it is: of its words only those are believed by which the next provider is asked.
        let (status, about) = (error.client_status(), error.about());
        let is_retried = status >= 500 || RETRIED_BELOW_500.contains(&status);
        let is_broken = !is_retried || (status == 502 && about == About::Provider);
        // And none is passed on, unless it says plainly that it is an error.
        let is_plain =
            has(|body| ["object", "type"].iter().any(|name| body.get(name).is_some_and(|value| value == "error")));
        let error = match is_plain {
            true => error,
            false => Self { message: plain_message(200), kind: None, code: None, param: None, body: None, ..error },
        };
        match about {
            // Known by words that are gone.
            About::Credential => Self { status: 401, ..error },
            About::Account => Self { status: 402, ..error },
            _ if is_broken => Self { status: 502, code: Some(INVALID_RESPONSE.to_owned()), ..error },
            _ => error,
        }
    }

    /// An error of which only the status is known.
    pub fn without_body(status: u16) -> Self {
        Self { status, message: plain_message(status), kind: None, code: None, param: None, body: None }
    }

    /// An answer that broke the provider's own protocol: 502 with this message.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self {
            status: 502,
            message: message.into(),
            kind: None,
            code: Some(INVALID_RESPONSE.to_owned()),
            param: None,
            body: None,
        }
    }

    /// The same error with all that its event says beside it.
    pub(crate) fn in_event(mut self, data: &str) -> Self {
        if let Some(own) = &mut self.body
            && let Ok(event @ Value::Object(_)) = crate::json::parse::<Value>(data)
            && event.get("error").is_some()
        {
            own.1 = event;
        }
        self
    }

    /// The same error with each text of it as `hide` makes it; `None`: as it is. For credentials that a provider quotes: what it hides is
    /// compared with decoded text, and before anything is shortened.
    #[must_use]
    pub fn hiding(mut self, hide: &dyn Fn(&str) -> Option<String>) -> Self {
        let texts = [&mut self.kind, &mut self.code, &mut self.param].into_iter().flatten().chain([&mut self.message]);
        for text in texts {
            if let Some(hidden) = hide(text) {
                *text = hidden;
            }
        }
        if let Some(own) = &mut self.body {
            hide_in(&mut own.1, hide);
        }
        self
    }

    /// What it is about.
    pub fn about(&self) -> About {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
        About::of(self.status, &text(&self.kind), &text(&self.code), &self.message)
    }

    /// The status for the client: the provider's own, but 502 where the error is the operator's to mend, and where it came with a
    /// status that says success. Routes try the next provider on 502.
    pub fn client_status(&self) -> u16 {
        match (self.about().is_for_client(), self.status) {
            (_, status @ 500..) | (true, status @ 400..) => status,
            _ => 502,
        }
    }

    /// The stable code for the client: the provider's own if it sent one that is a name.
    pub fn client_code(&self) -> &str {
        match self.about() {
            About::Credential => return "upstream_auth_failed",
            About::Account | About::Address => return "upstream_unavailable",
            About::Model => return "upstream_model_not_found",
            About::ContextLength => return "context_length_exceeded",
            About::ContentPolicy | About::Request | About::Provider => {}
        }
        let own = self.code.as_deref().filter(|code| is_name(code) && !is_status(code));
        match (own, self.client_status()) {
            (Some(code), _) => code,
            (None, 413) => "request_too_large",
            (None, 429) => "rate_limit_exceeded",
            (None, 500..) => "upstream_unavailable",
            (None, _) if self.about() == About::ContentPolicy => "content_policy_violation",
            (None, _) => "invalid_request",
        }
    }

    /// The message for a client, shortened. A provider's words about the operator's credential or account are not passed on.
    pub fn client_message(&self, client: Schema) -> String {
        let about = self.about();
        match about {
            About::Credential => return "the provider refused the gateway's credential".to_owned(),
            About::Account => return "the provider does not serve this gateway at the moment".to_owned(),
            About::Model => return "the provider does not have this model".to_owned(),
            About::Address => return "the provider has nothing where the gateway asked".to_owned(),
            About::ContextLength | About::ContentPolicy | About::Request | About::Provider => {}
        }
        if names_account(&self.message) {
            return match self.status {
                429 => "the provider is busy: more is asked of it than it takes".to_owned(),
                status => format!(
                    "the provider answered with status {status}, for a reason that concerns the gateway's operator"
                ),
            };
        }
        let said = match client.words_of(about) {
            Some(words) if !self.message.to_lowercase().contains(words) => format!("{words}: {}", self.message),
            _ => self.message.clone(),
        };
        shortened(&said, MOST_MESSAGE_CHARACTERS)
    }

    /// The JSON body in the client's schema. Where the provider speaks it too, what stands beside the message is kept.
    pub fn to_client(&self, client: Schema) -> Vec<u8> {
        let mut out = Vec::new();
        crate::json::write(
            &self.with_what_stands_beside(client, self.tell(client, |parts| client.error_body(parts))),
            &mut out,
        );
        out
    }

    /// Gives what the client is told.
    pub(crate) fn tell<T>(&self, client: Schema, write: impl FnOnce(&ErrorParts<'_>) -> T) -> T {
        let param = self.param.as_deref().filter(|_| self.is_for_client());
        let param = param.map(|param| shortened(param, MOST_NAME_CHARACTERS));
        write(&ErrorParts {
            status: self.client_status(),
            code: Some(self.client_code()),
            message: &self.client_message(client),
            param: param.as_deref(),
        })
    }

    fn is_for_client(&self) -> bool {
        self.about().is_for_client() && !names_account(&self.message)
    }

    fn with_what_stands_beside(&self, client: Schema, mut body: Value) -> Value {
        if let Some((schema, said)) = self.body.as_deref()
            && self.is_for_client()
            && self.client_status() == self.status
            && *schema == client
        {
            keep_beside(&mut body, said);
        }
        body
    }

    /// Appends the event that ends a client's stream with this error.
    pub fn write_event(&self, client: Schema, out: &mut Vec<u8>) {
        let data = self.tell(client, |parts| client.error_in_stream(parts));
        let data = self.with_what_stands_beside(client, data);
        write_event(client.error_event(), &data.to_string(), out);
    }
}

/// Puts into an error of ours what a provider of the same schema says beside its message. Where its words do not stand in an `error`,
/// as the schema has it, all that it says belongs there.
fn keep_beside(body: &mut Value, said: &Value) {
    let (Some(body), Some(said)) = (body.as_object_mut(), said.as_object()) else { return };
    let mut bytes = Vec::new();
    crate::json::write(said, &mut bytes);
    if bytes.len() > MOST_BESIDE_BYTES {
        return;
    }
    let (theirs, around) = match said.get("error") {
        Some(Value::Object(error)) => (error, Some(said)),
        _ => (said, None),
    };
    if let Some(Value::Object(error)) = body.get_mut("error") {
        let message = error.get("message").cloned();
        for (name, value) in theirs.iter().filter(|(_, value)| message.as_ref() != Some(value)) {
            let is_own = error.get(name).is_some_and(|own| !own.is_null());
            if !is_own || (name == "type" && value.as_str().is_some_and(|kind| kind != "error")) {
                error.insert(name.clone(), value.clone());
            }
        }
    }
    // `type` tells clients what kind of document the whole is.
    for (name, value) in around.into_iter().flatten().filter(|(name, _)| *name != "type") {
        if !body.contains_key(name) {
            body.insert(name.clone(), value.clone());
        }
    }
}

/// Changes all texts of a value, names included.
fn hide_in(value: &mut Value, hide: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(hidden) = hide(text) {
                *text = hidden;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide_in(item, hide)),
        Value::Object(fields) => {
            if fields.keys().any(|name| hide(name).is_some()) {
                let old = std::mem::take(fields);
                fields.extend(old.into_iter().map(|(name, value)| (hide(&name).unwrap_or(name), value)));
            }
            fields.values_mut().for_each(|value| hide_in(value, hide));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn plain_message(status: u16) -> String {
    if status == 200 {
        return "the provider's answer is not what its API promises".to_owned();
    }
    format!("the provider answered with status {status} and no message")
}

fn is_name(code: &str) -> bool {
    code.len() <= MOST_NAME_CHARACTERS
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-:/".contains(&byte))
}

/// A code that only repeats a status says nothing more.
fn is_status(code: &str) -> bool {
    code.parse().is_ok_and(|number: u16| (100..600).contains(&number))
}

fn shortened(text: &str, most_characters: usize) -> String {
    text.chars().take(most_characters).collect()
}

#[cfg(test)]
mod tests;
