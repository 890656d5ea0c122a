use super::*;

fn written_to_gemini(from: Schema, model: &str, body: &Value) -> (Value, Vec<String>) {
    let mut request = read_request(from, body.to_string().as_bytes()).unwrap();
    request.model = model.to_owned();
    let written = write_request(gemini(), &request, &Capabilities::default()).unwrap();
    let left_out = written.left_out.into_iter().map(|left_out| left_out.path).collect();
    (serde_json::from_slice(&written.body).unwrap(), left_out)
}

fn refused(from: Schema, to: Schema, body: &Value) -> RequestError {
    let request = read_request(from, body.to_string().as_bytes()).unwrap();
    write_request(to, &request, &Capabilities::default()).unwrap_err()
}

fn conversation() -> Value {
    json!({
        "model": "m", "stream": true, "max_completion_tokens": 9, "temperature": 1.7, "top_p": 0.5, "stop": ["END"],
        "user": "u", "seed": 7, "presence_penalty": 0.5, "reasoning_effort": "medium", "parallel_tool_calls": false,
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "input_audio", "input_audio": {"format": "wav", "data": "AA=="}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
            ]},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"q\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "oops"}},
                {"id": "c3", "type": "function", "function": {"name": "g", "arguments": ""}},
            ]},
            {"role": "tool", "tool_call_id": "c2", "content": "{\"two\":2}"},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "user", "content": "and?"},
            {"role": "tool", "tool_call_id": "unknown", "content": "stray"},
            {"role": "developer", "content": "D"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "strict": true, "parameters": {
                "type": "object", "properties": {"q": {"type": "integer"}}, "additionalProperties": false,
            }}},
            {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    })
}

#[test]
fn a_conversation_becomes_contents() {
    let (written, left_out) = written_to_gemini(openai(), "gemini-2.5-pro", &conversation());
    let expect = json!({
        "systemInstruction": {"parts": [{"text": "S"}, {"text": "D"}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": "see"},
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
                {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
            ]},
            {"role": "model", "parts": [
                {"functionCall": {"name": "f", "args": {"q": 1}}},
                {"functionCall": {"name": "f", "args": {"invalid_json": "oops"}}},
                {"functionCall": {"name": "g", "args": {}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "f", "response": {"output": "one"}}},
                {"functionResponse": {"name": "f", "response": {"two": 2}}},
                {"functionResponse": {"name": "g", "response": {"output": ""}}},
                {"text": "and?"},
                {"text": "stray"},
            ]},
        ],
        "tools": [{"functionDeclarations": [
            {"name": "f", "description": "d", "parametersJsonSchema": {
                "type": "object", "properties": {"q": {"type": "integer"}}, "additionalProperties": false,
            }},
            {"name": "g"},
        ]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "maxOutputTokens": 9, "temperature": 1.7, "topP": 0.5, "seed": 7, "presencePenalty": 0.5,
            "stopSequences": ["END"], "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"thinkingBudget": 8192},
        },
    });
    assert_eq!(written, expect);
    for path in ["user", "parallel_tool_calls", "tools[0].function.strict"] {
        assert!(left_out.iter().any(|left| left == path), "{path} in {left_out:?}");
    }
}

#[test]
fn calls_of_other_models_are_marked_for_models_that_sign() {
    let (written, _) = written_to_gemini(openai(), "gemini-3-pro", &conversation());
    let parts = written["contents"][1]["parts"].as_array().unwrap();
    let signatures: Vec<_> = parts.iter().map(|part| part.get("thoughtSignature").and_then(Value::as_str)).collect();
    // Of calls made at once only the first has one.
    assert_eq!(signatures, [Some("skip_thought_signature_validator"), None, None]);
    assert_eq!(written["generationConfig"]["thinkingConfig"], json!({"thinkingLevel": "medium"}));
}

#[test]
fn thinking_is_asked_for_as_the_model_takes_it() {
    let check = |fields: Value, model: &str, expect: Value| {
        let mut body = json!({"model": "m", "max_tokens": 9000, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (written, _) = written_to_gemini(anthropic(), model, &body);
        assert_eq!(written["generationConfig"]["thinkingConfig"], expect, "{fields} {model}");
    };
    let budget = json!({"thinking": {"type": "enabled", "budget_tokens": 2048}});
    check(budget.clone(), "gemini-2.5-flash", json!({"thinkingBudget": 2048}));
    check(budget, "gemini-3-flash", json!({"thinkingBudget": 2048}));
    check(json!({"thinking": {"type": "disabled"}}), "gemini-2.5-flash", json!({"thinkingBudget": 0}));
    check(json!({"thinking": {"type": "disabled"}}), "gemini-3-flash", json!({"thinkingLevel": "low"}));
    check(json!({"thinking": {"type": "adaptive"}}), "gemini-2.5-flash", json!({"thinkingBudget": -1}));
    check(json!({"thinking": {"type": "adaptive"}}), "gemini-3-flash", Value::Null);
    check(json!({"output_config": {"effort": "max"}}), "gemini-3-flash", json!({"thinkingLevel": "high"}));
    check(json!({}), "gemini-3-flash", Value::Null);
}

#[test]
fn what_gemini_cannot_be_told_is_refused_by_its_path() {
    let with = |message: Value| json!({"model": "m", "messages": [{"role": "user", "content": [message]}]});
    let image =
        refused(openai(), gemini(), &with(json!({"type": "image_url", "image_url": {"url": "https://x/y.png"}})));
    assert_eq!((image.code, image.param.as_deref()), ("unsupported_parameter", Some("messages[0].content[0]")));
    let file = refused(openai(), gemini(), &with(json!({"type": "file", "file": {"file_id": "f"}})));
    assert_eq!(file.param.as_deref(), Some("messages[0].content[0]"));
    let stops =
        json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "stop": ["1", "2", "3", "4", "5", "6"]});
    assert_eq!(refused(openai(), gemini(), &stops).param.as_deref(), Some("stop"));
    let many = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 2});
    assert_eq!(refused(openai(), gemini(), &many).param.as_deref(), Some("n"));
}

/// A Gemini client's request, in both spellings of its names.
fn spelt(original: bool) -> Value {
    let body = json!({
        "systemInstruction": {"parts": [{"text": "S"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "see"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": true},
                {"functionCall": {"name": "f", "args": {"q": 1}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "f", "args": {"q": 2}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "f", "response": {"output": "one"}}},
                {"functionResponse": {"name": "f", "response": {"error": "two"}}},
                {"text": "and?"},
            ]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {
            "type": "OBJECT", "properties": {"q": {"type": "INTEGER", "nullable": true}},
        }}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {
            "maxOutputTokens": 9, "topP": 0.5, "stopSequences": ["END"], "topK": 3, "candidateCount": 1,
            "responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"},
            "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": true},
        },
        "safetySettings": [],
    });
    if !original {
        return body;
    }
    let mut text = body.to_string();
    for (name, other) in [
        ("systemInstruction", "system_instruction"),
        ("inlineData", "inline_data"),
        ("mimeType", "mime_type"),
        ("functionCall\"", "function_call\""),
        ("functionResponse", "function_response"),
        ("functionDeclarations", "function_declarations"),
        ("toolConfig", "tool_config"),
        ("functionCallingConfig", "function_calling_config"),
        ("generationConfig", "generation_config"),
        ("maxOutputTokens", "max_output_tokens"),
        ("topP", "top_p"),
        ("stopSequences", "stop_sequences"),
        ("topK", "top_k"),
        ("candidateCount", "candidate_count"),
        ("responseMimeType", "response_mime_type"),
        ("responseSchema", "response_schema"),
        ("thinkingConfig", "thinking_config"),
        ("thinkingBudget", "thinking_budget"),
        ("includeThoughts", "include_thoughts"),
        ("safetySettings", "safety_settings"),
        ("thoughtSignature", "thought_signature"),
    ] {
        text = text.replace(name, other);
    }
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_client_of_gemini_is_understood_in_either_spelling() {
    for original in [false, true] {
        let mut request = read_request(gemini(), spelt(original).to_string().as_bytes()).unwrap();
        request.model = "m".to_owned();
        let written = write_request(openai(), &request, &Capabilities::default()).unwrap();
        let written: Value = serde_json::from_slice(&written.body).unwrap();
        let expect = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                ]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"q\":1}"}},
                    {"id": "call_2", "type": "function", "function": {"name": "f", "arguments": "{\"q\":2}"}},
                ]},
                {"role": "tool", "tool_call_id": "call_1", "content": "one"},
                {"role": "tool", "tool_call_id": "call_2", "content": "Error: two"},
                {"role": "user", "content": "and?"},
            ],
            "max_completion_tokens": 9, "top_p": 0.5, "stop": ["END"],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {
                "type": "object", "properties": {"q": {"type": ["integer", "null"]}},
            }}}],
            "tool_choice": "required",
        });
        let mut shown = written.clone();
        shown.as_object_mut().unwrap().shift_remove("response_format");
        // How a failed tool is told is the other schema's to say.
        shown["messages"][4]["content"] = json!("Error: two");
        assert_eq!(shown, expect, "{original}");
        assert!(written["messages"][4]["content"].as_str().unwrap().contains("two"));
        assert_eq!(written["response_format"]["json_schema"]["schema"], json!({"type": "object"}));
    }
}

#[test]
fn what_others_cannot_say_of_gemini_is_refused_by_its_path() {
    let check = |fields: Value, param: &str| {
        let mut body = json!({"contents": [{"parts": [{"text": "x"}]}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let error = refused(gemini(), openai(), &body);
        assert_eq!((error.code, error.param.as_deref()), ("unsupported_parameter", Some(param)), "{fields}");
    };
    check(json!({"cachedContent": "cachedContents/1"}), "cachedContent");
    check(json!({"tools": [{"googleSearch": {}}]}), "tools[0].googleSearch");
    check(json!({"generationConfig": {"responseModalities": ["IMAGE"]}}), "generationConfig.responseModalities");
    check(json!({"generation_config": {"response_logprobs": true}}), "generation_config.response_logprobs");
    check(json!({"contents": [{"parts": [{"executableCode": {"code": "1"}}]}]}), "contents[0].parts[0]");
}

fn head(path: &str, body: &Value) -> Result<RequestHead, RequestError> {
    let operation = Operation::of("POST", path, &|_| false).unwrap();
    read_head(operation, path, body.to_string().as_bytes())
}

#[test]
fn the_path_says_the_model_and_whether_it_streams() {
    let body = json!({
        "contents": [{"parts": [{"text": "x"}]}],
        "generationConfig": {"maxOutputTokens": 7, "candidateCount": 2},
    });
    let whole = head("/v1beta/models/gemini-2.5-pro:generateContent", &body).unwrap();
    assert_eq!((whole.model.as_str(), whole.stream, whole.model_span.clone()), ("gemini-2.5-pro", false, None));
    assert_eq!((whole.max_output_tokens, whole.choices), (Some(7), 2));
    // A body has no model to change.
    assert_eq!(whole.with_model(body.to_string().as_bytes(), "other"), body.to_string().into_bytes());
    assert!(head("/v1/models/m:streamGenerateContent?alt=sse", &body).unwrap().stream);
    let list = head("/v1beta/models/m:streamGenerateContent", &body).unwrap_err();
    assert_eq!(list.param.as_deref(), Some("alt"));

    let check = |body: Value, param: &str| {
        let error = head("/v1beta/models/m:generateContent", &body).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{body}");
    };
    check(json!({}), "contents");
    check(json!({"contents": []}), "contents");
    check(json!({"contents": [{"role": "system", "parts": []}]}), "contents[0].role");
    check(json!({"contents": [{}], "generationConfig": {}, "generation_config": {}}), "generation_config");
    check(json!({"contents": [{}], "generationConfig": {"maxOutputTokens": "many"}}), "maxOutputTokens");
}

#[test]
fn every_text_of_a_request_is_seen() {
    for original in [false, true] {
        let body = spelt(original).to_string();
        let chat = Operation::of_kind(Kind::Chat, gemini()).unwrap();
        let seen = text::request_texts(chat, body.as_bytes()).unwrap();
        let texts: Vec<_> = seen.texts.iter().map(|text| text.value.as_str()).collect();
        for said in ["S", "see", "hm", "one", "two", "and?", "END"] {
            assert!(texts.contains(&said), "{said} in {texts:?}");
        }
        assert_eq!(seen.unread, 1, "the picture");
        assert!(!texts.contains(&"AA==") && !texts.contains(&"c2ln"), "{texts:?}");
    }
}

#[test]
fn text_in_base64_is_read_and_media_is_not() {
    let chat = Operation::of_kind(Kind::Chat, gemini()).unwrap();
    let check = |source: &str, expect: &[&str], unread: u32| {
        for field in ["inlineData", "inline_data"] {
            let body = format!(r#"{{"contents":[{{"parts":[{{"{field}":{{{source}}}}}]}}]}}"#);
            let seen = text::request_texts(chat, body.as_bytes()).unwrap();
            let texts: Vec<_> = seen.texts.iter().map(|text| text.value.as_str()).collect();
            assert_eq!((texts.as_slice(), seen.unread), (expect, unread), "{body}");
        }
    };
    for media_type in ["text/plain", "text/csv", "application/json", "Text/HTML", "new/one"] {
        check(&format!(r#""mimeType":"{media_type}","data":"YUBiLmlv""#), &["a@b.io"], 0);
        check(&format!(r#""data":"YUBiLmlv","mime_type":"{media_type}""#), &["a@b.io"], 0);
    }
    check(r#""data":"YUBiLmlv""#, &["a@b.io"], 0);
    check(r#""mimeType":"image/png","mime_type":"text/plain","data":"YUBiLmlv""#, &["a@b.io"], 0);
    check(r#""mimeType":"image/png","data":"YUBiLmlv","data":"YUBiLmlv""#, &["a@b.io", "a@b.io"], 0);
    check(r#""mimeType":"text/plain","data":"a@b.io""#, &["a@b.io"], 1);
    for media_type in ["image/png", "audio/wav", "video/mp4", "application/pdf"] {
        check(&format!(r#""mimeType":"{media_type}","data":"YUBiLmlv""#), &[], 1);
    }
}

#[test]
fn results_find_their_calls_in_work_that_grows_with_their_number() {
    let work = |count: usize| {
        let call =
            |index: usize| json!({"functionCall": {"name": format!("f{}", index % 2), "id": format!("c{index}")}});
        let result = |index: usize| match index % 2 {
            0 => json!({"functionResponse": {"name": "f0", "response": {}}}),
            _ => json!({"functionResponse": {"name": "f1", "id": format!("c{index}"), "response": {}}}),
        };
        let body = json!({"contents": [
            {"role": "model", "parts": (0..count).map(call).collect::<Vec<_>>()},
            {"role": "user", "parts": (0..count).rev().map(result).collect::<Vec<_>>()},
        ]});
        let body = body.to_string();
        crate::schema::tests::work_of(|| {
            let request = read_request(gemini(), body.as_bytes()).unwrap();
            write_request(gemini(), &request, &Capabilities::default()).unwrap();
        })
    };
    let (few, many) = (work(64), work(4_096));
    assert!(many < few * 64 * 2, "{few} steps for some, {many} for 64 times as many");
}

#[test]
fn results_answer_the_first_call_that_fits() {
    let call = |name: &str, id: &str| json!({"functionCall": {"name": name, "id": id}});
    let result = |name: &str, id: &str| json!({"functionResponse": {"name": name, "id": id, "response": {}}});
    let body = json!({"contents": [
        {"role": "model", "parts": [call("f", "1"), call("f", "2"), call("g", "3"), call("f", "4")]},
        {"role": "user", "parts": [result("f", "2"), result("f", ""), result("f", ""), result("g", ""), result("f", "9")]},
    ]});
    let request = read_request(gemini(), body.to_string().as_bytes()).unwrap();
    let answered = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
        crate::chat::Part::ToolResult(result) => Some(result.call_id.as_str()),
        _ => None,
    });
    assert_eq!(answered.collect::<Vec<_>>(), ["2", "1", "4", "3", "9"]);
}

#[test]
fn a_bound_of_nothing_is_none() {
    let bound = |schema: Schema, path: &str, body: Value| {
        let is_anthropics = |name: &str| name == "anthropic-version" && schema == anthropic();
        let operation = Operation::of("POST", path, &is_anthropics).unwrap();
        read_head(operation, path, body.to_string().as_bytes()).unwrap().max_output_tokens
    };
    let path = "/v1beta/models/m:generateContent";
    let gemini_body = |limit: u64| json!({"contents": [{}], "generationConfig": {"maxOutputTokens": limit}});
    assert_eq!(bound(gemini(), path, gemini_body(0)), None);
    assert_eq!(bound(gemini(), path, gemini_body(1)), Some(1));
    let messages = json!([{"role": "user", "content": "x"}]);
    let openai_body = json!({"model": "m", "messages": messages, "max_completion_tokens": 0});
    assert_eq!(bound(openai(), "/v1/chat/completions", openai_body), None);
    // It warms the cache there, and is a bound for others.
    let warming = json!({"model": "m", "messages": messages, "max_tokens": 0});
    assert_eq!(bound(anthropic(), "/v1/messages", warming.clone()), Some(0));
    let (written, _) = written_to_gemini(anthropic(), "m", &warming);
    assert_eq!(written["generationConfig"]["maxOutputTokens"], 1);
}

#[test]
fn a_model_leads_nowhere_else() {
    let path = |model: &str| gemini().path_at_provider(Kind::Chat, model, false);
    assert_eq!(path("tunedModels/a..b").as_deref(), Some("/tunedModels/a..b:generateContent"));
    for model in ["..", ".", "../files", "tunedModels/../../v1/files", "tunedModels/./a"] {
        assert_eq!(path(model), None, "{model}");
    }
}
