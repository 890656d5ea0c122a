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

/// The text of one choice.
fn text_of_choice(stream: &str, index: u64) -> String {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.flat_map(|data| {
        serde_json::from_str::<Value>(data).unwrap()["choices"].as_array().cloned().unwrap_or_default()
    })
    .filter(|choice| choice["index"] == index)
    .filter_map(|choice| choice["delta"]["content"].as_str().map(str::to_owned))
    .collect()
}

#[test]
fn one_event_may_end_a_choice_while_another_goes_on() {
    let piece = |index: u64, text: &str, finish: Value| json!({"index": index, "delta": {"content": text}, "finish_reason": finish});
    let both = |one: Value, other: Value| json!({"choices": [one, other]});
    for finish in ["stop", "length", "content_filter"] {
        for (ended, goes_on) in [(0, 1), (1, 0)] {
            for swapped in [false, true] {
                let pair = |one: Value, other: Value| if swapped { both(other, one) } else { both(one, other) };
                let events = [
                    pair(
                        piece(ended, "mine is 4111 1111", Value::Null),
                        piece(goes_on, "write to jo.doe@co", Value::Null),
                    ),
                    pair(piece(ended, " 1111 11", json!(finish)), piece(goes_on, "rp.exa", Value::Null)),
                    // A choice that is over may say more all the same.
                    pair(piece(ended, "11", Value::Null), piece(goes_on, "mple or 4111 1111 ", Value::Null)),
                    json!({"choices": [piece(goes_on, "1111 1111 now", Value::Null)]}),
                    json!({"choices": [piece(goes_on, "", json!("stop"))]}),
                ];
                let events: String = events.iter().map(event).collect();
                let (passed, findings) = run(OPENAI, Action::Redact, &(events + "data: [DONE]\n\n"));
                assert_eq!(text_of_choice(&passed, ended), "mine is [CREDIT_CARD]", "{passed}");
                assert_eq!(text_of_choice(&passed, goes_on), "write to [EMAIL] or [CREDIT_CARD] now", "{passed}");
                assert_eq!(findings, [("EMAIL", "redact", 1), ("CREDIT_CARD", "redact", 2)]);
                assert!(
                    !passed.contains("4111") && !passed.contains("jo.doe") && passed.ends_with("[DONE]\n\n"),
                    "{passed}"
                );
            }
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

/// What is likely half of a finding waits for what follows its end, with all that comes between.
#[test]
fn what_goes_on_after_its_end_is_scanned_with_what_was_before() {
    let stop = |index: u32| event(&json!({"type": "content_block_stop", "index": index}));
    let start = |index: u32| {
        let block = json!({"type": "text", "text": ""});
        event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
    };
    let tool = event(&json!({"type": "content_block_start", "index": 1,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}}))
        + &event(&json!({"type": "content_block_delta", "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": "{\"a\":1}"}}))
        + &stop(1);
    for (between, index) in [(stop(0), 0), (stop(0) + &start(1), 1), (stop(0) + &tool + &start(2), 2)] {
        for (first, second, expect) in [
            ("to jo.doe@co", "rp.example now ", ["to [EMAIL] now ", "to "]),
            ("to 4111 1111 ", "1111 1111 now ", ["to [CREDIT_CARD] now ", "to "]),
            ("to 4111 1111", " 1111 1112 now ", ["to 4111 1111 1111 1112 now ", "to 4111 1111 1111 1112 now "]),
            ("to 5412", "4111 1111 1111 1111 now ", ["to 5412[CREDIT_CARD] now ", "to "]),
            ("to 123", "jo@corp.example now ", ["to 123[EMAIL] now ", "to 123"]),
        ] {
            // A block that goes on is one text.
            if index == 0 && (first == "to 5412" || first == "to 123") {
                continue;
            }
            let has_finding = expect[0] != expect[1];
            let events = event(&block(0, first)) + &between + &event(&block(index, second)) + &stop(index);
            for (action, expect) in [Action::Redact, Action::Block].into_iter().zip(expect) {
                let (passed, findings) = run(ANTHROPIC, action, &events);
                let texts = proxy::anthropic_texts(&passed).concat().replace("{\"a\":1}", "");
                assert_eq!(texts, expect, "{first:?} {second:?} {passed}");
                assert_eq!(findings.len(), usize::from(has_finding), "{findings:?}");
                assert_eq!(passed.contains("content_blocked"), has_finding && action == Action::Block, "{passed}");
            }
        }
    }
}

#[test]
fn the_end_of_a_text_that_is_half_of_nothing_waits_for_nothing() {
    let stop = event(&json!({"type": "content_block_stop", "index": 0}));
    for text in ["Hello wor", "in 2024", "a@b.io", "item 41"] {
        let mut gateway = gateway(ANTHROPIC, Action::Flag);
        gateway.request(r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#, 1).passed();
        let events = event(&block(0, text)) + &stop;
        let passed = gateway.response(200, &SSE, &[&events, &event(&json!({"type": "ping"}))]).passed();
        assert!(passed.find("stop").unwrap() < passed.find("ping").unwrap(), "{passed}");
        assert_eq!(proxy::anthropic_texts(&passed), [text]);
    }
}

/// A text that only looks like half of a finding holds back so much and no more.
#[test]
fn not_all_of_an_answer_waits_for_a_half() {
    let stop = |index: u32| event(&json!({"type": "content_block_stop", "index": index}));
    let tool = event(&json!({"type": "content_block_start", "index": 1,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}}));
    let piece = event(&json!({"type": "content_block_delta", "index": 1,
        "delta": {"type": "input_json_delta", "partial_json": "word ".repeat(200)}}));
    let events = event(&block(0, "to jo@corp")) + &stop(0) + &tool + &piece.repeat(2_000) + &stop(1);
    let (passed, _) = run(ANTHROPIC, Action::Redact, &events);
    assert_eq!(proxy::anthropic_texts(&passed), ["to jo@corp".to_owned(), "word ".repeat(400_000)]);
    assert!(passed.find("corp").unwrap() < passed.find("stop").unwrap(), "{}", &passed[..300]);
}

/// Some servers say in every event that there is no error.
#[test]
fn an_error_that_says_nothing_ends_nothing() {
    for error in ["\"\"", "false", "0", "{}", "[]", r#"{"code":0,"message":""}"#, "null", r#"{"message":null}"#] {
        for event in [
            format!(r#"{{"error":{error}}}"#),
            format!(r#"{{"choices":[{{"index":0,"delta":{{"content":""}}}}],"err\u006fr":{error}}}"#),
            format!(r#"{{"type":"error","error":{error},"choices":[{{"index":0,"delta":{{}}}}]}}"#),
        ] {
            let event = format!("data: {event}\n\n");
            let pieces = ["to jo.doe@co", "rp.example with 4111 11", "11 1111", " 1111 now"];
            let pieces: Vec<_> = pieces.iter().map(|text| super::scanning::event(&content(text))).collect();
            let (passed, findings) = run(OPENAI, Action::Redact, &(pieces.join(&event) + "data: [DONE]\n\n"));
            assert_eq!(proxy::openai_text(&passed), "to [EMAIL] with [CREDIT_CARD] now", "{event}: {passed}");
            assert_eq!(findings, [("EMAIL", "redact", 1), ("CREDIT_CARD", "redact", 1)]);
        }
    }
}

#[test]
fn pieces_of_which_nobody_knows_which_count_are_refused() {
    for twice in [
        r#"{"choices":[{"delta":{"content":"x"},"delta":{"content":"4111 1111"}}]}"#,
        r#"{"choices":[{"delta":{"content":"x","cont\u0065nt":"4111 1111"}}]}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"4111 1111"},"index":0}]}"#,
        r#"{"choices":[{"delta":{"content":"x"}}],"choices":[{"delta":{"content":"4111 1111"}}]}"#,
    ] {
        let (passed, _) = run(OPENAI, Action::Redact, &format!("data: {twice}\n\n"));
        assert!(passed.contains("response_not_inspectable") && !passed.contains("4111"), "{passed}");
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

/// Of what is not held back as a rule, the first digits of a number are let go at most.
#[test]
fn small_pieces_of_a_number_are_held_wherever_they_stand() {
    for pieces in [
        &["4111 ", "1111 ", "1111 ", "1111 "][..],
        &["41", "11 ", "11", "11 11", "11 1111"],
        &["４１１１", " １１１１", " １１１１", " １１１１"],
    ] {
        let named = |text: &&str| {
            let call = json!({"tool_calls": [{"index": 0, "function": {"name": text}}]});
            event(&chunk(call, Value::Null))
        };
        let events: String = pieces.iter().map(named).chain(["data: [DONE]\n\n".to_owned()]).collect();
        let (passed, findings) = run(OPENAI, Action::Redact, &events);
        let name = proxy::texts(&passed, "/choices/0/delta/tool_calls/0/function/name").concat();
        assert!(name.trim().ends_with("[CREDIT_CARD]") && name.trim().chars().count() <= 15, "{name}: {passed}");
        assert_eq!(findings, [("CREDIT_CARD", "redact", 1)]);
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

fn responses(events: &[Value], action: Action) -> (String, Vec<(&'static str, &'static str, u32)>) {
    run("/v1/responses", action, &events.iter().map(event).collect::<String>())
}

/// Clients of responses read the copies too, which cannot tell where the half of another part is.
#[test]
fn a_finding_over_two_parts_with_copies_ends_the_stream() {
    let (first, second) = ("to 4111 1111", " 1111 1111 now ");
    let at = |kind: &str, index: u32, field: &str, text: &str| json!({"type": kind, "output_index": 0, "content_index": index, field: text});
    let part = |index: u32, text: &str| {
        [
            at("response.output_text.delta", index, "delta", text),
            at("response.output_text.done", index, "text", text),
            json!({"type": "response.content_part.done", "output_index": 0, "content_index": index,
                "part": {"type": "output_text", "text": text}}),
        ]
    };
    for action in [Action::Redact, Action::Block] {
        let (passed, findings) = responses(&[part(0, first), part(1, second)].concat(), action);
        assert!(!passed.contains("1111"), "{passed}");
        let code = if action == Action::Block { "content_blocked" } else { "response_not_inspectable" };
        assert!(passed.contains(code), "{passed}");
        assert_eq!(findings, [("CREDIT_CARD", action.name(), 1)]);
    }
    let (passed, findings) = responses(&[part(0, first), part(1, " 1111 1112 now ")].concat(), Action::Redact);
    assert!(passed.matches("4111 1111").count() == 3 && !passed.contains("error"), "{passed}");
    assert_eq!(findings, []);
}

/// An event that ends nothing repeats nothing, whatever its fields are called.
#[test]
fn texts_of_events_that_nobody_knows_are_read_on() {
    for of in [
        |text: &str| json!({"type": "response.new", "text": text}),
        |text: &str| json!({"type": "response.new", "content": [{"text": text}]}),
        |text: &str| json!({"type": "response.output_text.annotation.added", "annotation": {"title": text}}),
        |text: &str| json!({"type": "response.in_progress", "response": {"warning": text}}),
        |text: &str| json!({"type": "response.queued", "response": {"usage": {"note": text, "n": 4_111_111_111_111_111_u64}}}),
    ] {
        let events = ["to 4111 ", "1111 1111", " 1111 now "].map(of);
        let (passed, findings) = responses(&events, Action::Redact);
        assert!(!passed.contains(" 1111") && !passed.contains("1111 "), "{passed}");
        assert_eq!(findings, [("CREDIT_CARD", "redact", 1)], "{passed}");
    }
}
