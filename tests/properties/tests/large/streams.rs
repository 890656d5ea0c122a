//! Streams with very much of one thing, and events.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use weir_config::Action;
use weir_llm::Schema;
use weir_llm::sse::write_event;
use weir_properties::input::request;

use crate::work::{check, named, sent};

/// What a stream or an answer has very often.
#[derive(Clone, Copy, Debug)]
enum Often {
    /// Pieces of one text.
    Words,
    /// The same, each with something to redact.
    Findings,
    /// Pieces that are held, since a number goes on in the next.
    Digits,
    /// Calls, each with an id of its own.
    Calls,
    /// Pieces of one call's arguments.
    Arguments,
    /// Parts of two kinds in turn, each with a text.
    Parts,
    /// What nobody knows.
    Unknown,
    /// Figures.
    Usage,
}

const OFTEN: [Often; 8] = [
    Often::Words,
    Often::Findings,
    Often::Digits,
    Often::Calls,
    Often::Arguments,
    Often::Parts,
    Often::Unknown,
    Often::Usage,
];

impl Often {
    fn text(self, number: usize) -> String {
        match self {
            Self::Findings => format!("to a{number}@b.io "),
            Self::Digits => "4111 ".into(),
            _ => format!("word{number} "),
        }
    }
}

/// A stream as a provider of this schema sends it.
fn stream(provider: Schema, often: Often, count: usize) -> Vec<Vec<u8>> {
    let mut events = match provider.name() {
        "openai" => chunks(often, count),
        "anthropic" => messages(often, count),
        "gemini" => contents(often, count),
        _ => responses(often, count),
    };
    let named = !matches!(provider.name(), "openai" | "gemini");
    let mut written = Vec::new();
    for event in events.drain(..) {
        let mut bytes = Vec::new();
        let name = event["type"].as_str().filter(|_| named).unwrap_or_default();
        write_event(name, &event.to_string(), &mut bytes);
        written.push(bytes);
    }
    if provider.name() == "openai" {
        written.push(b"data: [DONE]\n\n".to_vec());
    }
    written
}

fn chunks(often: Often, count: usize) -> Vec<Value> {
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18});
    let call = |number: usize| {
        json!({"tool_calls": [{"index": number, "id": format!("c{number}"), "type": "function",
            "function": {"name": "f", "arguments": "{\"q\":\"x\"}"}}]})
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    if let Often::Arguments = often {
        let begun = json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "[1"}});
        events.push(chunk(json!({"tool_calls": [begun]}), Value::Null));
    }
    events.extend((0..count).map(|number| match often {
        Often::Words | Often::Findings | Often::Digits => chunk(json!({"content": often.text(number)}), Value::Null),
        Often::Calls => chunk(call(number), Value::Null),
        Often::Arguments => {
            chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": format!(",{number}")}}]}), Value::Null)
        }
        Often::Parts => {
            let field = if number % 2 == 0 { "reasoning_content" } else { "content" };
            chunk(json!({field: often.text(number)}), Value::Null)
        }
        Often::Unknown => json!({"type": "status", "note": often.text(number)}),
        Often::Usage => {
            let mut chunk = chunk(json!({"content": "a"}), Value::Null);
            chunk["usage"] = usage.clone();
            chunk
        }
    }));
    if let Often::Arguments = often {
        events.push(chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": "]"}}]}), Value::Null));
    }
    let finish = if matches!(often, Often::Calls | Often::Arguments) { "tool_calls" } else { "stop" };
    events.push(chunk(json!({}), json!(finish)));
    events
}

fn messages(often: Often, count: usize) -> Vec<Value> {
    let delta = |index: usize, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let begin =
        |index: usize, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let end = |index: usize| json!({"type": "content_block_stop", "index": index});
    let text = json!({"type": "text", "text": ""});
    let tool = |number: usize| json!({"type": "tool_use", "id": format!("c{number}"), "name": "f", "input": {}});
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "i", "type": "message", "role": "assistant", "model": "m",
        "content": [], "stop_reason": null, "usage": {"input_tokens": 9, "output_tokens": 1}}}),
    ];
    match often {
        Often::Words | Often::Findings | Often::Digits => {
            events.push(begin(0, text));
            events.extend((0..count).map(|number| delta(0, json!({"type": "text_delta", "text": often.text(number)}))));
            events.push(end(0));
        }
        Often::Calls => {
            for number in 0..count {
                events.push(begin(number, tool(number)));
                events.push(delta(number, json!({"type": "input_json_delta", "partial_json": "{\"q\":\"x\"}"})));
                events.push(end(number));
            }
        }
        Often::Arguments => {
            events.push(begin(0, tool(0)));
            let piece = |json: &str| delta(0, json!({"type": "input_json_delta", "partial_json": json}));
            events.push(piece("{\"q\":[1"));
            events.extend((0..count).map(|number| piece(&format!(",{number}"))));
            events.push(piece("]}"));
            events.push(end(0));
        }
        Often::Parts => {
            for number in 0..count {
                let (block, kind) = match number % 2 {
                    0 => (json!({"type": "thinking", "thinking": "", "signature": ""}), ("thinking_delta", "thinking")),
                    _ => (text.clone(), ("text_delta", "text")),
                };
                events.push(begin(number, block));
                events.push(delta(number, json!({"type": kind.0, kind.1: often.text(number)})));
                events.push(end(number));
            }
        }
        Often::Unknown => events.extend((0..count).map(|number| json!({"type": "status", "note": often.text(number)}))),
        Often::Usage => events
            .extend((0..count).map(|_| json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 9}}))),
    }
    let reason = if matches!(often, Often::Calls | Often::Arguments) { "tool_use" } else { "end_turn" };
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 9}}));
    events.push(json!({"type": "message_stop"}));
    events
}

fn contents(often: Often, count: usize) -> Vec<Value> {
    let event = |part: Value| {
        json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}], "modelVersion": "m",
            "responseId": "r"})
    };
    let call = |args: Value| json!({"functionCall": {"name": "f", "args": args}});
    let mut events = vec![event(json!({"text": "a"}))];
    match often {
        Often::Words | Often::Findings | Often::Digits => {
            events.extend((0..count).map(|number| event(json!({"text": often.text(number)}))));
        }
        Often::Calls => events.extend((0..count).map(|_| event(call(json!({"q": "x"}))))),
        Often::Arguments => events.push(event(call(json!({"q": (0..count).collect::<Vec<_>>()})))),
        Often::Parts => events
            .extend((0..count).map(|number| event(json!({"text": often.text(number), "thought": number % 2 == 0})))),
        Often::Unknown => events.extend((0..count).map(|number| json!({"note": often.text(number)}))),
        Often::Usage => events.extend((0..count).map(|_| {
            let mut event = event(json!({"text": "a"}));
            event["usageMetadata"] = json!({"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18});
            event
        })),
    }
    let mut last = event(json!({"text": ""}));
    last["candidates"][0]["finishReason"] = json!("STOP");
    last["usageMetadata"] = json!({"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18});
    events.push(last);
    events
}

fn responses(often: Often, count: usize) -> Vec<Value> {
    let usage = json!({"input_tokens": 9, "output_tokens": 9, "total_tokens": 18});
    let response = |status: &str, output: &[Value]| {
        json!({"id": "r", "object": "response", "status": status, "error": null,
        "model": "m", "output": output, "usage": usage})
    };
    let mut events = vec![json!({"type": "response.created", "response": response("in_progress", &[])})];
    let mut output: Vec<Value> = Vec::new();
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let message = |number: usize, content: &[Value]| {
        json!({"type": "message", "id": format!("m{number}"), "role": "assistant",
        "status": "completed", "content": content})
    };
    let mut say = |index: usize, pieces: &[String], output: &mut Vec<Value>| {
        let of = json!({"item_id": format!("m{index}"), "output_index": index, "content_index": 0});
        let with = |kind: &str, field: &str, value: Value| {
            let mut event = of.clone();
            event["type"] = json!(kind);
            event[field] = value;
            event
        };
        let whole = pieces.concat();
        events.push(json!({"type": "response.output_item.added", "output_index": index, "item": message(index, &[])}));
        events.push(with("response.content_part.added", "part", part("")));
        events.extend(pieces.iter().map(|piece| with("response.output_text.delta", "delta", json!(piece))));
        events.push(with("response.output_text.done", "text", json!(whole)));
        events.push(with("response.content_part.done", "part", part(&whole)));
        let item = message(index, &[part(&whole)]);
        events.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
        output.push(item);
    };
    let call = |number: usize, arguments: &str| {
        json!({"type": "function_call", "id": format!("f{number}"),
        "call_id": format!("c{number}"), "name": "f", "arguments": arguments})
    };
    match often {
        Often::Words | Often::Findings | Often::Digits => {
            say(0, &(0..count).map(|number| often.text(number)).collect::<Vec<_>>(), &mut output);
        }
        Often::Parts => (0..count / 4).for_each(|number| say(number, &[often.text(number)], &mut output)),
        Often::Calls | Often::Arguments => {
            let (calls, pieces): (usize, Vec<String>) = match often {
                Often::Calls => (count / 4, vec!["{\"q\":\"x\"}".into()]),
                _ => (
                    1,
                    ["{\"q\":[1".into()]
                        .into_iter()
                        .chain((0..count).map(|number| format!(",{number}")))
                        .chain(["]}".into()])
                        .collect(),
                ),
            };
            let whole = pieces.concat();
            for number in 0..calls {
                let id = format!("f{number}");
                events.push(
                    json!({"type": "response.output_item.added", "output_index": number, "item": call(number, "")}),
                );
                events.extend(pieces.iter().map(|piece| {
                    json!({"type": "response.function_call_arguments.delta", "item_id": id,
                    "output_index": number, "delta": piece})
                }));
                events.push(
                    json!({"type": "response.function_call_arguments.done", "item_id": id, "output_index": number,
                    "arguments": whole}),
                );
                events.push(
                    json!({"type": "response.output_item.done", "output_index": number, "item": call(number, &whole)}),
                );
                output.push(call(number, &whole));
            }
        }
        Often::Unknown => {
            events.extend((0..count).map(|number| json!({"type": "response.status", "note": often.text(number)})))
        }
        Often::Usage => events.extend(
            (0..count).map(|_| json!({"type": "response.in_progress", "response": response("in_progress", &[])})),
        ),
    }
    events.push(json!({"type": "response.completed", "response": response("completed", &output)}));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events
}

/// How many events are the fewer.
const EVENTS: usize = 600;

/// A stream comes in pieces of one event each, and is whole in the end.
fn check_streams(provider: &str) {
    let provider = named(provider);
    for client in Schema::all() {
        OFTEN.into_iter().for_each(|often| check_stream(provider, client, often));
    }
}

fn check_stream(provider: Schema, client: Schema, often: Often) {
    // What is done for each event shows where little else is.
    let count = if matches!(often, Often::Unknown) { EVENTS * 3 } else { EVENTS };
    let lengths = RefCell::new(BTreeMap::new());
    let make = |count| {
        let events = stream(provider, often, count);
        let bytes = events.concat();
        lengths.borrow_mut().insert(bytes.len(), events.iter().map(Vec::len).collect::<Vec<_>>());
        bytes
    };
    check(&format!("{often:?} from {} to {}", provider.name(), client.name()), count, &make, &|bytes| {
        let lengths = lengths.borrow();
        let mut rest = bytes;
        let pieces: Vec<&[u8]> = lengths[&bytes.len()]
            .iter()
            .map(|length| {
                let (piece, behind) = rest.split_at(*length);
                rest = behind;
                piece
            })
            .collect();
        let outcome =
            sent(client, provider, Action::Redact, request(client, true)).answer("text/event-stream", &pieces);
        assert!(
            outcome.complete,
            "{often:?} from {} to {}: {:?}: {}",
            provider.name(),
            client.name(),
            outcome.refusal,
            String::from_utf8_lossy(&outcome.body[outcome.body.len().saturating_sub(600)..])
        );
    });
}

#[test]
fn streams_of_chunks() {
    check_streams("openai");
}

#[test]
fn streams_of_messages() {
    check_streams("anthropic");
}

#[test]
fn streams_of_contents() {
    check_streams("gemini");
}

#[test]
fn streams_of_responses() {
    check_streams("openai_responses");
}

#[test]
fn one_event_with_much_in_it() {
    for provider in Schema::all() {
        for client in Schema::all() {
            for (name, delta) in [
                (
                    "a long text",
                    (|count| json!("to a@b.io or 4111 1111 1111 1111 ".repeat(count))) as fn(usize) -> Value,
                ),
                ("many texts", |count| json!(vec!["to a@b.io"; count])),
                ("many fields", |count| {
                    (0..count).map(|n| (format!("f{n}"), json!("to a@b.io"))).collect::<Map<_, _>>().into()
                }),
            ] {
                let make = |count: usize| {
                    let mut events = match provider.name() {
                        "openai" => chunks(Often::Words, 2),
                        "anthropic" => messages(Often::Words, 2),
                        "gemini" => contents(Often::Words, 2),
                        _ => responses(Often::Words, 2),
                    };
                    let at = if matches!(provider.name(), "openai" | "gemini") {
                        1
                    } else {
                        events.iter().position(|it| it.get("delta").is_some()).expect("a delta")
                    };
                    let made = delta(count);
                    match (provider.name(), made.is_string()) {
                        ("openai", true) => events[at]["choices"][0]["delta"]["content"] = made,
                        ("openai", _) => events[at]["choices"][0]["delta"]["new"] = made,
                        ("gemini", true) => events[at]["candidates"][0]["content"]["parts"][0]["text"] = made,
                        ("gemini", _) => events[at]["candidates"][0]["content"]["parts"][0]["new"] = made,
                        ("anthropic", true) => events[at]["delta"]["text"] = made,
                        (_, true) => events[at]["delta"] = made,
                        ("anthropic", _) => events[at]["delta"]["new"] = made,
                        (_, _) => events[at]["new"] = made,
                    }
                    let mut stream = Vec::new();
                    for event in &events {
                        write_event(event["type"].as_str().unwrap_or_default(), &event.to_string(), &mut stream);
                    }
                    stream
                };
                // In pieces as a network has them.
                check(&format!("{name} from {} to {}", provider.name(), client.name()), EVENTS, &make, &|stream| {
                    let pieces: Vec<&[u8]> = stream.chunks(1_400).collect();
                    _ = sent(client, provider, Action::Redact, request(client, true))
                        .answer("text/event-stream", &pieces);
                });
            }
        }
    }
}

/// The beginning of a stream, with some content.
pub(crate) fn begun(schema: Schema) -> Vec<Vec<u8>> {
    let mut events = stream(schema, Often::Words, 3);
    events.truncate(4);
    events
}
