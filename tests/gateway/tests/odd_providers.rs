//! Servers that say they speak an API and differ from it: in their errors, their figures, their codings.

use serde_json::{Value, json};
use weir_gateway_tests::{World, ask, check_error, check_error_body, dollars, said};
use weir_test_proxy::{Received, Request};

/// All schemas of clients and of providers.
const CLIENTS: [&str; 4] = ["openai", "anthropic", "openai_responses", "gemini"];
const WORDS: &str = "temperature must be below 2";

fn status(code: u16, body: Value) -> Value {
    json!({"type": "status", "status": code, "body": body, "headers": {"content-type": "application/json"}})
}

/// As vLLM, Gemini's OpenAI endpoint, FastAPI (both), gateways of clouds, Ollama, Cohere and a proxy write errors.
fn errors() -> [Value; 8] {
    [
        json!({"object": "error", "message": WORDS, "type": "BadRequestError", "code": 400}),
        json!([{"error": {"code": 400, "message": WORDS, "status": "INVALID_ARGUMENT"}}]),
        json!({"detail": WORDS}),
        json!({"detail": [{"loc": ["body", "temperature"], "msg": WORDS, "type": "value_error"}]}),
        json!({"message": WORDS}),
        json!({"error": WORDS}),
        json!({"errors": [{"message": WORDS}]}),
        json!(WORDS),
    ]
}

fn asked(world: &mut World, client: &str, model: &str, streamed: bool) -> Received {
    world.send(client, ask(client, model, json!({"stream": streamed})).to_string())
}

#[test]
fn the_reason_of_a_refusal_is_told_whatever_its_shape() {
    for client in CLIENTS {
        for provider in CLIENTS {
            for body in errors() {
                let mut world = World::new();
                let upstreams =
                    world.models("m", &[(provider, status(400, body.clone())), (provider, json!({"type": "ok"}))]);
                let received = asked(&mut world, client, "m", false);
                assert_eq!(received.status(), 400, "{body}");
                let message = check_error_body(client, &received.json(), None, None);
                assert!(message.contains(WORDS), "{body}: {message}");
                // What is wrong with a request is wrong with it everywhere.
                assert_eq!([0, 1].map(|member: usize| upstreams[member].borrow().received.len()), [1, 0]);
            }
        }
    }
}

#[test]
fn the_operators_affairs_are_not_the_clients() {
    let secrets = ["credit balance", "acct_1234", "model_9", "sk-proj-9"];
    for client in CLIENTS {
        for provider in CLIENTS {
            for (code, error) in [
                (402, json!({"message": "Your credit balance is too low (acct_1234)"})),
                (404, json!({"message": "model_9 not found", "code": "model_not_found"})),
                (401, json!({"message": "Incorrect API key provided: sk-proj-9"})),
                (403, json!({"message": "acct_1234 is suspended"})),
            ] {
                let mut world = World::new();
                world.model("m", provider, status(code, json!({"error": error})));
                let received = asked(&mut world, client, "m", false);
                assert!(received.status() >= 500 || received.status() == 404, "{}", received.text());
                check_error_body(client, &received.json(), None, None);
                let all = format!("{} {:?}", received.text(), received.headers);
                assert!(!secrets.iter().any(|secret| all.contains(secret)), "{all}");
            }
        }
    }
}

#[test]
fn what_is_no_answer_is_none_under_200() {
    for client in CLIENTS {
        for body in
            [json!({"code": 401, "msg": "invalid api key sk-proj-9"}), json!({"detail": "sk-proj-9 is unknown"})]
        {
            let mut world = World::new();
            world.model("alone", client, status(200, body.clone()));
            let second = json!({"type": "ok", "text": "From the second."});
            world.models("m", &[(client, status(200, body)), (client, second)]);
            let received = asked(&mut world, client, "alone", false);
            assert_eq!(received.status(), 502);
            assert!(!check_error_body(client, &received.json(), None, None).contains("sk-proj-9"));
            assert_eq!(said(client, &asked(&mut world, client, "m", false).json()), "From the second.");
        }
    }
}

#[test]
fn a_prompt_that_is_too_long_is_told_in_the_clients_words() {
    let error =
        json!({"type": "invalid_request_error", "message": "prompt is too long: 250000 tokens > 200000 maximum"});
    let mut world = World::new();
    world.model("m", "anthropic", status(400, json!({"type": "error", "error": error})));
    check_error("openai", &asked(&mut world, "openai", "m", false), 400, "context_length_exceeded", None);
}

#[test]
fn an_answer_has_the_name_by_which_its_model_was_asked_and_is_read_if_it_is_compressed() {
    for client in CLIENTS {
        for provider in CLIENTS {
            for streamed in [false, true] {
                for kind in ["ok", "gzip"] {
                    let mut world = World::new();
                    world.model("the-clients-name", provider, json!({"type": kind}));
                    let received = asked(&mut world, client, "the-clients-name", streamed);
                    let text = received.text();
                    assert!(
                        received.status() == 200 && text.contains("the-clients-name") && text.contains("Hello"),
                        "{text}"
                    );
                    assert!(
                        !["gpt-4o", "claude-sonnet-5", "gemini-3-flash"].iter().any(|name| text.contains(name)),
                        "{text}"
                    );
                    let served = received.header("x-weir-model").unwrap_or_default();
                    assert!(["gpt-4o", "claude-sonnet-5", "gemini-3-flash"].contains(&served), "{served}");
                    assert_eq!(received.header("content-encoding"), None);
                }
            }
        }
    }
}

/// Of access proxies in front of the gateway, and of other gateways' own protocols.
#[test]
fn headers_that_no_provider_needs_reach_none() {
    let foreign = [
        "x-auth-request-access-token",
        "x-forwarded-access-token",
        "private-token",
        "apikey",
        "x-goog-api-key",
        "cookie",
        "proxy-authorization",
        "x-amz-security-token",
        "cf-access-jwt-assertion",
        "x-goog-user-project",
        "x-portkey-custom-host",
        "helicone-target-url",
        "x-original-url",
        "x-rewrite-url",
        "x-made-up",
    ];
    for provider in CLIENTS {
        let mut world = World::new();
        let upstream = world.model("m", provider, json!({"type": "ok"}));
        let body = ask("openai", "m", json!({})).to_string();
        let request = foreign.iter().fold(Request::post("/v1/chat/completions", body), |request, name| {
            request.header(name, "secret-of-another")
        });
        assert_eq!(world.request(&request).status(), 200);
        let upstream = upstream.borrow();
        assert!(!upstream.only().headers.iter().any(|(_, value)| value.starts_with(b"secret-")));
    }
}

fn document(usage: &Value, choices: bool) -> Value {
    let choice =
        json!({"index": 0, "message": {"role": "assistant", "content": "x".repeat(400)}, "finish_reason": "stop"});
    let choices = if choices { vec![choice] } else { Vec::new() };
    status(
        200,
        json!({"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": choices, "usage": usage}),
    )
}

/// What a provider reports, with one more figure.
fn figures(prompt: u64, completion: u64, total: u64, more: Value) -> Value {
    let mut figures = json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total});
    figures.as_object_mut().expect("an object").extend(more.as_object().expect("fields").clone());
    figures
}

#[test]
fn figures_are_read_as_they_are_meant() {
    for (usage, expect) in [
        (figures(100, 20, 420, json!({"completion_tokens_details": {"reasoning_tokens": 300}})), [100, 0, 320]),
        (figures(100, 20, 120, json!({"prompt_cache_hit_tokens": 80})), [100, 80, 20]),
        (figures(20, 20, 140, json!({"prompt_tokens_details": {"cached_tokens": 100}})), [120, 100, 20]),
        (figures(100, 20, 120, json!({"prompt_tokens_details": {"cached_tokens": -1}})), [100, 0, 20]),
    ] {
        let mut world = World::new();
        world.model("m", "openai", document(&usage, true));
        assert_eq!(asked(&mut world, "openai", "m", false).status(), 200);
        let record = world.record();
        let seen = ["input_tokens", "cached_input_tokens", "output_tokens"].map(|figure| record[figure].as_u64());
        assert_eq!(seen, expect.map(Some), "{usage}");
    }
}

#[test]
fn a_request_is_recorded_and_its_cost_told_once_whatever_is_reported() {
    for usage in [Value::Null, figures(500_000_000_000, 1_000_000_000_000, 1_500_000_000_000, json!({}))] {
        let mut world = World::new();
        world.model("m", "openai", document(&usage, true));
        let received = asked(&mut world, "openai", "m", false);
        let record = world.record();
        let told = dollars(&record["cost_picousd"]);
        assert_eq!(received.header("x-weir-cost"), Some(told.as_str()));
        assert!((1..1000).contains(&record["output_tokens"].as_u64().expect("a figure")), "{record}");
        assert_eq!(record["output_source"], "estimated");
    }
    // What cannot be translated is charged all the same.
    let mut world = World::new();
    world.model("m", "openai", document(&figures(100, 20, 120, json!({})), false));
    assert_eq!(asked(&mut world, "anthropic", "m", false).status(), 502);
    let record = world.record();
    assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(100), &json!(20)), "{record}");
}

/// What the first member's credential is, in the forms in which a server may quote it.
fn quoted() -> [&'static str; 6] {
    [
        "Bearer sk-canary-0",
        "sk%2Dcanary%2D0",
        // In base64: alone, as basic authentication, within a dump of the request's headers.
        "c2stY2FuYXJ5LTA=",
        "Basic dXNlcjpzay1jYW5hcnktMA==",
        "eyJhdXRob3JpemF0aW9uIjoiQmVhcmVyIHNrLWNhbmFyeS0wIn0",
        "c2stY2FuYXJ5LTA%3D",
    ]
}

/// Forms of `canary` as they stand in any of these.
const CANARIES: [&str; 4] = ["canary", "Y2FuYXJ5", "5hcnktM", "stY2Fu"];

#[test]
fn a_credential_that_a_provider_quotes_in_an_error_reaches_no_client_in_any_form() {
    for client in CLIENTS {
        for provider in CLIENTS {
            for form in quoted() {
                let message = format!("temperature is wrong; you sent {form} with it");
                for body in [
                    json!({"error": {"message": message, "type": "invalid_request_error", "param": form}}),
                    json!({"object": "error", "message": message, "code": 400}),
                    json!({"detail": [{"loc": ["header", form], "msg": message}]}),
                    json!({"error": {"message": "temperature is wrong", "headers": {"authorization": form}}, "request": [form]}),
                    json!(message),
                ] {
                    for streamed in [false, true] {
                        let mut world = World::new();
                        world.model("m", provider, status(400, body.clone()));
                        let received = asked(&mut world, client, "m", streamed);
                        assert_eq!(received.status(), 400);
                        let all = format!("{} {:?}", received.text(), received.headers);
                        assert!(
                            !CANARIES.iter().any(|canary| all.contains(canary)),
                            "{client} {provider} {body}: {all}"
                        );
                        assert!(all.contains("temperature is wrong"), "{body}: {all}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_credential_in_the_headers_of_an_error_reaches_no_client_whole_or_in_pieces() {
    for client in CLIENTS {
        for (one, other) in [("sk-canary-0", "1"), ("sk-can", "ary-0"), ("ary-0", "sk-can"), ("c2stY2FuYXJ5LTA", "1")] {
            let mut world = World::new();
            let error = json!({"error": {"message": WORDS}});
            let headers = json!({"content-type": "application/json", "x-request-id": one, "request-id": other, "www-authenticate": one});
            world.model("m", client, json!({"type": "status", "status": 400, "body": error, "headers": headers}));
            let received = asked(&mut world, client, "m", false);
            assert_eq!(received.status(), 400);
            let all = format!("{:?}", received.headers);
            assert!(!all.contains(one) && !all.contains(&format!("{other:?}")), "{all}");
        }
        // What shows nothing of it is passed on.
        let mut world = World::new();
        let headers = json!({"content-type": "application/json", "x-request-id": "req-7", "request-id": "req-8"});
        world.model(
            "m",
            client,
            json!({"type": "status", "status": 400, "body": {"error": {"message": WORDS}}, "headers": headers}),
        );
        let received = asked(&mut world, client, "m", false);
        assert_eq!((received.header("x-request-id"), received.header("request-id")), (Some("req-7"), Some("req-8")));
    }
}
