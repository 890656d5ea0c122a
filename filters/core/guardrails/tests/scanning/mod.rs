//! Only the end of a stream ends scanning: whatever stands between two pieces of a text, they are pieces of one text.

use serde_json::{Value, json};
use weir_config::{Action, FindingType};

use crate::proxy::{self, ANTHROPIC, Gateway, OPENAI};

const SSE: [(&str, &str); 1] = [("content-type", "text/event-stream")];

fn gateway(path: &str, action: Action) -> Gateway {
    Gateway::new(path, &[(FindingType::CreditCard, action), (FindingType::Email, action)])
}

fn run(path: &str, action: Action, events: &str) -> (String, Vec<(&'static str, &'static str, u32)>) {
    let mut gateway = gateway(path, action);
    gateway.request(r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#, 1).passed();
    let passed = gateway.response(200, &SSE, &[events]).passed();
    (passed, gateway.exchange(|exchange| exchange.findings.clone()))
}

fn event(data: &Value) -> String {
    match data["type"].as_str() {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

fn chunk(delta: Value, finish: Value) -> Value {
    json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn content(text: &str) -> Value {
    chunk(json!({ "content": text }), Value::Null)
}

fn block(index: u32, text: &str) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}})
}

/// The pieces of an address and of a card, with something between any two.
#[track_caller]
fn check_openai(between: &[Value]) {
    let between: String = between.iter().map(event).collect();
    let pieces = ["to jo.doe@co", "rp.example with 4111 11", "11 1111", " 1111 now"].map(|text| event(&content(text)));
    let end = event(&chunk(json!({}), json!("stop"))) + "data: [DONE]\n\n";
    let (passed, findings) = run(OPENAI, Action::Redact, &(pieces.join(&between) + &end));
    assert_eq!(proxy::openai_text(&passed), "to [EMAIL] with [CREDIT_CARD] now", "{passed}");
    assert_eq!(findings, [("EMAIL", "redact", 1), ("CREDIT_CARD", "redact", 1)]);
    assert!(passed.ends_with("data: [DONE]\n\n"));
    let (passed, _) = run(OPENAI, Action::Block, &(pieces.join(&between) + &end));
    assert_eq!(proxy::openai_text(&passed), "to ");
    assert!(passed.contains("content_blocked"), "{passed}");
}

#[test]
fn what_is_no_end_of_a_choice_ends_nothing() {
    for finish in [json!(""), json!("null"), json!(" "), Value::Null, json!("stop"), json!("length"), json!(7)] {
        check_openai(&[chunk(json!({}), finish.clone())]);
        check_openai(&[chunk(json!({"content": ""}), finish.clone())]);
        check_openai(&[chunk(json!({"role": "assistant", "content": null}), finish)]);
    }
    for between in [
        json!({"choices": null}),
        json!({"choices": []}),
        json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}),
        json!({"type": "ping"}),
        json!({"type": "status", "note": "still here"}),
        json!({"object": "keep-alive", "new": [{"deep": "words"}]}),
        json!({"choices": [{"index": 1, "delta": {"refusal": "other"}, "finish_reason": "stop"}]}),
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "content_filter_results": {"hate": {"severity": "safe"}}}]}),
    ] {
        check_openai(std::slice::from_ref(&between));
        check_openai(&[chunk(json!({}), json!("stop")), between]);
    }
}

#[test]
fn every_chunk_may_say_that_it_is_the_last() {
    for finish in ["", "null", "stop"] {
        let pieces = ["to jo.doe@co", "rp.example with 4111 11", "11 1111", " 1111 now"];
        let events: String =
            pieces.iter().map(|text| event(&chunk(json!({ "content": text }), json!(finish)))).collect();
        for end in ["data: [DONE]\n\n", ""] {
            let (passed, findings) = run(OPENAI, Action::Redact, &(events.clone() + end));
            assert_eq!(proxy::openai_text(&passed), "to [EMAIL] with [CREDIT_CARD] now", "{finish}: {passed}");
            assert_eq!(findings, [("EMAIL", "redact", 1), ("CREDIT_CARD", "redact", 1)]);
            assert!(passed.ends_with(end));
        }
    }
}

#[test]
fn the_end_of_a_choice_comes_after_all_of_its_text() {
    let events = event(&content("Hello wor"))
        + &event(&chunk(json!({"content": "ld"}), json!("stop")))
        + ": still here\n\n"
        + &event(&json!({"choices": [], "usage": {"total_tokens": 3}, "citations": ["x"]}))
        + "data: [DONE]\n\n";
    let (passed, _) = run(OPENAI, Action::Redact, &events);
    assert_eq!(proxy::openai_text(&passed), "Hello world");
    let place = |what: &str| passed.find(what).unwrap();
    assert!(place("still here") < place("ld\"") && place("ld\"") < place("total_tokens"), "{passed}");
    assert!(place("total_tokens") < place("[DONE]"), "{passed}");
    assert_eq!(passed.matches("\"stop\"").count(), 1);
    let event_of_the_end = passed.split("\n\n").find(|event| event.contains("\"stop\"")).unwrap();
    assert!(event_of_the_end.contains("ld\""), "{passed}");
}

#[test]
fn a_choice_that_goes_on_does_not_wait_for_one_that_is_over() {
    let choice = |index: u32, text: &str, finish: Value| {
        event(&json!({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]}))
    };
    let mut gateway = gateway(OPENAI, Action::Redact);
    gateway.request(r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#, 1).passed();
    let pieces = [choice(0, "word", json!("stop")), choice(1, "so it goes ", Value::Null)];
    let pieces: Vec<_> = pieces.iter().map(String::as_str).collect();
    let passed = gateway.response(200, &SSE, &pieces).passed();
    assert!(passed.find("so it goes").unwrap() < passed.find("stop").unwrap(), "{passed}");
}

#[track_caller]
fn check_anthropic(between: &[Value]) {
    let between: String = between.iter().map(event).collect();
    let pieces = ["to jo.doe@co", "rp.example with 4111 11", "11 1111", " 1111 now"].map(|text| event(&block(0, text)));
    let end = event(&json!({"type": "content_block_stop", "index": 0}))
        + &event(
            &json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
        )
        + &event(&json!({"type": "message_stop"}));
    let (passed, findings) = run(ANTHROPIC, Action::Redact, &(pieces.join(&between) + &end));
    assert_eq!(proxy::anthropic_texts(&passed)[0], "to [EMAIL] with [CREDIT_CARD] now", "{passed}");
    assert_eq!(findings, [("EMAIL", "redact", 1), ("CREDIT_CARD", "redact", 1)]);
    let (passed, _) = run(ANTHROPIC, Action::Block, &(pieces.join(&between) + &end));
    assert_eq!(proxy::anthropic_texts(&passed)[0], "to ");
    assert!(passed.contains("content_blocked"), "{passed}");
}

#[test]
fn what_is_no_end_of_a_block_ends_nothing() {
    for between in [
        json!({"type": "ping"}),
        json!({"type": "status"}),
        json!({"type": "status", "error": {"message": "none"}, "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": null}, "usage": {"output_tokens": 4}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta",
            "citation": {"cited_text": "words", "url": "https://x"}}}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_start", "message": {"id": "m", "content": [], "usage": {}}}),
    ] {
        check_anthropic(&[between.clone(), between]);
    }
}

/// What had left cannot be taken back; what comes is replaced, and a stream that is to be blocked ends.
#[test]
fn what_goes_on_after_its_end_is_scanned_with_what_had_left() {
    for end in [json!({"type": "content_block_stop", "index": 0}), json!({"type": "message_stop"})] {
        let events = event(&block(0, "to jo.doe@co")) + &event(&end) + &event(&block(0, "rp.example now "));
        let (passed, findings) = run(ANTHROPIC, Action::Redact, &events);
        assert_eq!(proxy::anthropic_texts(&passed), ["to jo.doe@co[EMAIL] now "]);
        assert_eq!(findings, [("EMAIL", "redact", 1)]);
        let (passed, findings) = run(ANTHROPIC, Action::Block, &events);
        assert_eq!(proxy::anthropic_texts(&passed), ["to jo.doe@co"]);
        assert!(passed.contains("content_blocked"), "{passed}");
        assert_eq!(findings, [("EMAIL", "block", 1)]);
    }
}

#[test]
fn a_finding_that_was_told_at_an_end_is_not_told_again() {
    let stop = event(&json!({"type": "content_block_stop", "index": 0}));
    let events = event(&block(0, "to a@b.io")) + &stop + &event(&block(0, " and more ")) + &stop;
    let (passed, findings) = run(ANTHROPIC, Action::Redact, &events);
    assert_eq!(proxy::anthropic_texts(&passed), ["to [EMAIL] and more "]);
    assert_eq!(findings, [("EMAIL", "redact", 1)]);
}

/// Every string path is scanned on, also where a string is whole as far as anybody knows.
#[test]
fn texts_in_pieces_are_found_wherever_they_stand() {
    for field in [
        |text: &str| json!({"reasoning_details": [{"type": "reasoning.summary", "summary": text, "index": 0}]}),
        |text: &str| json!({"reasoning_details": [{"type": "reasoning.text", "text": text}]}),
        |text: &str| json!({"tool_calls": [{"index": 0, "function": {"name": text}}]}),
        |text: &str| json!({"function_call": {"name": text}}),
        |text: &str| json!({"new_kind": text}),
        |text: &str| json!({"new": {"deep": [{"kind": text}]}}),
        |text: &str| json!({"audio": {"transcript": text}}),
        |text: &str| json!({"content": [{"type": "text", "text": text}]}),
    ] {
        let events = event(&chunk(field("mail jo.doe@co"), Value::Null))
            + &event(&chunk(field("rp.example or 4111 1111"), Value::Null))
            + &event(&chunk(field(" 1111 1111. "), Value::Null))
            + &event(&chunk(json!({}), json!("stop")))
            + "data: [DONE]\n\n";
        let (passed, findings) = run(OPENAI, Action::Redact, &events);
        assert!(!passed.contains("doe@") && !passed.contains("rp.example") && !passed.contains("1111"), "{passed}");
        assert_eq!(findings, [("EMAIL", "redact", 1), ("CREDIT_CARD", "redact", 1)], "{passed}");
        let (passed, _) = run(OPENAI, Action::Block, &events);
        assert!(passed.contains("content_blocked") && !passed.contains("1111"), "{passed}");
    }
}

#[test]
fn the_name_of_a_tool_is_not_held_back() {
    let call = json!({"tool_calls": [{"index": 0, "id": "c", "type": "function",
        "function": {"name": "get_weather", "arguments": ""}}]});
    let events = event(&chunk(call, Value::Null));
    let (passed, _) = run(OPENAI, Action::Redact, &events);
    assert_eq!(passed, events);
}

#[test]
fn an_event_with_too_many_parts_is_refused_at_once() {
    let fields: serde_json::Map<_, _> = (0..20_000).map(|number| (format!("f{number}"), json!("x"))).collect();
    let strings = vec![json!("x"); 9_000];
    for (delta, is_read) in [
        (Value::Object(fields), false),
        (json!({ "content": strings }), true),
        (json!({ "new": strings }), true),
        (json!({ "content": vec![json!("x"); 20_000] }), false),
    ] {
        let (passed, _) = run(OPENAI, Action::Redact, &event(&chunk(delta, Value::Null)));
        assert_eq!(!passed.contains("response_not_inspectable"), is_read);
    }
}
