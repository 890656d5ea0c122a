//! Redaction changes texts, never the structure around them, and leaves no other spelling of what it took out.

use serde_json::{Value, json};
use weir_config::{Action, FindingType};

use crate::proxy::{self, ANTHROPIC, Gateway, OPENAI};

fn gateway(path: &str) -> Gateway {
    Gateway::new(path, &[(FindingType::CreditCard, Action::Redact), (FindingType::Email, Action::Redact)])
}

#[track_caller]
fn check_request(path: &str, message: Value, expect: Value) {
    let body = |message: Value| json!({"model": "m", "max_tokens": 5, "messages": [message]}).to_string();
    let passed = gateway(path).request(&body(message), 1).passed();
    let expect: Value = serde_json::from_str(&body(expect)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&passed).unwrap(), expect);
    assert_eq!(passed.matches("EMAIL").count(), expect.to_string().matches("EMAIL").count(), "{passed}");
}

#[track_caller]
fn check_answer(path: &str, answer: &str, expect: &str) {
    let mut gateway = gateway(path);
    gateway.request(r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#, 1).passed();
    let passed = gateway.response(200, &[("content-type", "application/json")], &[answer]).passed();
    assert_eq!(passed, expect);
}

#[track_caller]
fn stream(path: &str, events: &[Value]) -> String {
    let mut gateway = gateway(path);
    gateway.request(r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#, 1).passed();
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    gateway.response(200, &[("content-type", "text/event-stream")], &[&events]).passed()
}

#[test]
fn two_names_stay_two() {
    let call = |input: Value| json!({"role": "assistant", "content": [{"type": "tool_use", "id": "i", "name": "f", "input": input}]});
    check_request(
        ANTHROPIC,
        call(
            json!({"ada@x.example": 1, "bob@y.example": 2, "[EMAIL_2]": 3, "x": {"c@d.io": 1, "by e@f.io": 2, "by g@h.io": 3}}),
        ),
        call(
            json!({"[EMAIL]": 1, "[EMAIL_3]": 2, "[EMAIL_2]": 3, "x": {"[EMAIL]": 1, "by [EMAIL]": 2, "by [EMAIL_2]": 3}}),
        ),
    );
    let call = |arguments: &str| json!({"role": "assistant", "tool_calls": [{"id": "i", "type": "function", "function": {"name": "f", "arguments": arguments}}]});
    check_request(
        OPENAI,
        call(r#"{"ada@x.example":1,"bob@y.example":4111111111111111}"#),
        call(r#"{"[EMAIL]":1,"[EMAIL_2]":"[CREDIT_CARD]"}"#),
    );
}

#[test]
fn two_names_stay_two_in_streams() {
    let arguments = r#"{"ada@x.example":1,"bob@y.example":4111111111111111}"#;
    let expect = r#"{"[EMAIL]":1,"[EMAIL_2]":"[CREDIT_CARD]"}"#;
    for cut in 0..arguments.len() {
        let piece = |text: &str| json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}}]});
        let passed = stream(OPENAI, &[piece(&arguments[..cut]), piece(&arguments[cut..])]);
        assert_eq!(proxy::openai_arguments(&passed), expect);
        let piece = |text: &str| json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": text}});
        let stop = json!({"type": "content_block_stop", "index": 1});
        let passed = stream(ANTHROPIC, &[piece(&arguments[..cut]), piece(&arguments[cut..]), stop]);
        assert_eq!(proxy::anthropic_texts(&passed), [expect]);
    }
    let passed = stream(OPENAI, &[json!({"choices": [{"delta": {"new": {"a@b.io": 1, "c@d.io": 2}}}]})]);
    assert!(passed.contains(r#"{"[EMAIL]":1,"[EMAIL_2]":2}"#), "{passed}");
}

#[test]
fn parts_that_are_read_as_one_are_scanned_as_one() {
    let parts = |texts: &[&str]| {
        let parts: Vec<_> = texts.iter().map(|text| json!({"type": "text", "text": text})).collect();
        json!({"role": "user", "content": parts})
    };
    for (texts, expect) in [
        (&["pay 4111 1111", " 1111 1111 now"][..], &["pay [CREDIT_CARD]", "[CREDIT_CARD] now"][..]),
        (&["41111111", "1111", "1111 now"], &["[CREDIT_CARD]", "[CREDIT_CARD]", "[CREDIT_CARD] now"]),
        (&["to jane@", "x.org"], &["to [EMAIL]", "[EMAIL]"]),
        // What is a finding for itself is one whatever stands beside it, and what stands beside it is none.
        (&["4111 1111 1111 1111", "1234"], &["[CREDIT_CARD]", "1234"]),
        (&["12", "4111111111111111"], &["12", "[CREDIT_CARD]"]),
        (&["to a@b.io", "thanks"], &["to [EMAIL]", "thanks"]),
        (&["one", "two"], &["one", "two"]),
    ] {
        check_request(OPENAI, parts(texts), parts(expect));
        check_request(ANTHROPIC, parts(texts), parts(expect));
        let answer = |texts: &[&str]| json!({"content": parts(texts)["content"]}).to_string();
        check_answer(ANTHROPIC, &answer(texts), &answer(expect));
    }
    let mut gateway = gateway(ANTHROPIC);
    let body = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}],
        "system": [{"type": "text", "text": "4111 1111"}, {"type": "text", "text": " 1111 1111"}]});
    let passed = gateway.request(&body.to_string(), 1).passed();
    assert_eq!(passed.matches("[CREDIT_CARD]").count(), 2, "{passed}");
    assert_eq!(gateway.exchange(|exchange| exchange.findings.clone()), [("CREDIT_CARD", "redact", 1)]);
}

#[test]
fn other_spellings_of_a_text_go_with_it() {
    check_answer(
        OPENAI,
        r#"{"choices":[{"message":{"content":"a@b.io","audio":{"id":"i","data":"QUJD","transcript":"a@b.io"}},"log\u0070robs":{"content":[{"token":"a@"}]},"token_ids":[1,2]}],"prompt_token_ids":[7]}"#,
        r#"{"choices":[{"message":{"content":"[EMAIL]","audio":{"id":"i","data":"","transcript":"[EMAIL]"}},"log\u0070robs":null,"token_ids":null}],"prompt_token_ids":[7]}"#,
    );
    let untouched =
        r#"{"choices":[{"message":{"content":"hi"},"logprobs":{"content":[{"token":"hi"}]},"token_ids":[1,2]}]}"#;
    check_answer(OPENAI, untouched, untouched);
    let passed = stream(
        OPENAI,
        &[
            json!({"choices": [{"delta": {"content": "a@b.io "}, "logprobs": {"content": [{"token": "a@"}]}, "token_ids": [1]}]}),
        ],
    );
    assert!(passed.contains(r#""logprobs":null"#) && passed.contains(r#""token_ids":null"#), "{passed}");
}

#[test]
fn answers_are_read_by_exclusion() {
    for (path, list) in [(OPENAI, r#""choices":[]"#), (ANTHROPIC, r#""content":[]"#)] {
        for (beside, expect) in [
            (r#""citations":["a@b.io"]"#, r#""citations":["[EMAIL]"]"#),
            (r#""search_results":[{"title":"by a@b.io"}]"#, r#""search_results":[{"title":"by [EMAIL]"}]"#),
            (r#""output_text":"a@b.io""#, r#""output_text":"[EMAIL]""#),
            (r#""warnings":{"a@b.io":4111111111111111}"#, r#""warnings":{"[EMAIL]":"[CREDIT_CARD]"}"#),
            (r#""id":"a@b.io","usage":{"note":"a@b.io"}"#, r#""id":"[EMAIL]","usage":{"note":"[EMAIL]"}"#),
            (
                r#""id":"msg_1.a","usage":{"total_tokens":4111111111111111}"#,
                r#""id":"msg_1.a","usage":{"total_tokens":4111111111111111}"#,
            ),
        ] {
            check_answer(path, &format!("{{{list},{beside}}}"), &format!("{{{list},{expect}}}"));
        }
    }
}

/// "to a@b.io" and "to [EMAIL]".
const TEXT: (&str, &str) = ("dG8gYUBiLmlv", "dG8gW0VNQUlMXQ==");

#[test]
fn documents_in_base64_are_read() {
    let user = |part: Value| json!({"role": "user", "content": [part]});
    let source = |data: &str| {
        user(json!({"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": data}}))
    };
    check_encoded(ANTHROPIC, source(TEXT.0), source(TEXT.1));
    for head in ["data:text/plain;base64,", "data:application/json;base64,", ""] {
        let file = |data: &str| user(json!({"type": "file", "file": {"file_data": format!("{head}{data}")}}));
        check_encoded(OPENAI, file(TEXT.0), file(TEXT.1));
    }
    // What is no base64 is read as it stands.
    check_request(ANTHROPIC, source("to a@b.io"), source("to [EMAIL]"));
}

#[track_caller]
fn check_encoded(path: &str, message: Value, expect: Value) {
    let body = |message: &Value| json!({"model": "m", "max_tokens": 5, "messages": [message]}).to_string();
    let mut gateway = gateway(path);
    assert_eq!(gateway.request(&body(&message), 1).passed(), body(&expect));
    assert_eq!(gateway.exchange(|exchange| exchange.findings.clone()), [("EMAIL", "redact", 1)]);
}

#[test]
fn what_no_guardrail_can_read_is_told_or_refused() {
    let user = |part: Value| json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": [part]}]});
    let embedding = |input: Value| json!({"model": "m", "input": input});
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="});
    const EMBEDDINGS: &str = "/v1/embeddings";
    for (path, body, unread) in [
        (ANTHROPIC, user(json!({"type": "document", "source": pdf})), 1),
        (
            ANTHROPIC,
            user(json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}})),
            1,
        ),
        (ANTHROPIC, user(json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}})), 1),
        (ANTHROPIC, user(json!({"type": "tool_result", "content": [{"type": "document", "source": pdf}]})), 1),
        (
            ANTHROPIC,
            user(json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}})),
            0,
        ),
        (OPENAI, user(json!({"type": "file", "file": {"file_data": "JVBERi3/"}})), 1),
        (OPENAI, user(json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}})), 1),
        (OPENAI, user(json!({"type": "file", "file": {"file_id": "file-1"}})), 1),
        (OPENAI, user(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}})), 1),
        (OPENAI, user(json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}})), 1),
        (OPENAI, user(json!({"type": "text", "text": "hi"})), 0),
        (EMBEDDINGS, embedding(json!([[1, 2], [3]])), 1),
        (EMBEDDINGS, embedding(json!([1, 2, 3])), 1),
        (EMBEDDINGS, embedding(json!(["one", "two"])), 0),
    ] {
        let body = body.to_string();
        let mut gateway = gateway(path);
        assert_eq!(gateway.request(&body, 1).passed(), body);
        let told: Vec<_> = (unread > 0).then_some(("NOT_INSPECTED", "flag", unread)).into_iter().collect();
        assert_eq!(gateway.exchange(|exchange| exchange.findings.clone()), told, "{body}");
        gateway.refuse_unread();
        let outcome = gateway.request(&body, 1);
        match unread {
            0 => assert_eq!(outcome.passed(), body),
            _ => _ = outcome.refused(400, "request_not_inspectable"),
        }
    }
}
