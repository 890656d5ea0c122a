//! What clients see of `weir.auth`, with a control plane that the test plays.

use std::rc::Rc;

use prost::Message as _;
use sha2::Digest as _;
use uuid::Uuid;
use weir_config::{AuthConfig, Unit, parse};
use weir_exchange::{Catalog, Exchange, Party, Shared, Step, Verdict};
use weir_host::fake::FakeHost;
use weir_host::{CallError, Flow, Reply, StreamFilter};
use weir_proto::dataplane::resolve_credential_response::Status;
use weir_proto::dataplane::{self, ResolveCredentialRequest, ResolveCredentialResponse};

use crate::{AuthPlugin, AuthStream, PrincipalCache, Watch};

mod guardrails;
mod identities;
mod keys;

use guardrails::guarded;

const SECOND: u64 = 1_000_000;
const ASKED: &str = r#"{"principal_capacity": 3, "source": {"control_plane": {"cluster": "weir"}}}"#;

/// One VM.
struct Vm {
    plugin: AuthPlugin,
    cache: Rc<PrincipalCache>,
    host: FakeHost,
}

/// One request that has been through the headers callback.
struct Request {
    stream: AuthStream,
    shared: Shared,
    flow: Flow,
}

impl Vm {
    fn new(config: &str) -> Self {
        let config: AuthConfig = parse(config.as_bytes()).expect("a good configuration");
        let host = FakeHost { now: 1_000 * SECOND, ..FakeHost::default() };
        let cache = Rc::new(PrincipalCache::new());
        cache.set_watched(true);
        Self { plugin: AuthPlugin::new(config), cache, host }
    }

    fn request(&mut self, headers: &[(&str, &str)]) -> Request {
        let asked = FakeHost::with_request(headers);
        self.host.headers = asked.headers;
        let shared = Shared::new(Exchange::new(Uuid::from_u128(1), self.host.now));
        let mut stream = self.plugin.stream(shared.clone(), Rc::clone(&self.cache));
        let flow = stream.on_request_headers(&mut self.host, false);
        Request { stream, shared, flow }
    }

    fn chat(&mut self, key: &str) -> Request {
        let authorization = format!("Bearer {key}");
        self.request(&[(":method", "POST"), (":path", "/v1/chat/completions"), ("authorization", &authorization)])
    }

    /// Answers the last callout.
    fn answer(&mut self, request: &mut Request, answer: Result<ResolveCredentialResponse, u32>) -> Flow {
        let call = self.host.calls.last().expect("a callout").id;
        let bytes = answer.map(|response| response.encode_to_vec()).map_err(|status| CallError { status });
        request.stream.on_call(&mut self.host, call, bytes.as_ref().map(Vec::as_slice).map_err(Clone::clone))
    }

    /// Sends a request and answers its look-up.
    fn resolve(&mut self, key: &str, answer: Result<ResolveCredentialResponse, u32>) -> String {
        let mut request = self.chat(key);
        assert_eq!(request.flow, Flow::Pause, "the control plane is asked");
        seen_by_client(&self.answer(&mut request, answer))
    }

    /// Sends a request, and says what came of it without an answer.
    fn seen_by_client(&mut self, key: &str) -> String {
        seen_by_client(&self.chat(key).flow)
    }
}

/// `asks`, `passes`, or the status and the code of the refusal.
fn seen_by_client(flow: &Flow) -> String {
    match flow {
        Flow::Pause => "asks".into(),
        Flow::Continue => "passes".into(),
        Flow::Reply(reply) => format!("{} {}", reply.status, reply.code),
    }
}

fn reply(flow: &Flow) -> &Reply {
    match flow {
        Flow::Reply(reply) => reply,
        other => panic!("{other:?} is no reply"),
    }
}

fn denied(status: Status) -> Result<ResolveCredentialResponse, u32> {
    Ok(ResolveCredentialResponse { status: status.into(), revision: 5, ..Default::default() })
}

fn active(tenant: &str, revision: u64, model: &str) -> Result<ResolveCredentialResponse, u32> {
    let model = dataplane::CatalogModel { name: model.into(), pool_id: "pool".into(), ..Default::default() };
    Ok(ResolveCredentialResponse {
        status: Status::Active.into(),
        principal: Some(dataplane::Principal {
            tenant_id: tenant.into(),
            key_id: "key-1".into(),
            allowed_models: Some(dataplane::AllowedModels { names: vec!["gpt".into()] }),
            rate_limits: vec![dataplane::RateLimit {
                counter: "c".into(),
                limit: 5,
                window_seconds: 60,
                ..Default::default()
            }],
            ..Default::default()
        }),
        catalog: Some(dataplane::Catalog { tenant_id: tenant.into(), revision, models: vec![model], unchanged: false }),
        revision,
    })
}

#[test]
fn what_is_no_request_of_ours_is_refused_in_the_schema_of_its_path() {
    let check = |method: &str, path: &str, header: (&str, &str), expect: &str, body_has: &str| {
        let request = Vm::new(ASKED).request(&[(":method", method), (":path", path), header]);
        assert_eq!(seen_by_client(&request.flow), expect, "{method} {path}");
        let body = String::from_utf8(reply(&request.flow).body.clone()).expect("is text");
        assert!(body.contains(body_has), "{method} {path}: {body}");
        assert!(!body.contains("weir_"), "a key is never repeated: {body}");
        let refusal = request.shared.read(|exchange| exchange.verdict).flatten();
        let by_auth = |code| Verdict { by: Party::Gateway(Step::Auth), code };
        assert_eq!(refusal, Some(by_auth(reply(&request.flow).code)));
    };
    let key = ("authorization", "Bearer weir_1");
    check("GET", "/", key, "404 unknown_url", r#""code":"unknown_url""#);
    check("POST", "/v1/images/edits", key, "404 unknown_url", r#""code":"unknown_url""#);
    check("GET", "/v1/chat/completions", key, "405 method_not_allowed", r#""code":"method_not_allowed""#);
    check("DELETE", "/v1/messages", key, "405 method_not_allowed", r#""type":"error""#);
    check("POST", "/v1/chat/completions", ("a", "b"), "401 invalid_api_key", r#""code":"invalid_api_key""#);
    check("POST", "/v1/messages", ("a", "b"), "401 invalid_api_key", "authentication_error");
    check("GET", "/v1/models", ("authorization", "Basic x"), "401 invalid_api_key", "No API key");
}

#[test]
fn a_wrong_method_is_told_the_right_one() {
    for (method, path, allowed) in [("GET", "/v1/embeddings", "POST"), ("POST", "/v1/models/gpt", "GET")] {
        let request = Vm::new(ASKED).request(&[(":method", method), (":path", path)]);
        assert!(reply(&request.flow).headers.contains(&("allow".into(), allowed.into())), "{method} {path}");
    }
}

#[test]
fn nothing_passes_before_the_answer_has_come() {
    let mut vm = Vm::new(ASKED);
    let mut request = vm.chat("weir_1");
    assert_eq!(request.flow, Flow::Pause);
    for (held, end_of_stream) in [(3, false), (9, true)] {
        assert_eq!(request.stream.on_request_body(&mut vm.host, held, end_of_stream), Flow::Pause);
    }
    let call = vm.host.calls.first().cloned().expect("a callout");
    assert_eq!((call.cluster.as_str(), call.method.as_str()), ("weir", "ResolveCredential"));
    let asked = ResolveCredentialRequest::decode(call.message.as_slice()).expect("is decodable");
    assert_eq!(asked.key_sha256, sha2::Sha256::digest(b"weir_1").to_vec(), "the digest and nothing else");
    assert_eq!(request.stream.on_call(&mut vm.host, call.id + 1, Ok(b"")), Flow::Pause, "somebody else's answer");
    assert_eq!(vm.answer(&mut request, active("acme", 5, "gpt")), Flow::Continue);
    assert_eq!(request.stream.on_request_body(&mut vm.host, 9, true), Flow::Continue);
    request.shared.read(|exchange| {
        let principal = exchange.request().principal.as_ref().expect("a principal");
        assert_eq!((principal.tenant_id.as_str(), principal.key_id.as_str()), ("acme", "key-1"));
        assert!(principal.may_use("gpt") && !principal.may_use("claude"));
        assert_eq!(
            principal.limits.first().map(|limit| (limit.unit, limit.window.seconds())),
            Some((Unit::Requests, 60))
        );
        assert!(exchange.request().catalog.as_ref().is_some_and(|catalog| catalog.find("gpt").is_some()));
        assert_eq!(exchange.request().operation.map(|operation| operation.name()), Some("chat.completions"));
        assert_eq!((exchange.request().revision(), exchange.verdict), (5, None));
    });
    assert_eq!(vm.seen_by_client("weir_1"), "passes");
    assert_eq!(vm.host.calls.len(), 1, "known keys cost no callout");
}

#[test]
fn a_refused_request_goes_nowhere_afterwards() {
    let mut vm = Vm::new(ASKED);
    let mut request = vm.chat("weir_1");
    assert_eq!(seen_by_client(&vm.answer(&mut request, denied(Status::Unknown))), "401 invalid_api_key");
    assert_eq!(request.stream.on_request_body(&mut vm.host, 9, true), Flow::Pause);
    let again = vm.answer(&mut request, active("acme", 5, "gpt"));
    assert_eq!(again, Flow::Pause, "a second answer changes nothing");
}

#[test]
fn a_client_that_leaves_during_the_look_up_leaves_nothing_behind() {
    let mut vm = Vm::new(ASKED);
    let mut request = vm.chat("weir_1");
    request.stream.on_log(&mut vm.host);
    drop(request);
    assert!(vm.cache.is_empty());
    assert_eq!(vm.resolve("weir_1", active("acme", 5, "gpt")), "passes");
}

#[test]
fn keys_that_are_not_good_are_remembered_for_a_while() {
    for (status, word) in [
        (Status::Unknown, "not valid"),
        (Status::Revoked, "revoked"),
        (Status::Expired, "expired"),
        (Status::Disabled, "disabled"),
    ] {
        let mut vm = Vm::new(ASKED);
        assert_eq!(vm.resolve("weir_1", denied(status)), "401 invalid_api_key");
        vm.host.now += 9 * SECOND;
        let request = vm.chat("weir_1");
        assert_eq!(seen_by_client(&request.flow), "401 invalid_api_key", "no callout");
        let body = String::from_utf8_lossy(&reply(&request.flow).body).into_owned();
        assert!(body.contains(word), "{body}");
        vm.host.now += 2 * SECOND;
        assert_eq!(vm.seen_by_client("weir_1"), "asks");
    }
}

#[test]
fn while_the_control_plane_is_away_known_keys_work_until_they_are_stale() {
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolve("weir_1", Err(14)), "503 auth_unavailable");
    assert_eq!(vm.resolve("weir_1", active("acme", 5, "gpt")), "passes");
    vm.host.now += 61 * SECOND;
    assert_eq!(vm.resolve("weir_1", Err(14)), "passes");
    assert_eq!(vm.seen_by_client("weir_1"), "passes", "the next ones do not wait");
    vm.host.now += 2 * SECOND;
    assert_eq!(vm.resolve("weir_1", Err(16)), "503 auth_unavailable", "this gateway itself is refused");
    vm.host.now += 590 * SECOND;
    assert_eq!(vm.resolve("weir_1", Err(4)), "passes");
    vm.host.now += 8 * SECOND;
    assert_eq!(vm.resolve("weir_1", Err(4)), "503 auth_unavailable");
    vm.host.refuse_calls = true;
    let request = vm.chat("weir_1");
    assert_eq!(seen_by_client(&request.flow), "503 auth_unavailable");
    assert!(reply(&request.flow).headers.contains(&("retry-after".into(), "1".into())));
    assert_eq!(vm.host.counters.get("weir_auth_stale_admitted"), Some(&2));
}

#[test]
fn a_clock_that_is_set_makes_nothing_known_for_longer() {
    for set_back in [3600 * SECOND, 11 * SECOND] {
        let mut vm = Vm::new(ASKED);
        vm.host.now += 7200 * SECOND;
        assert_eq!(vm.resolve("weir_1", active("acme", 5, "gpt")), "passes");
        assert_eq!(vm.resolve("weir_2", denied(Status::Unknown)), "401 invalid_api_key");
        vm.host.now -= set_back;
        assert_eq!(vm.seen_by_client("weir_2"), "asks");
        // Also not after an outage, in which it is of use all the same.
        assert_eq!(vm.resolve("weir_1", Err(14)), "passes");
        assert_eq!(vm.seen_by_client("weir_1"), "passes");
        vm.host.now -= set_back;
        assert_eq!(vm.resolve("weir_1", active("acme", 6, "gpt")), "passes");
        assert_eq!(vm.seen_by_client("weir_1"), "passes");
        vm.host.now += 3600 * SECOND;
        assert_eq!(vm.seen_by_client("weir_1"), "asks");
    }
}

#[test]
fn what_is_forgotten_must_be_asked_again_and_is_not_usable_meanwhile() {
    let digest = sha2::Sha256::digest(b"weir_1").to_vec();
    let forget: [(&str, dataplane::WatchResponse); 3] = [
        ("everything", dataplane::WatchResponse { forget_everything: true, ..Default::default() }),
        ("the key", dataplane::WatchResponse { forget_keys_sha256: vec![digest], ..Default::default() }),
        ("the tenant", dataplane::WatchResponse { forget_tenants: vec!["acme".into()], ..Default::default() }),
    ];
    for (what, message) in forget {
        let mut vm = Vm::new(ASKED);
        let mut watch = Watch::new("vm", "node");
        begin(&mut watch, &vm.cache, 4);
        assert_eq!(vm.resolve("weir_1", active("acme", 5, "gpt")), "passes");
        assert_eq!(vm.resolve("weir_2", active("other", 5, "gpt")), "passes");
        watch.message(&vm.cache, &message.encode_to_vec(), 0).expect("is decodable");
        assert_eq!(vm.resolve("weir_1", Err(14)), "503 auth_unavailable", "forgot {what}");
        let other = if message.forget_everything { "asks" } else { "passes" };
        assert_eq!(vm.seen_by_client("weir_2"), other, "forgot {what}");
        assert_eq!(vm.resolve("weir_1", denied(Status::Revoked)), "401 invalid_api_key");
    }
}

fn begin(watch: &mut Watch, cache: &PrincipalCache, revision: u64) {
    assert!(watch.tick(0).is_some());
    let first = dataplane::WatchResponse { revision, forget_everything: true, ..Default::default() };
    watch.message(cache, &first.encode_to_vec(), 0).expect("is decodable");
}

/// The catalog that the last look-up says is known, as `tenant @revision`.
fn named(vm: &Vm) -> String {
    let call = vm.host.calls.last().expect("a callout");
    let asked = ResolveCredentialRequest::decode(call.message.as_slice()).expect("is decodable");
    format!("{} @{}", asked.known_catalog_tenant_id, asked.known_catalog_revision)
}

/// An active key whose catalog the caller has.
fn without_catalog(tenant: &str, revision: u64) -> Result<ResolveCredentialResponse, u32> {
    let mut answer = active(tenant, revision, "")?;
    answer.catalog = answer.catalog.map(|catalog| dataplane::Catalog { models: vec![], unchanged: true, ..catalog });
    Ok(answer)
}

fn models(request: &Request) -> Vec<String> {
    let names = |catalog: &Rc<Catalog>| catalog.models().iter().map(|model| model.name.clone()).collect();
    request.shared.read(|exchange| exchange.request().catalog.as_ref().map(names)).flatten().unwrap_or_default()
}

#[test]
fn a_catalog_that_is_known_is_named_and_need_not_be_answered() {
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolve("weir_1", active("acme", 5, "gpt")), "passes");
    assert_eq!(named(&vm), " @0", "whose a new key is is not known");
    vm.host.now += 61 * SECOND;

    let mut request = vm.chat("weir_1");
    assert_eq!(named(&vm), "acme @5");
    // What is forgotten before the answer comes was named, and the answer says that it held then.
    vm.cache.forget_tenants(["acme"]);
    assert_eq!(vm.answer(&mut request, without_catalog("acme", 5)), Flow::Continue);
    assert_eq!(models(&request), ["gpt"]);
    let mut request = vm.chat("weir_1");
    assert_eq!(named(&vm), " @0", "it was not kept");
    assert_eq!(vm.answer(&mut request, active("acme", 6, "claude")), Flow::Continue);
    assert_eq!(models(&request), ["claude"]);

    vm.host.now += 61 * SECOND;
    let mut request = vm.chat("weir_1");
    assert_eq!(named(&vm), "acme @6");
    assert_eq!(vm.answer(&mut request, without_catalog("acme", 6)), Flow::Continue);
    assert_eq!(models(&vm.chat("weir_1")), ["claude"]);

    // A new one comes whole.
    vm.host.now += 61 * SECOND;
    let mut request = vm.chat("weir_1");
    assert_eq!(vm.answer(&mut request, active("acme", 7, "gpt")), Flow::Continue);
    assert_eq!(models(&request), ["gpt"]);

    // After a backup was restored revisions may mean something else.
    vm.cache.doubt_everything();
    assert_eq!(vm.seen_by_client("weir_1"), "asks");
    assert_eq!(named(&vm), " @0");
}

#[test]
fn a_catalog_that_was_not_named_must_be_answered() {
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolve("weir_1", without_catalog("acme", 5)), "503 auth_unavailable");
    assert_eq!(vm.resolve("weir_1", active("acme", 5, "gpt")), "passes");
    vm.host.now += 61 * SECOND;
    assert_eq!(vm.resolve("weir_1", without_catalog("other", 5)), "503 auth_unavailable", "another tenant's");
}

#[test]
fn what_was_known_before_a_stream_began_is_asked_again_and_is_usable_if_nobody_answers() {
    let mut vm = Vm::new(ASKED);
    let mut watch = Watch::new("vm", "node");
    begin(&mut watch, &vm.cache, 5);
    assert_eq!(vm.resolve("weir_1", active("acme", 5, "gpt")), "passes");
    assert_eq!(vm.resolve("weir_2", denied(Status::Unknown)), "401 invalid_api_key");
    watch.closed(&vm.cache);
    while watch.tick(0).is_none() {}
    let begins = dataplane::WatchResponse { revision: 3, forget_everything: true, ..Default::default() };
    watch.message(&vm.cache, &begins.encode_to_vec(), 0).expect("is decodable");
    assert_eq!(vm.seen_by_client("weir_1"), "asks");
    assert_eq!(vm.seen_by_client("weir_2"), "asks");
    assert_eq!(vm.resolve("weir_1", Err(14)), "passes");
    vm.host.now += 2 * SECOND;
    assert_eq!(vm.seen_by_client("weir_1"), "asks");
    // A backup was restored: what is answered now is older, and it holds.
    assert_eq!(vm.resolve("weir_1", active("acme", 3, "claude")), "passes");
    assert_eq!(vm.seen_by_client("weir_1"), "passes");
    assert_eq!(vm.chat("weir_1").shared.read(|exchange| exchange.request().revision()), Some(3));
    assert_eq!(vm.resolve("weir_3", active("acme", 3, "claude")), "passes");
    let catalog =
        vm.chat("weir_3").shared.read(|exchange| exchange.request().catalog.clone()).flatten().expect("a catalog");
    assert!(catalog.find("claude").is_some() && catalog.find("gpt").is_none());
}

#[test]
fn an_answer_that_an_invalidation_overtook_is_not_kept() {
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolve("weir_2", active("acme", 5, "gpt")), "passes");
    let mut request = vm.chat("weir_1");
    let digest = sha2::Sha256::digest(b"weir_1");
    vm.cache.forget_keys([digest.as_slice()]);
    assert_eq!(vm.answer(&mut request, active("acme", 5, "gpt")), Flow::Continue);
    assert_eq!(vm.seen_by_client("weir_1"), "asks");
}

#[test]
fn a_request_whose_key_is_revoked_during_the_look_up_is_refused() {
    let digest = sha2::Sha256::digest(b"weir_1").to_vec();
    // More keys at once than are remembered.
    for others in [0, 2_000] {
        let ended = ["key-1".to_owned()].into_iter().chain((0..others).map(|number| format!("other-{number}")));
        let revoked = dataplane::WatchResponse {
            forget_keys_sha256: vec![digest.clone()],
            end_streams_of_keys: ended.collect(),
            ..Default::default()
        };
        let mut vm = Vm::new(ASKED);
        let mut watch = Watch::new("vm", "node");
        begin(&mut watch, &vm.cache, 4);
        let mut request = vm.chat("weir_1");
        watch.message(&vm.cache, &revoked.encode_to_vec(), 0).expect("is decodable");
        // It was on its way when the key was revoked.
        assert_eq!(vm.answer(&mut request, active("acme", 5, "gpt")), Flow::Pause);
        assert_eq!(vm.host.calls.len(), 2, "it is asked for once more");
        let flow = vm.answer(&mut request, denied(Status::Revoked));
        assert_eq!(seen_by_client(&flow), "401 invalid_api_key");
        // What ended others' streams, or came before the question, asks for nothing.
        let mut request = vm.chat("weir_2");
        let other = dataplane::WatchResponse { end_streams_of_keys: vec!["key-2".into()], ..Default::default() };
        watch.message(&vm.cache, &other.encode_to_vec(), 0).expect("is decodable");
        assert_eq!(vm.answer(&mut request, active("acme", 6, "gpt")), Flow::Continue);
    }
}

#[test]
fn a_key_that_is_good_now_is_not_refused_for_having_been_unknown() {
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolve("weir_1", denied(Status::Unknown)), "401 invalid_api_key");
    let digest = sha2::Sha256::digest(b"weir_1");
    vm.cache.forget_keys([digest.as_slice()]);
    assert_eq!(vm.resolve("weir_1", active("acme", 6, "gpt")), "passes");
    assert_eq!(vm.seen_by_client("weir_1"), "passes");
}

#[test]
fn a_key_expires_by_itself() {
    let mut vm = Vm::new(ASKED);
    let expiring = |at_ms| {
        active("acme", 5, "gpt").map(|mut answer| {
            answer.principal.iter_mut().for_each(|principal| principal.expires_at_unix_ms = at_ms);
            answer
        })
    };
    assert_eq!(vm.resolve("weir_1", expiring(1_010_000)), "passes");
    vm.host.now += 9 * SECOND;
    assert_eq!(vm.seen_by_client("weir_1"), "passes");
    vm.host.now += SECOND;
    assert_eq!(vm.seen_by_client("weir_1"), "401 invalid_api_key");
    assert_eq!(vm.resolve("weir_2", expiring(1_010_000)), "401 invalid_api_key");
    assert_eq!(vm.seen_by_client("weir_2"), "401 invalid_api_key", "remembered");
    assert_eq!(vm.resolve("weir_3", expiring(1_080_000)), "passes");
    vm.host.now += 75 * SECOND;
    assert_eq!(vm.resolve("weir_3", Err(14)), "503 auth_unavailable", "stale, but not beyond its own time");
}

#[test]
fn a_newer_catalog_is_never_replaced_by_an_older() {
    let mut vm = Vm::new(ASKED);
    let mut check = |key: &str, revision: u64, model: &str, expect: &str| {
        let mut request = vm.chat(key);
        assert_eq!(vm.answer(&mut request, active("acme", revision, model)), Flow::Continue);
        let found = request
            .shared
            .read(|exchange| exchange.request().catalog.as_ref().is_some_and(|catalog| catalog.find(expect).is_some()));
        assert_eq!(found, Some(true), "{key} at {revision} sees {expect}");
    };
    check("weir_1", 5, "five", "five");
    check("weir_2", 4, "four", "five");
    check("weir_3", 6, "six", "six");
    let first = vm.chat("weir_1");
    let sees_six =
        first.shared.read(|exchange| exchange.request().catalog.as_ref().is_some_and(|c| c.find("six").is_some()));
    assert_eq!(sees_six, Some(true), "one catalog for all keys of a tenant");
}

#[test]
fn the_cache_is_bounded() {
    let mut vm = Vm::new(ASKED);
    for key in ["weir_1", "weir_2", "weir_3", "weir_4"] {
        assert_eq!(vm.resolve(key, active("acme", 5, "gpt")), "passes");
    }
    assert_eq!(vm.cache.len(), 3);
    assert_eq!(
        [vm.seen_by_client("weir_1"), vm.seen_by_client("weir_2"), vm.seen_by_client("weir_4")],
        ["asks", "passes", "passes"]
    );
    for key in 0..20 {
        vm.resolve(&format!("bad_{key}"), denied(Status::Unknown));
    }
    assert_eq!(vm.seen_by_client("weir_4"), "passes", "guessed keys do not push out good ones");
}

#[test]
fn answers_that_cannot_be_admit_nobody() {
    let good = active("acme", 5, "gpt").expect("an answer");
    let mut cases = vec![ResolveCredentialResponse::default()];
    cases.push(ResolveCredentialResponse { principal: None, ..good.clone() });
    cases.push(ResolveCredentialResponse { catalog: None, ..good.clone() });
    cases.push(ResolveCredentialResponse { status: 99, ..good.clone() });
    let others = dataplane::Catalog { tenant_id: "other".into(), ..Default::default() };
    cases.push(ResolveCredentialResponse { catalog: Some(others), ..good });
    for case in cases {
        assert_eq!(Vm::new(ASKED).resolve("weir_1", Ok(case)), "503 auth_unavailable");
    }
    let mut vm = Vm::new(ASKED);
    let mut request = vm.chat("weir_1");
    assert_eq!(seen_by_client(&request.stream.on_call(&mut vm.host, 1, Ok(b"\xff\xff"))), "503 auth_unavailable");
    assert!(vm.host.logged.iter().all(|(_, line)| !line.contains("weir_1")), "{:?}", vm.host.logged);
}

#[test]
fn what_holds_for_a_key_and_cannot_be_kept_admits_nobody() {
    let good = ["EMAIL", "flag", "both"];
    let without = |answer: Result<ResolveCredentialResponse, u32>, id: &str| {
        answer.map(|mut answer| {
            answer.principal.iter_mut().for_each(|principal| {
                principal.guardrail_profile_id = id.into();
                principal.guardrail_profile = None;
            });
            answer
        })
    };
    let nameless = guarded("", &[good]).map(|mut answer| {
        answer.principal.iter_mut().for_each(|principal| principal.guardrail_profile_id.clear());
        answer
    });
    let counting = active("acme", 5, "gpt").map(|mut answer| {
        answer.principal.iter_mut().flat_map(|it| &mut it.rate_limits).for_each(|limit| limit.unit = "parsecs".into());
        answer
    });
    let windowed = |change: fn(&mut dataplane::RateLimit)| {
        active("acme", 5, "gpt").map(|mut answer| {
            answer.principal.iter_mut().flat_map(|it| &mut it.rate_limits).for_each(change);
            answer
        })
    };
    for (answer, logged) in [
        (windowed(|limit| limit.window_seconds = 0), r#"limit ("c") in a window"#),
        (
            windowed(|limit| limit.periods = vec![dataplane::LimitPeriod { start_unix_s: 9, end_unix_s: 9 }]),
            r#"limit ("c") in a window"#,
        ),
        (guarded("profile-1", &[good, ["SOUL", "flag", "both"]]), r#"type "SOUL""#),
        (guarded("profile-1", &[["EMAIL", "mask", "both"]]), r#"action "mask""#),
        (guarded("profile-1", &[["EMAIL", "flag", "sideways"]]), r#"direction "sideways""#),
        (guarded("profile-1", &[]), r#""profile-1""#),
        (guarded("profile-2", &[good]), r#""profile-1""#),
        (without(guarded("", &[good]), "profile-1"), r#""profile-1""#),
        (nameless, r#""""#),
        (counting, r#"unit "parsecs""#),
    ] {
        let mut vm = Vm::new(ASKED);
        assert_eq!(vm.resolve("weir_1", active("acme", 5, "gpt")), "passes");
        vm.host.now += 61 * SECOND;
        assert_eq!(vm.resolve("weir_1", answer), "503 auth_unavailable", "not even with the principal that was known");
        let (_, line) = vm.host.logged.last().expect("a line in the log");
        assert!(line.contains(logged), "{line}");
    }
}
