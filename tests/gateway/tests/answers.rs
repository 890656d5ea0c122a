//! Answers of a provider that are broken or unusual, where no other member of the pool could make up for them.

use serde_json::{Value, json};
use weir_gateway_tests::{SCHEMAS, World, ask, check_error, check_error_body, events, is_last, said, said_in_stream};
use weir_test_proxy::End;

fn ok() -> Value {
    json!({"type": "ok"})
}

fn told(kind: &str) -> Value {
    json!({"type": kind})
}

fn deep() -> String {
    "[".repeat(100_000) + &"]".repeat(100_000)
}

fn status(code: u16, body: impl Into<Value>) -> Value {
    json!({"type": "status", "status": code, "body": body.into()})
}

/// Status 200 with this body, of this type or coding.
fn good(header: &str, value: &str, body: &str) -> Value {
    json!({"type": "status", "status": 200, "body": body, "headers": {header: value}})
}

fn document(body: &str) -> Value {
    good("content-type", "application/json", body)
}

fn stream(body: &str) -> Value {
    good("content-type", "text/event-stream", body)
}

fn redirection() -> Value {
    json!({"type": "status", "status": 302, "headers": {"location": "http://127.0.0.1:1/"}})
}

const INVALID: (u16, &str) = (502, "upstream_invalid_response");

type NoAnswer = (&'static str, Value, (u16, &'static str));

/// What is no answer at all, asked for whole: the status and code that the client gets.
fn no_answers() -> Vec<NoAnswer> {
    vec![
        ("a web page", told("html"), INVALID),
        ("half a document", told("half_json"), INVALID),
        ("a coding that was not asked for", good("content-encoding", "br", "x"), INVALID),
        ("a coding that it is not in", good("content-encoding", "gzip", "x"), INVALID),
        ("nothing", document(""), INVALID),
        ("null", document("null"), INVALID),
        ("an array", document("[]"), INVALID),
        ("a string", document("\"hello\""), INVALID),
        ("two documents", document("{}{}"), INVALID),
        ("a stream unasked", stream("data: {\"x\": 1}\n\n"), INVALID),
        ("a redirection", redirection(), (502, "upstream_unavailable")),
        ("204", status(204, ""), (502, "upstream_unavailable")),
        ("500 with a web page", status(500, "<html>oops</html>"), (500, "upstream_unavailable")),
        ("500 with half a JSON", status(500, "{\"error\": {\"mess"), (500, "upstream_unavailable")),
        ("500 with nothing", status(500, ""), (500, "upstream_unavailable")),
        ("500 with an array", status(500, json!([1, 2])), (500, "upstream_unavailable")),
        ("503 with a text as error", status(503, json!({"error": "busy"})), (503, "upstream_unavailable")),
        ("503 with deep nesting", status(503, deep()), (503, "upstream_unavailable")),
        ("400 with a web page", status(400, "<html>no</html>"), (400, "invalid_request")),
    ]
}

/// The same of streams.
fn no_streams() -> Vec<NoAnswer> {
    vec![
        ("a web page", told("html"), INVALID),
        ("a document", document("{\"id\": \"x\"}"), INVALID),
        ("half a document", told("half_json"), INVALID),
        ("a coding that was not asked for", good("content-encoding", "br", "x"), INVALID),
        ("a coding that it is not in", good("content-encoding", "gzip", "x"), INVALID),
        ("nothing", stream(""), INVALID),
        ("no events", stream("hello\n\nworld"), INVALID),
        ("comments only", stream(&": ping\n\n".repeat(1000)), INVALID),
        ("ended before its first content", json!({"type": "end_after", "chunks": 0}), INVALID),
        ("an event that is not JSON", stream("data: hello\n\n"), INVALID),
        ("an event that is deeply nested", stream(&format!("data: {}\n\n", deep())), INVALID),
        ("a redirection", redirection(), (502, "upstream_unavailable")),
        ("500 with a web page", status(500, "<html>oops</html>"), (500, "upstream_unavailable")),
    ]
}

/// Each client's schema with each provider's.
fn everyone(mut check: impl FnMut(&str, &str)) {
    for client in SCHEMAS {
        for provider in SCHEMAS {
            check(client, provider);
        }
    }
}

#[test]
fn what_is_no_answer_is_an_error_in_the_clients_schema() {
    for (streamed, table) in [(false, no_answers()), (true, no_streams())] {
        everyone(|client, provider| {
            for (name, behaviour, (code, error)) in &table {
                for end in [End::WithLastPiece, End::Alone] {
                    let mut world = World::new();
                    let upstream = world.model("m", provider, behaviour.clone());
                    upstream.borrow_mut().end = end;
                    let received = world.send(client, ask(client, "m", json!({"stream": streamed})).to_string());
                    assert_eq!(received.status(), *code, "{name}: {}", received.text());
                    let message = check_error(client, &received, *code, error, None);
                    assert!(!message.contains("<html"), "{name}: {message}");
                    assert_eq!(upstream.borrow().received.len(), 1, "{name}");
                }
            }
        });
    }
}

/// What a client reads of an answer that must be a good one.
#[track_caller]
fn said_by(client: &str, provider: &str, behaviour: &Value, streamed: bool) -> String {
    let mut world = World::new();
    world.model("m", provider, behaviour.clone());
    let received = world.send(client, ask(client, "m", json!({"stream": streamed})).to_string());
    assert_eq!(received.status(), 200, "{behaviour}: {}", received.text());
    if !streamed {
        return said(client, &received.json());
    }
    assert!(received.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")));
    said_in_stream(client, &received.text())
}

#[test]
fn what_is_unusual_but_an_answer_is_read() {
    let shapes = [
        json!({"type": "split_every", "bytes": 1}),
        json!({"type": "split_every", "bytes": 7}),
        told("crlf"),
        told("comments"),
        told("gzip"),
        json!({"type": "ok", "chunks": 1}),
    ];
    everyone(|client, provider| {
        let expected = said_by(client, provider, &ok(), false);
        assert!(expected.contains("Hello"), "{expected}");
        for shape in &shapes {
            for streamed in [false, true] {
                assert_eq!(said_by(client, provider, shape, streamed), expected, "{shape}");
            }
        }
    });
}

#[test]
fn a_stream_that_goes_wrong_ends_with_an_error_and_not_as_if_complete() {
    everyone(|client, provider| {
        for kind in ["end_after", "error_after"] {
            let mut world = World::new();
            world.model("m", provider, json!({"type": kind, "chunks": 2}));
            let received = world.send(client, ask(client, "m", json!({"stream": true})).to_string());
            assert_eq!(received.status(), 200);
            let mut events = events(&received.text());
            assert!(!events.iter().any(|event| is_last(client, event)), "{events:?}");
            let last = events.pop().expect("events").json();
            assert!(!events.is_empty());
            if kind == "end_after" {
                check_error_body(client, &last, Some("upstream_invalid_response"), None);
                let expected = if client == "openai" { "server_error" } else { "api_error" };
                assert_eq!(last["error"]["type"], expected, "{last}");
            } else {
                // Between equal schemas it is the provider's own, which may have no code.
                check_error_body(client, &last, (client != provider).then_some("upstream_unavailable"), None);
            }
            let record = world.record();
            let ended = (&record["outcome"], &record["output_source"]);
            assert_eq!(ended, (&json!("upstream_broken"), &json!("estimated")), "{record}");
        }
    });
}

#[test]
fn a_document_that_says_error_under_a_good_status_is_an_error() {
    let body = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}).to_string();
    everyone(|client, provider| {
        let mut world = World::new();
        world.model("m", provider, document(&body));
        let received = world.send(client, ask(client, "m", json!({})).to_string());
        assert!(received.status() >= 500, "{}", received.text());
        check_error_body(client, &received.json(), None, None);
    });
}

#[test]
fn an_answer_that_is_deeply_nested_harms_nobody() {
    let deep = json!({"x": "DEEP", "choices": "DEEP", "content": "DEEP"}).to_string().replace("\"DEEP\"", &deep());
    everyone(|client, provider| {
        for guarded in [false, true] {
            let world = World::new();
            let mut world = if guarded { world.guarded(&[("EMAIL", "redact", "both")]) } else { world };
            world.model("m", provider, document(&deep));
            let received = world.send(client, ask(client, "m", json!({})).to_string());
            // Between equal schemas what is JSON passes unless it must be read.
            match received.status() {
                200 => {}
                502 => _ = check_error_body(client, &received.json(), None, None),
                other => panic!("{other}"),
            }
        }
    });
}

/// Some kilobytes that become more than may be held are no answer.
#[test]
fn an_answer_that_is_much_longer_than_its_bytes_is_none() {
    for (client, provider, streamed) in [
        ("openai", "anthropic", false),
        ("openai", "anthropic", true),
        ("anthropic", "anthropic", true),
        ("openai_responses", "openai", true),
    ] {
        let text = "a".repeat(if streamed { 2_000_000 } else { 34_000_000 });
        let mut world = World::new();
        world.model("bomb", provider, json!({"type": "gzip", "text": text}));
        // The demo provider keeps to the bound.
        let bound = if client == "openai_responses" { "max_output_tokens" } else { "max_tokens" };
        let fields = json!({"stream": streamed, bound: 100_000_000});
        let received = world.send(client, ask(client, "bomb", fields).to_string());
        check_error(client, &received, 502, "upstream_invalid_response", None);
    }
}
