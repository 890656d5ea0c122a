//! Work grows with the bytes and no faster: one large input takes what sixteen small ones take, and never sixteen times as much.

use std::hint::black_box;

use serde_json::{Value, json};
use weir_config::{Capabilities, MaxTokensField};

use super::{anthropic, of_messages, openai, with};
use crate::chat::{read_request, read_response, write_request};
use crate::schema::tests::work_of;
use crate::stream::Delta;

/// Compares the work on an input of some things with that on one of sixteen times as many.
fn check<T>(name: &str, make: impl Fn(usize) -> T, work: impl Fn(&T)) {
    const COUNT: usize = 256;
    const TIMES: u64 = 16;
    let (small, large) = (make(COUNT), make(COUNT * 16));
    let (few, many) = (work_of(|| work(&small)), work_of(|| work(&large)));
    assert!(few > 0 && many < few * TIMES * 2, "{name}: {few} steps for some, {many} for {TIMES} times as many");
}

fn many(count: usize, one: impl Fn(usize) -> Value) -> Value {
    (0..count).map(one).collect()
}

fn function(index: usize) -> Value {
    json!({"id": format!("c{index}"), "function": {"name": format!("{index} f"), "arguments": "{}"}})
}

/// Reads a request and writes it for this schema, as if another schema's client had sent it.
fn cross(body: &String) {
    let mut request = read_request(openai(), body.as_bytes()).unwrap();
    request.origin = anthropic();
    _ = black_box(write_request(openai(), &request, &Capabilities::default()));
}

#[test]
fn requests_take_work_that_grows_with_their_bytes() {
    check(
        "calls and results the wrong way round",
        |count| {
            let mut messages = vec![json!({"role": "assistant", "tool_calls": many(count, function)})];
            let results = (0..count).rev();
            messages.extend(results.map(|index| json!({"role": "tool", "tool_call_id": format!("c{index}")})));
            messages.extend((0..count).map(|_| json!({"role": "tool"})));
            of_messages(messages.into()).to_string()
        },
        cross,
    );
    check(
        "turns of the model's",
        |count| of_messages(many(count, |_| json!({"role": "assistant", "content": "a"}))).to_string(),
        cross,
    );
    check(
        "unknown fields",
        |count| of_messages(many(count, |_| json!({"role": "user", "content": "a", "name": "n"}))).to_string(),
        cross,
    );
    check("tools", |count| with(json!({"tools": many(count, function)})).to_string(), cross);
    check(
        "edits in place",
        |count| {
            let system = |_| json!({"role": "developer", "content": "a"});
            let tool = |_| json!({"function": {"name": "f", "strict": true}});
            with(json!({"max_tokens": 1, "messages": many(count, system), "tools": many(count, tool)})).to_string()
        },
        |body| {
            let capabilities = Capabilities {
                max_tokens_field: MaxTokensField::MaxTokens,
                strict_tools: false,
                ..Capabilities::default()
            };
            let edits = openai().adapt(body.as_bytes(), &capabilities);
            assert!(!black_box(edits).is_empty());
        },
    );
}

#[test]
fn answers_take_work_that_grows_with_their_bytes() {
    check(
        "calls of a whole answer",
        |count| json!({"choices": [{"message": {"tool_calls": many(count, function)}}]}).to_string(),
        |body| assert!(black_box(read_response(openai(), body.as_bytes())).is_ok()),
    );
    let chunks = |count: usize, one: &dyn Fn(usize) -> Value| -> Vec<String> {
        (0..count).map(|index| json!({"choices": [{"delta": one(index)}]}).to_string()).collect()
    };
    let read = |chunks: &Vec<String>| {
        let mut reader = openai().stream_reader(true);
        let mut writer = openai().stream_writer(super::streams::options());
        let mut out = Vec::new();
        for chunk in chunks {
            for delta in reader.read(chunk).unwrap() {
                writer.write(&delta, &mut out).unwrap();
            }
        }
        writer.write(&Delta::End, &mut out).unwrap();
        black_box(out);
    };
    check("calls of a stream", |count| chunks(count, &|index| json!({"tool_calls": [function(index)]})), read);
    check(
        "calls of a stream, each in an event with all before it",
        |count| chunks(2, &|_| json!({"tool_calls": many(count, function)})),
        read,
    );
    check(
        "text between arguments",
        |count| {
            let open = json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]});
            let text = json!({"content": "a ", "refusal": "b", "reasoning": " "});
            chunks(count, &|index| if index == 0 { open.clone() } else { text.clone() })
        },
        read,
    );
    check(
        "a call's name and arguments in pieces",
        |count| {
            let name = json!({"tool_calls": [{"index": 0, "function": {"name": "f"}}]});
            let arguments = json!({"tool_calls": [{"index": 0, "function": {"arguments": " ".repeat(16)}}]});
            chunks(count, &|index| if index % 2 == 0 { name.clone() } else { arguments.clone() })
        },
        read,
    );
}
