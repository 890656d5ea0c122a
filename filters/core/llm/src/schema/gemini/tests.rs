use serde_json::{Value, json};
use weir_config::Capabilities;

use crate::chat::{read_request, read_response, write_request, write_response};
use crate::error::{ClientError, RequestError, read_provider_error};
use crate::schema::{Kind, Schema};
use crate::stream::{StreamOptions, StreamTranslator};
use crate::usage::usage_of_response;
use crate::{AnswerOutline, Operation, RequestHead, read_head, text};

mod requests;
mod streams;

fn gemini() -> Schema {
    Schema::named("gemini").unwrap()
}

fn openai() -> Schema {
    Schema::named("openai").unwrap()
}

fn anthropic() -> Schema {
    Schema::named("anthropic").unwrap()
}

/// A whole answer of one schema as another's.
fn crossed(from: Schema, to: Schema, answer: &Value) -> Value {
    let response = read_response(from, answer.to_string().as_bytes()).unwrap();
    serde_json::from_slice(&write_response(to, &response)).unwrap()
}

fn answer() -> Value {
    json!({
        "candidates": [{
            "content": {"role": "model", "parts": [
                {"text": "hm", "thought": true},
                {"text": "I look."},
                {"functionCall": {"name": "weather", "args": {"city": "Ulm"}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "time", "args": {}, "id": "given"}},
            ]},
            "finishReason": "STOP", "index": 0,
        }],
        "usageMetadata": {
            "promptTokenCount": 40, "cachedContentTokenCount": 8, "candidatesTokenCount": 10, "thoughtsTokenCount": 11,
            "totalTokenCount": 61, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 40}],
        },
        "modelVersion": "gemini-3-pro", "responseId": "r1",
    })
}

#[test]
fn an_answer_is_read_with_calls_thoughts_and_usage() {
    let written = crossed(gemini(), openai(), &answer());
    let choice = &written["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(
        (&choice["message"]["content"], &choice["message"]["reasoning_content"]),
        (&json!("I look."), &json!("hm"))
    );
    let calls: Vec<_> = choice["message"]["tool_calls"].as_array().unwrap().iter().collect();
    assert_eq!(calls[0]["function"], json!({"name": "weather", "arguments": "{\"city\":\"Ulm\"}"}));
    assert_eq!((&calls[0]["id"], &calls[1]["id"]), (&json!("call_r1_1"), &json!("given")));
    assert_eq!(written["usage"]["prompt_tokens"], 40);
    assert_eq!(written["usage"]["prompt_tokens_details"]["cached_tokens"], 8);
    assert_eq!(written["usage"]["completion_tokens"], 21);
    assert_eq!(written["usage"]["completion_tokens_details"]["reasoning_tokens"], 11);
}

#[test]
fn answers_of_others_are_written_so_that_they_read_the_same() {
    for other in [openai(), anthropic()] {
        let there = crossed(gemini(), other, &answer());
        let back = crossed(other, gemini(), &there);
        assert_eq!(back["candidates"][0]["finishReason"], "STOP", "{other:?}");
        let parts = back["candidates"][0]["content"]["parts"].as_array().unwrap();
        let texts: Vec<_> = parts.iter().filter_map(|part| part.get("text")).collect();
        // Nobody asked for thoughts.
        assert_eq!(texts, ["I look."], "{other:?}");
        let calls: Vec<_> = parts.iter().filter_map(|part| Some(part.get("functionCall")?["args"].clone())).collect();
        assert_eq!(calls, [json!({"city": "Ulm"}), json!({})], "{other:?}");
        assert_eq!(back["usageMetadata"]["totalTokenCount"], 61, "{other:?}");
        assert_eq!(back["usageMetadata"]["cachedContentTokenCount"], 8, "{other:?}");
    }
}

#[test]
fn reasons_of_an_end_are_told_apart() {
    let check = |reason: &str, expect: Option<&str>| {
        let mut said = answer();
        said["candidates"][0]["content"]["parts"] = json!([{"text": "x"}]);
        said["candidates"][0]["finishReason"] = reason.into();
        let read = read_response(gemini(), said.to_string().as_bytes());
        let written = read.map(|read| serde_json::from_slice::<Value>(&write_response(openai(), &read)).unwrap());
        let written = written.ok().map(|written| written["choices"][0]["finish_reason"].clone());
        assert_eq!(written.as_ref().and_then(Value::as_str), expect, "{reason}");
    };
    check("STOP", Some("stop"));
    check("MAX_TOKENS", Some("length"));
    for filtered in ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII", "BLOCKLIST", "IMAGE_SAFETY", "MODEL_ARMOR"] {
        check(filtered, Some("content_filter"));
    }
    check("SOMETHING_NEW", Some("stop"));
    for failed in ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE"] {
        check(failed, None);
    }
}

#[test]
fn a_blocked_prompt_is_an_answer_and_nothing_at_all_is_none() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 7}});
    let written = crossed(gemini(), openai(), &blocked);
    assert_eq!(written["choices"][0]["finish_reason"], "content_filter");
    assert_eq!(written["usage"]["prompt_tokens"], 7);
    let chat = Operation::of_kind(Kind::Chat, gemini()).unwrap();
    let is_answer = |body: Value| AnswerOutline::read(chat, body.to_string().as_bytes()).unwrap().is_answer;
    assert!(is_answer(blocked) && is_answer(answer()));
    assert!(!is_answer(json!({"usageMetadata": {}})) && !is_answer(json!({"error": {"code": 500, "message": "x"}})));
    assert!(read_response(gemini(), br#"{"usageMetadata":{}}"#).is_err());
}

#[test]
fn figures_are_summed_as_they_are_billed() {
    let check = |usage: Value, expect: [Option<u64>; 4]| {
        let body = json!({"candidates": [], "usageMetadata": usage}).to_string();
        let counted = usage_of_response(gemini(), body.as_bytes()).unwrap_or_default().counted();
        assert_eq!([counted.input, counted.cached_input, counted.output, counted.reasoning], expect, "{body}");
    };
    check(
        json!({"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}),
        [Some(5), None, Some(2), None],
    );
    check(
        json!({"promptTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 8}),
        [Some(5), None, Some(3), Some(3)],
    );
    check(
        json!({"promptTokenCount": 5, "toolUsePromptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 11}),
        [Some(9), None, Some(2), None],
    );
    // The counts by modality overlap what was read from the cache.
    check(
        json!({
            "promptTokenCount": 100, "cachedContentTokenCount": 90, "candidatesTokenCount": 1, "totalTokenCount": 101,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
            "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 90}],
        }),
        [Some(100), Some(90), Some(1), None],
    );
}

#[test]
fn errors_are_read_and_written_as_googles() {
    let body = br#"{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED"}}"#;
    let error = read_provider_error(gemini(), 429, body);
    assert_eq!((error.status, error.client_code()), (429, "rate_limit_exceeded"));
    // An error in a stream has the status that its word stands for.
    let error = read_provider_error(gemini(), 200, br#"{"error":{"message":"x","status":"UNAVAILABLE"}}"#);
    assert_eq!(error.status, 503);
    let own = ClientError::new(400, "invalid_request", "No.").with_param("contents[0].role");
    let written: Value = serde_json::from_slice(&own.body(gemini())).unwrap();
    assert_eq!(written["error"]["code"], 400);
    assert_eq!(
        (&written["error"]["message"], &written["error"]["status"]),
        (&json!("No."), &json!("INVALID_ARGUMENT"))
    );
    assert_eq!(written["error"]["details"][0]["reason"], "invalid_request");
    assert_eq!(written["error"]["details"][1]["fieldViolations"][0]["field"], "contents[0].role");
}
