//! The head of a request body.

use serde_json::{Value, json};
use weir_llm::{Kind, Operation, RequestHead, read_head};

use crate::input::{chat, is_json, openai, operations, path, responses};

/// The bytes are a body.
///
/// What is accepted is one JSON object, and what the head says is what any other reader of it sees. Another model, or asking
/// for usage, changes that and no other byte.
pub fn check(data: &[u8]) {
    for operation in operations() {
        if let Ok(head) = read_head(operation, path(operation.schema(), data), data) {
            check_head(operation, data, &head);
        }
    }
}

fn check_head(operation: Operation, body: &[u8], head: &RequestHead) {
    assert!(is_json(body), "no JSON was accepted");
    assert!(!head.model.trim().is_empty());
    let value = serde_json::from_slice::<Value>(body).ok();
    let Some(span) = head.model_span.clone() else {
        assert_eq!((head.model.as_str(), head.with_model(body, "other")), ("m", body.to_vec()));
        return;
    };
    let written = body.get(span.clone()).expect("the model stands in the body");
    assert_eq!(serde_json::from_slice::<String>(written).ok().as_deref(), Some(head.model.as_str()));
    if let Some(value) = &value {
        check_values(operation, value, head);
    }

    let renamed = head.with_model(body, "an\"other");
    let expect = [&body[..span.start], br#""an\"other""#, &body[span.end..]].concat();
    assert_eq!(renamed, expect, "another byte than the model's changed");
    let again = read_head(operation, "", &renamed).expect("another model makes it no other request");
    assert_eq!(again.model, "an\"other");
    assert_eq!((again.stream, again.max_output_tokens), (head.stream, head.max_output_tokens));

    if operation == chat(openai()) {
        check_usage_asked(body, value, head);
    }
}

/// The head against a reader that knows nothing of it.
fn check_values(operation: Operation, value: &Value, head: &RequestHead) {
    assert_eq!(value["model"], head.model.as_str());
    match operation.kind() {
        Kind::Chat => check_answer_asked(operation, value, head),
        _ => assert!(!head.stream && head.max_output_tokens.is_none()),
    }
    if !matches!(operation.kind(), Kind::Chat | Kind::CountTokens) {
        return;
    }
    if operation.schema() == responses() {
        let kept = ["previous_response_id", "prompt", "conversation"].iter().any(|name| !value[*name].is_null());
        let input = &value["input"];
        let is_said = input.as_str().is_some_and(|text| !text.is_empty());
        assert!(kept || is_said || input.as_array().is_some_and(|items| !items.is_empty()));
        return;
    }
    assert!(value["messages"].as_array().is_some_and(|messages| !messages.is_empty()));
}

/// What a request for chat says of the answer.
fn check_answer_asked(operation: Operation, value: &Value, head: &RequestHead) {
    assert_eq!(value["stream"].as_bool().unwrap_or(false), head.stream);
    let limits = ["max_tokens", "max_completion_tokens", "max_output_tokens"].map(|name| value[name].as_u64());
    let limit = match operation.schema().name() {
        "anthropic" => limits[0],
        "openai_responses" => limits[2],
        _ => limits[0].max(limits[1]),
    };
    // A bound of nothing is one only where it means something.
    let limit = limit.filter(|limit| *limit > 0 || operation.schema().name() == "anthropic");
    assert_eq!(head.max_output_tokens, limit);
    if operation == chat(openai()) {
        assert_eq!(value["n"].as_u64().unwrap_or(1), head.choices);
        let include_usage = value["stream_options"]["include_usage"].as_bool().unwrap_or(false);
        assert_eq!(include_usage, head.include_usage);
    }
}

fn check_usage_asked(body: &[u8], value: Option<Value>, head: &RequestHead) {
    let asked = head.adapted(body, "m", true, Vec::new());
    let again = read_head(chat(openai()), "", &asked).expect("asking for usage makes it no other request");
    assert_eq!((again.model.as_str(), again.stream), ("m", head.stream));
    assert_eq!(again.include_usage, head.stream || head.include_usage);
    let Some(mut expect) = value else { return };
    expect["model"] = "m".into();
    if head.stream && !head.include_usage {
        match expect["stream_options"].as_object_mut() {
            Some(options) => _ = options.insert("include_usage".into(), true.into()),
            None => expect["stream_options"] = json!({"include_usage": true}),
        }
    }
    assert_eq!(serde_json::from_slice::<Value>(&asked).expect("is JSON"), expect, "something else changed");
}
