//! What an answer says once more of its request, and what is refused because this server does not take it.

use serde_json::{Value, json};

use super::{ANTHROPIC, Attempt, client, exchange, metadata};

const JSON: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/json")];
const SSE: [(&str, &str); 2] = [(":status", "200"), ("content-type", "text/event-stream")];

const CALL: &str = r#"{"id":"i","type":"message","role":"assistant","model":"claude-real","stop_reason":"tool_use","content":[{"type":"tool_use","id":"c","name":"f","input":{"q":1}}],"usage":{"input_tokens":1,"output_tokens":2}}"#;

/// Anthropic's events, of which the first says a figure of the output that is none.
fn stream(content: &[Value], last: &Value) -> String {
    let start = json!({"type": "message_start", "message": {"id": "i", "role": "assistant", "content": [], "model": "claude-real",
        "usage": {"input_tokens": 7, "output_tokens": 1}}});
    let stop = json!({"type": "message_stop"});
    let events = [&start].into_iter().chain(content).chain([last, &stop]);
    events.map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect()
}

fn text_block(text: &str) -> [Value; 3] {
    [
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        json!({"type": "content_block_stop", "index": 0}),
    ]
}

fn whole(path: &str, body: &str, answer: &str) -> Value {
    let sent = Attempt::send(client(path, &[]), Some(exchange()), ANTHROPIC, body).unwrap();
    serde_json::from_str(&sent.answer(&JSON, &[answer.as_bytes()]).body()).unwrap()
}

fn events(path: &str, body: &str, answer: &str) -> Vec<Value> {
    let sent = Attempt::send(client(path, &[]), Some(exchange()), ANTHROPIC, body).unwrap();
    let body = sent.answer(&SSE, &[answer.as_bytes()]).body();
    let data = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[test]
fn a_client_of_functions_gets_a_function_call() {
    let request = |stream: bool| {
        json!({"model": "chat", "stream": stream, "messages": [{"role": "user", "content": "hi"}],
            "functions": [{"name": "f", "parameters": {"type": "object"}}]})
        .to_string()
    };
    let sent =
        Attempt::send(client("/v1/chat/completions", &[]), Some(exchange()), ANTHROPIC, &request(false)).unwrap();
    let sent: Value = serde_json::from_str(&sent.sent_body()).unwrap();
    assert_eq!(sent["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));

    let answer = whole("/v1/chat/completions", &request(false), CALL);
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"]["function_call"], json!({"name": "f", "arguments": "{\"q\":1}"}));
    assert_eq!((&choice["finish_reason"], choice["message"].get("tool_calls")), (&json!("function_call"), None));

    let call = [
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "c", "name": "f", "input": {}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"q\":1}"}}),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    let last = json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}});
    let chunks = events("/v1/chat/completions", &request(true), &stream(&call, &last));
    let calls: Vec<_> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"].get("function_call")).collect();
    assert_eq!(calls, [&json!({"name": "f", "arguments": ""}), &json!({"arguments": "{\"q\":1}"})]);
    assert!(chunks.iter().all(|chunk| chunk["choices"][0]["delta"].get("tool_calls").is_none()));
    assert!(chunks.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "function_call"));
}

#[test]
fn a_client_of_tools_gets_tool_calls() {
    let request = json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}],
        "functions": [{"name": "f"}], "tools": [{"type": "function", "function": {"name": "g"}}]});
    let answer = whole("/v1/chat/completions", &request.to_string(), CALL);
    assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "f");
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn a_response_says_what_was_asked_for() {
    let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}}]);
    let request = |stream: bool| {
        json!({"model": "chat", "stream": stream, "input": "hi", "instructions": "Be brief.", "max_output_tokens": 99,
            "temperature": 0.5, "tools": tools, "tool_choice": "auto", "parallel_tool_calls": false, "reasoning": {"effort": "low"}})
        .to_string()
    };
    let check = |response: &Value| {
        for (name, value) in [
            ("instructions", json!("Be brief.")),
            ("max_output_tokens", json!(99)),
            ("temperature", json!(0.5)),
            ("tools", tools.clone()),
            ("parallel_tool_calls", json!(false)),
            ("reasoning", json!({"effort": "low", "summary": null})),
            // Not said.
            ("top_p", Value::Null),
            ("text", json!({"format": {"type": "text"}})),
        ] {
            assert_eq!(response[name], value, "{name}");
        }
    };
    check(&whole("/v1/responses", &request(false), CALL));
    let last = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}});
    let events = events("/v1/responses", &request(true), &stream(&text_block("hello"), &last));
    let responses: Vec<_> = events.iter().filter_map(|event| event.get("response")).collect();
    assert!(responses.len() >= 2);
    responses.into_iter().for_each(check);
}

#[test]
fn a_very_long_field_is_not_said_again() {
    let tool =
        json!({"type": "function", "name": "f", "description": "d".repeat(70_000), "parameters": {"type": "object"}});
    let request = json!({"model": "chat", "input": "hi", "user": "u", "tools": [tool]});
    let answer = whole("/v1/responses", &request.to_string(), CALL);
    assert_eq!((&answer["tools"], &answer["user"]), (&json!([]), &json!("u")));
}

#[test]
fn a_placeholder_is_no_figure_of_a_clients() {
    let request = r#"{"model":"chat","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;
    let check = |last: Value, expect: u64| {
        let chunks = events("/v1/chat/completions", request, &stream(&text_block(&"a".repeat(200)), &last));
        let usage = chunks.iter().rev().find_map(|chunk| chunk.get("usage").filter(|usage| !usage.is_null())).unwrap();
        assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(7), &json!(expect)));
    };
    check(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 61}}), 61);
    // 200 characters, as they are recorded.
    check(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}), 50);
}

/// A deployment in OpenAI's schema with these capabilities.
fn able(capabilities: &str) -> String {
    let mut deployment: Value = serde_json::from_slice(&metadata(super::OPENAI)).unwrap();
    deployment["capabilities"] = serde_json::from_str(capabilities).unwrap();
    deployment.to_string()
}

#[test]
fn what_a_server_does_not_take_is_refused_with_its_path() {
    let check = |capabilities: &str, fields: Value, expect: Option<&str>| {
        let mut body = json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let sent = Attempt::send(
            client("/v1/chat/completions", &[]),
            Some(exchange()),
            &able(capabilities),
            &body.to_string(),
        );
        let refused = sent.err().map(|reply| serde_json::from_slice::<Value>(&reply.body).unwrap()["error"].clone());
        assert_eq!(
            refused.as_ref().map(|error| error["param"].as_str().unwrap()),
            expect,
            "{capabilities} {refused:?}"
        );
        assert!(refused.is_none_or(|error| error["code"] == "unsupported_parameter"));
    };
    let image = json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}]});
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f"}}]});
    let object = json!({"response_format": {"type": "json_object"}});
    let schema = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}});
    for (capabilities, fields, path) in [
        (r#"{"images":false}"#, &image, "messages[0].content[1]"),
        (r#"{"tools":false}"#, &tools, "tools"),
        (r#"{"structured_output":"json_object"}"#, &schema, "response_format"),
        (r#"{"structured_output":"none"}"#, &object, "response_format"),
    ] {
        check(capabilities, fields.clone(), Some(path));
        check(capabilities, json!({"new": 1}), None);
        check("{}", fields.clone(), None);
    }
    check(r#"{"structured_output":"json_object"}"#, object, None);
    // What cannot be read here is for the server.
    check(r#"{"images":false}"#, json!({"tools": [{"type": "function"}]}), None);
}
