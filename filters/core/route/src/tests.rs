//! What clients and Envoy see of `weir.route`.

use std::rc::Rc;

use serde_json::{Value, json};
use uuid::Uuid;
use weir_config::{Limit, LimitAction, LimitedModels, Unit, Window, parse};
use weir_exchange::{Bodies, Catalog, CatalogModel, Exchange, Principal, Shared, WayIn};
use weir_host::fake::FakeHost;
use weir_host::{Flow, Host as _, Message, Reply, StreamFilter};
use weir_llm::{Operation, OutputBounds};

use crate::{RoutePlugin, RouteStream};

const CHAT: &str = "/v1/chat/completions";

/// One request of a key that may use `gpt` and `vendor/small` of a tenant that also has `claude`.
struct Request {
    host: FakeHost,
    shared: Shared,
    stream: RouteStream,
}

impl Request {
    fn new(method: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::among(&Rc::default(), br#"{"body_limit_bytes": 200}"#, method, path, headers)
    }

    /// While others hold bodies.
    fn among(bodies: &Rc<Bodies>, config: &[u8], method: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut all = vec![(":method", method), (":path", path)];
        all.extend_from_slice(headers);
        let host = FakeHost::with_request(&all);
        let mut exchange = Exchange::new(Uuid::from_u128(1), 0);
        let request = exchange.prepare().expect("no attempt was made");
        let has_header = |name: &str| headers.iter().any(|(known, _)| *known == name);
        request.operation = Operation::of(method, path, &has_header).ok();
        request.principal = Some(Rc::new(Principal {
            tenant_id: "acme".into(),
            allowed_models: Some(vec!["gpt".into(), "vendor/small".into(), "elsewhere".into()]),
            ..Principal::default()
        }));
        let model = |name: &str| CatalogModel {
            name: name.into(),
            pool_id: format!("pool-{name}"),
            created_at_s: 1_735_689_600,
            owner: "acme".into(),
            ..CatalogModel::default()
        };
        request.catalog = Some(Rc::new(Catalog::new(vec![model("gpt"), model("claude"), model("vendor/small")])));
        let shared = Shared::new(exchange);
        let config = parse(config).expect("a good configuration");
        let stream = RoutePlugin::new(config).stream(shared.clone(), Rc::clone(bodies));
        Self { host, shared, stream }
    }

    fn chat(headers: &[(&str, &str)]) -> Self {
        Self::new("POST", CHAT, headers)
    }

    fn headers(&mut self, end_of_stream: bool) -> Flow {
        self.stream.on_request_headers(&mut self.host, end_of_stream)
    }

    /// The proxy holds all of `body` so far.
    fn body(&mut self, body: &[u8], end_of_stream: bool) -> Flow {
        self.host.hold(Message::Request, body);
        self.stream.on_request_body(&mut self.host, body.len(), end_of_stream)
    }

    /// Headers and the whole body at once.
    fn send(&mut self, body: &Value) -> Flow {
        assert_eq!(self.headers(false), Flow::Pause, "the headers are held");
        self.body(body.to_string().as_bytes(), true)
    }

    fn sent_header(&self, name: &str) -> Option<String> {
        self.host.header_text(Message::Request, name)
    }
}

fn reply(flow: &Flow) -> &Reply {
    match flow {
        Flow::Reply(reply) => reply,
        other => panic!("{other:?} is no reply"),
    }
}

fn told(flow: &Flow) -> String {
    let reply = reply(flow);
    format!("{} {}", reply.status, reply.code)
}

fn json(flow: &Flow) -> Value {
    serde_json::from_slice(&reply(flow).body).expect("is JSON")
}

fn message(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}]})
}

#[test]
fn a_model_becomes_a_pool() {
    let check = |path: &str, body: Value, pool: &str, stream: bool| {
        // What a client writes there itself counts for nothing.
        let headers = [("content-type", "application/json; charset=utf-8"), ("x-weir-stream", "true")];
        let mut request = Request::new("POST", path, &headers);
        assert_eq!(request.send(&body), Flow::Continue, "{path}");
        assert_eq!(request.sent_header("x-weir-pool").as_deref(), Some(pool));
        assert_eq!(request.sent_header("x-weir-stream").as_deref(), stream.then_some("true"));
        assert_eq!(request.host.route_cache_cleared, 1);
        request.shared.read(|exchange| {
            assert_eq!(exchange.request().pool_id.as_deref(), Some(pool));
            assert_eq!(
                exchange.request().body.bytes.as_ref().map(|body| body.to_vec()),
                Some(body.to_string().into_bytes())
            );
            assert_eq!(exchange.request().body.head.as_ref().map(|head| head.stream), Some(stream));
            assert_eq!(exchange.verdict.map(|verdict| verdict.code), None);
        });
    };
    check(CHAT, message("gpt"), "pool-gpt", false);
    let mut streamed = message("vendor/small");
    streamed["stream"] = json!(true);
    check(CHAT, streamed, "pool-vendor/small", true);
    check("/v1/embeddings", json!({"model": "gpt", "input": "hi"}), "pool-gpt", false);
    let mut to_anthropic = message("gpt");
    to_anthropic["max_tokens"] = json!(10);
    check("/v1/messages", to_anthropic, "pool-gpt", false);
}

#[test]
fn the_body_is_awaited_and_read_once() {
    let mut request = Request::chat(&[]);
    let body = message("gpt").to_string();
    let (first, _) = body.split_at(10);
    assert_eq!(request.headers(false), Flow::Pause);
    assert_eq!(request.body(b"", false), Flow::Pause);
    assert_eq!(request.body(first.as_bytes(), false), Flow::Pause);
    assert_eq!(request.body(body.as_bytes(), true), Flow::Continue);
    assert_eq!(request.host.route_cache_cleared, 1);
    assert_eq!(request.body(b"", true), Flow::Continue, "an end that is told twice changes nothing");
    assert_eq!(request.host.route_cache_cleared, 1);
}

#[test]
fn a_client_is_not_told_of_models_it_does_not_have() {
    let check = |model: &str, expect: &str| {
        let mut request = Request::chat(&[]);
        let flow = request.send(&message(model));
        assert_eq!(told(&flow), expect, "{model}");
        assert_eq!(json(&flow)["error"]["param"], "model");
        assert_eq!(request.sent_header("x-weir-pool"), None);
        assert_eq!(request.host.route_cache_cleared, 0);
        let (code, named) = request
            .shared
            .read(|exchange| {
                (
                    exchange.verdict.map(|verdict| verdict.code),
                    exchange.request().body.head.as_ref().map(|head| head.model.clone()),
                )
            })
            .expect("free");
        assert_eq!(code, Some(reply(&flow).code));
        assert_eq!(named.as_deref(), Some(model), "the usage record names what was asked for");
        json(&flow)["error"]["message"].as_str().map(str::to_owned).expect("a message")
    };
    check("claude", "403 model_not_allowed");
    let unknown = check("nonesuch", "404 model_not_found");
    let of_another_tenant = check("elsewhere", "404 model_not_found");
    assert_eq!(unknown.replace("nonesuch", "elsewhere"), of_another_tenant);
    let long = check(&"ü".repeat(60), "404 model_not_found");
    assert!(long.chars().count() < 150, "{long}");
}

#[test]
fn headers_that_cannot_be_are_refused_before_the_body() {
    let check = |header: (&str, &str), expect: Option<&str>| {
        let flow = Request::chat(&[header]).headers(false);
        match expect {
            Some(expect) => assert_eq!(told(&flow), expect, "{header:?}"),
            None => assert_eq!(flow, Flow::Pause, "{header:?}"),
        }
    };
    check(("content-type", "text/plain"), Some("415 unsupported_media_type"));
    check(("content-type", "multipart/form-data; boundary=x"), Some("415 unsupported_media_type"));
    check(("content-type", "Application/JSON ;charset=utf-8"), None);
    check(("content-encoding", "gzip"), Some("415 unsupported_content_encoding"));
    check(("content-encoding", "identity, br"), Some("415 unsupported_content_encoding"));
    check(("content-encoding", "Identity"), None);
    check(("content-length", "201"), Some("413 request_too_large"));
    check(("content-length", "200"), None);
    check(("content-length", "99999999999999999999999"), None);
}

#[test]
fn bodies_that_cannot_be_are_refused() {
    let check = |body: &[u8], expect: &str| {
        let mut request = Request::chat(&[]);
        assert_eq!(request.headers(false), Flow::Pause);
        let flow = request.body(body, true);
        assert_eq!(told(&flow), expect, "{}", String::from_utf8_lossy(body));
        assert_eq!(request.sent_header("x-weir-pool"), None);
        assert_eq!(request.body(body, true), Flow::Pause, "nothing goes on after a refusal");
        json(&flow)["error"]["param"].clone()
    };
    check(b"", "400 invalid_request");
    check(b"{", "400 invalid_request");
    check(b"[]", "400 invalid_request");
    check(b"\xff\xfe", "400 invalid_request");
    assert_eq!(check(br#"{"messages": [{"role": "user"}]}"#, "400 invalid_request"), "model");
    assert_eq!(check(br#"{"model": 5, "messages": [{"role": "user"}]}"#, "400 invalid_request"), "model");
    assert_eq!(check(br#"{"model": "gpt"}"#, "400 invalid_request"), "messages");
    check(&[b' '; 201], "413 request_too_large");
    assert_eq!(told(&Request::chat(&[]).headers(true)), "400 invalid_request", "no body at all");
}

#[test]
fn a_body_that_grows_too_long_is_refused_before_its_end() {
    let mut request = Request::chat(&[]);
    assert_eq!(request.headers(false), Flow::Pause);
    assert_eq!(request.body(&[b' '; 200], false), Flow::Pause);
    assert_eq!(told(&request.body(&[b' '; 201], false)), "413 request_too_large");
}

#[test]
fn the_bodies_held_at_a_time_are_bounded() {
    let bodies = Rc::default();
    let config = br#"{"body_limit_bytes": 100000, "bodies_in_flight_bytes": 150000}"#;
    let begin = |announced: Option<usize>| {
        let length = announced.unwrap_or_default().to_string();
        let headers = [("content-length", length.as_str())];
        let mut request =
            Request::among(&bodies, config, "POST", CHAT, if announced.is_some() { &headers } else { &[] });
        let flow = request.headers(false);
        (request, flow)
    };
    let overloaded = |flow: &Flow| {
        assert_eq!(told(flow), "503 gateway_overloaded");
        assert!(reply(flow).headers.iter().any(|(name, _)| name == "retry-after"), "{flow:?}");
    };
    let (mut first, _) = begin(Some(90_000));
    // Announced is not held.
    let (mut second, flow) = begin(Some(90_000));
    assert_eq!(flow, Flow::Pause);
    assert_eq!(first.body(&[b' '; 80_000], false), Flow::Pause);
    assert_eq!(second.body(&[b' '; 70_000], false), Flow::Pause);
    overloaded(&first.body(&[b' '; 90_000], false));
    assert_eq!(bodies.held(), 150_000, "Envoy holds what is refused until its stream is over");
    drop(first);
    assert_eq!(bodies.held(), 70_000);
    assert_eq!(second.body(&[b' '; 90_000], false), Flow::Pause);
    overloaded(&begin(Some(70_000)).1);
    let (mut unannounced, flow) = begin(None);
    assert_eq!(flow, Flow::Pause);
    assert_eq!(unannounced.body(&[b' '; 60_000], false), Flow::Pause);
    overloaded(&unannounced.body(&[b' '; 66_000], false));
    drop(unannounced);
    // Short ones are let in while there are long ones, but not for ever.
    let mut short: Vec<_> = (0..4).map(|_| begin(Some(30_000)).0).collect();
    for request in short.iter_mut().take(3) {
        assert_eq!(request.body(&[b' '; 30_000], false), Flow::Pause);
    }
    overloaded(&short[3].body(&[b' '; 30_000], false));
    drop((second, short));
    assert_eq!(bodies.held(), 0);
}

#[test]
fn a_long_body_is_not_kept_beside_the_proxys_copy() {
    let mut long = message("gpt");
    long["messages"][0]["content"] = json!("x".repeat(70_000));
    let config = br#"{"body_limit_bytes": 100000}"#;
    let mut request = Request::among(&Rc::default(), config, "POST", CHAT, &[]);
    assert_eq!(request.send(&long), Flow::Continue);
    request
        .shared
        .read(|exchange| assert!(exchange.request().body.bytes.is_none() && exchange.request().body.head.is_some()));
}

#[test]
fn errors_are_in_the_clients_schema() {
    let mut request = Request::new("POST", "/v1/messages", &[("content-type", "text/html")]);
    let body = json(&request.headers(false));
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("invalid_request_error")));
}

#[test]
fn models_are_listed_in_the_clients_schema() {
    let check = |path: &str, headers: &[(&str, &str)], expect: Value| {
        let mut request = Request::new("GET", path, headers);
        let flow = request.headers(true);
        assert_eq!(reply(&flow).status, 200, "{path}");
        assert_eq!(json(&flow), expect, "{path}");
        assert_eq!(request.shared.read(|exchange| exchange.verdict), Some(None), "an answer is no refusal");
    };
    let openai = |id: &str| json!({"id": id, "object": "model", "created": 1_735_689_600, "owned_by": "acme"});
    let anthropic =
        |id: &str| json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z"});
    check("/v1/models", &[], json!({"object": "list", "data": [openai("gpt"), openai("vendor/small")]}));
    let version = ("anthropic-version", "2023-06-01");
    check(
        "/v1/models?limit=5",
        &[version],
        json!({
            "data": [anthropic("gpt"), anthropic("vendor/small")],
            "has_more": false, "first_id": "gpt", "last_id": "vendor/small",
        }),
    );
    check("/v1/models/gpt", &[], openai("gpt"));
    check("/v1/models/vendor%2Fsmall", &[version], anthropic("vendor/small"));
    let refused = |path: &str| told(&Request::new("GET", path, &[]).headers(true));
    assert_eq!(refused("/v1/models/claude"), "403 model_not_allowed");
    assert_eq!(refused("/v1/models/elsewhere"), "404 model_not_found");
}

#[test]
fn without_weir_auth_nothing_passes() {
    let mut request = Request::chat(&[]);
    request.shared.prepare(|request| request.principal = None);
    assert_eq!(told(&request.headers(false)), "503 gateway_misconfigured");
    assert_eq!(request.body(b"{}", true), Flow::Pause);
}

#[test]
fn a_model_may_require_and_refuse_ways_in() {
    let check = |shown: &[WayIn], refused: &[WayIn], required: &[WayIn], expect: Result<(), (u16, &str)>| {
        let mut gateway = Request::chat(&[]);
        gateway.shared.prepare(|request| {
            let principal = Principal { way_in: shown[0], ..Principal::default() };
            request.principal = Some(Rc::new(principal));
            request.ways_shown = shown.to_vec();
            let model = CatalogModel {
                name: "gpt".into(),
                refused_ways_in: refused.to_vec(),
                required_ways_in: required.to_vec(),
                ..CatalogModel::default()
            };
            request.catalog = Some(Rc::new(Catalog::new(vec![model])));
        });
        let flow = gateway.send(&json!({"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}));
        let seen = match &flow {
            Flow::Reply(reply) => Err((reply.status, reply.code)),
            _ => Ok(()),
        };
        assert_eq!(seen, expect, "{shown:?} {refused:?} {required:?}");
    };
    use WayIn::{Key, Token, Workload};
    check(&[Key], &[], &[], Ok(()));
    check(&[Key], &[Token], &[], Ok(()));
    check(&[Key], &[Key], &[], Err((403, "way_in_refused")));
    check(&[Key], &[], &[Token], Err((401, "credential_required")));
    check(&[Key, Token], &[], &[Token], Ok(()));
    check(&[Token], &[Key], &[Token], Ok(()));
    check(&[Workload], &[Key], &[Workload, Token], Err((401, "credential_required")));
}

#[test]
fn a_models_bounds_of_output_are_sent_where_a_limit_counts_it_or_more_is_named() {
    let check = |bounds: (Option<u64>, Option<u64>), limit: Option<Limit>, named: Option<u64>, expect: Option<u64>| {
        let mut request = Request::chat(&[("content-length", "1")]);
        request.shared.prepare(|request| {
            let model = CatalogModel {
                name: "gpt".into(),
                pool_id: "pool".into(),
                output_bounds: OutputBounds { default: bounds.0, most: bounds.1 },
                ..CatalogModel::default()
            };
            request.catalog = Some(Rc::new(Catalog::new(vec![model])));
            request.principal = Some(Rc::new(Principal {
                limits: limit.clone().into_iter().map(Rc::new).collect(),
                ..Principal::default()
            }));
        });
        let mut body = message("gpt");
        if let Some(named) = named {
            body["max_tokens"] = json!(named);
        }
        assert_eq!(request.send(&body), Flow::Continue);
        // What is held, what the exchange knows of it and what is announced say the same.
        let length = request.host.bodies[0].len();
        let sent: Value = serde_json::from_slice(&request.host.bodies[0]).expect("is JSON");
        let sent = sent["max_completion_tokens"].as_u64().or(sent["max_tokens"].as_u64());
        let (known, known_length) = request
            .shared
            .read(|exchange| {
                let body = &exchange.request().body;
                (body.head.as_ref().and_then(|head| head.max_output_tokens), body.length)
            })
            .expect("it is not in use");
        assert_eq!((sent, known, known_length), (expect, expect, length), "{bounds:?} {limit:?} {named:?}");
        let announced = request.sent_header("content-length");
        assert_eq!(announced, Some(if expect == named { "1".into() } else { length.to_string() }));
    };
    let money = Limit::new("l", Unit::Money, Window::Always, 7);
    let requests = Limit { unit: Unit::Requests, ..money.clone() };
    let warns = Limit { action: LimitAction::Warn, ..money.clone() };
    let elsewhere = Limit { models: LimitedModels::One("claude".into()), ..money.clone() };
    check((Some(40), None), Some(money.clone()), None, Some(40));
    for no_limit in [None, Some(requests), Some(warns), Some(elsewhere)] {
        check((Some(40), None), no_limit, None, None);
    }
    check((Some(40), None), Some(money.clone()), Some(90), Some(90));
    check((None, None), Some(money.clone()), None, None);
    // What may be named at most holds whatever the limits are.
    check((Some(40), Some(60)), None, Some(90), Some(60));
    check((Some(40), Some(60)), None, None, Some(60));
    check((Some(40), Some(60)), Some(money), None, Some(40));
}
