//! What must not pass, does not pass: in prompts and answers, whole and streamed, in both schemas.

use serde_json::{Value, json};
use weir_gateway_tests::{
    SCHEMAS, World, ask, check_error, check_error_body, events, said, said_in_event, said_in_stream,
};
use weir_test_proxy::Received;

const CARD: &str = "4111 1111 1111 1111";
const ANSWER: &str = "Your card 4111 1111 1111 1111 is noted, Grüße an ada@example.com 👋.";
const REDACTED: &str = "Your card [CREDIT_CARD] is noted, Grüße an [EMAIL] 👋.";

fn ok() -> Value {
    json!({"type": "ok"})
}

fn says(text: &str, chunks: Option<usize>) -> Value {
    json!({"type": "ok", "text": text, "chunks": chunks})
}

fn text_of(schema: &str, received: &Received, streamed: bool) -> String {
    assert_eq!(received.status(), 200, "{}", received.text());
    match streamed {
        true => said_in_stream(schema, &received.text()),
        false => said(schema, &received.json()),
    }
}

/// Asks each client's schema for a model of each provider's schema, whole and streamed.
fn everyone(mut check: impl FnMut(&str, &str, bool)) {
    for client in SCHEMAS {
        for provider in SCHEMAS {
            for streamed in [false, true] {
                check(client, provider, streamed);
            }
        }
    }
}

#[test]
fn a_card_number_reaches_the_provider_redacted() {
    everyone(|client, provider, streamed| {
        let mut world = World::new().guarded(&[("CREDIT_CARD", "redact", "input")]);
        let upstream = world.model("m", provider, ok());
        let messages = json!([{"role": "user", "content": format!("Pay with {CARD}, please")}]);
        let received =
            world.send(client, ask(client, "m", json!({"messages": messages, "stream": streamed})).to_string());
        assert_eq!(received.status(), 200, "{}", received.text());
        let upstream = upstream.borrow();
        let sent = upstream.only().text();
        assert!(sent.contains("Pay with [CREDIT_CARD], please") && !sent.contains("4111"), "{sent}");
        assert_eq!(received.header("x-weir-guardrails"), Some("CREDIT_CARD:redact=1"));
        assert_eq!(world.record()["guardrail_findings"], json!(["CREDIT_CARD:redact=1"]));
    });
}

#[test]
fn a_pseudonym_reaches_the_provider_and_the_client_reads_what_it_stands_for() {
    let rule = json!({"type": "EMAIL", "action": "redact", "direction": "both", "form": {"kind": "pseudonym"}});
    everyone(|client, provider, streamed| {
        for chunks in [1, 3, 30] {
            let mut world = World::new().guarded_by(json!([rule]));
            let upstream = world.model("m", provider, json!({"type": "ok", "chunks": chunks}));
            let messages = json!([{"role": "user", "content": "Write to ada@example.com, then to ada@example.com"}]);
            let fields = json!({"messages": messages, "stream": streamed});
            let received = world.send(client, ask(client, "m", fields).to_string());
            let said = text_of(client, &received, streamed);
            let sent = upstream.borrow().only().text();
            assert!(sent.matches("[EMAIL_").count() == 2 && !sent.contains("ada@"), "{sent}");
            assert!(said.contains("Write to ada@example.com, then to ada@example.com"), "{client} {provider}: {said}");
            assert!(!said.contains("EMAIL"), "{said}");
        }
    });
}

#[test]
fn an_answer_that_no_rule_can_read_is_refused_where_it_arrives_and_not_asked_for_again() {
    let message = format!(r#"{{"role": "assistant", "content": "{CARD}"}}"#);
    let choices = format!(r#""choices": [{{"index": 0, "message": {message}, "finish_reason": "stop"}}]"#);
    let answer = format!(r#"{{"id": "1", "object": "chat.completion", "created": 1, {choices}, {choices}}}"#);
    let mut world = World::new().guarded(&[("CREDIT_CARD", "redact", "output")]);
    let headers = json!({"content-type": "application/json"});
    world.model("m", "openai", json!({"type": "status", "status": 200, "body": answer, "headers": headers}));
    let received = world.send("openai", ask("openai", "m", json!({})).to_string());
    check_error("openai", &received, 502, "response_not_inspectable", None);
    assert!(!received.text().contains("4111"));
    assert_eq!(received.header("x-should-retry"), Some("false"), "an answer is paid for");
}

/// The messages of a request that says this.
fn saying(content: &str) -> Value {
    json!([{"role": "user", "content": content}])
}

#[test]
fn it_is_found_however_it_is_spelt() {
    for (content, expect) in [
        ("4111111111111111", "[CREDIT_CARD]"),
        ("4111-1111-1111-1111", "[CREDIT_CARD]"),
        ("\\u0034111 1111 1111 1111", "[CREDIT_CARD]"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("1234567890123456", "1234567890123456"),
        ("order 4111-11", "order 4111-11"),
    ] {
        let mut world = World::new().guarded(&[("CREDIT_CARD", "redact", "both")]);
        let upstream = world.model("m", "openai", ok());
        let body = format!(r#"{{"model": "m", "messages": [{{"role": "user", "content": "a {content} b"}}]}}"#);
        assert_eq!(world.send("openai", body).status(), 200);
        let sent: Value = serde_json::from_slice(&upstream.borrow().only().body).unwrap();
        assert_eq!(sent["messages"][0]["content"], format!("a {expect} b"));
    }
}

/// Everything that a model would read, for each schema: a card number in each place.
fn places() -> Vec<(&'static str, &'static str, Value)> {
    let openai_call = |arguments: &str| {
        json!({"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]})
    };
    let openai_result = |content: &str| json!({"role": "tool", "tool_call_id": "c", "content": content});
    let user = json!({"role": "user", "content": "x"});
    let part = json!([{"role": "user", "content": [{"type": "text", "text": CARD}]}]);
    let use_tool = |input: Value| json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": input}]});
    let result = |content: Value| json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": content}]});
    vec![
        ("openai", "system", json!({"messages": [{"role": "system", "content": CARD}, user]})),
        ("openai", "part", json!({"messages": part})),
        ("openai", "history", json!({"messages": [user, {"role": "assistant", "content": CARD}, user]})),
        (
            "openai",
            "tool call",
            json!({"messages": [user, openai_call(&json!({"card": CARD}).to_string()), openai_result("done")]}),
        ),
        ("openai", "tool result", json!({"messages": [user, openai_call("{}"), openai_result(CARD)]})),
        (
            "openai",
            "tool description",
            json!({"tools": [{"type": "function", "function": {"name": "f", "description": CARD, "parameters": {"type": "object"}}}]}),
        ),
        ("anthropic", "system", json!({"system": CARD})),
        ("anthropic", "system part", json!({"system": [{"type": "text", "text": CARD}]})),
        ("anthropic", "part", json!({"messages": part})),
        (
            "anthropic",
            "tool input",
            json!({"messages": [user, use_tool(json!({"card": CARD})), result(json!("done"))]}),
        ),
        (
            "anthropic",
            "tool result",
            json!({"messages": [user, use_tool(json!({})), result(json!([{"type": "text", "text": CARD}]))]}),
        ),
    ]
}

#[test]
fn no_place_of_a_request_is_overlooked() {
    for provider in SCHEMAS {
        for (client, place, fields) in places() {
            let mut world = World::new().guarded(&[("CREDIT_CARD", "redact", "input")]);
            let upstream = world.model("m", provider, ok());
            let received = world.send(client, ask(client, "m", fields).to_string());
            assert_eq!(received.status(), 200, "{place}: {}", received.text());
            let sent = upstream.borrow().only().text();
            assert!(sent.contains("[CREDIT_CARD]") && !sent.contains("4111"), "{place}: {sent}");
        }
    }
}

#[test]
fn a_blocked_prompt_is_refused_and_not_forwarded() {
    everyone(|client, provider, streamed| {
        let mut world = World::new().guarded(&[("CREDIT_CARD", "block", "input")]);
        let upstream = world.model("m", provider, ok());
        let body = ask(client, "m", json!({"messages": saying(CARD), "stream": streamed}));
        let received = world.send(client, body.to_string());
        let message = check_error(client, &received, 400, "content_blocked", None);
        assert!(!message.contains("4111"), "{message}");
        assert!(upstream.borrow().received.is_empty());
        let record = world.record();
        assert_eq!((&record["outcome"], &record["attempts"]), (&json!("refused"), &json!(0)), "{record}");
        assert_eq!(
            (&record["error_code"], &record["guardrail_findings"]),
            (&json!("content_blocked"), &json!(["CREDIT_CARD:block=1"]))
        );
    });
}

#[test]
fn an_answer_reaches_the_client_redacted() {
    for chunks in [None, Some(1), Some(7), Some(ANSWER.chars().count())] {
        for client in SCHEMAS {
            for provider in SCHEMAS {
                let mut world =
                    World::new().guarded(&[("CREDIT_CARD", "redact", "output"), ("EMAIL", "redact", "output")]);
                world.model("m", provider, says(ANSWER, chunks));
                let received = world.send(client, ask(client, "m", json!({"stream": chunks.is_some()})).to_string());
                assert_eq!(text_of(client, &received, chunks.is_some()), REDACTED);
                assert!(!received.text().contains("4111") && !received.text().contains("ada@"), "{}", received.text());
                let findings = world.record()["guardrail_findings"].clone();
                assert_eq!(findings, json!(["CREDIT_CARD:redact=1", "EMAIL:redact=1"]));
            }
        }
    }
}

#[test]
fn a_finding_at_the_very_end_is_redacted_and_what_only_began_like_one_is_not_lost() {
    let began = "The code is 4111 1111 1111 but not a card; and 4111";
    for (text, chunks, expect) in
        [(format!("It is {CARD}"), 9, "It is [CREDIT_CARD]"), (began.to_owned(), began.len(), began)]
    {
        for client in SCHEMAS {
            for provider in SCHEMAS {
                let mut world = World::new().guarded(&[("CREDIT_CARD", "redact", "output")]);
                world.model("m", provider, says(&text, Some(chunks)));
                let received = world.send(client, ask(client, "m", json!({"stream": true})).to_string());
                assert_eq!(text_of(client, &received, true), expect);
            }
        }
    }
}

#[test]
fn a_blocked_answer_is_refused_and_paid_for() {
    for client in SCHEMAS {
        for provider in SCHEMAS {
            let mut world = World::new().guarded(&[("CREDIT_CARD", "block", "output")]);
            world.model("m", provider, says(ANSWER, None));
            let received = world.send(client, ask(client, "m", json!({})).to_string());
            check_error(client, &received, 400, "content_blocked", None);
            let record = world.record();
            assert_eq!(record["error_code"], "content_blocked");
            assert!(
                record["output_tokens"].as_u64() > Some(0) && record["cost_microusd"].as_u64() > Some(0),
                "{record}"
            );
        }
    }
}

#[test]
fn a_blocked_stream_ends_with_an_error_and_without_the_finding() {
    let beginning = "This is a long beginning that may pass. The card is ";
    for client in SCHEMAS {
        for provider in SCHEMAS {
            let mut world = World::new().guarded(&[("CREDIT_CARD", "block", "output")]);
            world.model("m", provider, says(&format!("{beginning}{CARD} and this must not come."), Some(30)));
            let received = world.send(client, ask(client, "m", json!({"stream": true})).to_string());
            assert_eq!(received.status(), 200);
            let mut events = events(&received.text());
            let last = events.pop().expect("events");
            assert_eq!(events.iter().map(|event| said_in_event(client, event)).collect::<String>(), beginning);
            check_error_body(client, &last.json(), Some("content_blocked"), None);
            assert_eq!(last.name.as_deref(), (client == "anthropic").then_some("error"));
            let record = world.record();
            assert_eq!(record["error_code"], "content_blocked");
            assert_eq!(record["guardrail_findings"], json!(["CREDIT_CARD:block=1"]));
        }
    }
}

#[test]
fn what_is_no_answer_is_not_shown_and_the_next_provider_is_asked() {
    for client in SCHEMAS {
        let nothing_known = json!({"type": "status", "status": 200, "body": {"output": CARD}, "headers": {"content-type": "application/json"}});
        let mut world = World::new().guarded(&[("CREDIT_CARD", "block", "output")]);
        let upstreams = world.models("m", &[(client, nothing_known), (client, ok())]);
        let received = world.send(client, ask(client, "m", json!({})).to_string());
        assert!(received.status() == 200 && !received.text().contains(CARD), "{}", received.text());
        assert_eq!([0, 1].map(|member: usize| upstreams[member].borrow().received.len()), [1, 1]);
        assert_eq!(world.record()["attempts"], 2);
    }
}
