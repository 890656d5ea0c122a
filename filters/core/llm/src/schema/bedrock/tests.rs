use serde_json::{Value, json};
use weir_config::Capabilities;

use crate::chat::{self, Finish};
use crate::schema::{Kind, Schema};
use crate::usage::usage_of_response;

fn named(name: &str) -> Schema {
    Schema::named(name).unwrap()
}

fn bedrock() -> Schema {
    named(super::NAME)
}

/// What another schema's client asks, for Claude or another model.
fn written(client: &str, model: &str, body: &Value) -> Result<(Value, Vec<String>), (String, Option<String>)> {
    let told = |error: crate::RequestError| (error.code.to_string(), error.param);
    let mut request = chat::read_request(named(client), body.to_string().as_bytes()).map_err(told)?;
    request.model = model.to_owned();
    let written = chat::write_request(bedrock(), &request, &Capabilities::default()).map_err(told)?;
    let left_out = written.left_out.into_iter().map(|left| left.path).collect();
    Ok((serde_json::from_slice(&written.body).unwrap(), left_out))
}

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-20250514-v1:0";

#[test]
fn a_request_says_everything_in_its_place() {
    let asked = json!({
        "model": "m", "max_tokens": 9000, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "parallel_tool_calls": true,
        "messages": [
            {"role": "system", "content": "Brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}},
                {"type": "file", "file": {"filename": "a/b.pdf", "file_data": "data:application/pdf;base64,BBBB"}}]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "t", "arguments": "{\"a\":1}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "9 degrees"},
            {"role": "user", "content": "And?"}],
        "tools": [{"type": "function", "function": {"name": "t", "description": "Tells.", "parameters":
            {"type": "object", "properties": {"a": {"type": "number"}}}}}],
        "tool_choice": {"type": "function", "function": {"name": "t"}},
    });
    let (body, left_out) = written("openai", CLAUDE, &asked).unwrap();
    assert_eq!(
        body,
        json!({
            "messages": [
                {"role": "user", "content": [
                    {"text": "Look:"},
                    {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
                    {"document": {"format": "pdf", "name": "a b pdf 1", "source": {"bytes": "BBBB"}}}]},
                {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "t", "input": {"a": 1}}}]},
                {"role": "user", "content": [
                    {"toolResult": {"toolUseId": "c1", "content": [{"text": "9 degrees"}]}}, {"text": "And?"}]}],
            "system": [{"text": "Brief."}],
            "inferenceConfig": {"maxTokens": 9000, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "t", "description": "Tells.", "inputSchema": {"json":
                    {"type": "object", "properties": {"a": {"type": "number"}}}}}}],
                "toolChoice": {"tool": {"name": "t"}}},
        })
    );
    assert_eq!(left_out, ["parallel_tool_calls"]);
}

#[test]
fn only_claude_is_told_how_to_think() {
    let asked = json!({"model": "m", "max_tokens": 9000, "top_k": 7, "messages": [{"role": "user", "content": "Hi"}],
        "thinking": {"type": "enabled", "budget_tokens": 2048}});
    let (body, _) = written("anthropic", CLAUDE, &asked).unwrap();
    let thinking = json!({"type": "enabled", "budget_tokens": 2048});
    assert_eq!(body["additionalModelRequestFields"], json!({"thinking": thinking, "top_k": 7}));
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 9000}));
    let mut other = asked;
    other.as_object_mut().unwrap().shift_remove("top_k");
    let (body, left_out) = written("anthropic", "amazon.nova-pro-v1:0", &other).unwrap();
    assert_eq!((body.get("additionalModelRequestFields"), left_out.as_slice()), (None, &["thinking".to_owned()][..]));
}

#[test]
fn the_form_of_an_answer_is_a_schema_as_text() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": false});
    let asked = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "response_format":
        {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}});
    let (body, _) = written("openai", CLAUDE, &asked).unwrap();
    let text = body.pointer("/outputConfig/textFormat/structure/jsonSchema/schema").and_then(Value::as_str).unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), schema);
    assert!(body.get("inferenceConfig").is_none(), "without a limit none is said: {body}");
}

#[test]
fn what_cannot_be_said_is_refused_by_its_path() {
    let check = |fields: Value, param: &str| {
        let mut asked = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
        asked.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let error = written("openai", CLAUDE, &asked).unwrap_err();
        assert_eq!(error, ("unsupported_parameter".to_owned(), Some(param.to_owned())));
    };
    let picture = json!([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]);
    check(json!({"messages": [{"role": "user", "content": picture}]}), "messages[0].content[0]");
    let tools = json!([{"type": "function", "function": {"name": "t"}}]);
    let called = json!([{"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "t", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "x"}]);
    check(json!({"messages": called, "tools": tools, "tool_choice": "none"}), "tool_choice");
    check(json!({"logit_bias": {"1": 1}}), "logit_bias");
    // Before any call none is offered.
    let asked =
        json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": tools, "tool_choice": "none"});
    assert_eq!(written("openai", CLAUDE, &asked).unwrap().0.get("toolConfig"), None);
}

#[test]
fn an_answer_is_read_whole() {
    let answer = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": "AAAA"}},
            {"text": "A dam."},
            {"citationsContent": {"content": [{"text": "A "}, {"text": "river."}], "citations": []}},
            {"toolUse": {"toolUseId": "u1", "name": "t", "input": {"a": 1}}}]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 10, "outputTokens": 20, "totalTokens": 100, "cacheReadInputTokens": 30,
            "cacheWriteInputTokens": 40, "cacheDetails": [{"ttl": "5m", "inputTokens": 15}, {"ttl": "1h", "inputTokens": 25}]},
        "metrics": {"latencyMs": 5},
    });
    let response = chat::read_response(bedrock(), answer.to_string().as_bytes()).unwrap();
    let told: Value = serde_json::from_slice(&chat::write_response(named("openai"), &response)).unwrap();
    let message = &told["choices"][0]["message"];
    assert_eq!(message["tool_calls"][0]["function"], json!({"name": "t", "arguments": "{\"a\":1}"}));
    assert_eq!(message["tool_calls"][0]["id"], "u1");
    assert!(message["content"].as_str().unwrap().contains("A dam."), "{told}");
    assert_eq!(response.finish, Finish::ToolCalls);
    let counted = usage_of_response(bedrock(), answer.to_string().as_bytes()).unwrap().counted();
    assert_eq!((counted.input, counted.output, counted.cached_input), (Some(80), Some(20), Some(30)));
    assert_eq!((counted.cache_write, counted.cache_write_1h), (Some(15), Some(25)));
    assert!(counted.doubtful.is_empty(), "{counted:?}");
    for broken in
        ["{}", r#"{"message":"x"}"#, r#"{"output":{"message":{"content":[{}]}},"stopReason":"malformed_tool_use"}"#]
    {
        assert!(chat::read_response(bedrock(), broken.as_bytes()).is_err(), "{broken}");
    }
}

#[test]
fn a_model_is_one_segment_of_its_path() {
    let check = |model: &str, stream, expect: Option<&str>| {
        assert_eq!(bedrock().path_at_provider(Kind::Chat, model, stream).as_deref(), expect);
    };
    check("amazon.nova-pro-v1:0", false, Some("/model/amazon.nova-pro-v1%3A0/converse"));
    let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.x";
    check(arn, true, Some("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse-stream"));
    for elsewhere in ["", ".", ".."] {
        check(elsewhere, false, None);
    }
}

#[test]
fn tokens_are_counted_of_what_would_be_said() {
    let body = json!({"model": "m", "system": "Brief.", "messages": [{"role": "user", "content": "Hi"}]});
    let mut request = chat::read_count_request(named("anthropic"), body.to_string().as_bytes()).unwrap();
    request.model = CLAUDE.to_owned();
    let written = chat::write_count_request(bedrock(), &request, &Capabilities::default()).unwrap();
    let written: Value = serde_json::from_slice(&written.body).unwrap();
    let conversation =
        json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "system": [{"text": "Brief."}]});
    assert_eq!(written, json!({"input": {"converse": conversation}}));
}
