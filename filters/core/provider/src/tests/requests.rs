use std::rc::Rc;

use weir_exchange::AttemptBudget;
use weir_host::{Base, Message};
use weir_llm::error::ClientError;

use super::{ANTHROPIC, Attempt, OPENAI, client, exchange, fill_slots};

const CHAT: &str = r#"{"messages":[{"role":"user","content":"hi"}],"model":"chat"}"#;
const MESSAGES: &str = r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":5,"model":"chat"}"#;

#[test]
fn what_a_client_sends_about_itself_does_not_reach_a_provider() {
    let dropped = [
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "proxy-authorization",
        "x-weir-pool",
        "x-envoy-attempt-count",
        "x-forwarded-for",
        "x-request-id",
        "forwarded",
        "via",
        "expect",
        "te",
        "connection",
        "openai-organization",
        "x-weir-credential-2",
    ];
    let more: Vec<(&str, &str)> = dropped.iter().map(|name| (*name, "the-client's")).collect();
    let mut host = client("/v1/chat/completions", &more);
    weir_host::Host::set_header(&mut host, Message::Request, "x-envoy-attempt-count", b"1").unwrap();
    let sent = Attempt::send(host, Some(exchange()), OPENAI, CHAT).unwrap();
    for name in dropped {
        let expect = (name == "authorization").then(|| "Bearer secret-one".to_owned());
        assert_eq!(sent.request_header(name), expect, "{name}");
    }
    assert_eq!(sent.request_header("user-agent").as_deref(), Some("client/1"));
}

#[test]
fn each_provider_gets_its_own_headers() {
    let check = |path: &str, body: &str, deployment: &str, more: &[(&str, &str)], expect: &[(&str, Option<&str>)]| {
        let sent = Attempt::send(client(path, more), Some(exchange()), deployment, body).unwrap();
        for (name, value) in expect {
            assert_eq!(sent.request_header(name).as_deref(), *value, "{path} to {deployment}: {name}");
        }
        assert_eq!(sent.request_header("content-length"), Some(sent.sent_body().len().to_string()));
    };
    check(
        "/v1/chat/completions",
        CHAT,
        OPENAI,
        &[("x-stainless-os", "Linux"), ("openai-beta", "x")],
        &[
            (":path", Some("/base/v1/chat/completions")),
            (":authority", Some("gpt-real.example")),
            (":scheme", Some("https")),
            ("accept-encoding", Some("identity")),
            ("x-stainless-os", None),
            ("openai-beta", Some("x")),
            ("anthropic-version", None),
        ],
    );
    check(
        "/v1/chat/completions",
        CHAT,
        ANTHROPIC,
        &[("x-stainless-os", "Linux"), ("openai-beta", "x")],
        &[
            (":path", Some("/base/v1/messages")),
            ("x-api-key", Some("secret-two")),
            ("authorization", None),
            ("anthropic-version", Some("2023-06-01")),
            ("x-stainless-os", None),
            ("openai-beta", None),
        ],
    );
    check(
        "/v1/messages?beta=true",
        MESSAGES,
        ANTHROPIC,
        &[("anthropic-version", "2024-01-01"), ("anthropic-beta", "b")],
        &[
            (":path", Some("/base/v1/messages")),
            ("anthropic-version", Some("2024-01-01")),
            ("anthropic-beta", Some("b")),
        ],
    );
    check(
        "/v1/messages",
        MESSAGES,
        OPENAI,
        &[("anthropic-version", "2023-06-01"), ("anthropic-beta", "b")],
        &[
            (":path", Some("/base/v1/chat/completions")),
            ("authorization", Some("Bearer secret-one")),
            ("anthropic-version", None),
            ("anthropic-beta", None),
        ],
    );
}

#[test]
fn the_next_attempt_is_made_of_the_original_request() {
    let exchange = exchange();
    let first = Attempt::send(client("/v1/chat/completions", &[]), Some(exchange.clone()), OPENAI, CHAT).unwrap();
    assert_eq!(first.request_header("authorization").as_deref(), Some("Bearer secret-one"));
    let mut host = first.host;
    fill_slots(&mut host);
    let second = Attempt::send(host, Some(exchange.clone()), ANTHROPIC, CHAT).unwrap();
    let alone = Attempt::send(client("/v1/chat/completions", &[]), Some(super::exchange()), ANTHROPIC, CHAT).unwrap();
    assert_eq!(second.host.headers[0], alone.host.headers[0], "nothing of the first provider is left");
    assert_eq!(second.sent_body(), alone.sent_body());
    let attempts = exchange.read(|exchange| exchange.attempts.clone()).unwrap();
    let deployments: Vec<&str> = attempts.iter().map(|attempt| attempt.deployment_id.as_str()).collect();
    assert_eq!(deployments, [OPENAI, ANTHROPIC]);
    let kept = exchange.read(|exchange| exchange.original_headers.clone()).flatten().unwrap();
    assert!(kept.iter().all(|(_, value)| !value.starts_with(b"secret")), "no credential is kept");
}

/// Has no room for anything.
#[derive(Debug)]
struct UsedUp;

impl AttemptBudget for UsedUp {
    fn reserve_another(&self, _: &mut dyn Base) -> Result<(), ClientError> {
        Err(ClientError::new(429, "insufficient_quota", "It is used up."))
    }
}

#[test]
fn no_attempt_follows_one_that_may_be_billed_if_the_budget_has_no_room() {
    for (status, expect) in [(200, Some((429, "insufficient_quota"))), (503, None)] {
        let exchange = exchange();
        exchange.prepare(|request| request.attempt_budget = Some(Rc::new(UsedUp)));
        let first = Attempt::send(client("/v1/chat/completions", &[]), Some(exchange.clone()), OPENAI, CHAT).unwrap();
        exchange.write(|exchange| exchange.attempt_mut().unwrap().status = status);
        let mut host = first.host;
        fill_slots(&mut host);
        let second = Attempt::send(host, Some(exchange.clone()), ANTHROPIC, CHAT);
        assert_eq!(second.err().map(|reply| (reply.status, reply.code)), expect, "{status}");
        let attempts = exchange.read(|exchange| exchange.attempts.len());
        assert_eq!(attempts, Some(if expect.is_none() { 2 } else { 1 }), "{status}");
    }
}

#[test]
fn a_body_of_the_same_schema_keeps_every_byte_but_the_model() {
    let check = |path: &str, deployment: &str, body: &str, expect: &str| {
        let sent = Attempt::send(client(path, &[]), Some(exchange()), deployment, body).unwrap();
        assert_eq!(sent.sent_body(), expect);
    };
    let unknown = r#"{ "new_field":1.50,"messages":[{"role":"user","content":"h\u0069"}],"model":"chat"}"#;
    check("/v1/chat/completions", OPENAI, unknown, &unknown.replace("\"chat\"", "\"gpt-real\""));
    check("/v1/messages", ANTHROPIC, MESSAGES, &MESSAGES.replace("\"chat\"", "\"claude-real\""));
    let streamed = r#"{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}],"stream_options":{}}"#;
    let asked = r#"{"model":"gpt-real","stream":true,"messages":[{"role":"user","content":"hi"}],"stream_options":{"include_usage":true}}"#;
    check("/v1/chat/completions", OPENAI, streamed, asked);
}

#[test]
fn a_body_that_a_guardrail_changed_is_the_one_that_is_sent() {
    let exchange = exchange();
    let changed = CHAT.replace("hi", "[EMAIL]");
    exchange.prepare(|request| request.body.bytes = Some(std::rc::Rc::new(changed.clone().into_bytes())));
    let sent = Attempt::send(client("/v1/chat/completions", &[]), Some(exchange), OPENAI, &changed).unwrap();
    assert_eq!(sent.sent_body(), changed.replace("\"chat\"", "\"gpt-real\""));
}

/// A filter of the operator's between Weir's.
#[test]
fn a_body_that_another_filter_changed_is_the_one_that_is_sent_however_long_it_is() {
    let body = |content: &str| {
        format!(
            r#"{{"messages":[{{"role":"user","content":"{content}"}}],"model":"chat","stream":true,"stream_options":{{"x":1}}}}"#
        )
    };
    for padding in ["", &"x".repeat(70_000)] {
        // As long, shorter, longer.
        for (before, after) in [("one", "two"), ("one", "1"), ("one", "three")] {
            let (known, changed) = (body(&[before, padding].concat()), body(&[after, padding].concat()));
            let exchange = exchange();
            let request = client("/v1/chat/completions", &[]);
            let has_header = |_: &str| false;
            let operation = weir_llm::Operation::of("POST", "/v1/chat/completions", &has_header).unwrap();
            exchange.prepare(|request| {
                let head = weir_llm::read_head(operation, "", known.as_bytes()).ok();
                request.body = weir_exchange::Body::new(std::rc::Rc::new(known.into_bytes()), head);
                request.body.input_tokens = Some(7_000_000);
            });
            for host in [request.clone(), request] {
                let sent = Attempt::send(host, Some(exchange.clone()), OPENAI, &changed).unwrap();
                let expect =
                    changed.replace("\"chat\"", "\"gpt-real\"").replace("\"x\":1", "\"include_usage\":true,\"x\":1");
                assert_eq!(sent.sent_body(), expect);
            }
            let counted = exchange.read(|exchange| exchange.body().input_tokens).unwrap();
            let is_as_long = !padding.is_empty() && before.len() == after.len();
            assert_eq!(counted != Some(7_000_000), !is_as_long, "what is sent is what is counted");
        }
    }
}

#[test]
fn what_cannot_be_sent_is_refused_in_the_clients_schema() {
    let check = |host, known, deployment: &str, body: &str, status: u16, code: &str, beginning: &str| {
        let Err(reply) = Attempt::send(host, known, deployment, body) else { panic!("{code}: was sent") };
        assert_eq!((reply.status, reply.code), (status, code));
        let text = String::from_utf8(reply.body).unwrap();
        assert!(text.starts_with(beginning), "{text}");
    };
    let openai = || client("/v1/chat/completions", &[]);
    let anthropic = || client("/v1/messages", &[("anthropic-version", "2023-06-01")]);
    let (openai_error, anthropic_error) = (r#"{"error":{"#, r#"{"type":"error""#);
    check(openai(), Some(exchange()), "nobody", CHAT, 503, "upstream_unavailable", openai_error);
    check(anthropic(), Some(exchange()), "nobody", MESSAGES, 503, "upstream_unavailable", anthropic_error);
    let embeddings = client("/v1/embeddings", &[]);
    let body = r#"{"model":"chat","input":"x"}"#;
    check(embeddings, Some(exchange()), ANTHROPIC, body, 400, "unsupported_operation", openai_error);
    check(openai(), Some(exchange()), OPENAI, r#"{"model":"#, 400, "invalid_request", openai_error);
    let mut empty_slot = openai();
    weir_host::Host::remove_header(&mut empty_slot, Message::Request, "x-weir-credential-1");
    check(empty_slot, Some(exchange()), OPENAI, CHAT, 502, "upstream_auth_failed", openai_error);
}

#[test]
fn without_its_exchange_only_a_first_attempt_is_made() {
    let sent = Attempt::send(client("/v1/chat/completions", &[]), None, OPENAI, CHAT).unwrap();
    assert_eq!(sent.sent_body(), CHAT.replace("\"chat\"", "\"gpt-real\""));
    for count in ["2", ""] {
        let mut host = client("/v1/chat/completions", &[]);
        weir_host::Host::set_header(&mut host, Message::Request, "x-envoy-attempt-count", count.as_bytes()).unwrap();
        let Err(reply) = Attempt::send(host, None, OPENAI, CHAT) else { panic!("was sent") };
        assert_eq!(reply.status, 503);
    }
}

#[test]
fn a_deployment_says_where_and_how_it_is_asked() {
    let deployment = |more: &str| {
        format!(
            r#"{{"id":"d","provider_id":"p","provider_name":"n","schema":"openai","authority":"a.example","scheme":"https",
                "model":"real"{more}}}"#
        )
    };
    let check = |more: &str, request: (&str, &str), path: &str, body: &str| {
        let sent = Attempt::send(client(request.0, &[]), Some(exchange()), &deployment(more), request.1).unwrap();
        assert_eq!(sent.request_header(":path").as_deref(), Some(path), "{more}");
        assert_eq!(sent.sent_body(), body, "{more}");
        assert_eq!(sent.request_header("authorization"), None);
    };
    let chat = ("/v1/chat/completions", CHAT);
    let sent = CHAT.replace("\"chat\"", "\"real\"");
    check("", chat, "/v1/chat/completions", &sent);
    check(r#","base_path":"/api/v3""#, chat, "/api/v3/chat/completions", &sent);
    check(r#","base_path":"""#, chat, "/chat/completions", &sent);
    let azure = r#","base_path":"/openai/deployments/x","query":"api-version=2025-04-01""#;
    check(azure, chat, "/openai/deployments/x/chat/completions?api-version=2025-04-01", &sent);
    let messages = ("/v1/messages", MESSAGES);
    check(r#","also_speaks":["anthropic"]"#, messages, "/v1/messages", &MESSAGES.replace("\"chat\"", "\"real\""));
    // The client's schema, or else the first that has the operation.
    let embeddings = ("/v1/embeddings", r#"{"model":"chat","input":"x"}"#);
    let sent = embeddings.1.replace("\"chat\"", "\"real\"");
    let both = deployment(r#","also_speaks":["smoke-signals","openai"]"#)
        .replace(r#""schema":"openai""#, r#""schema":"anthropic""#);
    let attempt = Attempt::send(client(embeddings.0, &[]), Some(exchange()), &both, embeddings.1).unwrap();
    assert_eq!((attempt.request_header(":path").as_deref(), attempt.sent_body()), (Some("/v1/embeddings"), sent));
    // A server that does not take `stream_options` is not sent any.
    let streamed = r#"{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let plain = streamed.replace("\"chat\"", "\"real\"");
    check(
        r#","capabilities":{"stream_options":false}"#,
        ("/v1/chat/completions", streamed),
        "/v1/chat/completions",
        &plain,
    );
}

#[test]
fn a_header_that_nobody_needs_does_not_reach_a_provider() {
    let dropped = [
        "x-auth-request-access-token",
        "x-auth-request-user",
        "private-token",
        "cf-access-jwt-assertion",
        "x-goog-iap-jwt-assertion",
        "x-amzn-oidc-data",
        "x-ms-token-aad-access-token",
        "x-portkey-custom-host",
        "x-portkey-api-key",
        "helicone-target-url",
        "helicone-auth",
        "x-goog-user-project",
        "x-goog-api-key",
        "x-original-url",
        "x-rewrite-url",
        "apikey",
        "idempotency-key",
        "baggage",
        "x-stainless-retry-count",
        "origin",
        "host",
    ];
    let more: Vec<(&str, &str)> =
        dropped.iter().map(|name| (*name, "the-client's")).chain([("traceparent", "00-a-b-01")]).collect();
    for deployment in [OPENAI, ANTHROPIC] {
        let sent = Attempt::send(client("/v1/chat/completions", &more), Some(exchange()), deployment, CHAT).unwrap();
        for name in dropped {
            assert_eq!(sent.request_header(name), None, "{name}");
        }
        assert_eq!(sent.request_header("traceparent").as_deref(), Some("00-a-b-01"));
    }
}

proptest::proptest! {
    /// What goes to a provider is a list.
    #[test]
    fn no_other_header_reaches_a_provider(name in "[a-z][a-z0-9-]{0,24}", begins in proptest::sample::select(vec!["", "x-", "x-weir-", "anthropic-", "openai-", "x-api-", "accept-"]), value in "[ -~]{0,20}") {
        const LISTED: [&str; 15] = [
            ":method", ":scheme", ":authority", ":path", "accept", "user-agent", "traceparent", "tracestate", "content-type",
            "content-length", "accept-encoding", "authorization", "x-api-key", "openai-beta", "anthropic-version",
        ];
        let name = format!("{begins}{name}");
        proptest::prop_assume!(!name.starts_with("x-weir-credential-") && name != "x-envoy-attempt-count");
        for deployment in [OPENAI, ANTHROPIC] {
            let host = client("/v1/chat/completions", &[(&name, &value)]);
            let sent = Attempt::send(host, Some(exchange()), deployment, CHAT).unwrap();
            for (sent, _) in &sent.host.headers[0] {
                proptest::prop_assert!(LISTED.contains(&sent.as_str()), "{sent}");
            }
        }
    }
}
