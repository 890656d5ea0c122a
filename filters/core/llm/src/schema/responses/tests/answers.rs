use serde_json::{Value, json};

use super::{anthropic, chat, responses};
use crate::chat::{Finish, Part, read_response, write_response};
use crate::error::{ErrorParts, error_body, read_provider_error};
use crate::schema::Schema;
use crate::usage::usage_of_response;

fn cross(from: Schema, to: Schema, body: &Value) -> Value {
    let response = read_response(from, body.to_string().as_bytes()).unwrap();
    serde_json::from_slice(&write_response(to, &response)).unwrap()
}

fn answer(fields: Value) -> Value {
    let mut body = json!({
        "id": "resp_1", "object": "response", "created_at": 5.0, "status": "completed", "error": null, "model": "g",
        "output": [
            {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
            {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "t", "annotations": [{"type": "url_citation", "url": "https://x"}]}]},
            {"id": "fc_1", "type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"q\":[1]}"},
            {"id": "ws_1", "type": "web_search_call", "status": "completed"},
        ],
        "usage": {"input_tokens": 13, "input_tokens_details": {"cached_tokens": 3}, "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 22},
    });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[test]
fn whole_answers_cross_with_usage_and_calls() {
    let as_chat = cross(responses(), chat(), &answer(json!({})));
    assert_eq!(as_chat["created"], 5);
    let choice = &as_chat["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&"tool_calls".into(), &"t".into()));
    assert_eq!(choice["message"]["reasoning_content"], "hm");
    let function = json!({"name": "f", "arguments": "{\"q\":[1]}"});
    assert_eq!(choice["message"]["tool_calls"], json!([{"id": "a", "type": "function", "function": function}]));
    assert_eq!((&as_chat["usage"]["prompt_tokens"], &as_chat["usage"]["completion_tokens"]), (&13.into(), &9.into()));

    let as_message = cross(responses(), anthropic(), &answer(json!({})));
    assert_eq!(as_message["stop_reason"], "tool_use");
    let kinds: Vec<_> = as_message["content"].as_array().unwrap().iter().map(|block| block["type"].clone()).collect();
    assert!(kinds.ends_with(&["text".into(), "tool_use".into()]), "{as_message}");
    assert_eq!(
        usage_of_response(responses(), answer(json!({})).to_string().as_bytes()).unwrap().counted().output,
        Some(9)
    );
}

#[test]
fn answers_of_other_schemas_become_items() {
    let body = json!({"id": "c1", "created": 5, "model": "g", "choices": [{
        "index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "t", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}}],
        "usage": {"prompt_tokens": 13, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 3}}});
    let written = cross(chat(), responses(), &body);
    assert_eq!(
        (&written["id"], &written["created_at"], &written["status"]),
        (&"resp_c1".into(), &5.into(), &"completed".into())
    );
    assert_eq!(
        written["output"],
        json!([
            {"id": "msg_c1_0", "type": "message", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "t", "annotations": [], "logprobs": []}]},
            {"id": "fc_c1_1", "type": "function_call", "status": "completed", "call_id": "a", "name": "f", "arguments": "{}"},
        ])
    );
    assert_eq!(written["usage"]["input_tokens_details"]["cached_tokens"], 3);
    assert_eq!(written["usage"]["total_tokens"], 22);
    let body = json!({"id": "m1", "model": "c", "stop_reason": "max_tokens", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]});
    let written = cross(anthropic(), responses(), &body);
    assert_eq!(written["output"][0]["summary"][0]["text"], "hm");
    assert_eq!(written["output"][0]["encrypted_content"], "s");
    assert_eq!(written["output"][1]["content"].as_array().unwrap().len(), 2);
    assert_eq!(written["output"][1]["status"], "incomplete");
    assert_eq!((&written["status"], &written["usage"]), (&"incomplete".into(), &Value::Null));
}

#[test]
fn reasons_for_the_end_cross() {
    let check = |fields: Value, expect: Finish| {
        let mut body = answer(json!({"output": []}));
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(read_response(responses(), body.to_string().as_bytes()).unwrap().finish, expect, "{fields}");
    };
    check(json!({}), Finish::Stop);
    check(json!({"status": null}), Finish::Stop);
    check(json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}), Finish::Length);
    check(json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}), Finish::ContentFilter);
    check(json!({"status": "incomplete", "incomplete_details": {"reason": "a new one"}}), Finish::Length);
    check(json!({"status": "incomplete", "incomplete_details": null}), Finish::Length);
    let written = |reason: &str| {
        let body = json!({"content": [{"type": "text", "text": "a"}], "stop_reason": reason});
        let written = cross(anthropic(), responses(), &body);
        (written["status"].clone(), written["incomplete_details"].clone())
    };
    assert_eq!(written("end_turn"), ("completed".into(), Value::Null));
    assert_eq!(written("max_tokens"), ("incomplete".into(), json!({"reason": "max_output_tokens"})));
    assert_eq!(written("refusal"), ("incomplete".into(), json!({"reason": "content_filter"})));
}

#[test]
fn what_is_no_ended_answer_is_an_error() {
    for body in [
        json!({}),
        json!([]),
        json!({"output": "a"}),
        json!({"output": [], "status": "failed"}),
        json!({"output": [], "status": "in_progress"}),
        json!({"output": [], "status": "queued"}),
        json!({"output": [], "status": "cancelled"}),
        json!({"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": 7}]}]}),
        json!({"output": [{"type": "function_call", "call_id": "c"}]}),
    ] {
        assert!(read_response(responses(), body.to_string().as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn unknown_items_and_parts_are_skipped_and_ids_are_made() {
    let body = answer(json!({"output": [
        {"type": "from_the_future", "text": "x"},
        {"type": "message", "role": "assistant", "content": [{"type": "new"}, {"type": "output_text", "text": "a"}]},
        {"type": "function_call", "name": "f", "arguments": {"q": 1}},
    ]}));
    let response = read_response(responses(), body.to_string().as_bytes()).unwrap();
    let Some(Part::ToolCall(call)) = response.parts.last() else { panic!("{response:?}") };
    assert_eq!((call.id.as_str(), call.arguments.as_str()), ("call_1_3", "{\"q\":1}"));
    let written = cross(responses(), chat(), &body);
    assert_eq!(written["choices"][0]["message"]["content"], "a");
}

#[test]
fn errors_have_openais_shape_and_codes_their_status() {
    let parts = ErrorParts { status: 404, code: Some("model_not_found"), message: "no such", param: Some("model") };
    let body: Value = serde_json::from_slice(&error_body(responses(), &parts)).unwrap();
    let expect = json!({"message": "no such", "type": "not_found_error", "param": "model", "code": "model_not_found"});
    assert_eq!(body["error"], expect);
    let failed = answer(json!({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}}));
    let error = read_provider_error(responses(), 200, failed.to_string().as_bytes());
    assert_eq!((error.status, error.message.as_str()), (429, "slow"));
}

#[test]
fn an_answer_is_read_without_what_servers_leave_out() {
    let call = json!({"type": "function_call", "call_id": "a", "name": "f", "arguments": "null"});
    let output = json!([null, {"type": "message", "content": [null, {"type": "output_text", "text": "t"},
        {"type": "output_text", "text": null}]}, {"type": "message", "content": null}, call, call]);
    let body = json!({"id": 7, "model": 7, "status": "completed", "output": output});
    let as_chat = cross(responses(), chat(), &body);
    let message = &as_chat["choices"][0]["message"];
    assert_eq!(message["content"], "t");
    assert_eq!(message["tool_calls"][0]["id"], "a");
    assert_ne!(message["tool_calls"][1]["id"], "a");
    assert_eq!(message["tool_calls"][1]["function"]["arguments"], "{}");
}
