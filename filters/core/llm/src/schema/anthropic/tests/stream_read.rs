use serde_json::{Value, json};

use super::anthropic;
use crate::chat::Finish;
use crate::stream::{Delta, StreamOptions, StreamTranslator};

/// What a stream of events tells, one line for each delta.
#[track_caller]
fn check(events: &[Value], expect: &[&str]) {
    let mut reader = anthropic().stream_reader(true);
    let mut told = Vec::new();
    for event in events {
        let data = event.to_string();
        told.extend(reader.read(&data).unwrap().iter().map(tell));
    }
    assert_eq!(told, expect);
}

fn tell(delta: &Delta<'_>) -> String {
    match delta {
        Delta::Text(text) => format!("text {text}"),
        Delta::Thinking(text) => format!("thinking {text}"),
        Delta::ToolCall { key, id, name } => format!("call {key} {id} {name}"),
        Delta::Arguments { key, json } => format!("arguments {key} {json}"),
        Delta::BlockEnd { key } => format!("end of {key}"),
        Delta::Opaque => "opaque".to_owned(),
        Delta::Finish { finish: Finish::Stop, .. } => "stop".to_owned(),
        Delta::Error(error) => format!("error {} {}", error.status, error.message),
        other => format!("{other:?}"),
    }
}

fn start(index: Value, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: Value, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: Value) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

#[test]
fn what_is_not_known_ends_nothing() {
    check(
        &[
            delta(json!(0), json!({"type": "text_delta", "text": "a"})),
            json!({"type": "status"}),
            json!({"type": "of_tomorrow", "error": {"message": "m"}}),
            json!({"of": "tomorrow"}),
            delta(json!(0), json!({"type": "of_tomorrow", "text": "x"})),
            delta(json!(0), json!({"type": "citations_delta", "citation": {}})),
            delta(json!(0), json!({"type": "signature_delta", "signature": "s"})),
            json!({"type": "message_delta", "delta": {"stop_reason": ""}}),
            json!({"type": "message_delta", "delta": {"stop_reason": null}}),
            json!({"type": "message_delta"}),
            delta(json!(0), json!({"type": "text_delta", "text": "b"})),
            json!({"type": "message_delta", "delta": {"stop_reason": "pause_turn"}}),
        ],
        &["text a", "opaque", "opaque", "text b", "stop"],
    );
    assert!(anthropic().stream_reader(true).read(" [DONE]").unwrap().is_empty());
}

#[test]
fn blocks_are_read_as_in_whole_answers() {
    check(
        &[
            start(json!(0), json!({"type": "text", "text": "a"})),
            start(json!(1), json!({"type": "thinking", "thinking": "b", "signature": ""})),
            start(json!(2), json!({"type": "tool_use", "id": null, "name": "f", "input": {"q": 1}})),
            start(json!(3), json!({"type": "of_tomorrow"})),
            start(json!(4), json!({"type": "redacted_thinking", "data": "d"})),
        ],
        &["text a", "thinking b", "call 2  f", "arguments 2 {\"q\":1}", "opaque", "opaque"],
    );
}

#[test]
fn without_an_index_an_event_is_of_the_latest_block() {
    let piece = |json: &str| json!({"type": "input_json_delta", "partial_json": json});
    for index in [json!(null), json!("0"), json!(-1)] {
        check(
            &[
                start(index.clone(), json!({"type": "tool_use", "id": "c", "name": "f", "input": {}})),
                delta(index.clone(), piece("{}")),
                stop(index.clone()),
                start(index.clone(), json!({"type": "tool_use", "id": "d", "name": "g"})),
                delta(index.clone(), piece("{\"a\":1}")),
            ],
            &["call 0 c f", "arguments 0 {}", "end of 0", "call 1 d g", "arguments 1 {\"a\":1}"],
        );
    }
}

#[test]
fn arguments_of_the_providers_own_tools_are_nobodys() {
    check(
        &[
            start(json!(0), json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
            delta(json!(0), json!({"type": "input_json_delta", "partial_json": "{\"query\":1}"})),
            stop(json!(0)),
        ],
        &["opaque", "opaque", "end of 0"],
    );
}

#[test]
fn errors_are_read_with_and_without_a_type() {
    let error = json!({"type": "overloaded_error", "message": "busy"});
    check(&[json!({"type": "error", "error": error})], &["error 529 busy"]);
    check(&[json!({"error": error})], &["error 529 busy"]);
}

#[test]
fn a_block_that_cannot_be_read_is_an_error_where_it_would_come_half() {
    let event = start(json!(0), json!({"type": "text", "text": 7})).to_string();
    assert!(anthropic().stream_reader(true).read(&event).is_err());
    assert_eq!(anthropic().stream_reader(false).read(&event).unwrap(), [Delta::Opaque]);
}

#[test]
fn arguments_are_read_in_every_spelling() {
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": null});
    let piece = |json: Value| json!({"type": "input_json_delta", "partial_json": json});
    check(
        &[start(json!(0), call("a")), delta(json!(0), piece(json!({"q": 1}))), stop(json!(0))],
        &["call 0 a f", "arguments 0 {\"q\":1}", "end of 0"],
    );
    check(
        &[start(json!(0), call("a")), delta(json!(0), piece(json!("null"))), stop(json!(0))],
        &["call 0 a f", "end of 0"],
    );
    check(
        &[start(json!(0), call("a")), delta(json!(0), piece(json!("{\"q\":"))), delta(json!(0), piece(json!("null")))],
        &["call 0 a f", "arguments 0 {\"q\":", "arguments 0 null"],
    );
    check(&[start(json!(0), call("a")), start(json!(1), call("a"))], &["call 0 a f", "call 1  f"]);
}

#[test]
fn a_call_of_no_tool_is_no_answer() {
    let event = start(json!(0), json!({"type": "tool_use", "id": "a", "name": "", "input": {}})).to_string();
    assert!(anthropic().stream_reader(true).read(&event).is_err());
    assert_eq!(anthropic().stream_reader(false).read(&event), Ok(vec![Delta::Opaque]));
}

#[test]
fn the_last_event_is_an_end_to_a_client_that_looks_for_the_reason() {
    let events = [
        json!({"type": "message_start", "message": {"model": "m"}}),
        start(json!(0), json!({"type": "tool_use", "id": "a", "name": "f", "input": {}})),
        json!({"type": "message_delta", "delta": {"stop_reason": null}}),
        json!({"type": "message_stop"}),
    ];
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let mut out = Vec::new();
    let mut translator = StreamTranslator::new(anthropic(), super::openai(), StreamOptions::default());
    assert!(translator.push(stream.as_bytes(), &mut out).complete);
    assert!(String::from_utf8_lossy(&out).contains("\"finish_reason\":\"tool_calls\""));
}
