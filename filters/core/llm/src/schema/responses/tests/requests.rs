use serde_json::{Value, json};
use weir_config::{Capabilities, StructuredOutput, SystemRole};

use super::{anthropic, chat, responses};
use crate::chat::{Part, Request, ToolChoice, Written, read_request, write_request};
use crate::error::RequestError;
use crate::schema::{Kind, Schema};
use crate::{Operation, RequestHead, read_head};

fn head(body: &Value) -> Result<RequestHead, RequestError> {
    let operation = Operation::of("POST", "/v1/responses", &|_| false).unwrap();
    assert_eq!((operation.kind(), operation.schema()), (Kind::Chat, responses()));
    read_head(operation, "", body.to_string().as_bytes())
}

fn read(body: &Value) -> Request {
    read_request(responses(), body.to_string().as_bytes()).unwrap()
}

/// A request with these fields.
fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "input": "hi"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn written(from: Schema, to: Schema, body: &Value, capabilities: &Capabilities) -> Result<Written, RequestError> {
    write_request(to, &read_request(from, body.to_string().as_bytes())?, capabilities)
}

fn check(from: Schema, to: Schema, body: Value, expect: Value) {
    let written = written(from, to, &body, &Capabilities::default()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written.body).unwrap(), expect);
}

#[test]
fn the_operation_is_also_found_below_api() {
    for path in ["/v1/responses", "/api/v1/responses?a=b"] {
        assert_eq!(Operation::of("POST", path, &|_| false).unwrap().name(), "responses");
        assert_eq!(Schema::of_path(path, &|_| false), responses());
    }
    assert_eq!(Schema::of_path("/v1/responses/resp_1/cancel", &|_| false), responses());
    assert!(Operation::of("POST", "/v1/responses/resp_1", &|_| false).is_err());
}

#[test]
fn the_head_says_what_routing_needs() {
    let found = head(&with(json!({"stream": true, "max_output_tokens": 9}))).unwrap();
    assert_eq!((found.model.as_str(), found.stream, found.max_output_tokens, found.choices), ("m", true, Some(9), 1));
    assert!(head(&with(json!({"input": [{"type": "item_reference", "id": "x"}, {"id": "y"}]}))).is_ok());
    for kept in ["previous_response_id", "prompt", "conversation"] {
        let mut body = json!({"model": "m"});
        body[kept] = if kept == "prompt" { json!({"id": "p"}) } else { json!("x") };
        assert!(head(&body).is_ok(), "{kept}");
        body["input"] = json!([]);
        assert!(head(&body).is_ok(), "{kept} with an empty list");
    }
}

#[test]
fn a_head_that_no_provider_would_take_is_refused_by_name() {
    for (fields, param) in [
        (json!({"input": null}), "input"),
        (json!({"input": ""}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": {}}), "input"),
        (json!({"input": [1]}), "input[0]"),
        (json!({"input": [{"role": "tool", "content": ""}]}), "input[0].role"),
        (json!({"input": [{"role": "user", "content": 7}]}), "input[0].content"),
        (json!({"max_output_tokens": "9"}), "max_output_tokens"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"Previous_Response_Id": "x"}), "Previous_Response_Id"),
        (json!({"instructions": 7}), "instructions"),
    ] {
        assert_eq!(head(&with(fields.clone())).unwrap_err().param.as_deref(), Some(param), "{fields}");
    }
}

/// A conversation with all that both sides can say.
fn conversation() -> Value {
    json!({
        "model": "m", "stream": true, "instructions": "S", "max_output_tokens": 99, "temperature": 0.5, "top_p": 0.9,
        "user": "u", "parallel_tool_calls": false, "store": false, "background": false, "metadata": {"a": "b"},
        "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low", "summary": "auto"},
        "prompt_cache_key": "k", "truncation": "auto", "service_tier": "auto", "previous_response_id": null,
        "text": {"verbosity": "low", "format": {"type": "text"}}, "stream_options": {"include_obfuscation": false},
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object", "properties": {}},
            "strict": false}],
        "tool_choice": {"type": "function", "name": "f"},
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            ]},
            {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
            {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}]},
            {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c1", "name": "f", "arguments": "{\"q\":1}"},
            {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{\"q\":2}"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
            {"role": "user", "content": "and?"},
        ],
    })
}

#[test]
fn a_conversation_is_turns_of_user_and_model() {
    let request = read(&conversation());
    let turns: Vec<_> = request.messages.iter().map(|message| (message.at.as_str(), message.parts.len())).collect();
    assert_eq!(turns, [("instructions", 1), ("input[0]", 2), ("input[1]", 4), ("input[5]", 2), ("input[7]", 1)]);
    let thinking = Part::Thinking { text: "hm".into(), signature: Some("e".into()) };
    assert_eq!(request.messages[2].parts[0], thinking);
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(request.reasoning.unwrap().effort.as_deref(), Some("low"));
}

#[test]
fn a_conversation_crosses_to_chat_completions() {
    let written = written(responses(), chat(), &conversation(), &Capabilities::default()).unwrap();
    let body: Value = serde_json::from_slice(&written.body).unwrap();
    let roles: Vec<_> = body["messages"].as_array().unwrap().iter().map(|message| message["role"].clone()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user"]);
    assert_eq!(body["messages"][2]["content"], "I look.");
    assert_eq!(body["messages"][2]["tool_calls"].as_array().unwrap().len(), 2);
    assert_eq!(body["tools"][0]["function"]["name"], "f");
    assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "f"}}));
}

#[test]
fn a_conversation_crosses_to_messages() {
    let written = written(responses(), anthropic(), &conversation(), &Capabilities::default()).unwrap();
    let body: Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!((&body["system"], &body["max_tokens"]), (&"S".into(), &99.into()));
    let kinds = |turn: usize| -> Vec<Value> {
        body["messages"][turn]["content"].as_array().unwrap().iter().map(|block| block["type"].clone()).collect()
    };
    assert_eq!(kinds(0), ["text", "image"]);
    assert!(kinds(1).ends_with(&["text".into(), "tool_use".into(), "tool_use".into()]), "{body}");
    assert_eq!(kinds(2), ["tool_result", "tool_result", "text"]);
}

#[test]
fn what_only_this_api_has_is_refused_elsewhere_by_its_path() {
    for (fields, path) in [
        (json!({"store": true}), "store"),
        (json!({"background": true}), "background"),
        (json!({"previous_response_id": "resp_0"}), "previous_response_id"),
        (json!({"conversation": {"id": "conv_1"}}), "conversation"),
        (json!({"prompt": {"id": "p"}}), "prompt"),
        (json!({"include": ["message.output_text.logprobs"]}), "include"),
        (json!({"top_logprobs": 3}), "top_logprobs"),
        (json!({"tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}), "tools[1].type"),
        (json!({"tools": [{"type": "custom", "name": "c"}]}), "tools[0].type"),
        (json!({"tools": [{"type": "function", "name": "f", "output_schema": {}}]}), "tools[0].output_schema"),
        (json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}), "tool_choice"),
        (json!({"text": {"format": {"type": "grammar"}}}), "text.format"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "a", "new": 1}]}]}),
            "input[0].content[0].new",
        ),
        (json!({"what_is_this": 1}), "what_is_this"),
    ] {
        for target in [chat(), anthropic()] {
            let error = written(responses(), target, &with(fields.clone()), &Capabilities::default()).unwrap_err();
            let named = (error.code, error.param.as_deref());
            assert_eq!(named, ("unsupported_parameter", Some(path)), "{fields} {target:?}");
        }
    }
    let mut kept = json!({"model": "m", "previous_response_id": "resp_0"});
    for _ in 0..2 {
        let error = written(responses(), anthropic(), &kept, &Capabilities::default()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("previous_response_id"));
        kept["input"] = json!([]);
    }
}

#[test]
fn items_and_parts_that_nobody_else_has_are_carried_whole() {
    for (input, at) in [
        (json!({"type": "item_reference", "id": "x"}), "input[0]"),
        (json!({"id": "x"}), "input[0]"),
        (json!({"type": "custom_tool_call", "call_id": "c", "name": "n", "input": "i"}), "input[0]"),
        (json!({"type": "web_search_call", "id": "ws", "status": "completed"}), "input[0]"),
        (json!({"type": "from_the_future"}), "input[0]"),
        (
            json!({"role": "user", "content": [{"type": "input_image", "file_id": "f", "image_url": null}]}),
            "input[0].content[0]",
        ),
        (json!({"role": "user", "content": [{"type": "input_smell"}]}), "input[0].content[0]"),
    ] {
        let request = read(&with(json!({"input": [input]})));
        let Part::Unknown(unknown) = &request.messages[0].parts[0] else { panic!("{input}") };
        assert_eq!(unknown.at, at, "{input}");
        assert!(unknown.value.is_object());
    }
}

#[test]
fn files_are_documents() {
    let file = |fields: Value| {
        let mut part = json!({"type": "input_file"});
        part.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"model": "m", "input": [{"role": "user", "content": [part]}]})
    };
    for (fields, expect) in [
        (json!({"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}), "Base64"),
        (json!({"filename": "a.pdf", "file_data": "AA=="}), "application/pdf"),
        (json!({"file_url": "https://x/y.pdf"}), "Url(\"https://x/y.pdf\")"),
        (json!({"file_id": "file-1"}), "File(\"file-1\")"),
    ] {
        let request = read(&file(fields.clone()));
        let Part::Document(document) = &request.messages[0].parts[0] else { panic!("{fields}") };
        assert!(format!("{:?}", document.value.source).contains(expect), "{fields}");
    }
    let error = read_request(responses(), file(json!({})).to_string().as_bytes()).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("input[0].content[0]"));
}

#[test]
fn leaves_of_the_wrong_type_are_refused_by_name() {
    for (fields, path) in [
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": 7}]}]}),
            "input[0].content[0].text",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "file:///x"}]}]}),
            "input[0].content[0].image_url",
        ),
        (json!({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call_output", "call_id": "c"}]}), "input[0].output"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"text": "json"}), "text"),
        (json!({"tool_choice": "some"}), "tool_choice"),
    ] {
        let error = read_request(responses(), with(fields.clone()).to_string().as_bytes()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(path), "{fields}");
    }
}

#[test]
fn chat_completions_become_items() {
    check(
        chat(),
        responses(),
        json!({
            "model": "m", "stream": true, "max_completion_tokens": 99, "temperature": 0.5, "user": "u",
            "verbosity": "low", "service_tier": "flex", "metadata": {"a": "b"}, "parallel_tool_calls": true,
            "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                ]},
                {"role": "assistant", "content": "I look.", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"q\":1}"}},
                    {"id": "c2", "type": "function", "function": {"name": "f", "arguments": ""}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "one"},
                {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "three"}]},
                {"role": "developer", "content": "D"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object"}}},
                {"type": "function", "function": {"name": "g", "strict": true, "parameters":
                    {"type": "object", "properties": {}, "additionalProperties": false}}},
            ],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        }),
        json!({
            "model": "m", "stream": true, "store": false, "instructions": "S", "max_output_tokens": 99, "temperature": 0.5,
            "user": "u", "service_tier": "flex", "metadata": {"a": "b"}, "parallel_tool_calls": true,
            "input": [
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "see"},
                    {"type": "input_image", "image_url": "https://x/y.png", "detail": "auto"},
                ]},
                {"type": "message", "role": "assistant", "content": "I look."},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"q\":1}"},
                {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "one"},
                {"type": "function_call_output", "call_id": "c2", "output": [
                    {"type": "input_text", "text": "two"}, {"type": "input_text", "text": "three"}]},
                {"type": "message", "role": "system", "content": "D"},
            ],
            "tools": [
                {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": false},
                {"type": "function", "name": "g", "strict": true, "parameters":
                    {"type": "object", "properties": {}, "additionalProperties": false}},
            ],
            "tool_choice": {"type": "function", "name": "f"},
            "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": false}},
        }),
    );
}

#[test]
fn messages_become_items() {
    check(
        anthropic(),
        responses(),
        json!({
            "model": "m", "max_tokens": 99, "system": [{"type": "text", "text": "S"}, {"type": "text", "text": "T"}],
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"q": 1}},
                    {"type": "text", "text": "Done?"},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]},
                    {"type": "text", "text": "go on"},
                ]},
            ],
        }),
        json!({
            "model": "m", "store": false, "max_output_tokens": 99,
            "input": [
                {"type": "message", "role": "system", "content": [
                    {"type": "input_text", "text": "S"}, {"type": "input_text", "text": "T"}]},
                {"type": "message", "role": "user", "content": "hi"},
                {"type": "function_call", "call_id": "toolu_1", "name": "f", "arguments": "{\"q\":1}"},
                {"type": "message", "role": "assistant", "content": "Done?"},
                {"type": "function_call_output", "call_id": "toolu_1", "output": [
                    {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"}]},
                {"type": "message", "role": "user", "content": "go on"},
            ],
        }),
    );
}

#[test]
fn what_this_api_cannot_say_is_refused_by_name() {
    let of_chat = |fields: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let of_messages = |fields: Value| {
        let mut body = of_chat(fields);
        body["max_tokens"] = 9.into();
        body
    };
    for (client, body, path) in [
        (chat(), of_chat(json!({"stop": "END"})), "stop"),
        (anthropic(), of_messages(json!({"stop_sequences": ["END"]})), "stop_sequences"),
        (chat(), of_chat(json!({"logprobs": true})), "logprobs"),
        (chat(), of_chat(json!({"n": 2})), "n"),
        (anthropic(), of_messages(json!({"top_k": 5})), "top_k"),
    ] {
        let error = written(client, responses(), &body, &Capabilities::default()).unwrap_err();
        assert_eq!((error.code, error.param.as_deref()), ("unsupported_parameter", Some(path)), "{body}");
    }
}

#[test]
fn a_clients_own_request_is_fitted_to_the_server() {
    let body = r#"{ "temperature":1, "model":"m","top_p":0.5,"store":false,"reasoning":{"effort":"low"},
        "input":[{"role":"developer","content":"D"},"x"], "parallel_tool_calls":true }"#;
    let sent = |body: &str, capabilities: Capabilities| {
        let mut edits = responses().adapt(body.as_bytes(), &capabilities);
        serde_json::from_slice::<Value>(&crate::json::spliced(body.as_bytes(), &mut edits)).unwrap()
    };
    let whole: Value = serde_json::from_str(body).unwrap();
    assert_eq!(sent(body, Capabilities::default()), whole);
    let least = Capabilities {
        temperature: false,
        parallel_tool_calls: false,
        reasoning_effort: false,
        state: false,
        system_role: SystemRole::User,
        ..Capabilities::default()
    };
    assert_eq!(sent(body, least.clone()), json!({"model": "m", "input": [{"role": "user", "content": "D"}, "x"]}));
    let kept = r#"{"store":true,"model":"m","previous_response_id":"resp_0"}"#;
    assert_eq!(sent(kept, least), serde_json::from_str::<Value>(kept).unwrap());
    let alone = Capabilities { temperature_with_top_p: false, ..Capabilities::default() };
    assert_eq!(sent(body, alone.clone()).get("top_p"), None);
    assert_eq!(sent(r#"{"top_p":0.5}"#, alone), json!({"top_p": 0.5}));
}

#[test]
fn a_servers_capabilities_decide() {
    let body = json!({"model": "m", "temperature": 0.5, "top_p": 0.5, "messages": [
        {"role": "system", "content": "S"}, {"role": "user", "content": "hi"}]});
    let sent = |capabilities: Capabilities| {
        let written = written(chat(), responses(), &body, &capabilities).unwrap();
        let left_out: Vec<_> = written.left_out.into_iter().map(|left_out| left_out.path).collect();
        (serde_json::from_slice::<Value>(&written.body).unwrap(), left_out)
    };
    let (sent_body, left_out) = sent(Capabilities { temperature: false, ..Capabilities::default() });
    assert_eq!((sent_body.get("temperature"), sent_body.get("top_p")), (None, None));
    assert_eq!(left_out, ["temperature", "top_p"]);
    let (sent_body, left_out) = sent(Capabilities { temperature_with_top_p: false, ..Capabilities::default() });
    assert_eq!((&sent_body["temperature"], sent_body.get("top_p")), (&0.5.into(), None));
    assert_eq!(left_out, ["top_p"]);
    let (sent_body, _) = sent(Capabilities { system_role: SystemRole::User, ..Capabilities::default() });
    assert_eq!((sent_body.get("instructions"), &sent_body["input"][0]["role"]), (None, &"user".into()));

    let refused = |fields: Value, capabilities: Capabilities, path: &str| {
        let mut body = body.clone();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let error = written(chat(), responses(), &body, &capabilities).unwrap_err();
        assert_eq!((error.code, error.param.as_deref()), ("unsupported_parameter", Some(path)));
    };
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f"}}]});
    refused(tools, Capabilities { tools: false, ..Capabilities::default() }, "tools");
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]);
    let path = "messages[0].content[0]";
    refused(json!({"messages": image}), Capabilities { images: false, ..Capabilities::default() }, path);
    let form = json!({"response_format": {"type": "json_object"}});
    let none = Capabilities { structured_output: StructuredOutput::None, ..Capabilities::default() };
    refused(form, none, "response_format");
}
