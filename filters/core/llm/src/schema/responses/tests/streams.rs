use serde_json::{Value, json};

use super::{anthropic, chat, responses};
use crate::error::ProviderError;
use crate::schema::Schema;
use crate::sse::Framer;
use crate::stream::{Progress, StreamOptions, StreamTranslator};
use crate::usage::Usage;

const TOOLS: &str = include_str!("../../../../fixtures/responses-tools.sse");
const CHAT_TOOLS: &str = include_str!("../../../../fixtures/openai-tools.sse");
const CHAT_AS_RESPONSES: &str = include_str!("../../../../fixtures/openai-tools.as-responses.sse");
const ANTHROPIC_TOOLS: &str = include_str!("../../../../fixtures/anthropic-tools.sse");
const ANTHROPIC_AS_RESPONSES: &str = include_str!("../../../../fixtures/anthropic-tools.as-responses.sse");

/// What a whole stream has shown.
struct Outcome {
    out: String,
    error: Option<ProviderError>,
    usage: Option<Usage>,
    complete: bool,
    characters: u64,
}

fn run(provider: Schema, client: Schema, stream: &str) -> Outcome {
    let options = StreamOptions {
        client_model: "mine".into(),
        client_wants_usage: true,
        id: format!("{}1", client.answer_id_prefix()),
        created_unix_s: 7,
        ..StreamOptions::default()
    };
    let mut translator = StreamTranslator::new(provider, client, options);
    let mut out = Vec::new();
    let first = translator.push(stream.as_bytes(), &mut out);
    let last = translator.finish(&mut out);
    let either = |one: fn(&Progress) -> bool| one(&first) || one(&last);
    Outcome {
        complete: either(|progress| progress.complete),
        usage: last.usage.or(first.usage),
        characters: first.characters + last.characters,
        error: first.error.or(last.error),
        out: String::from_utf8(out).unwrap(),
    }
}

fn events(stream: &str) -> Vec<Value> {
    let mut events = Vec::new();
    Framer::default()
        .push(stream.as_bytes(), &mut |event| {
            let data: Value = serde_json::from_str(event.data).unwrap();
            assert_eq!(data["type"], event.event);
            events.push(data);
        })
        .unwrap();
    events
}

/// A stream of these events, numbered.
fn stream_of(events: &[Value]) -> String {
    let numbered = events.iter().enumerate().map(|(number, event)| {
        let mut event = event.clone();
        event["sequence_number"] = number.into();
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
    });
    numbered.collect()
}

fn item(place: u32, item: Value) -> [Value; 2] {
    let event =
        |kind: &str| json!({"type": format!("response.output_item.{kind}"), "output_index": place, "item": item});
    [event("added"), event("done")]
}

fn delta(kind: &str, item: &str, place: u32, text: &str) -> Value {
    json!({"type": format!("response.{kind}.delta"), "item_id": item, "output_index": place, "content_index": 0, "delta": text})
}

fn ended(status: &str, more: Value) -> Value {
    let mut response = json!({"id": "resp_1", "model": "g", "status": status, "output": []});
    response.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"type": format!("response.{status}"), "response": response})
}

/// Input, what of it was cached, and output.
fn figures(usage: Option<Usage>) -> [u64; 3] {
    let counted = usage.expect("the provider reported it").counted();
    [counted.input, counted.cached_input, counted.output].map(|figure| figure.unwrap_or(0))
}

#[test]
fn translated_streams_match_their_goldens() {
    for (provider, stream, golden, usage) in [
        (chat(), CHAT_TOOLS, CHAT_AS_RESPONSES, [40, 0, 21]),
        (anthropic(), ANTHROPIC_TOOLS, ANTHROPIC_AS_RESPONSES, [135, 100, 44]),
    ] {
        let outcome = run(provider, responses(), stream);
        assert_eq!(figures(outcome.usage), usage, "{provider:?}");
        assert!(outcome.complete && outcome.error.is_none(), "{provider:?}");
        assert_eq!(outcome.out, golden, "{provider:?}");
    }
}

#[test]
fn a_stream_crosses_with_text_reasoning_calls_and_usage() {
    let said = json!({
        "content": "Grüß \"dich\" 😀", "refusal": "", "reasoning_content": "**Weather**\n\nLook.", "end": "tool_calls",
        "calls": [["call_0", "weather", "{\"city\":\"Ulm\"}"], ["call_1", "time", "{}"]],
    });
    check_said(&events(TOOLS), &said);
    for client in [chat(), anthropic()] {
        let outcome = run(responses(), client, TOOLS);
        assert_eq!(figures(outcome.usage), [40, 8, 21], "{client:?}");
        assert!(outcome.complete && outcome.error.is_none(), "{client:?}");
        let ends = outcome.out.contains("tool_calls") || outcome.out.contains("tool_use");
        assert!(ends && outcome.out.contains("Grüß ") && outcome.out.contains("call_1"), "{}", outcome.out);
    }
}

#[test]
fn one_schema_passes_byte_for_byte_but_for_the_model() {
    let outcome = run(responses(), responses(), TOOLS);
    assert_eq!(outcome.out, TOOLS.replace("gpt-5-2025-08-07", "mine"));
    let said = "**Weather**Look.Grüß \"dich\" 😀weather{\"city\":\"Ulm\"}time{}";
    assert_eq!(outcome.characters, said.chars().count() as u64);
    assert!(outcome.complete && outcome.error.is_none());
}

/// What each event says of a text, by event: pieces, then copies.
#[test]
fn events_are_numbered_and_each_copy_says_the_whole_text() {
    let events = events(CHAT_AS_RESPONSES);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    let pieces: String =
        of("response.output_text.delta").iter().map(|event| event["delta"].as_str().unwrap()).collect();
    assert_eq!(of("response.output_text.done")[0]["text"], pieces);
    assert_eq!(of("response.content_part.done")[0]["part"]["text"], pieces);
    let items: Vec<_> = of("response.output_item.done").iter().map(|event| event["item"].clone()).collect();
    assert_eq!(items[0]["content"][0]["text"], pieces);
    assert_eq!(items[1]["arguments"], r#"{"city":"Ulm"}"#);
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    let mut output = last["response"]["output"].as_array().unwrap().clone();
    output.sort_by_key(|item| item["id"].to_string());
    let mut items = items;
    items.sort_by_key(|item| item["id"].to_string());
    assert_eq!(output, items);
}

fn check_said(stream: &[Value], expect: &Value) {
    let outcome = run(responses(), chat(), &stream_of(stream));
    assert!(outcome.complete, "{:?}", outcome.error);
    let mut said = json!({"content": "", "refusal": "", "reasoning_content": "", "calls": []});
    let data = |event: crate::sse::Event<'_>| serde_json::from_str::<Value>(event.data).unwrap_or_default();
    let mut chunks = Vec::new();
    Framer::default().push(outcome.out.as_bytes(), &mut |event| chunks.push(data(event))).unwrap();
    for chunk in chunks {
        let Some(choice) = chunk["choices"].get(0) else { continue };
        for name in ["content", "refusal", "reasoning_content"] {
            let text = choice["delta"][name].as_str().unwrap_or_default();
            said[name] = format!("{}{text}", said[name].as_str().unwrap()).into();
        }
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let calls = said["calls"].as_array_mut().unwrap();
            let function = &call["function"];
            match calls.get_mut(usize::try_from(call["index"].as_u64().unwrap()).unwrap()) {
                Some(known) => {
                    known[2] =
                        format!("{}{}", known[2].as_str().unwrap(), function["arguments"].as_str().unwrap()).into();
                }
                None => calls.push(json!([call["id"], function["name"], function["arguments"]])),
            }
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            said["end"] = reason.into();
        }
    }
    for (name, expect) in expect.as_object().unwrap() {
        assert_eq!(&said[name], expect, "{name} of {said}");
    }
}

#[test]
fn a_text_without_pieces_is_taken_from_its_first_copy_and_once() {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "content": [
        {"type": "output_text", "text": "a", "annotations": []}, {"type": "refusal", "refusal": "no"}]});
    let call = json!({"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"q\":1}"});
    let said = json!({"content": "a", "refusal": "no", "calls": [["c", "f", "{\"q\":1}"]], "end": "tool_calls"});
    let output = json!({"output": [message, call]});
    let [added, done] = item(0, message.clone());
    let [call_added, call_done] = item(1, call.clone());
    check_said(&[ended("completed", output.clone())], &said);
    check_said(&[added, done, call_added, call_done, ended("completed", output)], &said);
}

#[test]
fn two_items_at_one_place_are_two_and_changing_ids_are_one() {
    let call = |id: &str| json!({"id": id, "type": "function_call", "call_id": format!("c_{id}"), "name": "f", "arguments": ""});
    let arguments = |id: &str, text: &str| delta("function_call_arguments", id, 0, text);
    let [first, _] = item(0, call("a"));
    let [second, _] = item(0, call("b"));
    check_said(
        &[first, second, arguments("a", "1"), arguments("b", "2"), ended("completed", json!({}))],
        &json!({"calls": [["c_a", "f", "1"], ["c_b", "f", "2"]]}),
    );
    let [added, _] = item(0, call("x1"));
    let [_, done] =
        item(0, json!({"id": "x4", "type": "function_call", "call_id": "c_x1", "name": "f", "arguments": "12"}));
    let events =
        [added, arguments("x2", "1"), arguments("x3", "2"), done, ended("completed", json!({"output": [call("x5")]}))];
    check_said(&events, &json!({"calls": [["c_x1", "f", "12"]]}));
}

#[test]
fn null_and_missing_places_are_no_error() {
    let text = |text: &str| json!({"type": "response.output_text.delta", "output_index": null, "content_index": null, "delta": text});
    check_said(
        &[text("a"), text("b"), ended("completed", json!({"usage": null}))],
        &json!({"content": "ab", "end": "stop"}),
    );
}

#[test]
fn what_is_not_known_is_passed_over_and_ends_nothing() {
    let strange = json!({"type": "response.something.new", "delta": 5, "response": {"status": "completed"}});
    let search = json!({"id": "ws_1", "type": "web_search_call", "status": "completed"});
    let [added, done] = item(0, search);
    let stream = [strange, added, done, delta("output_text", "m", 1, "a"), ended("completed", json!({}))];
    check_said(&stream, &json!({"content": "a", "end": "stop"}));
}

#[test]
fn an_answer_that_broke_off_says_why() {
    let check = |reason: Value, expect: &str| {
        let end = ended("incomplete", json!({"incomplete_details": reason}));
        check_said(&[delta("output_text", "m", 0, "a"), end], &json!({"end": expect}));
    };
    check(json!({"reason": "max_output_tokens"}), "length");
    check(json!({"reason": "content_filter"}), "content_filter");
    check(json!({"reason": "a new one"}), "length");
    check(Value::Null, "length");
}

fn check_failed(stream: &str, status: u16, message: &str) {
    for client in [chat(), anthropic(), responses()] {
        let outcome = run(responses(), client, stream);
        let error = outcome.error.expect("an error");
        assert_eq!((error.status, error.message.as_str()), (status, message), "{stream}");
        assert!(!outcome.complete && outcome.out.contains(&error.client_message(client)), "{}", outcome.out);
    }
}

#[test]
fn a_stream_that_fails_says_so_in_the_providers_words() {
    let text = delta("output_text", "m", 0, "a");
    let failed = ended("failed", json!({"error": {"code": "server_error", "message": "out of luck"}}));
    check_failed(&stream_of(&[text.clone(), failed]), 500, "out of luck");
    let flat = json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": null});
    check_failed(&stream_of(&[flat]), 429, "slow down");
    let nested =
        json!({"type": "error", "error": {"type": "invalid_request_error", "code": null, "message": "bad image"}});
    check_failed(&stream_of(&[nested]), 400, "bad image");
    check_failed("data: {\"error\":{\"message\":\"busy\",\"code\":503}}\n\n", 503, "busy");
    check_failed("data: {\"object\":\"error\",\"message\":\"gone\"}\n\n", 502, "gone");
    let cut_off = stream_of(std::slice::from_ref(&text));
    check_failed(&cut_off, 502, "the provider's stream ended before its answer did");
}

#[test]
fn a_client_sees_the_error_and_the_end_of_its_response() {
    let text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let outcome = run(chat(), responses(), text);
    let events = events(&outcome.out);
    let [.., error, failed] = events.as_slice() else { panic!("{}", outcome.out) };
    assert_eq!(error["type"], "error");
    assert_eq!(error["message"], error["error"]["message"]);
    assert_eq!(failed["type"], "response.failed");
    assert_eq!((&failed["response"]["status"], &failed["response"]["id"]), (&"failed".into(), &"resp_1".into()));
    assert_eq!(failed["response"]["error"]["code"], "server_error");
    assert_eq!(failed["sequence_number"], error["sequence_number"].as_u64().unwrap() + 1);
}

#[test]
fn mixed_calls_stay_apart_and_empty_arguments_are_an_object() {
    let call =
        |call: Value| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}));
    let begin = |index: u32| call(json!({"index": index, "id": format!("c{index}"), "function": {"name": "f"}}));
    let more = |text: &str| call(json!({"index": 0, "function": {"arguments": text}}));
    let finish =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let outcome =
        run(chat(), responses(), &[&begin(0), &more("{"), &begin(1), &more("}"), finish].map(String::from).concat());
    let last = events(&outcome.out).pop().unwrap();
    let output = last["response"]["output"].as_array().unwrap();
    let calls: Vec<_> = output.iter().map(|item| (item["call_id"].clone(), item["arguments"].clone())).collect();
    assert_eq!(calls, [("c0".into(), "{}".into()), ("c1".into(), "{}".into())]);
}

#[test]
fn an_answer_of_too_many_parts_is_an_error() {
    let part = |part: u32| json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": part, "delta": "a"});
    let events: Vec<_> = (0..20_001).map(part).collect();
    let (enough, too_many) = events.split_at(19_999);
    let outcome = run(responses(), responses(), &stream_of(enough));
    assert!(outcome.error.is_some_and(|error| error.message.contains("ended before")));
    let outcome = run(responses(), responses(), &stream_of(&[enough, too_many].concat()));
    assert!(outcome.error.is_some_and(|error| error.message.contains("too many parts")));
}

#[test]
fn an_answer_that_its_last_event_could_not_repeat_is_an_error() {
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": "\n".repeat(100_000)}}]});
    let outcome = run(chat(), responses(), &format!("data: {chunk}\n\n").repeat(6));
    assert!(outcome.error.is_some_and(|error| error.message.contains("longer than the last event")));
    assert!(outcome.out.ends_with("\n\n") && outcome.out.contains("response.failed"));
}

#[test]
fn a_stream_of_one_schema_that_fails_ends_with_its_response_failed() {
    let created = json!({"type": "response.created", "sequence_number": 4,
        "response": {"id": "resp_theirs", "created_at": 9, "status": "in_progress", "model": "m", "output": []}});
    for end in [
        String::new(),
        stream_of(&[json!({"type": "error", "code": "server_error", "message": "busy"})]),
        stream_of(&[
            json!({"type": "response.failed", "response": {"error": {"code": "server_error", "message": "busy"}}}),
        ]),
    ] {
        let outcome = run(responses(), responses(), &format!("event: response.created\ndata: {created}\n\n{end}"));
        let [.., error, failed] = &*events(&outcome.out) else { panic!("{}", outcome.out) };
        assert_eq!((&error["type"], &failed["type"]), (&"error".into(), &"response.failed".into()));
        let response = &failed["response"];
        assert_eq!((&response["id"], &response["created_at"]), (&"resp_theirs".into(), &9.into()));
        assert_eq!((&response["model"], &response["status"]), (&"mine".into(), &"failed".into()));
    }
    let nothing_began = run(responses(), responses(), "");
    assert!(!nothing_began.out.contains("response.failed"), "{}", nothing_began.out);
}

#[test]
fn calls_of_one_id_stay_two() {
    let call = |id: &str| json!({"type": "function_call", "id": id, "call_id": "c", "name": "f", "arguments": "{}"});
    let done = |id: &str| json!({"type": "response.output_item.done", "item": call(id)});
    let outcome = run(responses(), chat(), &stream_of(&[done("a"), done("b"), ended("completed", json!({}))]));
    assert_eq!(outcome.out.matches("\"id\":\"c\"").count(), 1, "{}", outcome.out);
    assert_eq!(outcome.out.matches("\"type\":\"function\"").count(), 2, "{}", outcome.out);
}
