use proptest::prelude::*;
use serde_json::json;

use serde_json::Value;
use weir_config::Capabilities;

use super::Schema;
use crate::chat::*;
use crate::error::RequestError;

fn openai() -> Schema {
    Schema::named("openai").unwrap()
}

fn anthropic() -> Schema {
    Schema::named("anthropic").unwrap()
}

fn translated(from: Schema, to: Schema, body: &Value) -> Result<Value, RequestError> {
    let request = read_request(from, body.to_string().as_bytes())?;
    Ok(serde_json::from_slice(&write_request(to, &request, &Capabilities::default())?.body).unwrap())
}

fn check(from: Schema, to: Schema, body: Value, expect: Value) {
    assert_eq!(translated(from, to, &body).unwrap(), expect);
}

/// One user message and these fields.
fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[test]
fn openai_conversations_become_anthropic_turns() {
    check(
        openai(),
        anthropic(),
        json!({
            "model": "m", "stream": true, "stream_options": {"include_usage": true},
            "max_tokens": 9, "temperature": 1.7, "top_p": 0.5, "stop": "END", "user": "u", "seed": 7, "n": 1,
            "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "name": "n", "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                ]},
                {"role": "assistant", "content": "", "tool_calls": [
                    {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "{\"q\":1}"}},
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}},
                ]},
                {"role": "tool", "tool_call_id": "functions.f:0", "content": "one"},
                {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
                {"role": "user", "content": "and?"},
                {"role": "user", "content": "well?"},
                {"role": "developer", "content": "D"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": true}}],
            "tool_choice": "required", "parallel_tool_calls": false,
        }),
        json!({
            "model": "m", "stream": true,
            "max_tokens": 9, "temperature": 1.0, "top_p": 0.5, "stop_sequences": ["END"], "metadata": {"user_id": "u"},
            "system": [{"type": "text", "text": "S"}, {"type": "text", "text": "D"}],
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                    {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                ]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "functions_f_0", "name": "f", "input": {"q": 1}},
                    {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "functions_f_0", "content": "one"},
                    {"type": "tool_result", "tool_use_id": "c2", "content": "two"},
                    {"type": "text", "text": "and?"},
                    {"type": "text", "text": "well?"},
                ]},
            ],
            "tools": [{"name": "f", "description": "d", "strict": true, "input_schema": {"type": "object", "properties": {}, "additionalProperties": false}}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        }),
    );
    check(openai(), anthropic(), with(json!({})), with(json!({"max_tokens": 4096})));
}

#[test]
fn anthropic_turns_become_openai_conversations() {
    check(
        anthropic(),
        openai(),
        json!({
            "model": "m", "max_tokens": 9, "stream": true, "temperature": 0.5, "stop_sequences": ["A", "B"],
            "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
            "thinking": {"type": "enabled", "budget_tokens": 1024}, "metadata": {"user_id": "u"},
            "output_config": {"effort": "low"},
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"q": "ä"}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": [
                        {"type": "text", "text": "one"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                    ]},
                    {"type": "text", "text": "go on"},
                ]},
            ],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        }),
        json!({
            "model": "m", "reasoning_effort": "low", "max_completion_tokens": 9, "stream": true, "stream_options": {"include_usage": true},
            "temperature": 0.5, "stop": ["A", "B"], "user": "u",
            "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "I look.", "tool_calls": [
                    {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{\"q\":\"ä\"}"}},
                ]},
                {"role": "tool", "tool_call_id": "toolu_1", "content": "one"},
                {"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                    {"type": "text", "text": "go on"},
                ]},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false,
        }),
    );
}

#[test]
fn a_json_schema_for_the_answer_crosses() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let in_openai = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}});
    let in_anthropic =
        json!({"max_tokens": 4096, "output_config": {"format": {"type": "json_schema", "schema": schema}}});
    check(openai(), anthropic(), with(in_openai), with(in_anthropic));
}

fn check_refused(from: Schema, fields: Value, param: &str) {
    let to = if from == openai() { anthropic() } else { openai() };
    let error = translated(from, to, &with(fields)).unwrap_err();
    assert_eq!(error.param.as_deref(), Some(param), "{error}");
}

#[test]
fn what_the_other_schema_cannot_say_is_refused_with_its_name() {
    check_refused(openai(), json!({"n": 2}), "n");
    check_refused(openai(), json!({"logprobs": true}), "logprobs");
    check_refused(openai(), json!({"presence_penalty": 0.5}), "presence_penalty");
    check_refused(openai(), json!({"response_format": {"type": "json_object"}}), "response_format");
    check_refused(openai(), json!({"modalities": ["text", "audio"]}), "modalities");
    check_refused(openai(), json!({"what_is_this": 1}), "what_is_this");
    check_refused(openai(), json!({"tools": [{"type": "custom", "custom": {}}]}), "tools[0].type");
    check_refused(openai(), json!({"temperature": "hot"}), "temperature");
    check_refused(openai(), json!({"messages": [{"role": "user", "content": ""}]}), "messages");
    check_refused(openai(), json!({"messages": [{"role": "bot", "content": ""}]}), "messages[0].role");
    let audio = json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]);
    check_refused(openai(), json!({"messages": audio}), "messages[0].content[0].input_audio.format");
    check_refused(anthropic(), json!({"top_k": 5}), "top_k");
    check_refused(anthropic(), json!({"inference_geo": "us"}), "inference_geo");
    check_refused(anthropic(), json!({"tools": [{"type": "web_search_20250305", "name": "w"}]}), "tools[0].type");
    let file = json!([{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "file:///x"}}]}]);
    check_refused(anthropic(), json!({"messages": file}), "messages[0].content[0].source.url");
    let result = |content: Value| json!({"type": "tool_result", "tool_use_id": "t", "content": content});
    let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": {}});
    let thinking = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    let place = "messages[0].content[0]";
    for (role, block, param) in [
        ("assistant", result(json!("lost")), format!("{place}.type")),
        ("user", result(json!([result(json!("lost"))])), format!("{place}.content[0].type")),
        ("user", result(json!([call])), format!("{place}.content[0].type")),
        ("user", call.clone(), format!("{place}.type")),
        ("user", thinking, format!("{place}.type")),
        ("system", call, format!("{place}.type")),
    ] {
        check_refused(anthropic(), json!({"messages": [{"role": role, "content": [block]}]}), &param);
    }
    check_refused(anthropic(), json!({"system": [result(json!("lost"))]}), "system[0].type");
}

fn check_response(from: Schema, to: Schema, body: Value, expect: Value) {
    let response = read_response(from, body.to_string().as_bytes()).unwrap();
    let written: Value = serde_json::from_slice(&write_response(to, &response)).unwrap();
    assert_eq!(written, expect);
}

#[test]
fn whole_answers_cross_with_usage_and_calls() {
    check_response(
        openai(),
        anthropic(),
        json!({"id": "c1", "object": "chat.completion", "created": 5, "model": "g", "choices": [{
            "index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "t", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"q\":[1]}"}},
                {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{broken"}},
            ]}}],
            "usage": {"prompt_tokens": 13, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 3}}}),
        json!({"id": "c1", "type": "message", "role": "assistant", "model": "g", "content": [
                {"type": "text", "text": "t"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"q": [1]}},
                {"type": "tool_use", "id": "b", "name": "f", "input": {"invalid_json": "{broken"}},
            ],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 3, "output_tokens": 9}}),
    );
    check_response(
        anthropic(),
        openai(),
        json!({"id": "m1", "type": "message", "role": "assistant", "model": "c", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "a"}, {"type": "text", "text": "b"},
            ],
            "stop_reason": "max_tokens", "stop_sequence": null,
            "usage": {"input_tokens": 1, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 4, "output_tokens": 8}}),
        json!({"id": "m1", "object": "chat.completion", "created": 0, "model": "c", "choices": [{
            "index": 0, "logprobs": null, "finish_reason": "length",
            "message": {"role": "assistant", "content": "ab", "refusal": null, "reasoning_content": "hm"}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}}}),
    );
}

#[test]
fn reasons_for_the_end_cross() {
    let of_openai = |reason: &str, calls: Value| {
        let message = json!({"role": "assistant", "content": "a", "tool_calls": calls});
        json!({"choices": [{"index": 0, "message": message, "finish_reason": reason}]})
    };
    let of_anthropic = |reason: &str| json!({"content": [{"type": "text", "text": "a"}], "stop_reason": reason});
    let cross = |from: Schema, to: Schema, body: Value| -> Value {
        let response = read_response(from, body.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&write_response(to, &response)).unwrap()
    };
    let to_anthropic = |reason, calls| cross(openai(), anthropic(), of_openai(reason, calls))["stop_reason"].clone();
    let to_openai = |reason| cross(anthropic(), openai(), of_anthropic(reason))["choices"][0]["finish_reason"].clone();
    for (in_openai, in_anthropic) in
        [("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use"), ("content_filter", "refusal")]
    {
        assert_eq!(to_anthropic(in_openai, Value::Null), in_anthropic);
        assert_eq!(to_openai(in_anthropic), in_openai);
    }
    assert_eq!(to_openai("stop_sequence"), "stop");
    assert_eq!(to_openai("something_new"), "stop");
    let call = json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    assert_eq!(to_anthropic("stop", call), "tool_use");
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    for body in ["", "{}", "[]", "<html>", r#"{"choices":[]}"#, r#"{"content":7}"#] {
        assert!(read_response(openai(), body.as_bytes()).is_err(), "{body}");
        assert!(read_response(anthropic(), body.as_bytes()).is_err(), "{body}");
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-zäß€😀][a-zäß€😀\"\\\\\n ]{0,12}"
}

fn said() -> impl Strategy<Value = Vec<Part>> {
    let image = prop_oneof![
        Just(Image::Url("https://example.com/a.png".to_owned())),
        Just(Image::Base64 { media_type: "image/png".to_owned(), data: "AAAA".to_owned() }),
    ];
    prop::collection::vec(
        prop_oneof![3 => text().prop_map(Part::Text), 1 => image.prop_map(|value| Part::Image(Placed { at: String::new(), value }))],
        1..4,
    )
}

/// A question, and then rounds of an assistant's turn with calls, and their results with a further question.
fn conversation() -> impl Strategy<Value = Vec<Message>> {
    let round = (prop::option::of(text()), prop::collection::vec(text(), 1..3), said());
    (prop::option::of(text()), said(), prop::collection::vec(round, 0..3)).prop_map(|(system, question, rounds)| {
        let mut messages = Vec::new();
        messages.extend(system.map(|text| Message {
            at: String::new(),
            role: Role::System,
            parts: vec![Part::Text(text)],
        }));
        messages.push(Message { at: String::new(), role: Role::User, parts: question });
        for (number, (text, results, further)) in rounds.into_iter().enumerate() {
            let id = |index: usize| format!("call_{number}_{index}");
            let mut turn: Vec<Part> = text.map(Part::Text).into_iter().collect();
            let mut answers = Vec::new();
            for (index, result) in results.into_iter().enumerate() {
                let arguments = json!({"q": result}).to_string();
                turn.push(Part::ToolCall(ToolCall { id: id(index), name: "f".to_owned(), arguments }));
                let parts = vec![Part::Text(result)];
                answers.push(Part::ToolResult(ToolResult { call_id: id(index), parts, is_error: false }));
            }
            answers.extend(further);
            messages.push(Message { at: String::new(), role: Role::Assistant, parts: turn });
            messages.push(Message { at: String::new(), role: Role::User, parts: answers });
        }
        messages
    })
}

fn request() -> impl Strategy<Value = Request> {
    let choice =
        prop_oneof![Just(ToolChoice::Auto), Just(ToolChoice::Required), Just(ToolChoice::Named("f".to_owned())),];
    // What stands there twice is sent once.
    let stop = prop::collection::btree_set(text(), 0..3).prop_map(|texts| texts.into_iter().collect());
    let sampling = (prop::option::of(0.0..1.0), prop::option::of(0.0..1.0), stop);
    (conversation(), 1_u64..9_999, sampling, any::<bool>(), choice, any::<bool>(), prop::option::of("[a-z0-9_-]{1,12}"))
        .prop_map(|(messages, limit, (temperature, top_p, stop), stream, choice, parallel, user)| Request {
            origin: openai(),
            model: "m".to_owned(),
            stream,
            messages,
            max_output_tokens: Some(limit),
            temperature,
            top_p,
            stop,
            tools: vec![Tool {
                name: "f".to_owned(),
                description: Some("d".to_owned()),
                parameters: Some(json!({"type": "object", "properties": {}, "additionalProperties": false})),
                strict: parallel,
            }],
            tool_choice: Some(choice),
            parallel_tool_calls: Some(parallel),
            user,
            response_format: None,
            reasoning: None,
            others: Vec::new(),
        })
}

/// Consecutive messages of one role as one, which is how Anthropic sees them.
fn merged(mut request: Request) -> Request {
    let mut messages: Vec<Message> = Vec::new();
    for message in request.messages {
        match messages.last_mut() {
            Some(last) if last.role == message.role => last.parts.extend(message.parts),
            _ => messages.push(message),
        }
    }
    for message in &mut messages {
        message.at.clear();
        for part in &mut message.parts {
            if let Part::Image(image) = part {
                image.at.clear();
            }
        }
    }
    request.messages = messages;
    request.origin = openai();
    request
}

proptest! {
    #[test]
    fn what_both_schemas_can_say_survives_the_way_round(request in request()) {
        let first = merged(read_request(openai(), &write_request(openai(), &request, &Capabilities::default()).unwrap().body).unwrap());
        prop_assert_eq!(&first, &request);
        let second = read_request(anthropic(), &write_request(anthropic(), &first, &Capabilities::default()).unwrap().body).unwrap();
        prop_assert_eq!(merged(second), request);
    }
}

/// What some work takes: bytes, fields and texts that are gone through, and bytes that are allocated.
pub(super) fn work_of(work: impl FnOnce()) -> u64 {
    let before = crate::steps::counted();
    let allocated = allocation_counter::measure(work).bytes_total;
    crate::steps::counted() - before + allocated
}
