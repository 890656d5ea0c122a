//! What the body of an error says. Providers, and the servers before them, have a dozen shapes for it: tables of names, not of shapes,
//! read them all.

use serde_json::{Map, Value};

/// What stands around an error's words, in the order in which it is looked into.
const AROUND: [&str; 10] =
    ["error", "Error", "err", "errors", "detail", "fault", "base_resp", "Response", "response", "response_metadata"];
/// Names under which the words stand.
const MESSAGES: [&str; 12] = [
    "message",
    "Message",
    "msg",
    "error_message",
    "errorMessage",
    "error_msg",
    "status_msg",
    "detail",
    "error_description",
    "faultstring",
    "title",
    "reason",
];
const KINDS: [&str; 5] = ["type", "__type", "error_type", "errorType", "status"];
const CODES: [&str; 6] = ["code", "Code", "error_code", "errorCode", "err_code", "status_code"];
const PARAMS: [&str; 3] = ["param", "parameter", "field"];

/// Levels of [`AROUND`] that are looked into.
const MOST_LEVELS: u8 = 4;
/// Of a list of errors so many are told.
const MOST_LISTED: usize = 8;

/// What an error says. Blank words are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) message: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) param: Option<String>,
}

impl Said {
    /// Of a body that may be anything: JSON, an event, text, a web page, nothing.
    pub(super) fn in_body(body: &[u8]) -> (Self, Option<Value>) {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        if let Some(value) = json(text) {
            return (Self::in_value(&value), Some(value));
        }
        let is_broken_or_page = text.starts_with(['{', '[', '<', '"']) || has_page(text) || text.contains('\u{fffd}');
        let mut said = Self::default();
        if !is_broken_or_page {
            keep(&mut said.message, text);
        }
        (said, None)
    }

    /// Of JSON.
    pub(super) fn in_value(value: &Value) -> Self {
        let mut said = Self::default();
        said.collect(value, MOST_LEVELS);
        said
    }

    /// The status that it gives, where that is one of an error.
    pub(super) fn status(&self) -> Option<u16> {
        let status = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
        status(&self.code).or_else(|| status(&self.kind)).filter(|status| (400..600).contains(status))
    }

    /// The innermost words count; what they lack is taken from around them.
    fn collect(&mut self, value: &Value, levels: u8) {
        match value {
            Value::String(text) => keep(&mut self.message, text),
            Value::Array(items) => self.collect_list(items, levels),
            Value::Object(fields) => self.collect_fields(fields, levels),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn collect_list(&mut self, items: &[Value], levels: u8) {
        let Some(levels) = levels.checked_sub(1) else { return };
        let mut messages: Vec<String> = Vec::new();
        for item in items.iter().take(MOST_LISTED) {
            let mut said = Self::default();
            said.collect(item, levels);
            messages.extend(said.message);
            keep_other(&mut self.kind, said.kind);
            keep_other(&mut self.code, said.code);
            keep_other(&mut self.param, said.param);
        }
        keep(&mut self.message, &messages.join("; "));
    }

    fn collect_fields(&mut self, fields: &Map<String, Value>, levels: u8) {
        if let Some(levels) = levels.checked_sub(1) {
            // A router's own words are about nothing: it quotes those of the server behind it.
            if let Some(quoted) = fields.get("metadata").and_then(|metadata| metadata.get("raw")?.as_str()) {
                self.collect(&json(quoted).unwrap_or_else(|| quoted.into()), levels);
            }
            let within = AROUND.iter().chain(&MESSAGES).filter_map(|name| fields.get(*name));
            for value in within.filter(|value| !value.is_string()) {
                self.collect(value, levels);
            }
            if let (None, Some(Value::Object(by_field))) = (&self.message, fields.get("errors")) {
                self.collect_list(&by_field.values().take(MOST_LISTED).cloned().collect::<Vec<_>>(), levels);
            }
        }
        let place = fields.get("loc").and_then(place);
        for text in MESSAGES.iter().filter_map(|name| fields.get(*name)?.as_str()) {
            match &place {
                Some(place) if !text.trim().is_empty() => keep(&mut self.message, &format!("{place}: {text}")),
                _ => keep(&mut self.message, text),
            }
        }
        // Where there are words, a text here is only the name of a status.
        for text in AROUND.iter().filter_map(|name| fields.get(*name)?.as_str()) {
            keep(&mut self.message, text);
        }
        let first = |names: &[&str]| names.iter().find_map(|name| fields.get(*name).and_then(text));
        keep_other(&mut self.kind, first(&KINDS));
        keep_other(&mut self.code, first(&CODES));
        keep_other(&mut self.param, first(&PARAMS).or(place));
    }
}

/// Whether JSON that is no answer is an error. Of an event that nobody knows only plain signs count.
pub(super) fn is_error(value: &Value) -> bool {
    let Some(fields) = value.as_object() else { return false };
    let is = |name: &str, expect: &str| fields.get(name).and_then(Value::as_str) == Some(expect);
    let has_text = |name: &str| fields.get(name).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    // A type that nobody knows may have any fields, and ends nothing.
    if fields.get("type").is_some_and(|kind| !kind.is_null() && kind != "error") {
        return false;
    }
    let is_unnamed = !["type", "object", "choices", "model"].iter().any(|name| fields.contains_key(*name));
    is("object", "error")
        || is("type", "error")
        || fields.get("error").is_some_and(says_something)
        || fields.get("errors").is_some_and(says_something)
        || (is_unnamed && Said::in_value(value).status().is_some())
        || (is_unnamed && MESSAGES.iter().any(|name| has_text(name)))
        || (is_unnamed && fields.get("detail").is_some_and(is_something))
}

/// Whether the value of an `error` says anything.
pub(crate) fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// The same of an `error` beside an answer, of which some servers say in every event that there is none.
pub(crate) fn says_something(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => all.iter().any(says_something),
        Value::Object(fields) => fields.values().any(|value| match value {
            Value::Number(code) => code.as_f64() != Some(0.0),
            other => says_something(other),
        }),
    }
}

/// A document, the first of several, or the first one of a stream's events.
fn json(text: &str) -> Option<Value> {
    if text.starts_with(['{', '[', '"']) {
        return serde_json::Deserializer::from_str(text).into_iter().next()?.ok();
    }
    let is_event = text.starts_with("data:") || text.starts_with("event:");
    let data = text.lines().filter(|_| is_event).find_map(|line| line.strip_prefix("data:"))?;
    crate::json::parse(data.trim()).ok()
}

fn has_page(text: &str) -> bool {
    let beginning: String = text.chars().take(1_000).collect::<String>().to_ascii_lowercase();
    ["<html", "<!doctype", "<head", "<body"].iter().any(|tag| beginning.contains(tag))
}

/// `["body", "messages", 0, "role"]` as `messages[0].role`.
fn place(loc: &Value) -> Option<String> {
    let mut place = String::new();
    for (index, step) in loc.as_array()?.iter().enumerate() {
        match step {
            Value::String(name) if index == 0 && matches!(name.as_str(), "body" | "query" | "path" | "header") => {}
            Value::String(name) => {
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(name);
            }
            Value::Number(number) => place.push_str(&format!("[{number}]")),
            _ => {}
        }
    }
    (!place.is_empty()).then_some(place)
}

/// A string as it is, a number as its digits, anything else as nothing.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn keep(place: &mut Option<String>, text: &str) {
    if place.is_none() && !text.trim().is_empty() {
        *place = Some(text.trim().to_owned());
    }
}

fn keep_other(place: &mut Option<String>, text: Option<String>) {
    if place.is_none() {
        *place = text;
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, is_error};

    fn check(body: &str, message: &str) {
        let (said, _) = Said::in_body(body.as_bytes());
        assert_eq!(said.message.as_deref().unwrap_or_default(), message, "{body}");
    }

    #[test]
    fn words_are_read_from_every_shape() {
        for body in [
            r#"{"error":{"message":"M"}}"#,
            r#"{"error":{"message":"M","type":"x","param":null,"code":null},"request_id":"r"}"#,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"M"}}"#,
            r#"{"object":"error","message":"M","code":400}"#,
            r#"[{"error":{"code":400,"message":"M","status":"INVALID_ARGUMENT"}}]"#,
            r#"{"detail":"M"}"#,
            r#"{"detail":[{"type":"missing","msg":"M"}]}"#,
            r#"{"detail":{"message":"M"}}"#,
            r#"{"detail":{"error":{"message":"M"}}}"#,
            r#"{"message":"M"}"#,
            r#"{"Message":"M"}"#,
            r#"{"__type":"ValidationException","message":"M"}"#,
            r#"{"errors":[{"message":"M"}]}"#,
            r#"{"errors":["M"]}"#,
            r#"{"error":"M"}"#,
            r#"{"error":["M"]}"#,
            r#"{"error":"M","error_type":"validation"}"#,
            r#"{"timestamp":1,"status":400,"error":"Bad Request","message":"M","path":"/v1"}"#,
            r#"{"code":401,"msg":"M"}"#,
            r#"{"error_code":1,"error_msg":"M"}"#,
            r#"{"base_resp":{"status_code":1004,"status_msg":"M"}}"#,
            r#"{"Response":{"Error":{"Code":"x","Message":"M"}}}"#,
            r#"{"fault":{"faultstring":"M"}}"#,
            r#"{"title":"Bad","detail":"M","status":400}"#,
            r#"{"type":"response.failed","response":{"error":{"code":"x","message":"M"}}}"#,
            "data: {\"error\":{\"message\":\"M\"}}\n\n",
            "event: error\ndata: {\"error\":{\"message\":\"M\"}}\n\n",
            "\u{feff}{\"error\":{\"message\":\" M \"}}",
            r#"{"err":"M"}"#,
            r#"{"error":{"message":{"detail":"M"}}}"#,
            r#"{"errors":{"model":["M"]}}"#,
            r#"{"error":{"message":"Provider returned error","metadata":{"raw":"{\"error\":{\"message\":\"M\"}}"}}}"#,
            r#"{"error":{"message":"Provider returned error","metadata":{"raw":"M"}}}"#,
            "{\"error\":\"M\"}\n{\"error\":\"N\"}",
            "\"M\"",
            "M",
            " M\r\n",
        ] {
            check(body, "M");
        }
        check(r#"{"detail":[{"loc":["body","messages",0,"role"],"msg":"a"},{"msg":"b"}]}"#, "messages[0].role: a; b");
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        for body in [
            "",
            "  ",
            "<html>busy</html>",
            "<!DOCTYPE html>",
            "502 <head>",
            "{\"error\":{\"mess",
            "[]",
            "{}",
            "7",
            "null",
            r#"{"error":null}"#,
            r#"{"error":{}}"#,
            r#"{"error":{"message":" "}}"#,
            r#"{"message":{}}"#,
        ] {
            check(body, if body == "7" || body == "null" { body } else { "" });
        }
        let (said, _) = Said::in_body(&[0x1f, 0x8b, 0xff]);
        assert_eq!(said, Said::default());
    }

    #[test]
    fn an_event_is_an_error_only_by_a_plain_sign() {
        let check = |event: &str, expect: bool| {
            assert_eq!(is_error(&serde_json::from_str(event).unwrap()), expect, "{event}");
        };
        for event in [
            r#"{"object":"error","message":"x"}"#,
            r#"{"type":"error"}"#,
            r#"{"error":"x"}"#,
            r#"{"code":401,"msg":"x"}"#,
            r#"{"code":"429","message":"x"}"#,
            r#"{"detail":"x"}"#,
            r#"{"message":"x"}"#,
            r#"{"errors":["x"]}"#,
        ] {
            check(event, true);
        }
        for event in [
            "{}",
            "[]",
            r#"{"type":"status","message":"working"}"#,
            r#"{"type":"status","error":{"message":"x"}}"#,
            r#"{"choices":[],"error":null}"#,
            r#"{"choices":[],"error":{}}"#,
            r#"{"choices":[],"code":500}"#,
            r#"{"object":"chat.completion.chunk","message":"x"}"#,
            r#"{"id":"x","status":"in_progress"}"#,
        ] {
            check(event, false);
        }
    }
}
