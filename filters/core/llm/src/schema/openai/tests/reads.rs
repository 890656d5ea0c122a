use serde_json::{Value, json};

use super::{of_messages, openai, placed, text, with};
use crate::chat::*;
use crate::schema::Schema;

fn read(body: &Value) -> Request {
    read_request(openai(), body.to_string().as_bytes()).unwrap()
}

/// What the messages consist of.
fn check(messages: Value, expect: Vec<(Role, Vec<Part>)>) {
    let request = read(&of_messages(messages));
    let found: Vec<_> = request.messages.into_iter().map(|message| (message.role, message.parts)).collect();
    assert_eq!(found, expect);
    assert_eq!(request.others, []);
}

/// Where the fields stand that the model has no place for.
fn check_others(body: Value, expect: &[&str]) {
    let mut paths: Vec<_> = read(&body).others.into_iter().map(|other| other.path).collect();
    paths.sort_unstable();
    assert_eq!(paths, expect);
}

fn check_refused(body: Value, param: &str) {
    let error = read_request(openai(), body.to_string().as_bytes()).unwrap_err();
    assert_eq!((error.param.as_deref(), error.code), (Some(param), "invalid_request"), "{error}");
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() })
}

fn result(call_id: &str, said: &str) -> Part {
    Part::ToolResult(ToolResult { call_id: call_id.into(), parts: vec![text(said)], is_error: false })
}

#[test]
fn every_kind_of_part_has_its_place() {
    let pdf = |data: &str| DocumentSource::Base64 { media_type: "application/pdf".into(), data: data.into() };
    let at = |index: usize| format!("messages[0].content[{index}]");
    let document = |index: usize, title: Option<&str>, source| {
        Part::Document(placed(&at(index), Document { title: title.map(str::to_owned), context: None, source }))
    };
    let video = json!({"type": "video_url", "video_url": {"url": "https://x/y.mp4"}});
    check(
        json!([{"role": "user", "content": [
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": "https://x/y.png"},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
            {"type": "file", "file": {"file_data": "BB=="}},
            {"type": "file", "file": {"file_id": "file-1", "filename": null}},
            video,
        ]}]),
        vec![(
            Role::User,
            vec![
                text("see"),
                Part::Image(placed(&at(1), Image::Url("https://x/y.png".into()))),
                Part::Audio(placed(&at(2), Audio { format: "wav".into(), data: "AA==".into() })),
                document(3, Some("a.pdf"), pdf("AA==")),
                document(4, None, pdf("BB==")),
                document(5, None, DocumentSource::File("file-1".into())),
                Part::Unknown(placed(&at(6), video.clone())),
            ],
        )],
    );
}

#[test]
fn a_turn_of_the_models_keeps_reasoning_refusal_and_calls() {
    let custom = json!({"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}});
    check(
        json!([{"role": "assistant", "content": "t", "refusal": "no", "reasoning_content": "hm", "audio": null,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}, custom]}]),
        vec![(
            Role::Assistant,
            vec![
                Part::Thinking { text: "hm".into(), signature: None },
                text("t"),
                Part::Refusal("no".into()),
                call("c1", "f", "{}"),
                Part::Unknown(placed("messages[0].tool_calls[1]", custom.clone())),
            ],
        )],
    );
}

#[test]
fn one_bad_call_of_the_past_does_not_end_a_conversation() {
    for (arguments, expect) in [
        (json!("{broken"), "{broken"),
        (json!("[1]"), "[1]"),
        (json!("null"), "{}"),
        (json!({"q": 1}), "{\"q\":1}"),
        (json!([1]), "[1]"),
        (json!(null), ""),
    ] {
        let calls = json!([{"id": "c", "function": {"name": "f", "arguments": arguments}}]);
        check(
            json!([{"role": "assistant", "tool_calls": calls}]),
            vec![(Role::Assistant, vec![call("c", "f", expect)])],
        );
    }
}

#[test]
fn calls_and_results_without_ids_find_each_other() {
    let request = read(&of_messages(json!([
        {"role": "assistant", "tool_calls": [
            {"id": "c1", "function": {"name": "f"}}, {"function": {"name": "f"}}, {"id": "", "function": {"name": "f"}},
        ]},
        {"role": "tool", "content": "a"},
        {"role": "tool", "content": "b"},
        {"role": "tool", "content": "c"},
        {"role": "assistant", "function_call": {"name": "g", "arguments": "{}"}},
        {"role": "function", "name": "g", "content": "d"},
    ])));
    let mut calls = Vec::new();
    let mut results = Vec::new();
    for part in request.messages.into_iter().flat_map(|message| message.parts) {
        match part {
            Part::ToolCall(call) => calls.push(call.id),
            Part::ToolResult(result) => results.push(result.call_id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(calls, results);
    calls.sort_unstable();
    calls.dedup();
    assert_eq!(calls.len(), 4, "every call has an id of its own: {calls:?}");
}

#[test]
fn a_result_without_an_id_answers_the_call_that_is_still_open() {
    check(
        json!([
            {"role": "assistant", "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "a"},
            {"role": "tool", "content": "b"},
        ]),
        vec![
            (Role::Assistant, vec![call("c1", "f", "{}"), call("c2", "f", "{}")]),
            (Role::User, vec![result("c1", "a")]),
            (Role::User, vec![result("c2", "b")]),
        ],
    );
}

#[test]
fn functions_of_the_older_spelling_are_tools() {
    let request = read(&with(json!({"functions": [{"name": "f", "parameters": {}}], "function_call": {"name": "f"}})));
    assert_eq!(request.tools.len(), 1);
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(request.others, []);
}

#[test]
fn what_the_model_has_no_place_for_is_kept_with_its_path() {
    check_others(
        with(json!({
            "seed": 7, "top_k": null, "stream_options": {"include_usage": true, "include_obfuscation": false},
            "messages": [
                {"role": "user", "name": "n", "content": [
                    {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}, "extra": null},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
                ]},
                {"role": "assistant", "audio": {"id": "a"}, "tool_calls": [
                    {"id": "c", "index": 0, "function": {"name": "f", "strict": true}},
                ]},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "unknown": 1}, "defer_loading": true}],
            "tool_choice": {"type": "function", "function": {"name": "f", "mode": "x"}},
            "response_format": {"type": "json_schema", "json_schema":
                {"name": "n", "schema": {}, "strict": true, "description": "d"}},
        })),
        &[
            "messages[0].content[0].cache_control",
            "messages[0].content[1].image_url.detail",
            "messages[0].name",
            "messages[1].audio",
            "messages[1].tool_calls[0].function.strict",
            "messages[1].tool_calls[0].index",
            "response_format.json_schema.description",
            "response_format.json_schema.strict",
            "seed",
            "stream_options.include_obfuscation",
            "tool_choice.function.mode",
            "tools[0].defer_loading",
            "tools[0].function.unknown",
        ],
    );
    check_others(
        with(json!({
            "tools": [{"type": "custom", "custom": {"name": "c"}}],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}},
            "response_format": {"type": "grammar", "grammar": "x"},
        })),
        &[
            "response_format.grammar",
            "response_format.type",
            "tool_choice.allowed_tools",
            "tool_choice.type",
            "tools[0].custom",
            "tools[0].type",
        ],
    );
}

#[test]
fn nothing_is_dropped_where_two_spellings_stand_beside_each_other() {
    let both = with(json!({
        "max_tokens": 8, "max_completion_tokens": 9, "tool_choice": "auto", "function_call": "none",
        "messages": [
            {"role": "user", "content": [{"type": "file", "file": {"file_data": "AA==", "file_id": "file-1"}}]},
            {"role": "assistant", "reasoning_content": "hm", "reasoning": "so"},
        ],
    }));
    assert_eq!(read(&both).max_output_tokens, Some(9));
    assert_eq!(read(&both).tool_choice, Some(ToolChoice::Auto));
    check_others(
        both,
        &["function_call", "max_tokens", "messages[0].content[0].file.file_id", "messages[1].reasoning"],
    );
    check_others(with(json!({"max_tokens": 9, "max_completion_tokens": 9})), &[]);
}

#[test]
fn null_is_absent_everywhere() {
    let bare = with(json!({}));
    let nulls = with(json!({
        "messages": [{"role": "user", "content": "hi", "name": null, "refusal": null, "tool_calls": null}],
        "stream": null, "stream_options": null, "max_tokens": null, "max_completion_tokens": null, "temperature": null,
        "top_p": null, "stop": null, "tools": null, "tool_choice": null, "functions": null, "function_call": null,
        "parallel_tool_calls": null, "user": null, "response_format": null, "reasoning_effort": null, "anything": null,
    }));
    assert_eq!(read(&nulls), read(&bare));
}

#[test]
fn effort_is_read() {
    for (word, off) in [("none", true), ("low", false), ("xhigh", false)] {
        let reasoning = read(&with(json!({"reasoning_effort": word}))).reasoning;
        assert_eq!(reasoning, Some(Reasoning { effort: Some(word.into()), budget_tokens: None, off }));
    }
}

#[test]
fn what_is_malformed_is_refused_with_its_path() {
    let content = |part: Value| of_messages(json!([{"role": "user", "content": [part]}]));
    check_refused(content(json!({"type": "text", "text": 7})), "messages[0].content[0].text");
    check_refused(content(json!({"type": 7})), "messages[0].content[0].type");
    check_refused(content(json!({})), "messages[0].content[0].type");
    check_refused(
        content(json!({"type": "image_url", "image_url": {"url": "x"}})),
        "messages[0].content[0].image_url.url",
    );
    check_refused(content(json!({"type": "file", "file": {}})), "messages[0].content[0].file");
    check_refused(content(json!({"type": "input_audio"})), "messages[0].content[0].input_audio");
    check_refused(of_messages(json!([{"role": "user", "content": 7}])), "messages[0].content");
    check_refused(
        of_messages(json!([{"role": "assistant", "tool_calls": [{}]}])),
        "messages[0].tool_calls[0].function",
    );
    check_refused(of_messages(json!([{"role": "bot"}])), "messages[0].role");
    check_refused(
        with(json!({"tools": [{"function": {"name": "f", "parameters": []}}]})),
        "tools[0].function.parameters",
    );
    check_refused(with(json!({"tool_choice": "sometimes"})), "tool_choice");
    check_refused(with(json!({"stop": [1]})), "stop[0]");
}

/// Hints are about caching, speed, storage and labels, or say what holds anyway.
#[test]
fn hints_are_a_table() {
    let is_hint = |path: &str, value: Value| Schema::default().is_hint(path, &value);
    for (path, value, expect) in [
        ("seed", json!(7), true),
        ("messages[].name", json!("n"), true),
        ("messages[].content[].image_url.detail", json!("high"), true),
        ("messages[].content[].cache_control", json!({}), true),
        ("response_format.json_schema.strict", json!(true), true),
        ("n", json!(1), true),
        ("n", json!(2), false),
        ("logprobs", json!(true), false),
        ("presence_penalty", json!(0), true),
        ("presence_penalty", json!(0.5), false),
        ("logit_bias", json!({}), true),
        ("logit_bias", json!({"5": 1}), false),
        ("modalities", json!(["text"]), true),
        ("modalities", json!(["text", "audio"]), false),
        ("messages[].audio", json!({}), false),
        ("tools[].function.unknown", json!(1), false),
        ("tools[].type", json!("custom"), false),
        ("anything", json!(1), false),
    ] {
        assert_eq!(is_hint(path, value), expect, "{path}");
    }
}

#[test]
fn a_choice_of_tools_is_a_word_in_either_spelling() {
    for (word, expect) in [
        ("auto", ToolChoice::Auto),
        ("none", ToolChoice::None),
        ("required", ToolChoice::Required),
        ("any", ToolChoice::Required),
    ] {
        for choice in [json!(word), json!({"type": word})] {
            assert_eq!(read(&with(json!({"tool_choice": choice}))).tool_choice.as_ref(), Some(&expect), "{choice}");
        }
    }
}
