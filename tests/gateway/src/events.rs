//! What clients of each schema read.

use serde_json::Value;
use weir_test_proxy::Received;

/// One server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its data.
    pub data: String,
}

impl Event {
    /// Its data, parsed.
    ///
    /// # Panics
    /// If it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The events of a stream. What is behind the last blank line is none.
pub fn events(text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let (mut name, mut data) = (None, Vec::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("event:") {
            name = Some(rest.trim().to_owned());
        } else if let Some(rest) = line.strip_prefix("data:") {
            data.push(rest.strip_prefix(' ').unwrap_or(rest));
        } else if line.is_empty() && !data.is_empty() {
            events.push(Event { name: name.take(), data: data.join("\n") });
            data.clear();
        }
    }
    events
}

/// The text of a whole answer.
pub fn said(schema: &str, answer: &Value) -> String {
    let text = |list: &Value, at: &str| -> String {
        list.as_array().into_iter().flatten().filter_map(|part| part[at].as_str()).collect()
    };
    match schema {
        "openai" => answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned(),
        "openai_responses" => {
            let items = answer["output"].as_array().into_iter().flatten();
            items.filter(|item| item["type"] == "message").map(|item| text(&item["content"], "text")).collect()
        }
        "gemini" => {
            let candidates = answer["candidates"].as_array().into_iter().flatten();
            candidates.map(|candidate| text(&candidate["content"]["parts"], "text")).collect()
        }
        _ => text(&answer["content"], "text"),
    }
}

/// The text of one event of a stream.
///
/// # Panics
/// If the event's name is not what its data says.
pub fn said_in_event(schema: &str, event: &Event) -> String {
    if schema == "openai" {
        if event.data == "[DONE]" {
            return String::new();
        }
        let event = event.json();
        let choices = event["choices"].as_array().into_iter().flatten();
        return choices.filter_map(|choice| choice["delta"]["content"].as_str()).collect();
    }
    let json = event.json();
    if schema == "gemini" {
        assert_eq!(event.name, None, "{event:?}");
        return said(schema, &json);
    }
    assert_eq!(json["type"].as_str(), event.name.as_deref(), "{event:?}");
    let text = match json["type"].as_str() {
        Some("content_block_delta") => json["delta"]["text"].as_str(),
        Some("response.output_text.delta") => json["delta"].as_str(),
        _ => None,
    };
    text.unwrap_or_default().to_owned()
}

/// Whether this is how a stream of this schema says that it is complete.
pub fn is_last(schema: &str, event: &Event) -> bool {
    match schema {
        "openai" => event.data == "[DONE]",
        "openai_responses" => event.name.as_deref() == Some("response.completed"),
        "gemini" => !event.json()["candidates"][0]["finishReason"].is_null(),
        _ => event.name.as_deref() == Some("message_stop"),
    }
}

/// The text of a stream that must end as its schema says a stream ends.
///
/// # Panics
/// If it does not.
pub fn said_in_stream(schema: &str, text: &str) -> String {
    let events = events(text);
    let last = events.iter().position(|event| is_last(schema, event));
    assert_eq!(last, events.len().checked_sub(1), "the stream has no last event, or one in its middle: {text}");
    events.iter().map(|event| said_in_event(schema, event)).collect()
}

/// Asserts a refusal in the client's schema, and answers its message.
///
/// # Panics
/// If it is another one.
#[track_caller]
pub fn check_error(schema: &str, received: &Received, status: u16, code: &str, param: Option<&str>) -> String {
    assert_eq!(received.status(), status, "{}", received.text());
    assert_eq!(received.header("content-type"), Some("application/json"), "{received:?}");
    let body = received.json();
    if schema == "gemini" {
        assert_eq!(body["error"]["code"], status, "{body}");
    } else {
        assert_eq!(body["error"]["type"], type_of(schema, status), "{body}");
    }
    check_error_body(schema, &body, Some(code), param)
}

/// Asserts an error document of a schema, and answers its message.
///
/// # Panics
/// If it is another one.
#[track_caller]
pub fn check_error_body(schema: &str, body: &Value, code: Option<&str>, param: Option<&str>) -> String {
    let error = &body["error"];
    if schema == "gemini" {
        let details = error["details"].as_array().into_iter().flatten();
        let said = |name: &str| details.clone().find_map(|detail| detail.pointer(name)?.as_str());
        assert!(code.is_none_or(|code| said("/reason") == Some(code)), "{code:?} in {body}");
        assert!(param.is_none_or(|param| said("/fieldViolations/0/field") == Some(param)), "{param:?} in {body}");
        return error["message"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    }
    let has = |name: &str| error.get(name).is_some();
    if schema == "anthropic" {
        assert_eq!(body["type"], "error", "{body}");
    } else {
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{body}");
        assert!(["message", "type", "param", "code"].into_iter().all(has), "{body}");
        assert!(param.is_none_or(|param| error["param"] == param), "{param:?} in {body}");
    }
    let text = |name: &str| error[name].as_str().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{body}"));
    text("type");
    assert!(code.is_none_or(|code| error["code"] == code), "{code:?} in {body}");
    text("message").to_owned()
}

/// The `type` that an error of this status has.
fn type_of(schema: &str, status: u16) -> &'static str {
    match (schema, status) {
        (_, 401) => "authentication_error",
        (_, 403) => "permission_error",
        (_, 404) => "not_found_error",
        (_, 429) => "rate_limit_error",
        ("anthropic", 413) => "request_too_large",
        ("anthropic", 503) => "overloaded_error",
        ("anthropic", 500..) => "api_error",
        (_, 500..) => "server_error",
        _ => "invalid_request_error",
    }
}
