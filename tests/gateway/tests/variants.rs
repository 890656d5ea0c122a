//! What one schema was found wanting in is looked at in each, under other names: streams with something between the pieces of a text, and
//! figures that are odd.

use serde_json::{Value, json};
use weir_gateway_tests::{World, ask, dollars, said_in_stream};

/// All schemas of clients and of providers.
const ALL: [&str; 4] = ["openai", "anthropic", "openai_responses", "gemini"];

fn streamed(body: String) -> Value {
    json!({"type": "status", "status": 200, "body": body, "headers": {"content-type": "text/event-stream"}})
}

fn whole(body: Value) -> Value {
    json!({"type": "status", "status": 200, "body": body, "headers": {"content-type": "application/json"}})
}

fn event(schema: &str, data: &Value) -> String {
    match data["type"].as_str().filter(|_| schema != "openai") {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

/// What may come between two pieces of a text without ending it.
fn between(schema: &str) -> Vec<Value> {
    match schema {
        "openai" => vec![
            json!({"choices": [], "usage": null}),
            json!({"choices": null, "object": "keep-alive"}),
            json!({"choices": [{"index": 0, "delta": null, "finish_reason": null}]}),
            json!({"choices": [{"index": 0, "delta": {"reasoning_details": [{"type": "new", "summary": "hm"}]}}]}),
            json!({"choices": [{"index": 0, "delta": {"content": "", "tool_calls": null}, "finish_reason": ""}]}),
            json!({"type": "trace", "data": {"deep": [null, "words"]}}),
        ],
        "anthropic" => vec![
            json!({"type": "status"}),
            json!({"type": "ping", "note": "words"}),
            json!({"type": "message_delta", "delta": {"stop_reason": null}, "usage": {"output_tokens": 3}}),
            json!({"type": "message_delta", "delta": null, "usage": null}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "of_tomorrow", "note": "words"}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}}),
        ],
        "gemini" => vec![
            json!({"usageMetadata": {"promptTokenCount": 1}}),
            json!({"candidates": []}),
            json!({"candidates": [{"index": 0, "safetyRatings": [{"category": "x", "probability": "LOW"}]}]}),
            json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": ""}]}}]}),
            json!({"candidates": [{"index": 0, "content": {"role": "model"}}], "responseId": "r"}),
        ],
        _ => vec![
            json!({"type": "response.status", "note": "words"}),
            json!({"type": "keepalive", "sequence_number": 4}),
            json!({"type": "response.in_progress", "response": {"id": "r", "status": "in_progress", "output": []}}),
            json!({"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": ""}),
            json!({"type": "response.output_text.annotation.added", "item_id": "i", "output_index": 0, "content_index": 0,
                "annotation_index": 0, "annotation": {"type": "url_citation", "title": "words"}}),
        ],
    }
}

/// A stream that says two pieces, with this between them.
fn stream(schema: &str, pieces: [&str; 2], between: &Value) -> String {
    let text = pieces.concat();
    let events = match schema {
        "openai" => {
            let chunk = |delta: Value, finish: Value| {
                json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o",
                    "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
            };
            vec![
                chunk(json!({"role": "assistant", "content": pieces[0]}), Value::Null),
                between.clone(),
                chunk(json!({"content": pieces[1]}), Value::Null),
                chunk(json!({}), json!("stop")),
            ]
        }
        "anthropic" => {
            let piece = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
            vec![
                json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "claude",
                    "content": [], "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": 1}}}),
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                piece(pieces[0]),
                between.clone(),
                piece(pieces[1]),
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
                json!({"type": "message_stop"}),
            ]
        }
        "gemini" => {
            let piece = |text: &str| json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}]});
            let mut last = piece("");
            last["candidates"][0]["finishReason"] = json!("STOP");
            last["usageMetadata"] = json!({"promptTokenCount": 1, "candidatesTokenCount": 9, "totalTokenCount": 10});
            vec![piece(pieces[0]), between.clone(), piece(pieces[1]), last]
        }
        _ => {
            let at = |mut event: Value| {
                event["output_index"] = json!(0);
                event["content_index"] = json!(0);
                event["item_id"] = json!("i");
                event
            };
            let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
            let item = |content: Value| json!({"type": "message", "id": "i", "role": "assistant", "content": content});
            let response = |status: &str, output: Value| {
                json!({"id": "r", "object": "response", "status": status, "model": "gpt-4o", "output": output,
                    "usage": {"input_tokens": 1, "output_tokens": 9, "total_tokens": 10}})
            };
            let piece = |text: &str| at(json!({"type": "response.output_text.delta", "delta": text}));
            vec![
                json!({"type": "response.created", "response": response("in_progress", json!([]))}),
                json!({"type": "response.output_item.added", "output_index": 0, "item": item(json!([]))}),
                at(json!({"type": "response.content_part.added", "part": part("")})),
                piece(pieces[0]),
                between.clone(),
                piece(pieces[1]),
                at(json!({"type": "response.output_text.done", "text": text})),
                at(json!({"type": "response.content_part.done", "part": part(&text)})),
                json!({"type": "response.output_item.done", "output_index": 0, "item": item(json!([part(&text)]))}),
                json!({"type": "response.completed", "response": response("completed", json!([item(json!([part(&text)]))]))}),
            ]
        }
    };
    let end = if schema == "openai" { "data: [DONE]\n\n" } else { "" };
    events.iter().map(|data| event(schema, data)).collect::<String>() + end
}

#[test]
fn what_comes_between_two_pieces_of_a_text_hides_nothing() {
    let texts = [
        (["to jo.doe@co", "rp.example and on"], "to [EMAIL] and on"),
        (["card 4111 1111 11", "11 1111 and on"], "card [CREDIT_CARD] and on"),
    ];
    for provider in ALL {
        for client in ALL {
            for (pieces, expect) in texts {
                // Reasoning between two pieces makes two parts of them for a client of responses, which says each once more.
                let is_apart =
                    |data: &Value| client == "openai_responses" && data.to_string().contains("reasoning_details");
                for data in between(provider).into_iter().filter(|data| !is_apart(data)) {
                    let mut world =
                        World::new().guarded(&[("EMAIL", "redact", "both"), ("CREDIT_CARD", "redact", "both")]);
                    world.model("m", provider, streamed(stream(provider, pieces, &data)));
                    let received = world.send(client, ask(client, "m", json!({"stream": true})).to_string());
                    let text = received.text();
                    assert_eq!(received.status(), 200, "{provider} {client} {data}: {text}");
                    assert_eq!(said_in_stream(client, &text), expect, "{provider} {client} {data}: {text}");
                    assert!(!text.contains("jo.doe") && !text.contains("4111"), "{provider} {client} {data}: {text}");
                }
            }
        }
    }
}

/// A whole answer of this schema with these figures.
fn answer(schema: &str, usage: &Value) -> Value {
    let text = "x".repeat(400);
    match schema {
        "openai" => json!({"id": "i", "object": "chat.completion", "created": 1, "model": "gpt-4o", "usage": usage,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}),
        "anthropic" => {
            json!({"id": "i", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": text}], "usage": usage})
        }
        "gemini" => json!({"responseId": "i", "modelVersion": "gemini", "usageMetadata": usage, "candidates": [
            {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}]}),
        _ => {
            json!({"id": "i", "object": "response", "status": "completed", "model": "gpt-4o", "usage": usage, "output": [
            {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]}]})
        }
    }
}

#[test]
fn figures_are_read_as_they_are_meant_in_every_schema() {
    let responses = |input: u64, output: u64, total: u64, more: Value| {
        let mut usage = json!({"input_tokens": input, "output_tokens": output, "total_tokens": total});
        usage.as_object_mut().expect("an object").extend(more.as_object().expect("fields").clone());
        usage
    };
    let reasoning = json!({"output_tokens_details": {"reasoning_tokens": 300}});
    let cached = |tokens: i64| json!({"input_tokens_details": {"cached_tokens": tokens}});
    for (schema, usage, expect) in [
        ("openai_responses", responses(100, 20, 420, reasoning), [100, 0, 320]),
        ("openai_responses", responses(20, 20, 140, cached(100)), [120, 100, 20]),
        ("openai_responses", responses(100, 20, 120, cached(-1)), [100, 0, 20]),
        ("openai_responses", responses(100, 20, 120, json!({"input_tokens_details": null})), [100, 0, 20]),
        ("anthropic", json!({"input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": -1}), [100, 0, 20]),
        ("anthropic", json!({"input_tokens": 20, "output_tokens": 20, "cache_read_input_tokens": 100}), [120, 100, 20]),
        ("anthropic", json!({"input_tokens": 100, "output_tokens": 20, "cache_creation": null}), [100, 0, 20]),
        ("openai", json!({"prompt_tokens": 100.0, "completion_tokens": 20, "total_tokens": 120}), [100, 0, 20]),
        ("openai", json!({"input_tokens": 100, "output_tokens": 20}), [100, 0, 20]),
        (
            "gemini",
            json!({"promptTokenCount": 100, "candidatesTokenCount": 20, "cachedContentTokenCount": 9}),
            [100, 9, 20],
        ),
        (
            "gemini",
            json!({"promptTokenCount": 100, "candidatesTokenCount": 20, "thoughtsTokenCount": 30}),
            [100, 0, 50],
        ),
        (
            "gemini",
            json!({"promptTokenCount": 90, "toolUsePromptTokenCount": 10, "thoughtsTokenCount": 20}),
            [100, 0, 20],
        ),
    ] {
        for client in ALL {
            let mut world = World::new();
            world.model("m", schema, whole(answer(schema, &usage)));
            let received = world.send(client, ask(client, "m", json!({})).to_string());
            assert_eq!(received.status(), 200, "{}", received.text());
            let record = world.record();
            let seen = ["input_tokens", "cached_input_tokens", "output_tokens"].map(|figure| record[figure].as_u64());
            assert_eq!(seen, expect.map(Some), "{schema} {client} {usage}: {record}");
        }
    }
}

#[test]
fn whatever_is_reported_there_is_one_record_and_its_cost_is_the_clients() {
    for provider in ALL {
        for usage in [
            Value::Null,
            json!({}),
            json!([]),
            json!("many"),
            json!({"prompt_tokens": -5, "completion_tokens": "x", "input_tokens": -5, "output_tokens": []}),
            json!({"promptTokenCount": -5, "candidatesTokenCount": "x", "thoughtsTokenCount": []}),
            json!({"promptTokenCount": 1e15, "candidatesTokenCount": 1e15, "thoughtsTokenCount": 1e15}),
            json!({"prompt_tokens": 1e15, "completion_tokens": 1e15, "input_tokens": 1e15, "output_tokens": 1e15}),
            json!({"prompt_tokens": 18446744073709551615_u64, "completion_tokens": 1, "input_tokens": 18446744073709551615_u64, "output_tokens": 1}),
        ] {
            for client in ALL {
                let mut world = World::new();
                world.model("m", provider, whole(answer(provider, &usage)));
                let received = world.send(client, ask(client, "m", json!({})).to_string());
                assert_eq!(received.status(), 200, "{provider} {client} {usage}: {}", received.text());
                assert_eq!(world.records().len(), 1);
                let record = world.record();
                let told = dollars(&record["cost_picousd"]);
                assert_eq!(received.header("x-weir-cost"), Some(told.as_str()), "{record}");
                assert!((1..1000).contains(&record["output_tokens"].as_u64().expect("a figure")), "{usage}: {record}");
            }
        }
    }
}
