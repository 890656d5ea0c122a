use serde_json::{Value, json};
use weir_config::{Capabilities, StructuredOutput};

use super::{anthropic, openai, with};
use crate::chat::{read_request, write_request};
use crate::schema::Schema;

/// What is written for these fields of a request, and the paths of what is left out.
#[track_caller]
fn check(from: Schema, capabilities: &Capabilities, fields: Value, expect: Value, left_out: &[&str]) {
    let request = read_request(from, with(fields).to_string().as_bytes()).unwrap();
    let written = write_request(anthropic(), &request, capabilities).unwrap();
    let mut body: Value = serde_json::from_slice(&written.body).unwrap();
    let fields = body.as_object_mut().unwrap();
    for (name, value) in with(json!({})).as_object().unwrap() {
        assert_eq!(fields.shift_remove(name).as_ref(), Some(value));
    }
    if fields["max_tokens"] == 4096 {
        fields.shift_remove("max_tokens");
    }
    assert_eq!(body, expect);
    assert_eq!(written.left_out.iter().map(|left_out| left_out.path.as_str()).collect::<Vec<_>>(), left_out);
}

fn all() -> Capabilities {
    Capabilities::default()
}

#[test]
fn a_user_that_names_a_person_is_not_sent() {
    let check = |user: &str, is_sent: bool| {
        let expect = if is_sent { json!({"metadata": {"user_id": user}}) } else { json!({}) };
        check(openai(), &all(), json!({"user": user}), expect, if is_sent { &[] } else { &["user"] });
    };
    check("u-1", true);
    check("auth0|65f1c2a9b3", true);
    check("0123456789", true);
    check("team@project", true);
    check("3f2504e0-4f89-11d3-9a0c-0305e82c3301", true);
    check("jo.doe@corp.example", false);
    check("Jo Doe", false);
    check("+49 731 123456", false);
    check("+49731123456", false);
    check(" ", false);
    check(&"u".repeat(256), true);
    check(&"u".repeat(257), false);
}

#[test]
fn blank_stop_texts_are_left_out() {
    check(openai(), &all(), json!({"stop": ["\n", "END", ""]}), json!({"stop_sequences": ["END"]}), &["stop", "stop"]);
    check(openai(), &all(), json!({"stop": " "}), json!({}), &["stop"]);
}

#[test]
fn sampling_is_what_the_server_takes() {
    let both = || json!({"temperature": 0.5, "top_p": 0.9});
    let none = Capabilities { temperature: false, ..all() };
    let one = Capabilities { temperature_with_top_p: false, ..all() };
    check(openai(), &all(), both(), both(), &[]);
    check(openai(), &one, both(), json!({"temperature": 0.5}), &["top_p"]);
    check(openai(), &one, json!({"top_p": 0.9}), json!({"top_p": 0.9}), &[]);
    check(openai(), &none, both(), json!({}), &["temperature", "top_p"]);
    check(openai(), &all(), json!({"temperature": 1.7}), json!({"temperature": 1.0}), &["temperature"]);
}

#[test]
fn reasoning_follows_its_rule() {
    let check = |fields: Value, expect: Value, left_out: &[&str]| check(anthropic(), &all(), fields, expect, left_out);
    let enabled = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    let effort = |word: &str| json!({"output_config": {"effort": word}});
    let adaptive = |word: &str| json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": word}});
    check(json!({"thinking": enabled(2048)}), json!({"thinking": enabled(2048)}), &[]);
    check(json!({"thinking": enabled(1)}), json!({"thinking": enabled(1024)}), &[]);
    check(json!({"thinking": enabled(9999)}), json!({"thinking": enabled(4095)}), &[]);
    check(json!({"thinking": enabled(2048), "max_tokens": 1024}), json!({"max_tokens": 1024}), &["thinking"]);
    check(json!({"thinking": {"type": "disabled"}}), json!({"thinking": {"type": "disabled"}}), &[]);
    check(json!({"thinking": {"type": "adaptive"}}), json!({"thinking": {"type": "adaptive"}}), &[]);
    check(effort("none"), json!({"thinking": {"type": "disabled"}}), &[]);
    check(effort("minimal"), adaptive("low"), &[]);
    check(effort("medium"), adaptive("medium"), &[]);
    check(effort("xhigh"), adaptive("high"), &[]);
    check(effort("max"), adaptive("max"), &[]);
    check(effort("of_tomorrow"), json!({}), &["thinking"]);
}

#[test]
fn thinking_and_sampling_do_not_contradict() {
    let fields = |temperature: f64, top_p: f64| json!({"thinking": {"type": "adaptive"}, "temperature": temperature, "top_p": top_p});
    let thinking = json!({"thinking": {"type": "adaptive"}});
    check(anthropic(), &all(), fields(0.5, 0.5), thinking, &["temperature", "top_p"]);
    check(anthropic(), &all(), fields(1.0, 0.95), fields(1.0, 0.95), &[]);
    let off = json!({"thinking": {"type": "disabled"}, "temperature": 0.5});
    check(anthropic(), &all(), off.clone(), off, &[]);
}

#[test]
fn thinking_gives_way_to_a_tool_that_must_be_called() {
    let tools = json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}}]);
    let fields = json!({"tools": tools, "tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}});
    let expect = json!({"tools": tools, "tool_choice": {"type": "any"}});
    check(anthropic(), &all(), fields, expect, &["thinking"]);
}

/// Anthropic wants the turn that called a tool to begin with its own thinking, which no other schema's history has.
#[test]
fn a_budget_for_thinking_is_not_sent_with_a_tools_result() {
    let thinking = |thinking: Value| {
        let messages = json!([
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]},
        ]);
        let body = with(json!({"messages": messages, "thinking": thinking})).to_string();
        let request = read_request(anthropic(), body.as_bytes()).unwrap();
        let written = write_request(anthropic(), &request, &all()).unwrap();
        serde_json::from_slice::<Value>(&written.body).unwrap().get("thinking").cloned()
    };
    assert_eq!(thinking(json!({"type": "enabled", "budget_tokens": 2048})), None);
    assert_eq!(thinking(json!({"type": "adaptive"})), Some(json!({"type": "adaptive"})));
}

#[test]
fn what_the_server_cannot_do_is_left_out() {
    let tool = |strict: Value| json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": strict}});
    let written = json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}}]);
    let loose = Capabilities { strict_tools: false, parallel_tool_calls: false, ..all() };
    check(
        openai(),
        &loose,
        json!({"tools": [tool(json!(true))], "parallel_tool_calls": false}),
        json!({"tools": written}),
        &["tools[0].function.strict", "parallel_tool_calls"],
    );
    check(openai(), &all(), json!({"tool_choice": "none"}), json!({}), &["tool_choice"]);
    let unreasoning = Capabilities { reasoning_effort: false, ..all() };
    check(anthropic(), &unreasoning, json!({"output_config": {"effort": "low"}}), json!({}), &["thinking"]);
}

#[test]
fn a_tool_has_a_name_that_anthropic_takes() {
    let body = with(json!({"tools": [{"type": "function", "function": {"name": "files.read"}}]})).to_string();
    let request = read_request(openai(), body.as_bytes()).unwrap();
    let written = write_request(anthropic(), &request, &all()).unwrap();
    let body: Value = serde_json::from_slice(&written.body).unwrap();
    let name = body["tools"][0]["name"].as_str().unwrap();
    assert!(!name.contains('.'), "{name}");
    assert_eq!(written.tool_names.client_name(name), "files.read");
}

#[test]
fn a_tool_describes_an_object() {
    let check = |parameters: Value, expect: Value, left_out: &[&str]| {
        let tool = json!({"type": "function", "function": {"name": "f", "parameters": parameters}});
        let expect = json!({"tools": [{"name": "f", "input_schema": expect}]});
        check(openai(), &all(), json!({"tools": [tool]}), expect, left_out);
    };
    check(Value::Null, json!({"type": "object", "properties": {}}), &[]);
    for spelt in [
        json!({}),
        json!({"type": "object"}),
        json!({"type": null, "properties": null}),
        json!({"type": ["object", "null"]}),
        json!({"type": "OBJECT", "properties": []}),
    ] {
        check(spelt, json!({"type": "object", "properties": {}}), &[]);
    }
    check(json!({"properties": {"a": {}}}), json!({"properties": {"a": {}}, "type": "object"}), &[]);
    check(
        json!({"type": "object", "oneOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}]}),
        json!({"type": "object", "properties": {"a": {}, "b": {}}}),
        &["tools[0].function.parameters.oneOf"],
    );
    check(
        json!({"allOf": [{"properties": {"a": {}}, "required": ["a"]}], "required": ["a", "b"]}),
        json!({"required": ["a", "b"], "properties": {"a": {}}, "type": "object"}),
        &["tools[0].function.parameters.allOf"],
    );
}

#[track_caller]
fn check_refused(from: Schema, capabilities: &Capabilities, fields: Value, param: &str) {
    let request = read_request(from, with(fields).to_string().as_bytes()).unwrap();
    let error = write_request(anthropic(), &request, capabilities).unwrap_err();
    assert_eq!((error.param.as_deref(), error.code), (Some(param), "unsupported_parameter"), "{error}");
}

#[test]
fn what_cannot_be_said_is_refused_by_its_path() {
    let user =
        |block: Value| json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, block]}]});
    let document = |source: Value| user(json!({"type": "document", "source": source}));
    let schema = json!({"type": "json_schema", "schema": {"type": "object"}});
    let at = "messages[0].content[1]";
    check_refused(openai(), &all(), json!({"response_format": {"type": "json_object"}}), "response_format");
    check_refused(anthropic(), &all(), user(json!({"type": "of_tomorrow"})), at);
    check_refused(anthropic(), &all(), document(json!({"type": "file", "file_id": "f"})), at);
    check_refused(
        anthropic(),
        &all(),
        document(json!({"type": "base64", "media_type": "application/x", "data": "AA"})),
        at,
    );
    check_refused(
        anthropic(),
        &all(),
        json!({"system": [{"type": "image", "source": {"type": "url", "url": "https://x"}}]}),
        "system[0]",
    );
    let blind = Capabilities { images: false, documents: false, tools: false, ..all() };
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://x"}});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [image]});
    check_refused(anthropic(), &blind, user(image), at);
    check_refused(anthropic(), &blind, user(result), "messages[0].content[1].content[0]");
    check_refused(anthropic(), &blind, document(json!({"type": "url", "url": "https://x"})), at);
    check_refused(anthropic(), &blind, json!({"tools": [{"name": "f", "input_schema": {}}]}), "tools");
    let formless = Capabilities { structured_output: StructuredOutput::JsonObject, ..all() };
    check_refused(anthropic(), &formless, json!({"output_config": {"format": schema}}), "output_config.format");
    let empty = json!({"type": "json_schema", "schema": {"title": "T"}});
    check_refused(anthropic(), &all(), json!({"output_config": {"format": empty}}), "output_config.format.schema");
}

#[test]
fn files_of_text_are_said_as_text() {
    let file = |name: &str, data: &str| json!({"type": "file", "file": {"filename": name, "file_data": data}});
    let said = |name: &str, text: &str| {
        json!({"type": "document", "title": name,
        "source": {"type": "text", "media_type": "text/plain", "data": text}})
    };
    for (name, data) in [
        ("a.csv", "data:text/csv;base64,YSxi"),
        ("a", "DATA:application/json; charset=utf-8;base64,YSxi"),
        ("a.md", "YSxi"),
    ] {
        let content = json!({"role": "user", "content": [file(name, data)]});
        let body = with(json!({"messages": [content]})).to_string();
        let request = read_request(openai(), body.as_bytes()).unwrap();
        let written = write_request(anthropic(), &request, &all()).unwrap();
        let body: Value = serde_json::from_slice(&written.body).unwrap();
        assert_eq!(body["messages"][0]["content"], json!([said(name, "a,b")]));
    }
}
