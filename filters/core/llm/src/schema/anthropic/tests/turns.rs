use serde_json::{Value, json};
use weir_config::Capabilities;

use super::{anthropic, openai};
use crate::chat::{read_request, write_request};
use crate::schema::Schema;

#[track_caller]
fn check_of(from: Schema, messages: Value, expect: Value, left_out: &[&str]) {
    let body = json!({"model": "m", "max_tokens": 1, "messages": messages});
    let request = read_request(from, body.to_string().as_bytes()).unwrap();
    let written = write_request(anthropic(), &request, &Capabilities::default()).unwrap();
    let body: Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!(body["messages"], expect);
    assert_eq!(written.left_out.iter().map(|left_out| left_out.path.as_str()).collect::<Vec<_>>(), left_out);
}

#[track_caller]
fn check(messages: Value, expect: Value, left_out: &[&str]) {
    check_of(openai(), messages, expect, left_out);
}

fn user(content: impl Into<Value>) -> Value {
    json!({"role": "user", "content": content.into()})
}

fn assistant(content: impl Into<Value>) -> Value {
    json!({"role": "assistant", "content": content.into()})
}

/// An assistant's message in OpenAI's schema with calls of `f`, by id and arguments.
fn calls(calls: &[(&str, &str)]) -> Value {
    let calls = calls.iter().map(
        |(id, arguments)| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}),
    );
    json!({"role": "assistant", "tool_calls": calls.collect::<Vec<_>>()})
}

fn answered(id: &str, content: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": content})
}

fn called(id: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": "f", "input": input})
}

fn result(id: &str, content: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": content})
}

#[test]
fn blank_texts_are_dropped_and_the_last_turn_is_trimmed() {
    check(json!([user("a"), assistant(" \n")]), json!([user("a")]), &["messages[1]"]);
    check(json!([user("a"), assistant("It is ")]), json!([user("a"), assistant("It is")]), &["messages[1]"]);
    check(json!([user("a"), assistant("It is "), user("b")]), json!([user("a"), assistant("It is "), user("b")]), &[]);
    check(
        json!([user("a"), assistant(" "), user("b")]),
        json!([user(json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]))]),
        &["messages[1]"],
    );
    check(json!([user("a"), assistant("{\"a\":")]), json!([user("a"), assistant("{\"a\":")]), &[]);
}

#[test]
fn instructions_alone_are_the_users_turn() {
    check(json!([{"role": "system", "content": "S"}]), json!([user("S")]), &[]);
    check(
        json!([{"role": "system", "content": "S"}, {"role": "user", "content": " "}]),
        json!([user("S")]),
        &["messages[1]"],
    );
}

#[test]
fn arguments_of_the_past_are_carried_in_a_readable_form() {
    for (arguments, input) in [
        ("", json!({})),
        (" ", json!({})),
        ("null", json!({})),
        ("{\"a\":1}", json!({"a": 1})),
        ("{\"a\":", json!({"invalid_json": "{\"a\":"})),
        ("[1]", json!({"invalid_json": "[1]"})),
        ("\"a\"", json!({"invalid_json": "\"a\""})),
    ] {
        check(
            json!([user("a"), calls(&[("c", arguments)]), answered("c", "r")]),
            json!([user("a"), assistant(json!([called("c", input)])), user(json!([result("c", "r")]))]),
            &[],
        );
    }
}

#[test]
fn ids_that_become_the_same_when_cleaned_stay_distinct() {
    check(
        json!([
            user("a"),
            calls(&[("f:0", ""), ("f.0", ""), ("f_0", "")]),
            answered("f.0", "two"),
            answered("f_0", "three"),
            answered("f:0", "one")
        ]),
        json!([
            user("a"),
            assistant(json!([called("f_0", json!({})), called("f_0_2", json!({})), called("f_0_3", json!({}))])),
            user(json!([result("f_0_2", "two"), result("f_0_3", "three"), result("f_0", "one")])),
        ]),
        &[],
    );
}

#[test]
fn ids_that_come_again_in_a_later_turn_are_distinct() {
    check(
        json!([user("a"), calls(&[("0", "")]), answered("0", "one"), calls(&[("0", "")]), answered("0", "two")]),
        json!([
            user("a"),
            assistant(json!([called("0", json!({}))])),
            user(json!([result("0", "one")])),
            assistant(json!([called("0_2", json!({}))])),
            user(json!([result("0_2", "two")])),
        ]),
        &[],
    );
}

#[test]
fn calls_and_results_belong_together() {
    let empty = |id: &str| json!({"type": "tool_result", "tool_use_id": id});
    // A result of nothing, and a second one of the same call, are what the user says.
    check(
        json!([user("a"), answered("x", "lost")]),
        json!([user(json!([
        {"type": "text", "text": "a"}, {"type": "text", "text": "lost"}]))]),
        &[],
    );
    check(
        json!([user("a"), calls(&[("c", "")]), answered("c", "one"), answered("c", "two")]),
        json!([
            user("a"),
            assistant(json!([called("c", json!({}))])),
            user(json!([result("c", "one"), {"type": "text", "text": "two"}])),
        ]),
        &[],
    );
    // A call without a result gets one.
    check(
        json!([user("a"), calls(&[("c", ""), ("d", "")]), answered("d", "r"), user("b")]),
        json!([
            user("a"),
            assistant(json!([called("c", json!({})), called("d", json!({}))])),
            user(json!([result("d", "r"), empty("c"), {"type": "text", "text": "b"}])),
        ]),
        &[],
    );
    check(
        json!([user("a"), calls(&[("c", "")])]),
        json!([user("a"), assistant(json!([called("c", json!({}))])), user(json!([empty("c")]))]),
        &[],
    );
    // A late one goes where its call is.
    check(
        json!([user("a"), calls(&[("c", "")]), user("b"), assistant("d"), answered("c", "r"), user("e")]),
        json!([
            user("a"),
            assistant(json!([called("c", json!({}))])),
            user(json!([result("c", "r"), {"type": "text", "text": "b"}])),
            assistant("d"),
            user("e"),
        ]),
        &[],
    );
}

#[test]
fn results_stand_before_what_the_user_says() {
    check(
        json!([user("a"), calls(&[("c", ""), ("d", "")]), answered("c", "one"), user("b"), answered("d", "two")]),
        json!([
            user("a"),
            assistant(json!([called("c", json!({})), called("d", json!({}))])),
            user(json!([result("c", "one"), result("d", "two"), {"type": "text", "text": "b"}])),
        ]),
        &[],
    );
}

#[test]
fn a_tool_that_failed_says_so() {
    let calls = || assistant(json!([called("c", json!({})), called("d", json!({}))]));
    let failed = |id: &str, content: Value| json!({"type": "tool_result", "tool_use_id": id, "content": content, "is_error": true});
    check_of(
        anthropic(),
        json!([user("a"), calls(), user(json!([failed("c", json!("no")), failed("d", json!([]))]))]),
        json!([
            user("a"),
            calls(),
            user(json!([
                {"type": "tool_result", "tool_use_id": "c", "content": "no", "is_error": true},
                {"type": "tool_result", "tool_use_id": "d"},
            ])),
        ]),
        &[],
    );
}

#[test]
fn documents_are_said_and_thinking_of_the_past_is_not() {
    let document = json!({
        "type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "D"},
        "title": "T", "context": "C",
    });
    check_of(
        anthropic(),
        json!([
            user(json!([document])),
            assistant(json!([{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "b"}])),
        ]),
        json!([user(json!([document])), assistant("b")]),
        &["messages[1]"],
    );
}
