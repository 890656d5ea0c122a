//! Bedrock's Converse behind clients of every schema: binary streams, exceptions within them, and what is wrong with their bytes.

use serde_json::{Value, json};
use weir_gateway_tests::{World, ask, check_error, events, said, said_in_stream};
use weir_test_proxy::Ended;

const CLIENTS: [&str; 4] = ["openai", "anthropic", "openai_responses", "gemini"];
const BEDROCK: &str = "bedrock_converse";

fn streamed(client: &str) -> String {
    ask(client, "m", json!({"stream": true})).to_string()
}

#[test]
fn every_client_reads_its_answers() {
    for client in CLIENTS {
        for shape in [json!({"type": "ok"}), json!({"type": "split_every", "bytes": 1})] {
            let mut world = World::new();
            let upstream = world.model("m", BEDROCK, shape);
            let answer = world.send(client, ask(client, "m", json!({})).to_string()).json();
            assert!(said(client, &answer).ends_with("You said: Hello"), "{answer}");
            let received = world.send(client, streamed(client));
            let text = received.text();
            assert!(said_in_stream(client, &text).ends_with("You said: Hello"), "{client}: {text}");
            let record = world.record();
            assert!(
                record["input_tokens"].as_u64() > Some(0) && record["output_tokens"].as_u64() > Some(0),
                "{record}"
            );
            assert_eq!(record["output_source"], "provider", "{record}");
            let paths: Vec<_> =
                upstream.borrow().received.iter().map(|sent| sent.header(":path").unwrap().to_owned()).collect();
            let model = "/v1/model/us.anthropic.claude-sonnet-5-v1%3A0";
            assert_eq!(paths, [format!("{model}/converse"), format!("{model}/converse-stream")]);
        }
    }
}

#[test]
fn usage_behind_the_end_reaches_the_client() {
    let usage =
        json!({"input_tokens": 100, "cached_input_tokens": 40, "cache_write_1h_tokens": 10, "output_tokens": 20});
    let mut world = World::new();
    world.model("m", BEDROCK, json!({"type": "ok", "usage": usage}));
    let fields = json!({"stream": true, "stream_options": {"include_usage": true}});
    let text = world.send("openai", ask("openai", "m", fields).to_string()).text();
    let told =
        events(&text).iter().rev().find(|event| event.data != "[DONE]").map(|event| event.json()["usage"].clone());
    let told = told.unwrap_or_default();
    assert_eq!((told["prompt_tokens"].as_u64(), told["completion_tokens"].as_u64()), (Some(100), Some(20)), "{text}");
    assert_eq!(told["prompt_tokens_details"]["cached_tokens"], 40);
}

#[test]
fn a_failure_before_the_first_content_is_tried_elsewhere_and_one_after_it_is_told() {
    for client in CLIENTS {
        let mut world = World::new();
        world.models(
            "m",
            &[(BEDROCK, json!({"type": "error_first_event"})), (BEDROCK, json!({"type": "ok", "text": "Europe."}))],
        );
        let text = world.send(client, streamed(client)).text();
        assert_eq!(said_in_stream(client, &text), "Europe.", "{client}");

        let mut world = World::new();
        world.model("m", BEDROCK, json!({"type": "error_after", "chunks": 2}));
        let text = world.send(client, streamed(client)).text();
        let last = events(&text).pop().expect("events");
        assert!(last.data.contains("Too many connections"), "{client}: {text}");
        assert_eq!(world.record()["error_code"], "upstream_unavailable", "{}", world.record());
    }
}

#[test]
fn the_next_region_answers_where_one_refuses() {
    let mut world = World::new();
    let refusal = json!({"type": "status", "status": 429, "body": {"message": "Too many tokens, please wait."}});
    let members =
        [("openai", refusal.clone()), (BEDROCK, refusal), (BEDROCK, json!({"type": "ok", "text": "Europe."}))];
    let upstreams = world.models("m", &members);
    let answer = world.send("openai", ask("openai", "m", json!({})).to_string()).json();
    assert_eq!(said("openai", &answer), "Europe.");
    assert!(upstreams.iter().all(|upstream| upstream.borrow().received.len() == 1));
}

#[test]
fn a_refusal_is_told_in_the_clients_schema() {
    for client in CLIENTS {
        let mut world = World::new();
        let body = json!({"message": "The provided model identifier is invalid."});
        world.model("m", BEDROCK, json!({"type": "status", "status": 400, "body": body}));
        let received = world.send(client, ask(client, "m", json!({})).to_string());
        assert!(received.status() >= 400, "{}", received.text());
        let mut world = World::new();
        world.model("m", BEDROCK, json!({"type": "status", "status": 403, "body": {"message": "not authorized"}}));
        let received = world.send(client, ask(client, "m", json!({})).to_string());
        check_error(client, &received, 502, "upstream_auth_failed", None);
    }
}

/// What happens to the bytes of a stream.
type Change = fn(&mut Vec<u8>);

#[test]
fn wrong_bytes_end_a_stream_with_an_error() {
    let changes: [(&str, Change); 4] = [
        ("a checksum", |bytes| {
            let at = bytes.len() / 2;
            bytes[at] ^= 0x20;
        }),
        ("a length", |bytes| {
            bytes[0] = 0x7f;
        }),
        ("half a message", |bytes| bytes.truncate(bytes.len() / 2)),
        ("a web page", |bytes| *bytes = b"<html><body>Welcome</body></html>".to_vec()),
    ];
    for client in CLIENTS {
        for (what, change) in changes {
            let mut world = World::new();
            let upstream = world.model("m", BEDROCK, json!({"type": "ok"}));
            upstream.borrow_mut().change = Some(change);
            let received = world.send(client, streamed(client));
            if received.status() == 200 {
                let text = received.text();
                let is_told = events(&text).last().is_some_and(|event| event.data.contains("error"));
                assert!(is_told, "{what} to {client}: {text}");
                assert_ne!(received.ended, Ended::Open);
            } else {
                check_error(client, &received, 502, "upstream_invalid_response", None);
            }
            assert_ne!(world.record()["error_code"], Value::Null, "{what}: {}", world.record());
        }
    }
}
