//! Counting, embeddings and moderation: whatever is asked for beside a chat.

use serde_json::{Value, json};
use weir_gateway_tests::{World, check_error};
use weir_test_proxy::{Received, Request};

fn ok() -> Value {
    json!({"type": "ok"})
}

/// A request to count a conversation of ten characters, with whatever the client's schema repeats.
fn count(world: &mut World, client: &str) -> Received {
    let turns = json!([{"role": "user", "content": "0123456789"}]);
    let (path, body) = match client {
        "anthropic" => ("/v1/messages/count_tokens", json!({"model": "m", "messages": turns})),
        "gemini" => ("/v1beta/models/m:countTokens", json!({"contents": [{"parts": [{"text": "0123456789"}]}]})),
        "whole" => {
            let whole = json!({"model": "models/m", "contents": [{"parts": [{"text": "0123456789"}]}]});
            ("/v1beta/models/m:countTokens", json!({"generateContentRequest": whole}))
        }
        _ => ("/v1/responses/input_tokens", json!({"model": "m", "input": turns})),
    };
    let request = Request::post(path, body.to_string());
    let request = if client == "anthropic" { request.header("anthropic-version", "2023-06-01") } else { request };
    world.request(&request)
}

const COUNTING: [&str; 3] = ["anthropic", "openai_responses", "gemini"];

#[test]
fn tokens_are_counted_by_any_provider_that_counts() {
    for provider in COUNTING {
        for client in ["anthropic", "openai_responses", "gemini", "whole"] {
            let mut world = World::new();
            let upstream = world.model("m", provider, ok());
            let received = count(&mut world, client);
            assert_eq!(received.status(), 200, "{client} at {provider}: {}", received.text());
            let field = if matches!(client, "gemini" | "whole") { "totalTokens" } else { "input_tokens" };
            let answer = received.json();
            assert!(answer[field].as_u64().is_some_and(|tokens| (3..20).contains(&tokens)), "{client}: {answer}");
            assert_eq!(answer["object"].as_str(), (client == "openai_responses").then_some("response.input_tokens"));
            assert!(
                upstream.borrow().only().header(":path").unwrap_or_default().contains("ount")
                    || provider == "openai_responses"
            );
        }
    }
}

#[test]
fn counting_takes_neither_tokens_nor_money() {
    for provider in COUNTING {
        let mut world = World::new();
        world.model("m", provider, ok());
        assert_eq!(count(&mut world, "anthropic").status(), 200);
        let record = world.record();
        assert_eq!(record["operation"], "messages.count_tokens");
        for figure in ["input_tokens", "output_tokens", "cost_picousd"] {
            assert_eq!(record[figure].as_u64().unwrap_or(0), 0, "{figure} in {record}");
        }
    }
}

#[test]
fn who_counts_nothing_is_not_asked() {
    let mut world = World::new();
    let upstream = world.model("m", "openai", ok());
    for client in COUNTING {
        let received = count(&mut world, client);
        check_error(client, &received, 400, "unsupported_operation", Some("model"));
    }
    assert!(upstream.borrow().received.is_empty());
}

#[test]
fn what_says_no_number_is_no_count() {
    let answer = json!({"type": "status", "status": 200, "body": {"tokens": 7}});
    let mut world = World::new();
    world.model("m", "gemini", answer);
    let received = count(&mut world, "anthropic");
    check_error("anthropic", &received, 502, "upstream_invalid_response", None);
}

#[test]
fn guardrails_read_what_is_counted_embedded_and_moderated() {
    let secret = "4111 1111 1111 1111";
    let parts = json!({"parts": [{"text": secret}]});
    let asked = [
        ("gemini", "/v1beta/models/m:countTokens", json!({"contents": [parts]})),
        ("gemini", "/v1beta/models/m:countTokens", json!({"generateContentRequest": {"contents": [parts]}})),
        ("gemini", "/v1beta/models/m:embedContent", json!({"content": parts})),
        ("gemini", "/v1beta/models/m:batchEmbedContents", json!({"requests": [{"content": parts}]})),
        ("openai", "/v1/moderations", json!({"model": "m", "input": secret})),
        ("openai", "/v1/moderations", json!({"model": "m", "input": [{"type": "text", "text": secret}]})),
        ("openai_responses", "/v1/responses/input_tokens", json!({"model": "m", "input": secret})),
    ];
    for (schema, path, body) in asked {
        let mut world = World::new().guarded(&[("CREDIT_CARD", "block", "input")]);
        let upstream = world.model("m", schema, ok());
        let received = world.request(&Request::post(path, body.to_string()));
        check_error(schema, &received, 400, "content_blocked", None);
        assert!(upstream.borrow().received.is_empty(), "{path}");
    }
}

#[test]
fn contents_are_embedded_under_the_providers_name_of_the_model() {
    let content = json!({"parts": [{"text": "a"}]});
    let one = json!({"model": "models/m", "content": content});
    for (action, body, at) in [
        ("embedContent", one.clone(), "/embedding/values"),
        ("batchEmbedContents", json!({"requests": [one, one]}), "/embeddings/1/values"),
    ] {
        let mut world = World::new();
        let upstream = world.model("m", "gemini", ok());
        let received = world.request(&Request::post(&format!("/v1beta/models/m:{action}"), body.to_string()));
        assert_eq!(received.status(), 200, "{}", received.text());
        assert!(received.json().pointer(at).is_some_and(Value::is_array), "{}", received.text());
        let sent = upstream.borrow().only().clone();
        assert_eq!(sent.header(":path"), Some(format!("/v1/models/gemini-3-flash:{action}").as_str()));
        assert!(String::from_utf8_lossy(&sent.body).contains("models/gemini-3-flash"));
        assert!(world.record()["input_tokens"].as_u64() > Some(0), "{}", world.record());
    }
    let mut world = World::new();
    world.model("m", "openai", ok());
    let body = json!({"content": {"parts": [{"text": "a"}]}}).to_string();
    let received = world.request(&Request::post("/v1beta/models/m:embedContent", body));
    check_error("gemini", &received, 400, "unsupported_operation", Some("model"));
    let received = world.request(&Request::post("/v1beta/models/m:embedContent", r#"{"content":"a"}"#));
    check_error("gemini", &received, 400, "invalid_request", Some("content"));
}

#[test]
fn texts_are_moderated_where_the_provider_does_that() {
    let mut world = World::new();
    world.model("m", "openai", ok());
    world.model("other", "anthropic", ok());
    let ask =
        |model: &str| Request::post("/v1/moderations", json!({"model": model, "input": ["kill", "a"]}).to_string());
    let received = world.request(&ask("m"));
    assert_eq!(received.status(), 200, "{}", received.text());
    let flagged: Vec<_> = (0..2).map(|number| received.json()["results"][number]["flagged"].clone()).collect();
    assert_eq!(flagged, [json!(true), json!(false)]);
    // The model has a price, and nobody reported usage: five characters are two tokens.
    assert_eq!(world.record()["cost_picousd"], json!(2 * 2_500_000), "{}", world.record());
    check_error("openai", &world.request(&ask("other")), 400, "unsupported_operation", Some("model"));
}

#[test]
fn a_moderation_is_billed_by_the_usage_that_is_reported() {
    let answer = json!({"results": [{"flagged": false}], "usage": {"prompt_tokens": 12, "total_tokens": 12}});
    let mut world = World::new();
    world.model("m", "openai", json!({"type": "status", "status": 200, "body": answer}));
    let received =
        world.request(&Request::post("/v1/moderations", json!({"model": "m", "input": "A dam."}).to_string()));
    assert_eq!(received.status(), 200, "{}", received.text());
    let record = world.record();
    assert_eq!([&record["input_tokens"], &record["cost_picousd"]], [&json!(12), &json!(12 * 2_500_000)], "{record}");
}

#[test]
fn a_key_in_the_query_is_read_and_goes_no_further() {
    let body = || json!({"contents": [{"parts": [{"text": "Hello"}]}]}).to_string();
    let mut world = World::new();
    let upstream = world.model("m", "gemini", ok());
    let mut ask = |path: &str| {
        let received = world.envoy().send(&Request::post(path, body()));
        (received.status(), received.text())
    };
    let key = World::key();
    for query in [format!("?key={key}"), format!("?alt=json&key={key}&x=1"), format!("?key={key}&key=other")] {
        let (status, text) = ask(&format!("/v1beta/models/m:generateContent{query}"));
        assert_eq!(status, 200, "{text}");
    }
    assert_eq!(ask("/v1beta/models/m:generateContent?key=wrong").0, 401);
    assert_eq!(ask("/v1beta/models/m:generateContent?alt=json").0, 401);
    assert_eq!(upstream.borrow().received.len(), 3);
    for sent in &upstream.borrow().received {
        let said =
            |(name, value): &(String, Vec<u8>)| name.contains(key) || String::from_utf8_lossy(value).contains(key);
        assert!(!sent.headers.iter().any(said), "{sent:?}");
    }
    // Nobody else's clients show it there.
    let asked = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]}).to_string();
    let received = world.envoy().send(&Request::post(&format!("/v1/chat/completions?key={key}"), asked));
    check_error("openai", &received, 401, "invalid_api_key", None);
}
