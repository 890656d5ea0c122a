//! Either client reads either provider, however that cuts and ends its lines.

use serde_json::{Value, json};
use weir_gateway_tests::{World, ask, events, said, said_in_stream};

/// How the provider may send what it says without a client noticing.
fn shapes() -> [Value; 3] {
    [json!({"type": "ok"}), json!({"type": "split_every", "bytes": 1}), json!({"type": "crlf"})]
}

const PAIRS: [(&str, &str); 2] = [("openai", "anthropic"), ("anthropic", "openai")];

fn greeting() -> Value {
    json!({"messages": [{"role": "user", "content": "Grüße 👋"}]})
}

#[test]
fn a_client_reads_a_whole_answer_of_the_other_schema() {
    for (client, provider) in PAIRS {
        for shape in shapes() {
            let mut world = World::new();
            world.model("m", provider, shape);
            let answer = world.send(client, ask(client, "m", greeting()).to_string()).json();
            assert!(said(client, &answer).ends_with("You said: Grüße 👋"), "{answer}");
            assert_eq!(answer["model"], "m");
            let (reason, usage) = match client {
                "openai" => (&answer["choices"][0]["finish_reason"], ["prompt_tokens", "completion_tokens"]),
                _ => (&answer["stop_reason"], ["input_tokens", "output_tokens"]),
            };
            assert_eq!(reason, if client == "openai" { "stop" } else { "end_turn" });
            assert!(usage.iter().all(|figure| answer["usage"][figure].as_u64() > Some(0)), "{answer}");
        }
    }
}

#[test]
fn a_client_reads_a_stream_of_the_other_schema() {
    for (client, provider) in PAIRS {
        for shape in shapes() {
            let mut world = World::new();
            let upstream = world.model("m", provider, shape);
            let mut fields = greeting();
            fields["stream"] = json!(true);
            if client == "openai" {
                fields["stream_options"] = json!({"include_usage": true});
            }
            let received = world.send(client, ask(client, "m", fields).to_string());
            let text = received.text();
            assert!(said_in_stream(client, &text).ends_with("You said: Grüße 👋"), "{text}");
            let sent: Value = serde_json::from_slice(&upstream.borrow().only().body).unwrap();
            assert_eq!(sent["stream"], true);
            if client == "openai" {
                check_chunks(&text);
            } else {
                assert_eq!(sent["stream_options"], json!({"include_usage": true}));
                check_events(&text);
            }
        }
    }
}

/// One id, one model, the role first, the figures last.
fn check_chunks(text: &str) {
    let mut chunks: Vec<Value> =
        events(text).iter().filter(|event| event.data != "[DONE]").map(weir_gateway_tests::Event::json).collect();
    assert!(chunks.iter().all(|chunk| chunk["model"] == "m" && chunk["id"] == chunks[0]["id"]), "{text}");
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let usage = chunks.pop().expect("chunks");
    assert!(usage["choices"] == json!([]) && usage["usage"]["completion_tokens"].as_u64() > Some(0), "{usage}");
    assert_eq!(chunks.pop().expect("chunks")["choices"][0]["finish_reason"], "stop");
}

/// In their order, and nothing between.
fn check_events(text: &str) {
    let names: Vec<String> = events(text).into_iter().filter_map(|event| event.name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != "ping").collect();
    let (first, rest) = names.split_at(2);
    let (between, last) = rest.split_at(rest.len() - 3);
    assert_eq!(first, ["message_start", "content_block_start"]);
    assert_eq!(last, ["content_block_stop", "message_delta", "message_stop"]);
    assert!(between.len() > 5 && between.iter().all(|name| *name == "content_block_delta"), "{names:?}");
}

fn tool(schema: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    match schema {
        "openai" => json!({"tools": [{"type": "function", "function":
                {"name": "weather", "description": "Tells it.", "parameters": parameters}}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}}}),
        _ => json!({"tools": [{"name": "weather", "description": "Tells it.", "input_schema": parameters}],
            "tool_choice": {"type": "tool", "name": "weather"}}),
    }
}

#[test]
fn a_client_gets_a_tool_call_of_the_other_schema() {
    for (client, provider) in PAIRS {
        for shape in shapes() {
            for streamed in [false, true] {
                let mut world = World::new();
                let upstream = world.model("m", provider, shape.clone());
                let mut fields = tool(client);
                fields["stream"] = json!(streamed);
                let received = world.send(client, ask(client, "m", fields).to_string());
                let (name, arguments, reason) = match streamed {
                    false => whole_call(client, &received.json()),
                    true => streamed_call(client, &received.text()),
                };
                assert_eq!((name.as_str(), arguments), ("weather", json!({"city": "Paris"})), "{}", received.text());
                assert_eq!(reason, if client == "openai" { "tool_calls" } else { "tool_use" });
                let sent: Value = serde_json::from_slice(&upstream.borrow().only().body).unwrap();
                let expect = tool(provider);
                assert_eq!((&sent["tools"], &sent["tool_choice"]), (&expect["tools"], &expect["tool_choice"]));
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn whole_call(client: &str, answer: &Value) -> (String, Value, String) {
    if client == "openai" {
        let choice = &answer["choices"][0];
        let call = &choice["message"]["tool_calls"][0]["function"];
        let arguments = serde_json::from_str(call["arguments"].as_str().expect("arguments")).expect("JSON");
        return (text(&call["name"]), arguments, text(&choice["finish_reason"]));
    }
    let call = &answer["content"][0];
    (text(&call["name"]), call["input"].clone(), text(&answer["stop_reason"]))
}

fn streamed_call(client: &str, stream: &str) -> (String, Value, String) {
    let (mut name, mut arguments, mut reason) = (String::new(), String::new(), String::new());
    for event in events(stream).iter().filter(|event| event.data != "[DONE]").map(weir_gateway_tests::Event::json) {
        let (named, piece, ended) = match client {
            "openai" => {
                let choice = &event["choices"][0];
                let call = &choice["delta"]["tool_calls"][0]["function"];
                (&call["name"], &call["arguments"], &choice["finish_reason"])
            }
            _ => (&event["content_block"]["name"], &event["delta"]["partial_json"], &event["delta"]["stop_reason"]),
        };
        name += &text(named);
        arguments += &text(piece);
        reason += &text(ended);
    }
    (name, serde_json::from_str(&arguments).expect("the pieces are JSON"), reason)
}
