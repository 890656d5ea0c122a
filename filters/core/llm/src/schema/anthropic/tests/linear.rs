//! Work grows with the bytes and no faster.

use serde_json::{Map, Value, json};
use weir_config::Capabilities;

use super::{anthropic, openai, stream_options, with};
use crate::chat::{read_request, read_response, write_request, write_response};
use crate::schema::Schema;
use crate::schema::tests::work_of;
use crate::stream::Delta;

/// Compares the work on so many things with that on 64 times as many, which takes 4096 times as much where it grows with the square.
#[track_caller]
fn check<T>(make: impl Fn(usize) -> T, work: impl Fn(&T)) {
    let (few, many) = (make(64), make(4_096));
    let (few, many) = (work_of(|| work(&few)), work_of(|| work(&many)));
    assert!(few > 0 && many < few * 64 * 2, "{few} steps for some, {many} for 64 times as many");
}

#[track_caller]
fn check_request(from: Schema, fields: impl Fn(usize) -> Value) {
    check(
        |count| with(fields(count)).to_string(),
        |body| {
            let request = read_request(from, body.as_bytes()).unwrap();
            let _ = write_request(anthropic(), &request, &Capabilities::default());
        },
    );
}

#[test]
fn requests_take_work_that_grows_with_their_bytes() {
    let call = |id: &str| json!({"id": id, "function": {"name": "f", "arguments": "{}"}});
    check_request(openai(), |count| {
        let turn = json!({"role": "assistant", "tool_calls": [call(":"), call(".")]});
        let result = json!({"role": "tool", "tool_call_id": ":", "content": "r"});
        let turns: Vec<_> = [turn, result].into_iter().cycle().take(count).collect();
        json!({"messages": turns})
    });
    check_request(openai(), |count| {
        let results =
            (0..count).rev().map(|id| json!({"role": "tool", "tool_call_id": id.to_string(), "content": "r"}));
        let calls: Vec<Value> = (0..count).map(|id| call(&id.to_string())).collect();
        let turn = json!({"role": "assistant", "tool_calls": calls});
        let turns: Vec<_> = [turn].into_iter().chain(results).collect();
        json!({"messages": turns})
    });
    check_request(anthropic(), |count| {
        let block = json!({"type": "text", "text": " ", "cache_control": {"type": "ephemeral"}});
        json!({"system": vec![block; count]})
    });
    check_request(anthropic(), |count| {
        let properties: Map<String, Value> =
            (0..count).map(|name| (name.to_string(), json!({"minLength": 1, "oneOf": [{}]}))).collect();
        let schema = json!({"properties": properties, "allOf": [{"properties": properties}]});
        json!({
            "tools": [{"name": "f", "input_schema": schema, "strict": true}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        })
    });
}

#[test]
fn answers_take_work_that_grows_with_their_bytes() {
    let block = json!({"type": "tool_use", "id": ":", "name": "f", "input": {"q": 1}, "caller": {}});
    check(
        |count| json!({"content": vec![block.clone(); count]}).to_string(),
        |body| {
            write_response(anthropic(), &read_response(anthropic(), body.as_bytes()).unwrap());
        },
    );
}

#[test]
fn streams_take_work_that_grows_with_their_events() {
    let write = |deltas: &Vec<Delta<'_>>| {
        let mut writer = anthropic().stream_writer(stream_options());
        let mut out = Vec::new();
        deltas.iter().for_each(|delta| writer.write(delta, &mut out).unwrap());
    };
    let call = |key: usize| Delta::ToolCall { key: key.try_into().unwrap(), id: ":".into(), name: "f".into() };
    let arguments =
        |key: usize, json: &'static str| Delta::Arguments { key: key.try_into().unwrap(), json: json.into() };
    check(
        |count| (0..count).flat_map(|key| [call(key), arguments(key, "{\"q\":"), arguments(key, "1}")]).collect(),
        write,
    );
    // All begin, and then all go on, the last one first.
    check(
        |count| {
            let begin = (0..count).map(call);
            let go_on = (0..count)
                .rev()
                .flat_map(|key| [arguments(key, "{\"q\":"), Delta::Text("t".into()), arguments(key, "1}")]);
            begin.chain(go_on).chain([Delta::End]).collect()
        },
        write,
    );
    check(
        |count| {
            let start = |index: usize| {
                let block = json!({"type": "tool_use", "id": "c", "name": "f", "input": {"q": 1}});
                json!({"type": "content_block_start", "index": index, "content_block": block}).to_string()
            };
            (0..count).map(start).collect::<Vec<String>>()
        },
        |events| {
            let mut reader = anthropic().stream_reader(true);
            events.iter().for_each(|event| {
                reader.read(event).unwrap();
            });
        },
    );
}
