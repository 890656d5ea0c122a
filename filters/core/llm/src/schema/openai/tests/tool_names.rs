use serde_json::{Value, json};
use weir_config::Capabilities;

use super::{anthropic, openai};
use crate::chat::*;
use crate::stream::{StreamOptions, StreamTranslator};

fn written(names: &[&str]) -> (Value, ToolNames) {
    let tools: Vec<Value> =
        names.iter().map(|name| json!({"name": name, "input_schema": {"type": "object"}})).collect();
    let uses: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(index, name)| json!({"type": "tool_use", "id": format!("t{index}"), "name": name, "input": {}}))
        .collect();
    let body = json!({
        "model": "m", "max_tokens": 9, "tools": tools, "tool_choice": {"type": "tool", "name": names[0]},
        "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": uses}],
    });
    let request = read_request(anthropic(), body.to_string().as_bytes()).unwrap();
    let written = write_request(openai(), &request, &Capabilities::default()).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), written.tool_names)
}

/// The names at the provider, which are the same wherever a tool is named, and stand for the client's.
fn check(names: &[&str]) -> Vec<String> {
    let (body, map) = written(names);
    let at = |value: &Value| value["function"]["name"].as_str().unwrap().to_owned();
    let tools: Vec<String> = body["tools"].as_array().unwrap().iter().map(at).collect();
    let calls: Vec<String> = body["messages"][1]["tool_calls"].as_array().unwrap().iter().map(at).collect();
    assert_eq!(tools, calls);
    assert_eq!(tools[0], at(&body["tool_choice"]));
    let back: Vec<&str> = tools.iter().map(|name| map.client_name(name)).collect();
    assert_eq!(back, names);
    for (index, name) in tools.iter().enumerate() {
        let is_allowed = |one: char| one.is_ascii_alphanumeric() || matches!(one, '_' | '-');
        assert!(name.len() <= 64 && name.chars().all(is_allowed), "{name}");
        assert!(!tools[index + 1..].contains(name), "{name} is two tools");
    }
    tools
}

#[test]
fn names_that_fit_stay_and_others_are_told_apart() {
    assert_eq!(check(&["get_weather", "b-2"]), ["get_weather", "b-2"]);
    let (long, longer) = ("x".repeat(71), "x".repeat(72));
    check(&[&long, &longer, "a.b", "a/b", "a_b", "größe", ""]);
}

#[test]
fn a_name_that_is_taken_is_not_given_again() {
    let long = "x".repeat(71);
    let taken = check(&[&long]).remove(0);
    check(&[&long, &taken]);
}

#[test]
fn the_same_tool_has_the_same_name_in_every_turn() {
    let long = "x".repeat(71);
    assert_eq!(check(&[&long])[0], check(&["other", &long])[1]);
}

#[test]
fn the_client_sees_its_own_names_again() {
    let long = "x".repeat(71);
    let (body, tool_names) = written(&[&long]);
    let name = &body["tools"][0]["function"]["name"];
    let call = json!({"index": 0, "id": "c", "function": {"name": name, "arguments": "{}"}});
    let whole = json!({"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]});
    let mut response = read_response(openai(), whole.to_string().as_bytes()).unwrap();
    tool_names.restore(&mut response);
    assert!(matches!(response.parts.as_slice(), [Part::ToolCall(call)] if call.name == long));

    let options = StreamOptions {
        client_model: "m".into(),
        client_wants_usage: false,
        id: "id".into(),
        created_unix_s: 0,
        tool_names,
        echo: crate::chat::Echo::default(),
    };
    let mut out = Vec::new();
    let mut translator = StreamTranslator::new(openai(), anthropic(), options);
    let chunk = json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]});
    translator.push(format!("data: {chunk}\n\n").as_bytes(), &mut out);
    assert!(String::from_utf8(out).unwrap().contains(&format!("\"name\":\"{long}\"")));
}
