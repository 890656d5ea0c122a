//! Requests and whole answers with very much of one thing.

use serde_json::{Value, json};
use weir_config::{Action, Capabilities};
use weir_llm::usage::request_tokens;
use weir_llm::{Schema, read_head, usage_of_response};
use weir_properties::input::{chat, path, request};

use crate::work::{check, sent};

/// How many parts the smaller requests and answers have.
const PARTS: usize = 400;

/// Requests of this schema, each with much of one thing.
fn requests(client: Schema, count: usize) -> Vec<(&'static str, Value)> {
    let text = |number: usize| format!("word{number} to a{number}@b.io or 4111 1111 1111 1111 ");
    let long = (0..count).map(text).collect::<String>();
    let plain = "just words that say nothing. ".repeat(count * 4);
    let digits = "4111 1111 22".repeat(count * 4);
    let schema = json!({"type": "object", "properties": {"q": {"type": "string", "minLength": 1}}});
    let each = |make: &dyn Fn(usize) -> Value| (0..count).map(make).collect::<Vec<_>>();
    let is_gemini = client.name() == "gemini";
    let turn = |content: Value| match (is_gemini, content) {
        (false, content) => json!({"role": "user", "content": content}),
        (true, Value::Array(parts)) => json!({"role": "user", "parts": parts}),
        (true, text) => json!({"role": "user", "parts": [{"text": text}]}),
    };
    let (messages, call, result, part, tool, input) = match client.name() {
        "openai" => (
            "messages",
            each(&|n| {
                json!({"role": "assistant", "tool_calls": [{"id": format!("c{n}"), "type": "function",
                "function": {"name": "f", "arguments": "{\"q\":\"a@b.io\"}"}}]})
            }),
            each(&|n| json!({"role": "tool", "tool_call_id": format!("c{n}"), "content": text(n)})),
            "text",
            each(&|n| json!({"type": "function", "function": {"name": format!("f{n}"), "parameters": schema}})),
            json!({}),
        ),
        "anthropic" => (
            "messages",
            each(&|n| {
                json!({"role": "assistant", "content": [{"type": "tool_use", "id": format!("c{n}"), "name": "f",
                    "input": {"q": "a@b.io"}}]})
            }),
            each(
                &|n| json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": format!("c{n}"), "content": text(n)}]}),
            ),
            "text",
            each(&|n| json!({"name": format!("f{n}"), "input_schema": schema})),
            json!({"max_tokens": 9}),
        ),
        "gemini" => (
            "contents",
            each(&|_| json!({"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"q": "a@b.io"}}}]})),
            each(
                &|n| json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": text(n)}}}]}),
            ),
            "text",
            each(&|n| json!({"functionDeclarations": [{"name": format!("f{n}"), "parametersJsonSchema": schema}]})),
            json!({}),
        ),
        _ => (
            "input",
            each(
                &|n| json!({"type": "function_call", "call_id": format!("c{n}"), "name": "f", "arguments": "{\"q\":\"a@b.io\"}"}),
            ),
            each(&|n| json!({"type": "function_call_output", "call_id": format!("c{n}"), "output": text(n)})),
            "input_text",
            each(&|n| json!({"type": "function", "name": format!("f{n}"), "parameters": schema})),
            json!({}),
        ),
    };
    let parts = each(&|n| if is_gemini { json!({"text": text(n)}) } else { json!({"type": part, "text": text(n)}) });
    let with = |fields: Value| {
        let mut body = input.clone();
        if !is_gemini {
            body["model"] = json!("m");
        }
        body[messages] = json!([turn(json!("hi"))]);
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        body
    };
    let turns = [
        vec![turn(json!("hi"))],
        call.iter().zip(&result).flat_map(|(one, other)| [one.clone(), other.clone()]).collect(),
    ];
    let apart = [vec![turn(json!("hi"))], call, result];
    let said = each(&|n| turn(json!(text(n))));
    vec![
        ("findings", with(json!({messages: [turn(json!(long))]}))),
        ("words", with(json!({messages: [turn(json!(plain))]}))),
        ("digits", with(json!({messages: [turn(json!(digits))]}))),
        ("messages", with(json!({messages: said}))),
        ("parts", with(json!({messages: [turn(json!(parts))]}))),
        ("calls in turn", with(json!({messages: turns.concat()}))),
        ("calls, then results", with(json!({messages: apart.concat()}))),
        ("tools", with(json!({"tools": tool}))),
    ]
}

/// Whole answers of this schema, each with much of one thing.
fn answers(provider: Schema, count: usize) -> Vec<(&'static str, Value)> {
    let text = |number: usize| format!("word{number} to a{number}@b.io or 4111 1111 1111 1111 ");
    let long = (0..count).map(text).collect::<String>();
    let each = |make: &dyn Fn(usize) -> Value| (0..count).map(make).collect::<Vec<_>>();
    let arguments = "{\"q\":\"a@b.io\"}";
    match provider.name() {
        "openai" => {
            let of = |message: Value| {
                json!({"id": "i", "object": "chat.completion", "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": {"prompt_tokens": 9,
                    "completion_tokens": 9, "total_tokens": 18}})
            };
            let call = |n| json!({"id": format!("c{n}"), "type": "function", "function": {"name": "f", "arguments": arguments}});
            vec![
                ("text", of(json!({"role": "assistant", "content": long}))),
                ("calls", of(json!({"role": "assistant", "content": null, "tool_calls": each(&call)}))),
                ("unknown", of(json!({"role": "assistant", "content": "a", "new": each(&|n| json!(text(n)))}))),
            ]
        }
        "anthropic" => {
            let of = |content: Value| {
                json!({"id": "i", "type": "message", "role": "assistant", "model": "m", "content": content,
                "stop_reason": "end_turn", "usage": {"input_tokens": 9, "output_tokens": 9}})
            };
            vec![
                ("text", of(json!([{"type": "text", "text": long}]))),
                ("parts", of(json!(each(&|n| json!({"type": "text", "text": text(n)}))))),
                (
                    "calls",
                    of(json!(each(
                        &|n| json!({"type": "tool_use", "id": format!("c{n}"), "name": "f", "input": {"q": "a@b.io"}})
                    ))),
                ),
                ("unknown", of(json!(each(&|n| json!({"type": "new", "note": text(n)}))))),
            ]
        }
        "gemini" => {
            let of = |parts: Value| {
                json!({"responseId": "i", "modelVersion": "m", "candidates": [{"index": 0, "finishReason": "STOP",
                "content": {"role": "model", "parts": parts}}], "usageMetadata": {"promptTokenCount": 9,
                    "candidatesTokenCount": 9, "totalTokenCount": 18}})
            };
            vec![
                ("text", of(json!([{"text": long}]))),
                ("parts", of(json!(each(&|n| json!({"text": text(n)}))))),
                ("calls", of(json!(each(&|_| json!({"functionCall": {"name": "f", "args": {"q": "a@b.io"}}}))))),
                ("unknown", of(json!(each(&|n| json!({"new": text(n)}))))),
            ]
        }
        _ => {
            let of = |output: Value| {
                json!({"id": "i", "object": "response", "model": "m", "status": "completed", "output": output,
                "usage": {"input_tokens": 9, "output_tokens": 9, "total_tokens": 18}})
            };
            let message = |n: usize, text: &str| {
                json!({"type": "message", "id": format!("m{n}"), "role": "assistant",
                "content": [{"type": "output_text", "text": text, "annotations": []}]})
            };
            vec![
                ("text", of(json!([message(0, &long)]))),
                ("parts", of(json!(each(&|n| message(n, &text(n)))))),
                (
                    "calls",
                    of(json!(each(
                        &|n| json!({"type": "function_call", "id": format!("f{n}"), "call_id": format!("c{n}"), "name": "f",
                            "arguments": arguments})
                    ))),
                ),
                ("unknown", of(json!(each(&|n| json!({"type": "new", "note": text(n)}))))),
            ]
        }
    }
}

/// Each of the inputs that `make` makes.
fn check_each(of: &str, make: &dyn Fn(usize) -> Vec<(&'static str, Value)>, work: &dyn Fn(&[u8])) {
    for (index, (name, _)) in make(1).into_iter().enumerate() {
        check(
            &format!("{of}: {name}"),
            PARTS,
            &|count| make(count).swap_remove(index).1.to_string().into_bytes(),
            work,
        );
    }
}

#[test]
fn requests_are_read_scanned_and_written() {
    for client in Schema::all() {
        let make = |count| requests(client, count);
        let operation = chat(client);
        check_each("head", &make, &|body| _ = read_head(operation, path(client, body), body).expect("a good request"));
        check_each("estimate", &make, &|body| _ = request_tokens(operation, body).expect("a good request"));
        check_each("adaptation", &make, &|body| _ = client.adapt(body, &less()));
        for provider in Schema::all() {
            check_each(&format!("request from {} to {}", client.name(), provider.name()), &make, &|body| {
                _ = sent(client, provider, Action::Redact, std::str::from_utf8(body).expect("text"));
            });
        }
    }
}

#[test]
fn answers_are_read_scanned_and_written() {
    for provider in Schema::all() {
        let make = |count| answers(provider, count);
        check_each("usage", &make, &|body| _ = usage_of_response(provider, body).expect("figures"));
        for client in Schema::all() {
            check_each(&format!("answer from {} to {}", provider.name(), client.name()), &make, &|body| {
                let pieces: Vec<&[u8]> = body.chunks(500).collect();
                let outcome =
                    sent(client, provider, Action::Redact, request(client, false)).answer("application/json", &pieces);
                assert!(outcome.complete && !outcome.body.is_empty(), "{outcome:?}");
            });
        }
    }
}

fn less() -> Capabilities {
    Capabilities { strict_tools: false, temperature: false, ..Capabilities::default() }
}
