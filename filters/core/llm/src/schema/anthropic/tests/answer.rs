use serde_json::{Value, json};

use super::{anthropic, openai};
use crate::chat::*;

fn read(body: &Value) -> Response {
    read_response(anthropic(), body.to_string().as_bytes()).unwrap()
}

fn check_read(content: Value, expect: &[Part], others: &[(&str, Value)]) {
    let response = read(&json!({"id": "m", "type": "message", "content": content, "stop_reason": "end_turn"}));
    assert_eq!(response.parts, expect);
    let noted = response.others.iter().map(|other| (other.path.as_str(), other.value.clone()));
    assert_eq!(noted.collect::<Vec<_>>(), others);
}

#[test]
fn a_block_of_an_unknown_kind_is_passed_over_and_noted() {
    let search = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
    check_read(
        json!([{"type": "text", "text": "a"}, search, {"type": "text", "text": "b", "citations": [1]}, {"text": "c"}]),
        &[Part::Text("a".into()), Part::Text("b".into())],
        &[("content[2].citations", json!([1])), ("content[1]", search), ("content[3]", json!({"text": "c"}))],
    );
}

#[test]
fn what_no_client_could_read_is_passed_over() {
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": "x"});
    check_read(
        json!([null, result, {"type": "text", "text": "a"}]),
        &[Part::Text("a".into())],
        &[("content[1]", result)],
    );
    check_read(json!({"type": "text", "text": "a"}), &[Part::Text("a".into())], &[]);
    let odd = read(&json!({"id": 7, "model": {}, "content": "a", "stop_reason": 7, "stop_sequence": 7}));
    assert_eq!((odd.id.as_str(), odd.parts, odd.finish), ("", vec![Part::Text("a".into())], Finish::Stop));
    assert_eq!(odd.others, [Other { path: "stop_reason".into(), value: json!(7) }]);
}

#[test]
fn calls_of_one_id_stay_two() {
    let block = |name: &str| json!({"type": "tool_use", "id": "t", "name": name, "input": {}});
    let response = read(&json!({"id": "m", "content": [block("f"), block("g")], "stop_reason": "tool_use"}));
    let ids = response.parts.iter().map(|part| match part {
        Part::ToolCall(call) => call.id.as_str(),
        _ => "",
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["t", "m_1"]);
}

#[test]
fn what_a_provider_leaves_out_is_empty_or_made() {
    let call = |id: &str, arguments: &str| {
        Part::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: arguments.into() })
    };
    check_read(
        json!([
            {"type": "text", "text": null},
            {"type": "tool_use", "name": "f"},
            {"type": "tool_use", "id": null, "name": "f", "input": "{\"a\":1}"},
        ]),
        &[Part::Text(String::new()), call("m_1", "{}"), call("m_2", "{\"a\":1}")],
        &[],
    );
    let empty = read(&json!({"content": null, "stop_reason": "max_tokens"}));
    assert_eq!((empty.parts, empty.finish), (Vec::new(), Finish::Length));
    for body in [json!({}), json!({"content": null}), json!({"content": [{"type": "text", "text": 7}]})] {
        assert!(read_response(anthropic(), body.to_string().as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn a_reason_that_is_not_known_is_an_end_and_no_more() {
    for (reason, expect) in [
        ("end_turn", Finish::Stop),
        ("pause_turn", Finish::Stop),
        ("compaction", Finish::Stop),
        ("of_tomorrow", Finish::Stop),
        ("", Finish::Stop),
        ("stop_sequence", Finish::StopSequence),
        ("max_tokens", Finish::Length),
        ("model_context_window_exceeded", Finish::Length),
        ("tool_use", Finish::ToolCalls),
        ("refusal", Finish::ContentFilter),
    ] {
        assert_eq!(read(&json!({"content": [], "stop_reason": reason})).finish, expect, "{reason}");
    }
}

#[test]
fn calls_are_written_with_objects_and_distinct_ids() {
    let calls = [("a:b", "null"), ("a.b", " "), ("", "[1]"), ("c", "{\"q\":1}")];
    let calls = calls.map(|(id, arguments)| json!({"id": id, "function": {"name": "f", "arguments": arguments}}));
    let answer = json!({"id": "x", "choices": [{"message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]});
    let response = read_response(openai(), answer.to_string().as_bytes()).unwrap();
    let written: Value = serde_json::from_slice(&write_response(anthropic(), &response)).unwrap();
    let written =
        written["content"].as_array().unwrap().iter().map(|block| (block["id"].clone(), block["input"].clone()));
    let ids: std::collections::HashSet<String> = written.clone().map(|(id, _)| id.to_string()).collect();
    assert_eq!(ids.len(), 4);
    assert!(!ids.contains("\"\""));
    let inputs: Vec<Value> = written.map(|(_, input)| input).collect();
    assert_eq!(inputs, [json!({}), json!({}), json!({"invalid_json": "[1]"}), json!({"q": 1})]);
}

#[test]
fn thinking_that_another_provider_signed_is_not_written() {
    let answer =
        json!({"content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "a"}]});
    let written: Value = serde_json::from_slice(&write_response(anthropic(), &read(&answer))).unwrap();
    assert_eq!(written["content"], json!([{"type": "text", "text": "a"}]));
}
