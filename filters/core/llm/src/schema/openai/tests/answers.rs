use serde_json::{Value, json};

use super::{openai, text};
use crate::chat::*;

fn read(choice: &Value) -> Response {
    let body = json!({"id": "a1", "model": "m", "created": 5, "choices": [choice]});
    read_response(openai(), body.to_string().as_bytes()).unwrap()
}

/// What a choice with this message says, and where the rest stands.
fn check(message: Value, parts: Vec<Part>, others: &[&str]) {
    let response = read(&json!({"index": 0, "message": message, "finish_reason": "stop"}));
    assert_eq!(response.parts, parts, "{message}");
    let mut paths: Vec<_> = response.others.into_iter().map(|other| other.path).collect();
    paths.sort_unstable();
    assert_eq!(paths, others, "{message}");
}

fn check_refused(choice: Value) {
    let body = json!({"choices": [choice]}).to_string();
    assert!(read_response(openai(), body.as_bytes()).is_err(), "{body}");
}

fn thinking(text: &str) -> Part {
    Part::Thinking { text: text.into(), signature: None }
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: arguments.into() })
}

#[test]
fn content_is_a_text_or_parts() {
    check(json!({"content": "a"}), vec![text("a")], &[]);
    check(json!({"content": null}), vec![], &[]);
    check(json!({"content": 7}), vec![text("7")], &[]);
    check(
        json!({"content": [{"type": "text", "text": "a"}, {"text": "b"}, {"type": "text", "text": 7}]}),
        vec![text("a"), text("b"), text("7")],
        &[],
    );
    check(
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]}),
        vec![thinking("hm"), text("a")],
        &[],
    );
    check(json!({"content": {"type": "text", "text": "a"}}), vec![text("a")], &[]);
    check(json!({"content": [null, "a", {"type": "text", "text": null}]}), vec![text("a"), text("")], &[]);
    check(json!({"content": "a", "refusal": "no"}), vec![text("a"), Part::Refusal("no".into())], &[]);
}

#[test]
fn what_nobody_knows_is_passed_over_and_noted() {
    check(
        json!({"content": [{"type": "text", "text": "a"}, {"type": "hologram", "data": 1}], "annotations": [1], "audio": {}}),
        vec![text("a")],
        &["choices[0].message.annotations", "choices[0].message.audio", "choices[0].message.content[1]"],
    );
    let response = read(&json!({"message": {"content": "a"}, "logprobs": {"content": []}, "finish_reason": "tired"}));
    assert_eq!(response.finish, Finish::Stop);
    let paths: Vec<_> = response.others.iter().map(|other| other.path.as_str()).collect();
    assert_eq!(paths, ["choices[0].logprobs", "choices[0].finish_reason"]);
}

#[test]
fn what_only_labels_an_answer_refuses_none() {
    for (id, expect) in [(json!(7), "7"), (json!(null), ""), (json!({}), "")] {
        let body = json!({"id": id, "model": id, "created": "x", "choices": [null, {"message": {"content": "a"}}]});
        let response = read_response(openai(), body.to_string().as_bytes()).unwrap();
        assert_eq!((response.id.as_str(), response.model.as_str(), response.parts), (expect, expect, vec![text("a")]));
    }
}

#[test]
fn reasoning_has_many_names() {
    check(json!({"content": "a", "reasoning_content": "hm"}), vec![thinking("hm"), text("a")], &[]);
    check(json!({"content": "a", "reasoning": "hm"}), vec![thinking("hm"), text("a")], &[]);
    let details = json!([{"type": "reasoning.summary", "summary": "h"}, {"type": "reasoning.text", "text": "m"}]);
    check(
        json!({"content": "a", "reasoning_details": details}),
        vec![thinking("hm"), text("a")],
        &["choices[0].message.reasoning_details"],
    );
    check(
        json!({"content": "a", "reasoning": "hm", "reasoning_details": details}),
        vec![thinking("hm"), text("a")],
        &["choices[0].message.reasoning_details"],
    );
}

#[test]
fn calls_are_read_in_every_spelling() {
    let calls = |calls: Value| json!({"content": null, "tool_calls": calls});
    let function = |arguments: Value| json!([{"id": "c", "function": {"name": "f", "arguments": arguments}}]);
    check(calls(function(json!("{\"q\":1}"))), vec![call("c", "{\"q\":1}")], &[]);
    check(calls(function(json!({"q": 1}))), vec![call("c", "{\"q\":1}")], &[]);
    check(calls(function(json!("null"))), vec![call("c", "{}")], &[]);
    check(
        calls(json!([{"id": 7, "type": "", "function": {"name": "f", "arguments": "{}"}}])),
        vec![call("7", "{}")],
        &[],
    );
    let custom = json!([{"id": "c", "type": "custom", "custom": {"name": "g"}}]);
    check(calls(custom), vec![], &["choices[0].message.tool_calls[0]"]);
    let legacy = read(
        &json!({"message": {"function_call": {"name": "f", "arguments": "{}"}}, "finish_reason": "function_call"}),
    );
    assert_eq!(legacy.finish, Finish::ToolCalls);
    assert!(matches!(legacy.parts.as_slice(), [Part::ToolCall(call)] if call.id.starts_with("call_")));
}

#[test]
fn calls_without_ids_get_ids_of_their_own() {
    let function = json!({"function": {"name": "f", "arguments": "{}"}});
    let response = read(&json!({"message": {"tool_calls": [function, function]}, "finish_reason": "tool_calls"}));
    let [Part::ToolCall(one), Part::ToolCall(two)] = response.parts.as_slice() else { panic!("{response:?}") };
    assert!(one.id != two.id && one.id.len() <= 40 && !one.id.is_empty());
    let twice = json!({"id": "a", "function": {"name": "f", "arguments": "{}"}});
    let response = read(&json!({"message": {"tool_calls": [twice, twice]}, "finish_reason": "tool_calls"}));
    assert!(
        matches!(response.parts.as_slice(), [Part::ToolCall(one), Part::ToolCall(two)] if one.id == "a" && two.id != "a")
    );
}

#[test]
fn a_bound_that_leaves_no_room_gives_an_empty_answer() {
    for choice in [json!({"finish_reason": "length"}), json!({"message": null, "finish_reason": "length"})] {
        let response = read(&choice);
        assert_eq!((response.parts, response.finish), (vec![], Finish::Length));
    }
    check_refused(json!({}));
    check_refused(json!({"finish_reason": ""}));
}

#[test]
fn the_first_choice_counts_wherever_it_stands() {
    let choice =
        |index: u32, said: &str| json!({"index": index, "message": {"content": said}, "finish_reason": "stop"});
    let body = json!({"choices": [choice(1, "b"), choice(0, "a")]}).to_string();
    assert_eq!(read_response(openai(), body.as_bytes()).unwrap().parts, [text("a")]);
}

#[test]
fn what_cannot_be_read_is_no_answer() {
    check_refused(json!({"message": {"content": [{"type": "text", "text": {"value": "a"}}]}, "finish_reason": "stop"}));
    check_refused(json!({"message": {"tool_calls": [{"id": "c"}]}, "finish_reason": "stop"}));
    check_refused(json!({"message": {"content": "a"}, "finish_reason": "error"}));
    check_refused(json!({"message": {"function_call": {"name": ""}}, "finish_reason": "stop"}));
}
