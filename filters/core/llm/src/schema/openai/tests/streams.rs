use serde_json::{Value, json};

use super::{anthropic, openai};
use crate::chat::{Finish, Part, ToolNames, read_response};
use crate::schema::{Schema, StreamReader};
use crate::stream::{Delta, Progress, StreamOptions, StreamTranslator};

/// What a stream told, calls and texts put together in the order of their beginning.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Text(String),
    Thinking(String),
    Call { id: String, name: String, arguments: String },
    Finish(Finish),
    Opaque,
}

fn said(text: &str) -> Told {
    Told::Text(text.into())
}

fn call(id: &str, name: &str, arguments: &str) -> Told {
    Told::Call { id: id.into(), name: name.into(), arguments: arguments.into() }
}

/// What the events tell a writer of another schema. Pieces of one thing must not be interrupted, as its blocks follow each other.
fn told(events: &[Value]) -> Result<Vec<Told>, String> {
    let mut reader = openai().stream_reader(true);
    let mut told = Vec::new();
    let mut open = None;
    for event in events {
        for delta in read(reader.as_mut(), &event.to_string())? {
            take(delta, &mut told, &mut open)?;
        }
    }
    Ok(told)
}

fn read(reader: &mut dyn StreamReader, event: &str) -> Result<Vec<Delta<'static>>, String> {
    // What the reader borrows lives as long as the test.
    let event: &'static str = String::leak(event.to_owned());
    reader.read(event).map_err(|error| error.message)
}

fn take(delta: Delta<'_>, told: &mut Vec<Told>, open: &mut Option<u32>) -> Result<(), String> {
    match (delta, told.last_mut()) {
        (Delta::Text(text), Some(Told::Text(last))) => last.push_str(&text),
        (Delta::Text(text) | Delta::Refusal(text), _) => told.push(Told::Text(text.into_owned())),
        (Delta::Thinking(text), Some(Told::Thinking(last))) => last.push_str(&text),
        (Delta::Thinking(text), _) => told.push(Told::Thinking(text.into_owned())),
        (Delta::ToolCall { key, id, name }, _) => {
            *open = Some(key);
            told.push(Told::Call { id: id.into_owned(), name: name.into_owned(), arguments: String::new() });
        }
        (Delta::Arguments { key, json }, Some(Told::Call { arguments, .. })) if *open == Some(key) => {
            arguments.push_str(&json);
        }
        (Delta::Arguments { .. }, _) => return Err("arguments of a call that has ended".into()),
        (Delta::Finish { finish, .. }, _) => told.push(Told::Finish(finish)),
        (Delta::Opaque, _) => told.push(Told::Opaque),
        (Delta::Error(error), _) => return Err(error.message),
        (Delta::Model(_) | Delta::Start | Delta::Ping | Delta::BlockEnd { .. } | Delta::Usage(_) | Delta::End, _) => {}
    }
    Ok(())
}

fn check(events: &[Value], expect: &[Told]) {
    assert_eq!(told(events).as_deref(), Ok(expect), "{events:?}");
}

fn check_error(events: &[Value], expect: &str) {
    assert_eq!(told(events).map_err(|message| message.contains(expect)), Err(true), "{events:?}");
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta}]})
}

fn calls(calls: Value) -> Value {
    delta(json!({"tool_calls": calls}))
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// A piece of a call.
fn piece(index: Option<u32>, id: &str, name: &str, arguments: &str) -> Value {
    let mut call = json!({"function": {"name": name, "arguments": arguments}});
    if let Some(index) = index {
        call["index"] = index.into();
    }
    if !id.is_empty() {
        call["id"] = id.into();
    }
    call
}

const DONE: Told = Told::Finish(Finish::ToolCalls);

#[test]
fn parallel_calls_of_one_index_are_told_apart_by_their_ids() {
    for index in [Some(0), None] {
        let pieces = [
            calls(json!([piece(index, "a", "f", "")])),
            calls(json!([piece(index, "", "", "{\"q\":")])),
            calls(json!([piece(index, "", "", "1}")])),
            calls(json!([piece(index, "b", "g", "{\"q\":")])),
            calls(json!([piece(index, "", "", "2}")])),
            finish("tool_calls"),
        ];
        check(&pieces, &[call("a", "f", "{\"q\":1}"), call("b", "g", "{\"q\":2}"), DONE]);
        let whole = [calls(json!([piece(index, "a", "f", "{}"), piece(index, "b", "f", "{}")])), finish("stop")];
        check(&whole, &[call("a", "f", "{}"), call("b", "f", "{}"), DONE]);
        // Without ids what is whole is followed by another.
        let nameless =
            [calls(json!([piece(index, "", "f", "{}"), piece(index, "", "f", "{\"q\":1}")])), finish("stop")];
        check(&nameless, &[call("", "f", "{}"), call("", "f", "{\"q\":1}"), DONE]);
    }
}

#[test]
fn ids_and_names_that_are_repeated_begin_nothing() {
    let pieces = [
        calls(json!([piece(Some(0), "a", "f", "{\"q\":")])),
        calls(json!([piece(Some(0), "a", "f", "1}")])),
        calls(json!([piece(Some(1), "b", "f", "{\"q\":")])),
        calls(json!([piece(Some(1), "b", "f", "2}")])),
        finish("tool_calls"),
    ];
    check(&pieces, &[call("a", "f", "{\"q\":1}"), call("b", "f", "{\"q\":2}"), DONE]);
}

#[test]
fn calls_that_share_an_id_get_another() {
    let pieces = [calls(json!([piece(Some(0), "a", "f", "{}"), piece(Some(1), "a", "f", "{}")])), finish("stop")];
    check(&pieces, &[call("a", "f", "{}"), call("", "f", "{}"), DONE]);
}

#[test]
fn calls_behind_the_reason_of_the_end_are_told() {
    let mut reader = openai().stream_reader(true);
    let mut deltas = Vec::new();
    for event in [finish("tool_calls"), calls(json!([piece(Some(0), "a", "f", "")]))] {
        deltas.extend(read(reader.as_mut(), &event.to_string()).unwrap());
    }
    deltas.extend(read(reader.as_mut(), "[DONE]").unwrap());
    assert!(matches!(deltas.as_slice(), [.., Delta::ToolCall { .. }, Delta::End]), "{deltas:?}");
}

/// What a message says is the same, whole or as one chunk.
#[test]
fn a_stream_is_read_as_a_whole_answer_is() {
    let function =
        |id: Value, name: &str, arguments: Value| json!({"id": id, "function": {"name": name, "arguments": arguments}});
    let custom = json!({"id": "c", "type": "custom", "custom": {"name": "g", "input": "x"}});
    for message in [
        json!({"content": "a", "refusal": null, "reasoning_content": "hm"}),
        json!({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"text": 7}]}),
        json!({"content": {"type": "output_text", "text": "a"}}),
        json!({"content": [{"type": "text", "text": {"value": "a"}}]}),
        json!({"content": [{"type": "text"}, {"type": "text", "text": null}, null, "a"]}),
        json!({"tool_calls": [null, function(json!("a"), "f", json!("{}"))]}),
        json!({"content": [7]}),
        json!({"content": true, "reasoning": {"odd": 1}}),
        json!({"content": null, "reasoning_details": [{"summary": "hm"}]}),
        json!({"refusal": "no"}),
        json!({"refusal": 7}),
        json!({"tool_calls": [function(json!("a"), "f", json!({"q": 1})), function(json!(7), "f", json!("null"))]}),
        json!({"tool_calls": [function(json!(null), "f", json!([1]))]}),
        json!({"tool_calls": [function(json!("a"), "", json!("{}"))]}),
        json!({"tool_calls": [custom, function(json!("a"), "f", json!("{broken"))]}),
        json!({"function_call": {"name": "f", "arguments": "{}"}}),
    ] {
        let whole = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
        let whole = read_response(openai(), whole.to_string().as_bytes()).map_err(|_| ()).map(|response| {
            response
                .parts
                .into_iter()
                .filter(|part| *part != Part::Text(String::new()))
                .map(|part| match part {
                    Part::Text(text) | Part::Refusal(text) => Told::Text(text),
                    Part::Thinking { text, .. } => Told::Thinking(text),
                    // Only a whole answer has no writer behind that makes ids, and fills what is empty.
                    Part::ToolCall(one) => call("", &one.name, &one.arguments),
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>()
        });
        let streamed = told(&[delta(message.clone()), finish("stop")]).map_err(|_| ()).map(|told| {
            told.into_iter()
                .filter_map(|one| match one {
                    Told::Call { name, arguments, .. } if arguments.is_empty() => Some(call("", &name, "{}")),
                    Told::Call { name, arguments, .. } => Some(call("", &name, &arguments)),
                    Told::Opaque | Told::Finish(_) => None,
                    said @ (Told::Text(_) | Told::Thinking(_)) => Some(said),
                })
                .collect::<Vec<_>>()
        });
        assert_eq!(streamed.map(joined), whole.map(joined), "{message}");
    }
}

#[test]
fn a_whole_message_stands_for_its_pieces_where_there_are_none() {
    let whole = |content: &str| json!({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]});
    check(&[whole("a")], &[said("a"), Told::Finish(Finish::Stop)]);
    check(&[delta(json!({"content": "a"})), whole("a")], &[said("a"), Told::Finish(Finish::Stop)]);
    check(&[json!({"choices": [null]}), whole("a")], &[said("a"), Told::Finish(Finish::Stop)]);
}

#[test]
fn figures_are_read_wherever_a_server_says_them() {
    let figures = json!({"prompt_tokens": 8, "completion_tokens": 3});
    let end = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
    let mut with_figures = end.clone();
    with_figures["usage"] = figures.clone();
    for event in [
        json!({"choices": [end.clone()], "usage": figures.clone()}),
        json!({"choices": [with_figures], "usage": null}),
        json!({"choices": [end], "x_groq": {"id": "r", "usage": figures}}),
    ] {
        let mut reader = openai().stream_reader(false);
        let deltas = read(reader.as_mut(), &event.to_string()).unwrap();
        let Some(Delta::Usage(usage)) = deltas.last() else { panic!("{event}: {deltas:?}") };
        assert_eq!((usage.counted().input, usage.counted().output), (Some(8), Some(3)), "{event}");
    }
}

/// Texts that follow each other as one.
fn joined(told: Vec<Told>) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    for one in told {
        match (one, all.last_mut()) {
            (Told::Text(text), Some(Told::Text(last))) => last.push_str(&text),
            (one, _) => all.push(one),
        }
    }
    all
}

#[test]
fn a_call_is_told_when_its_name_is_whole() {
    for index in [Some(0), None] {
        let pieces = [
            calls(json!([piece(index, "a", "", "")])),
            calls(json!([piece(index, "", "f", "")])),
            calls(json!([piece(index, "", "", "{}")])),
            finish("tool_calls"),
        ];
        check(&pieces, &[call("a", "f", "{}"), DONE]);
    }
    let in_pieces = [
        calls(json!([piece(Some(0), "a", "get_", "")])),
        calls(json!([piece(Some(0), "", "weather", "{}")])),
        finish("stop"),
    ];
    check(&in_pieces, &[call("a", "get_weather", "{}"), DONE]);
    let name_first =
        [calls(json!([piece(None, "", "f", "")])), calls(json!([piece(None, "a", "", "{}")])), finish("stop")];
    check(&name_first, &[call("a", "f", "{}"), DONE]);
    let none = [calls(json!([piece(Some(0), "a", "f", "")])), finish("tool_calls")];
    check(&none, &[call("a", "f", ""), DONE]);
    check_error(&[calls(json!([piece(Some(0), "a", "", "{}")])), finish("stop")], "without a name");
}

#[test]
fn calls_announced_together_are_told_one_by_one() {
    let pieces = [
        calls(json!([piece(Some(0), "a", "f", ""), piece(Some(1), "b", "g", "")])),
        calls(json!([piece(Some(0), "", "", "{}")])),
        calls(json!([piece(Some(1), "", "", "{}")])),
        finish("tool_calls"),
    ];
    check(&pieces, &[call("a", "f", "{}"), call("b", "g", "{}"), DONE]);
}

#[test]
fn text_between_arguments_leaves_the_call_whole() {
    let begin = || calls(json!([piece(Some(0), "a", "f", "{\"q\":")]));
    let with_content = |content: &str| delta(json!({"content": content, "tool_calls": [piece(Some(0), "", "", "1}")]}));
    check(&[begin(), with_content("\n"), finish("stop")], &[call("a", "f", "{\"q\":1}"), DONE]);
    check(&[begin(), with_content("so"), finish("stop")], &[call("a", "f", "{\"q\":1}"), said("so"), DONE]);
    let behind = [
        begin(),
        with_content(" "),
        delta(json!({"content": "and"})),
        delta(json!({"content": " "})),
        delta(json!({"content": "so"})),
        finish("stop"),
    ];
    check(&behind, &[call("a", "f", "{\"q\":1}"), said(" and so"), DONE]);
    let next = [
        begin(),
        with_content("so"),
        calls(json!([piece(Some(1), "b", "g", "{}")])),
        delta(json!({"content": "\n"})),
        finish("stop"),
    ];
    check(&next, &[call("a", "f", "{\"q\":1}"), said("so"), call("b", "g", "{}"), DONE]);
    let before = [
        calls(json!([piece(Some(0), "a", "f", "")])),
        delta(json!({"content": "so"})),
        calls(json!([piece(Some(0), "", "", "{}")])),
        finish("stop"),
    ];
    check(&before, &[said("so"), call("a", "f", "{}"), DONE]);
    let cut_off = [begin(), delta(json!({"content": "so"})), finish("length")];
    check(&cut_off, &[call("a", "f", "{\"q\":"), said("so"), Told::Finish(Finish::Length)]);
}

#[test]
fn arguments_are_json_in_a_text_or_json() {
    let call_of =
        |arguments: Value| calls(json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}]));
    for (arguments, expect) in [
        (json!({"q": 1}), "{\"q\":1}"),
        (json!([1]), "[1]"),
        (json!("null"), ""),
        (json!(null), ""),
        (json!("{}"), "{}"),
    ] {
        check(&[call_of(arguments), finish("stop")], &[call("a", "f", expect), DONE]);
    }
    let in_pieces = [call_of(json!("nu")), calls(json!([piece(Some(0), "", "", "ll")])), finish("stop")];
    check(&in_pieces, &[call("a", "f", ""), DONE]);
}

#[test]
fn functions_of_the_older_spelling_are_calls() {
    let pieces = [
        delta(json!({"function_call": {"name": "f", "arguments": ""}})),
        delta(json!({"function_call": {"arguments": "{}"}})),
        finish("function_call"),
    ];
    check(&pieces, &[call("", "f", "{}"), DONE]);
}

#[test]
fn null_is_absent_in_a_stream() {
    let nulls =
        json!({"index": null, "delta": {"content": "a", "tool_calls": null, "function_call": null, "refusal": null}});
    let no_call = json!({"index": null, "id": null, "type": null, "function": null});
    check(
        &[
            json!({"choices": null}),
            json!({"choices": [nulls], "usage": null, "error": null}),
            json!({"choices": [{"delta": null, "finish_reason": null}]}),
            calls(json!([no_call])),
            finish("stop"),
        ],
        &[said("a"), Told::Finish(Finish::Stop)],
    );
}

#[test]
fn only_a_reason_ends_an_answer() {
    let empty = |reason: &str, text: &str| json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]});
    check(&[empty("", "a"), empty("null", "b")], &[said("ab")]);
    check(&[finish("stop"), finish("stop")], &[Told::Finish(Finish::Stop)]);
    check(&[finish("tired")], &[Told::Finish(Finish::Stop)]);
    check(&[finish("max_tokens")], &[Told::Finish(Finish::Length)]);
    check_error(&[empty("error", "")], "with an error");
}

#[test]
fn content_is_read_as_that_of_a_whole_answer_is() {
    let thinking =
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]);
    check(&[delta(json!({"content": thinking}))], &[Told::Thinking("hm".into()), said("a")]);
    check(&[delta(json!({"content": [{"type": "hologram"}, {"text": "a"}]}))], &[Told::Opaque, said("a")]);
    check(&[delta(json!({"content": 7}))], &[said("7")]);
    check(&[delta(json!({"reasoning": "hm"}))], &[Told::Thinking("hm".into())]);
    let details = json!([{"type": "reasoning.text", "text": "hm"}]);
    check(&[delta(json!({"reasoning_details": details}))], &[Told::Thinking("hm".into())]);
    check(&[delta(json!({"reasoning": "hm", "reasoning_details": details}))], &[Told::Thinking("hm".into())]);
    check_error(&[delta(json!({"content": [{"type": "text", "text": {"value": "a"}}]}))], "cannot be read");
}

#[test]
fn what_is_no_chunk_says_nothing_or_an_error() {
    check(
        &[
            json!({"type": "status", "message": "warming up"}),
            json!({"id": "", "choices": [], "prompt_filter_results": []}),
            json!({"choices": [{"index": 0, "content_filter_offsets": {}, "finish_reason": null}]}),
            json!({"choices": [{"index": 0, "delta": {"content": "a"}}], "obfuscation": "xyz"}),
            json!({"choices": [], "error": {"code": 0, "message": ""}}),
            json!({"choices": [], "error": {"code": null, "message": null}}),
            json!("ping"),
            json!(null),
            json!({"choices": [{"index": 1, "delta": {"content": "other"}}]}),
        ],
        &[said("a")],
    );
    check_error(&[json!({"object": "error", "message": "out of memory", "code": 500})], "out of memory");
    check_error(&[json!({"type": "error", "message": "out of memory"})], "out of memory");
    check_error(&[json!({"error": {"message": "out of memory"}, "choices": []})], "out of memory");
    check_error(&[json!([{"error": {"message": "out of memory"}}])], "out of memory");
    check_error(&[json!({"error": "out of memory"})], "out of memory");
}

pub(super) fn options() -> StreamOptions {
    StreamOptions {
        client_model: String::new(),
        client_wants_usage: false,
        id: "id-1".into(),
        created_unix_s: 7,
        tool_names: ToolNames::default(),
        echo: crate::chat::Echo::default(),
    }
}

/// Runs a whole stream; answers what the client gets and what was seen.
fn run(provider: Schema, client: Schema, events: &[Value]) -> (String, Vec<Progress>) {
    let mut translator = StreamTranslator::new(provider, client, options());
    let mut out = Vec::new();
    let mut seen: Vec<_> =
        events.iter().map(|event| translator.push(format!("data: {event}\n\n").as_bytes(), &mut out)).collect();
    seen.push(translator.finish(&mut out));
    (String::from_utf8(out).unwrap(), seen)
}

#[test]
fn a_client_of_the_schema_gets_every_event_as_it_came() {
    let events = [
        json!({"choices": [{"index": null, "delta": {"tool_calls": [{"index": null, "id": "a", "function": {"name": "f"}}]}}]}),
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": {"q": 1}}}]}}], "usage": {"prompt_tokens": 1}}),
        json!({"choices": [{"index": 0, "delta": {"content": "\n"}, "finish_reason": ""}]}),
        json!({"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": {"value": 1}}]}}]}),
        json!({"choices": [{"index": 0, "delta": "odd"}]}),
        json!({"choices": [{"index": 0, "delta": {}}], "usage": {"prompt_tokens": 1}}),
        json!({"choices": null}),
        json!({"type": "status"}),
        finish("stop"),
    ];
    let (out, seen) = run(openai(), openai(), &events);
    let expect: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    assert_eq!(out, expect);
    assert!(seen.iter().all(|progress| progress.error.is_none()));
    assert!(seen.last().unwrap().complete);
}

#[test]
fn a_stream_without_a_reason_of_its_end_is_cut_off() {
    let empty = json!({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": ""}]});
    for client in [openai(), anthropic()] {
        let (_, seen) = run(openai(), client, std::slice::from_ref(&empty));
        let last = seen.last().unwrap();
        assert!(!last.complete && last.error.is_some(), "{last:?}");
    }
}

#[test]
fn written_calls_have_ids_and_arguments_and_one_end() {
    let mut writer = openai().stream_writer(options());
    let mut out = Vec::new();
    let finish = Delta::Finish { finish: Finish::ToolCalls, stop_sequence: None };
    for delta in [
        Delta::ToolCall { key: 7, id: "".into(), name: "f".into() },
        Delta::ToolCall { key: 9, id: "b".into(), name: "g".into() },
        Delta::Arguments { key: 9, json: "{\"q\":1}".into() },
        finish.clone(),
        finish,
        Delta::End,
    ] {
        writer.write(&delta, &mut out).unwrap();
    }
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out.matches("\"finish_reason\":\"tool_calls\"").count(), 1);
    assert_eq!(out.matches("\"index\":0,\"function\":{\"arguments\":\"{}\"}").count(), 1, "{out}");
    assert_eq!(out.matches("\"id\":\"call_").count(), 1, "{out}");
}
