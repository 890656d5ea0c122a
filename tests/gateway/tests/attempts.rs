//! When a pool's first provider fails, the next one answers, in its own terms and with its own credential.

use serde_json::{Value, json};
use weir_gateway_tests::{World, ask, check_error, check_error_body, events, is_last, path_of, said, said_in_stream};
use weir_test_proxy::{Ended, Sent};

/// All schemas of clients and of providers.
const ALL: [&str; 4] = ["openai", "anthropic", "openai_responses", "gemini"];

fn status(code: u16, body: Value) -> Value {
    json!({"type": "status", "status": code, "body": body})
}

fn plain(code: u16) -> Value {
    json!({"type": "status", "status": code})
}

fn after(kind: &str, chunks: usize) -> Value {
    json!({"type": kind, "chunks": chunks})
}

fn other(schema: &str) -> &'static str {
    if schema == "openai" { "anthropic" } else { "openai" }
}

/// Nothing of these reached the client, so the next provider can answer. Those that are a silence need a clock: `tests/e2e`.
fn failures() -> Vec<Value> {
    vec![
        plain(503),
        plain(500),
        json!({"type": "status", "status": 429, "headers": {"retry-after": "30"}}),
        plain(529),
        plain(402),
        plain(408),
        plain(409),
        plain(425),
        status(404, json!({"error": {"message": "The model does not exist", "code": "model_not_found"}})),
        status(400, json!({"error": {"message": "Your credit balance is too low", "type": "x"}})),
        status(401, json!({"error": {"message": "Incorrect API key provided"}})),
        status(403, json!({"error": {"message": "The account is suspended"}})),
        json!({"type": "status", "status": 200, "body": {"code": 401, "msg": "no such key"},
            "headers": {"content-type": "application/json"}}),
        json!({"type": "refuse"}),
        json!({"type": "reset"}),
        json!({"type": "html"}),
        json!({"type": "half_json"}),
    ]
}

/// Asserts that nothing of one provider was shown to the other, nothing of the client's to either, nothing of Weir's to any.
fn check_apart(schemas: [&str; 2], sent: &[Sent]) {
    for (number, (sent, schema)) in sent.iter().zip(schemas).enumerate() {
        let canaries = sent.headers.iter().filter(|(_, value)| String::from_utf8_lossy(value).contains("canary"));
        let (own, prefix) = match schema {
            "anthropic" => ("x-api-key", ""),
            "gemini" => ("x-goog-api-key", ""),
            _ => ("authorization", "Bearer "),
        };
        assert_eq!(sent.header(own), Some(format!("{prefix}sk-canary-{number}").as_str()));
        assert_eq!(canaries.count(), 1, "{:?}", sent.headers);
        let is_internal = |name: &str| name.starts_with("x-weir-") || name.starts_with("x-envoy-");
        assert!(!sent.headers.iter().any(|(name, value)| is_internal(name) || value.starts_with(b"Bearer weir_")));
        match schema {
            "gemini" => {
                assert!(sent.header(":path").is_some_and(|path| path.starts_with("/v1/models/gemini-3-flash:")))
            }
            schema => assert_eq!(sent.header(":path"), Some(path_of(schema))),
        }
        assert_eq!(sent.header("anthropic-version").is_some(), schema == "anthropic");
    }
}

#[test]
fn the_next_provider_answers() {
    let whole = [after("cut_after", 2), after("reset_after", 2)];
    let streams =
        [json!({"type": "error_first_event"}), after("cut_after", 0), after("reset_after", 0), after("end_after", 0)];
    for client in ALL {
        for (streamed, more) in [(false, whole.as_slice()), (true, streams.as_slice())] {
            for failure in failures().iter().chain(more) {
                let mut world = World::new();
                let schemas = [client, other(client)];
                let members =
                    [(schemas[0], failure.clone()), (schemas[1], json!({"type": "ok", "text": "from the second"}))];
                let upstreams = world.models("m", &members);
                let received = world.send(client, ask(client, "m", json!({"stream": streamed})).to_string());
                assert_eq!(received.status(), 200, "{failure}: {}", received.text());
                let text = match streamed {
                    false => said(client, &received.json()),
                    true => said_in_stream(client, &received.text()),
                };
                assert_eq!(text, "from the second", "{failure}");
                assert_eq!(received.header("x-weir-provider"), Some(schemas[1]));
                let sent: Vec<Sent> = upstreams.iter().map(|upstream| upstream.borrow().only().clone()).collect();
                check_apart(schemas, &sent);
                let record = world.record();
                let seen = (&record["attempts"], &record["provider_id"], &record["status"]);
                assert_eq!(seen, (&json!(2), &json!("provider-1"), &json!(200)), "{record}");
            }
        }
    }
}

#[test]
fn when_all_fail_the_client_is_told_in_its_schema() {
    for client in ALL {
        for streamed in [false, true] {
            let mut world = World::new();
            world.models("m", &[("openai", plain(503)), ("anthropic", plain(503))]);
            let received = world.send(client, ask(client, "m", json!({"stream": streamed})).to_string());
            assert_eq!(received.status(), 503);
            check_error_body(client, &received.json(), Some("upstream_unavailable"), None);
            let record = world.record();
            assert_eq!((&record["attempts"], &record["outcome"]), (&json!(2), &json!("failed")), "{record}");
            assert_eq!((&record["status"], &record["error_code"]), (&json!(503), &json!("upstream_unavailable")));
        }
    }
}

#[test]
fn what_the_provider_finds_wrong_is_told_and_not_tried_elsewhere() {
    for client in ALL {
        for provider in ALL {
            let mut world = World::new();
            let upstreams = world.models("m", &[(provider, plain(400)), (provider, json!({"type": "ok"}))]);
            let received = world.send(client, ask(client, "m", json!({})).to_string());
            assert_eq!(received.status(), 400);
            let message = check_error_body(client, &received.json(), None, None);
            assert!(message.contains("told to answer 400"), "{message}");
            assert_eq!([0, 1].map(|member: usize| upstreams[member].borrow().received.len()), [1, 0]);
        }
    }
}

/// What a filter of an attempt answers is the client's: Envoy asks no other member then.
#[test]
fn what_a_member_cannot_be_asked_is_told_and_not_tried_elsewhere() {
    for (client, fields, param) in [
        ("openai", json!({"n": 2}), "n"),
        ("anthropic", json!({"stop_sequences": ["a", "b", "c", "d", "e"]}), "stop_sequences"),
        ("anthropic", json!({"top_k": 5, "new": 1}), "new"),
    ] {
        let mut world = World::new();
        let upstreams = world.models("m", &[(other(client), json!({"type": "ok"})), (client, json!({"type": "ok"}))]);
        let received = world.send(client, ask(client, "m", fields).to_string());
        let param = (client == "openai").then_some(param);
        check_error(client, &received, 400, "unsupported_parameter", param);
        assert!(upstreams.iter().all(|upstream| upstream.borrow().received.is_empty()));
        assert_eq!(world.record()["decided_by"], "attempt");
    }
}

#[test]
fn a_provider_that_refuses_our_credential_is_the_operators_problem() {
    for client in ALL {
        for provider in ALL {
            for code in [401, 403] {
                let mut world = World::new();
                world.model("m", provider, plain(code));
                let received = world.send(client, ask(client, "m", json!({})).to_string());
                let message = check_error(client, &received, 502, "upstream_auth_failed", None);
                assert!(!message.contains("canary"), "{message}");
            }
        }
    }
}

#[test]
fn a_stream_that_breaks_is_broken_for_the_client_too() {
    for client in ALL {
        for provider in ALL {
            for how in ["cut_after", "reset_after"] {
                let mut world = World::new();
                let upstreams =
                    world.models("m", &[(provider, after(how, 3)), (other(provider), json!({"type": "ok"}))]);
                let received = world.send(client, ask(client, "m", json!({"stream": true})).to_string());
                assert_eq!((received.status(), received.ended), (200, Ended::Broken));
                let heard = events(&received.text());
                assert!(!heard.is_empty() && !heard.iter().any(|event| is_last(client, event)), "{heard:?}");
                assert!(upstreams[1].borrow().received.is_empty());
                let record = world.record();
                let ended = (&record["outcome"], &record["output_source"]);
                assert_eq!(ended, (&json!("upstream_broken"), &json!("estimated")), "{record}");
            }
        }
    }
}
