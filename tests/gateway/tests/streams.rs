//! What only the assembly of all plugins shows: callouts that hold a request, attempts, breaks, bounds, ticks.

use std::cell::RefCell;
use std::rc::Rc;

use prost::Message as _;
use serde_json::{Value, json};
use weir_gateway_tests::{World, ask, check_error, deployment, said, said_in_stream};
use weir_host::fake::FakeHost;
use weir_host::{Flow, Host, Message, Reply, StreamFilter};
use weir_proto::dataplane::{
    AcquireQuotaRequest, AcquireQuotaResponse, Catalog, CatalogModel, Principal, QuotaGrant, RateLimit,
    ReportUsageRequest, ReportUsageResponse, ResolveCredentialRequest, ResolveCredentialResponse, UsageRecord,
    resolve_credential_response::Status,
};
use weir_test_proxy::{Answer, End, Ended, Endpoint, Envoy, Hop, Passed, Provider, Request, Sent};

/// Says the same to everybody.
#[derive(Debug)]
struct Scripted {
    answer: Option<Answer>,
    received: Vec<Sent>,
}

impl Scripted {
    fn new(answer: Option<Answer>) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self { answer, received: Vec::new() }))
    }
}

impl Provider for Scripted {
    fn answer(&mut self, sent: &Sent) -> Option<Answer> {
        self.received.push(sent.clone());
        self.answer.clone()
    }
}

const WHOLE: &str = r#"{"id":"1","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#;

fn whole() -> Answer {
    Answer::new(200, "application/json", WHOLE)
}

fn chunk(delta: &str) -> Vec<u8> {
    format!("data: {{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n").into()
}

fn stream(pieces: Vec<Vec<u8>>, end: End) -> Answer {
    Answer { pieces, end, ..Answer::new(200, "text/event-stream", "") }
}

/// A gateway with a control plane that knows one key, with a limit of requests, and has one model.
struct Controlled {
    envoy: Envoy,
    provider: Rc<RefCell<Scripted>>,
    /// The names of the methods that were called.
    called: Rc<RefCell<Vec<String>>>,
    /// What is in the ledger.
    stored: Rc<RefCell<Vec<UsageRecord>>>,
}

fn controlled(answer: Answer) -> Controlled {
    let cluster = json!({"cluster": "control-plane", "timeout_ms": 1000});
    let mut envoy = Envoy::new(&json!({
        "metering": {"sink": {"control_plane": cluster}}, "auth": {"source": {"control_plane": cluster}}, "route": {},
        "quota": {"control_plane": cluster, "fail_mode": "closed", "lease_percent": 100}, "guardrails": {}}));
    let provider = Scripted::new(Some(answer));
    envoy.pool("pool", vec![Endpoint::new(&deployment("openai", 0), "sk-canary-0", Rc::clone(&provider) as _)]);
    let called = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&called);
    envoy.callouts = Box::new(move |call| {
        noted.borrow_mut().push(call.method.clone());
        Some(match call.method.as_str() {
            "ResolveCredential" => Ok(credential().encode_to_vec()),
            "AcquireQuota" => Ok(grants(&call.message).encode_to_vec()),
            _ => Err(12),
        })
    });
    Controlled { envoy, provider, called, stored: Rc::default() }
}

fn credential() -> ResolveCredentialResponse {
    let limit = RateLimit {
        counter: "key/k/requests/60".into(),
        limit: 2,
        window_seconds: 60,
        unit: "requests".into(),
        ..RateLimit::default()
    };
    let model = CatalogModel { name: "m".into(), pool_id: "pool".into(), ..CatalogModel::default() };
    ResolveCredentialResponse {
        status: Status::Active.into(),
        principal: Some(Principal {
            tenant_id: "t".into(),
            key_id: "k".into(),
            rate_limits: vec![limit],
            ..Principal::default()
        }),
        catalog: Some(Catalog { tenant_id: "t".into(), revision: 1, models: vec![model], unchanged: false }),
        revision: 1,
    }
}

fn grants(message: &[u8]) -> AcquireQuotaResponse {
    grants_of(message, 2)
}

/// So many units to each demand.
fn grants_of(message: &[u8], units: u64) -> AcquireQuotaResponse {
    let asked = AcquireQuotaRequest::decode(message).expect("a request is a message");
    let grants = asked.demands.into_iter().map(|demand| QuotaGrant {
        counter: demand.counter,
        window_start_unix_s: demand.window_start_unix_s,
        granted: units,
        remaining: 0,
        limit: units,
        ask_again_ms: 0,
    });
    AcquireQuotaResponse { grants: grants.collect() }
}

fn request() -> Request {
    Request::post("/v1/chat/completions", ask("openai", "m", json!({})).to_string())
        .header("authorization", "Bearer weir_1")
}

#[test]
fn a_request_waits_for_its_callouts_whenever_they_are_answered() {
    for late in [false, true] {
        for pieces in [1, 7, 1000] {
            let mut controlled = controlled(whole());
            controlled.envoy.callouts_are_late = late;
            let received = controlled.envoy.send(&request().in_pieces_of(pieces));
            assert_eq!(received.status(), 200, "{}", received.text());
            assert_eq!(said("openai", &received.json()), "hello");
            assert_eq!(*controlled.called.borrow(), ["ResolveCredential", "AcquireQuota"]);
            assert_eq!(received.header("x-ratelimit-remaining-requests"), Some("1"));
            let provider = controlled.provider.borrow();
            let sent: Value = serde_json::from_slice(&provider.received[0].body).expect("the whole body");
            assert_eq!(sent["messages"][0]["content"], "Hello");
        }
    }
}

/// The preference is the gateway's alone, and a stream's head tells as much as an answer's.
#[test]
fn a_budget_is_told_to_who_asks_for_it_and_no_provider_hears_of_that() {
    for (prefer, is_stream) in [(false, false), (true, false), (true, true)] {
        let mut controlled = controlled(if is_stream {
            stream(vec![chunk(r#"{"content":"hello"}"#), b"data: [DONE]\n\n".to_vec()], End::Alone)
        } else {
            whole()
        });
        controlled.envoy.callouts = Box::new(|call| match call.method.as_str() {
            "ResolveCredential" => Some(Ok(with_a_budget().encode_to_vec())),
            "AcquireQuota" => Some(Ok(grants_of(&call.message, 1_000_000).encode_to_vec())),
            _ => Some(Err(12)),
        });
        let body = ask("openai", "m", json!({"max_tokens": 5, "stream": is_stream})).to_string();
        let request = Request::post("/v1/chat/completions", body).header("authorization", "Bearer weir_1");
        let received = controlled.envoy.send(&if prefer { request.header("prefer", "weir-budget") } else { request });
        assert_eq!(received.status(), 200, "{}", received.text());
        assert_eq!(received.header("x-weir-budget-limit"), prefer.then_some("0.000001"), "{is_stream}");
        assert_eq!(received.header("x-weir-budget-remaining").is_some(), prefer, "{is_stream}");
        let provider = controlled.provider.borrow();
        assert!(provider.received[0].headers.iter().all(|(name, _)| name != "prefer"));
    }
}

fn with_a_budget() -> ResolveCredentialResponse {
    let mut answer = credential();
    let budget = RateLimit {
        counter: "limit/b".into(),
        limit: 1_000_000,
        unit: "cost_picousd".into(),
        is_endless: true,
        told_to_callers: true,
        ..RateLimit::default()
    };
    if let Some(principal) = &mut answer.principal {
        principal.rate_limits.push(budget);
    }
    if let Some(model) = answer.catalog.iter_mut().flat_map(|catalog| &mut catalog.models).next() {
        (model.dearest_input_picousd, model.dearest_output_picousd) = (Some(1), Some(1));
    }
    answer
}

#[test]
fn who_is_not_known_is_refused_when_the_request_is_here_and_told_with_its_model_when_asked_for_again() {
    for (late, pieces) in [(false, 1), (false, 7), (true, 1), (true, 7)] {
        let mut controlled = controlled(whole());
        controlled.envoy.callouts_are_late = late;
        let asked = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&asked);
        controlled.envoy.callouts = Box::new(move |call| {
            noted.borrow_mut().push(ResolveCredentialRequest::decode(call.message.as_slice()).expect("a message"));
            let refused =
                ResolveCredentialResponse { status: Status::NoRule.into(), revision: 1, ..Default::default() };
            Some(Ok(refused.encode_to_vec()))
        });
        let request = Request::post("/v1/chat/completions", ask("openai", "m", json!({})).to_string())
            .header("x-forwarded-client-cert", "URI=spiffe://example.org/a")
            .in_pieces_of(pieces);
        for _ in 0..2 {
            check_error("openai", &controlled.envoy.send(&request), 403, "caller_unknown", None);
        }
        assert!(controlled.provider.borrow().received.is_empty());
        let models: Vec<_> = asked.borrow().iter().map(|asked| asked.refused_models.clone()).collect();
        assert_eq!(models, [Vec::new(), vec!["m".to_owned()]], "{late} {pieces}");
    }
}

#[test]
fn a_request_whose_callout_fails_or_never_comes_reaches_nobody() {
    for (answer, code) in [(Some(Err(14)), "auth_unavailable"), (Some(Ok(b"\xff".to_vec())), "auth_unavailable")] {
        let mut controlled = controlled(whole());
        controlled.envoy.callouts = Box::new(move |_| answer.clone());
        check_error("openai", &controlled.envoy.send(&request()), 503, code, None);
        assert!(controlled.provider.borrow().received.is_empty());
    }
    let mut controlled = controlled(whole());
    controlled.envoy.callouts = Box::new(|_| None);
    let received = controlled.envoy.send(&request());
    assert_eq!((received.ended, received.status()), (Ended::Open, 0));
    assert!(controlled.provider.borrow().received.is_empty());
}

#[test]
fn leases_are_spent_by_all_streams_and_then_refused() {
    let mut controlled = controlled(whole());
    let statuses: Vec<u16> = (0..4).map(|_| controlled.envoy.send(&request()).status()).collect();
    assert_eq!(statuses, [200, 200, 200, 200], "the fake control plane grants two each time it is asked");
    let asked = controlled.called.borrow().iter().filter(|method| *method == "AcquireQuota").count();
    assert_eq!(asked, 2, "two units a lease");
}

#[test]
fn what_went_on_to_no_provider_spends_no_lease() {
    let mut controlled = controlled(whole());
    let pool = |envoy: &mut Envoy, provider: &Rc<RefCell<Scripted>>, credential: &str| {
        envoy.pool("pool", vec![Endpoint::new(&deployment("openai", 0), credential, Rc::clone(provider) as _)]);
    };
    let asked =
        |controlled: &Controlled| controlled.called.borrow().iter().filter(|method| *method == "AcquireQuota").count();
    pool(&mut controlled.envoy, &controlled.provider, "");
    for _ in 0..5 {
        check_error("openai", &controlled.envoy.send(&request()), 502, "upstream_auth_failed", None);
    }
    assert_eq!((asked(&controlled), controlled.provider.borrow().received.len()), (1, 0));
    pool(&mut controlled.envoy, &controlled.provider, "sk-canary-0");
    for expect in [1, 1, 2] {
        assert_eq!((controlled.envoy.send(&request()).status(), asked(&controlled)), (200, expect));
    }
}

#[test]
fn records_wait_until_they_are_in_the_ledger() {
    let mut controlled = controlled(whole());
    let ids: Vec<String> = (0..2)
        .map(|_| controlled.envoy.send(&request()).header("x-weir-request-id").expect("an id").to_owned())
        .collect();
    let stored = Rc::clone(&controlled.stored);
    // Nobody answers the first report; the second carries the same records.
    for answers in [false, true] {
        controlled.envoy.now += 10_000_000;
        let stored = Rc::clone(&stored);
        controlled.envoy.callouts = Box::new(move |call| {
            if call.method != "ReportUsage" || !answers {
                return Some(Err(14));
            }
            let records = ReportUsageRequest::decode(call.message.as_slice()).expect("a message").records;
            let count = u32::try_from(records.len()).expect("few");
            stored.borrow_mut().extend(records);
            Some(Ok(ReportUsageResponse { stored: count, rejected: Vec::new() }.encode_to_vec()))
        });
        controlled.envoy.tick();
    }
    let stored: Vec<String> = stored.borrow().iter().map(|record| record.request_id.clone()).collect();
    assert_eq!(stored, ids);
}

#[test]
fn the_watch_stream_is_opened_and_opened_anew() {
    let mut controlled = controlled(whole());
    controlled.envoy.tick();
    assert_eq!(controlled.envoy.opened(), ["Watch"]);
    controlled.envoy.tick();
    assert_eq!(controlled.envoy.opened(), ["Watch"], "it stands");
    controlled.envoy.close_streams(14);
    for _ in 0..3 {
        controlled.envoy.tick();
    }
    assert_eq!(controlled.envoy.opened(), ["Watch", "Watch"]);
}

#[test]
fn trailers_end_a_request_and_an_answer() {
    let mut controlled = controlled(Answer { end: End::WithTrailers, ..whole() });
    let received = controlled.envoy.send(&Request { trailers: true, ..request() });
    assert_eq!((received.status(), received.ended), (200, Ended::Whole));
    assert_eq!(said("openai", &received.json()), "hello");
}

/// Of the provider's own, for a pool of these.
fn pool(answers: Vec<Option<Answer>>) -> (Envoy, Vec<Rc<RefCell<Scripted>>>) {
    let Controlled { mut envoy, .. } = controlled(whole());
    let providers: Vec<_> = answers.into_iter().map(Scripted::new).collect();
    let members = providers.iter().enumerate().map(|(number, provider)| {
        let schema = ["openai", "anthropic", "openai"][number % 3];
        Endpoint::new(&deployment(schema, number), &format!("sk-canary-{number}"), Rc::clone(provider) as _)
    });
    envoy.pool("pool", members.collect());
    (envoy, providers)
}

#[test]
fn what_fails_before_its_first_content_is_made_up_for_by_the_next_member() {
    let overloaded = Answer::new(503, "application/json", r#"{"type":"error","error":{"type":"x","message":"m"}}"#);
    let (mut envoy, providers) = pool(vec![None, Some(overloaded), Some(whole())]);
    let received = envoy.send(&request());
    assert_eq!((received.status(), said("openai", &received.json()).as_str()), (200, "hello"), "{}", received.text());
    let sent: Vec<Sent> = providers.iter().map(|provider| provider.borrow().received[0].clone()).collect();
    // Each has its own credential and nothing of another's.
    let shown = |sent: &Sent| {
        sent.headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
            .collect::<Vec<_>>()
            .join("\n")
    };
    for (number, sent) in sent.iter().enumerate() {
        let headers = shown(sent);
        assert_eq!(headers.matches("canary").count(), 1, "{headers}");
        assert!(headers.contains(&format!("sk-canary-{number}")) && !headers.contains("x-weir"), "{headers}");
        assert!(!headers.contains("weir_1"), "{headers}");
    }
    assert_eq!(
        (sent[1].header(":path"), sent[2].header(":path")),
        (Some("/v1/messages"), Some("/v1/chat/completions"))
    );
    assert_eq!(sent[0].text(), sent[2].text(), "the original request is immutable");
}

#[test]
fn the_last_members_failure_is_the_clients_in_its_schema() {
    let failed = |status| Some(Answer::new(status, "text/html", "<html>no</html>"));
    let (mut envoy, _) = pool(vec![failed(500), failed(503)]);
    check_error("openai", &envoy.send(&request()), 503, "upstream_unavailable", None);
}

#[test]
fn a_stream_that_breaks_after_its_first_content_breaks_for_the_client_too() {
    let pieces = vec![chunk(r#"{"role":"assistant","content":""}"#), chunk(r#"{"content":"hel"}"#)];
    let body = ask("openai", "m", json!({"stream": true})).to_string();
    let request = Request { pieces: vec![body.into()], ..request() };
    for end in [End::Broken, End::Silent] {
        let (mut envoy, providers) = pool(vec![Some(stream(pieces.clone(), end)), Some(whole())]);
        let received = envoy.send(&request);
        assert_eq!((received.status(), received.ended), (200, Ended::Broken));
        assert!(received.text().contains("hel") && !received.text().contains("[DONE]"), "{}", received.text());
        assert!(providers[1].borrow().received.is_empty(), "a stream that began has no second provider");
    }
    // Before it, the next member answers.
    let done = b"data: [DONE]\n\n".to_vec();
    let good = stream([pieces.clone(), vec![done]].concat(), End::Alone);
    let (mut envoy, _) = pool(vec![Some(stream(pieces[..1].to_vec(), End::Broken)), None, Some(good)]);
    assert_eq!(said_in_stream("openai", &envoy.send(&request).text()), "hel");
}

#[test]
fn more_than_the_proxy_may_hold_is_refused_in_both_directions() {
    let long = WHOLE.replace("hello", &"x".repeat(100_000));
    let (first, second) = long.as_bytes().split_at(60_000);
    let in_pieces = Answer { pieces: vec![first.to_vec(), second.to_vec()], end: End::Alone, ..whole() };
    let (mut envoy, _) = pool(vec![Some(in_pieces)]);
    envoy.limit = 50_000;
    assert_eq!(envoy.send(&request()).status(), 500);
    let body = ask("openai", "m", json!({"user": "x".repeat(100_000)})).to_string();
    let request = Request { pieces: vec![body.into()], ..request() };
    assert_eq!(envoy.send(&request.in_pieces_of(60_000)).status(), 413);
}

#[test]
fn what_a_client_says_of_the_inside_is_not_heard() {
    let mut world = World::new();
    let upstream = world.model("m", "openai", json!({"type": "ok"}));
    let body = ask("openai", "m", json!({})).to_string();
    let mut request = Request::post("/v1/chat/completions", body);
    for name in ["x-weir-pool", "x-weir-exchange", "x-weir-credential-0", "x-envoy-attempt-count"] {
        request = request.header(name, "of-the-client");
    }
    assert_eq!(world.request(&request).status(), 200);
    let upstream = upstream.borrow();
    let sent = upstream.only();
    assert!(!sent.headers.iter().any(|(_, value)| value == b"of-the-client"), "{:?}", sent.headers);
    assert_eq!(sent.header("authorization"), Some("Bearer sk-canary-0"));
}

/// Refuses the answer when its end is here.
struct LateRefusal;

impl StreamFilter for LateRefusal {
    fn on_response_body(&mut self, _host: &mut dyn Host, _held: usize, end_of_stream: bool) -> Flow {
        match end_of_stream {
            true => Flow::Reply(Reply { status: 502, headers: Vec::new(), body: Vec::new(), code: "late" }),
            false => Flow::Continue,
        }
    }
}

#[test]
fn an_answer_that_left_is_broken_off_and_one_that_did_not_is_replaced() {
    let refuse = |pieces: &[&[u8]]| {
        let mut host = FakeHost::default();
        let mut hop = Hop::new(Box::new(LateRefusal) as Box<dyn StreamFilter>);
        let mut passed = vec![];
        if pieces.len() > 1 {
            passed.push(hop.headers(&mut host, Message::Response, false));
        }
        for (number, piece) in pieces.iter().enumerate() {
            passed.push(hop.piece(&mut host, Message::Response, piece, number + 1 == pieces.len()));
        }
        passed.pop()
    };
    assert_eq!(refuse(&[b"a", b"b"]), Some(Passed::Reset));
    assert!(
        matches!(refuse(&[b"a"]), Some(Passed::Reply(reply, details)) if reply.status == 502 && details == "weir.late")
    );
}
