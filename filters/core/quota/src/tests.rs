//! What clients see of `weir.quota`, with a control plane that the test plays: it keeps true counts, as the real one does.

use std::collections::HashMap;
use std::rc::Rc;

use prost::Message as _;
use uuid::Uuid;
use weir_config::{Limit, QuotaConfig, Unit, Window, parse};
use weir_exchange::{Attempt, Exchange, Party, Principal, Shared};
use weir_host::fake::{FakeHost, SharedData};
use weir_host::{CallError, CallId, Flow, Reply, StreamFilter, StreamId};
use weir_llm::Operation;
use weir_proto::dataplane::{AcquireQuotaRequest, AcquireQuotaResponse, QuotaGrant, SettleQuotaRequest};

use crate::{Leases, QuotaPlugin, QuotaStream};

mod budgets;
mod limits;
mod own;

const SECOND: u64 = 1_000_000;

/// Grants what is left of each counter in each window.
#[derive(Default)]
struct Ledger {
    limits: HashMap<String, u64>,
    used: HashMap<(String, i64), u64>,
    /// What it says where it grants nothing.
    ask_again_ms: u32,
}

impl Ledger {
    fn grant(&mut self, message: &[u8]) -> Vec<u8> {
        let request = AcquireQuotaRequest::decode(message).expect("is decodable");
        assert_eq!(request.tenant_id, "acme");
        let grants = request.demands.into_iter().map(|demand| {
            let limit = self.limits.get(&demand.counter).copied().unwrap_or_default();
            let used = self.used.entry((demand.counter.clone(), demand.window_start_unix_s)).or_default();
            let left = limit.saturating_sub(*used);
            let granted = if left < demand.minimum { 0 } else { demand.wanted.min(left) };
            *used += granted;
            QuotaGrant {
                counter: demand.counter,
                window_start_unix_s: demand.window_start_unix_s,
                granted,
                remaining: limit - *used,
                limit,
                ask_again_ms: if granted == 0 { self.ask_again_ms } else { 0 },
            }
        });
        AcquireQuotaResponse { grants: grants.collect() }.encode_to_vec()
    }
}

/// One worker of a proxy.
struct Worker {
    host: FakeHost,
    plugin: QuotaPlugin,
    leases: Rc<Leases>,
    streams: u32,
    limits: Vec<Limit>,
    /// What the key may be used for; `None`: all.
    allowed_operations: Option<Vec<String>>,
}

struct Request {
    id: StreamId,
    shared: Shared,
    stream: QuotaStream,
    flow: Flow,
}

impl Worker {
    fn new(limits: &[(&str, u64, u32)], lease_percent: u64, fail_mode: &str, shared: &SharedData) -> Self {
        let config = format!(
            r#"{{"control_plane": {{"cluster": "weir"}}, "lease_percent": {lease_percent},
                "fail_mode": "{fail_mode}"}}"#
        );
        let config: QuotaConfig = parse(config.as_bytes()).expect("a good configuration");
        let limit = |(counter, amount, seconds): &(&str, u64, u32)| requests(counter, *amount, *seconds);
        Self {
            host: FakeHost { now: 600 * SECOND, shared: Rc::clone(shared), ..FakeHost::default() },
            plugin: QuotaPlugin::new(config),
            leases: Rc::new(Leases::new("envoy".into(), 1)),
            streams: 0,
            limits: limits.iter().map(limit).collect(),
            allowed_operations: None,
        }
    }

    fn held(&self) -> Vec<Rc<Limit>> {
        self.limits.iter().cloned().map(Rc::new).collect()
    }

    fn request_for(&mut self, operation: Operation) -> Request {
        let mut exchange = Exchange::new(Uuid::from_u128(1), self.host.now);
        let request = exchange.prepare().expect("no attempt was made");
        request.operation = Some(operation);
        request.principal =
            Some(Rc::new(Principal { tenant_id: "acme".into(), limits: self.held(), ..Principal::default() }));
        let shared = Shared::new(exchange);
        self.streams += 1;
        self.host.stream = self.streams;
        let mut stream = self.plugin.stream(shared.clone(), Rc::clone(&self.leases));
        let flow = stream.on_request_headers(&mut self.host, false);
        Request { id: self.streams, shared, stream, flow }
    }

    fn request(&mut self) -> Request {
        self.request_for(Operation::of("POST", "/v1/chat/completions", &|_| false).expect("an operation"))
    }

    /// Sends a request and lets the ledger answer if it is asked.
    fn admit(&mut self, ledger: &mut Ledger) -> Request {
        let mut request = self.request();
        if request.flow == Flow::Pause {
            self.answer(&mut request, ledger);
        }
        request
    }

    fn answer(&mut self, request: &mut Request, ledger: &mut Ledger) {
        let call = self.host.calls.last().cloned().expect("a callout");
        self.answer_with(call.id, Ok(&ledger.grant(&call.message)));
        self.wake(std::slice::from_mut(request));
    }

    fn answer_with(&mut self, call: CallId, answer: Result<&[u8], CallError>) {
        self.host.stream = 0;
        self.leases.on_call(&mut self.host, call, answer);
    }

    /// Wakes those that are to be woken, all of which are among these.
    fn wake(&mut self, requests: &mut [Request]) {
        while let Some(id) = self.leases.next_woken() {
            let request = requests.iter_mut().find(|request| request.id == id).expect("a request that waits");
            self.host.stream = id;
            request.flow = request.stream.on_wake(&mut self.host);
        }
        self.leases.ask(&mut self.host, &self.plugin.config, None);
    }

    fn tick(&mut self) {
        self.host.stream = 0;
        self.plugin.on_tick(&mut self.host, &self.leases);
    }

    /// The last call for a lease did not reach the control plane.
    fn unreachable(&mut self, requests: &mut [Request]) {
        let call = self.host.calls.iter().rfind(|call| call.method == "AcquireQuota").map(|call| call.id);
        self.answer_with(call.expect("a callout"), Err(CallError { status: 14 }));
        while let Some(id) = self.leases.next_woken() {
            let request = requests.iter_mut().find(|request| request.id == id).expect("a request that waits");
            self.host.stream = id;
            request.flow = request.stream.on_wake(&mut self.host);
        }
    }

    /// How many of so many requests pass, each of which is then answered.
    fn answered(&mut self, count: usize, ledger: &mut Ledger) -> usize {
        let mut passed = 0;
        for _ in 0..count {
            let mut request = self.admit(ledger);
            if request.flow == Flow::Continue {
                passed += 1;
                let attempt = Attempt { is_sent: true, status: 200, ..Attempt::default() };
                request.shared.write(|exchange| exchange.begin_attempt(attempt));
            }
            self.end(&mut request);
        }
        passed
    }

    /// The request's stream is over.
    fn end(&mut self, request: &mut Request) {
        self.host.stream = request.id;
        request.stream.on_log(&mut self.host);
    }

    /// How many of so many requests pass.
    fn passing(&mut self, requests: usize, ledger: &mut Ledger) -> usize {
        (0..requests).filter(|_| self.admit(ledger).flow == Flow::Continue).count()
    }

    /// The rate limit headers of the answer to a request: limit, remaining, reset.
    fn answered_headers(&mut self, request: &mut Request) -> Vec<Option<String>> {
        let headers = request.shared.read(|exchange| exchange.answer_headers(self.host.now)).expect("is free");
        let value = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
        ["limit", "remaining", "reset"].map(|name| value(&format!("x-ratelimit-{name}-requests"))).into()
    }
}

fn requests(counter: &str, amount: u64, seconds: u32) -> Limit {
    Limit::new(counter, Unit::Requests, Window::of_seconds(seconds), amount)
}

fn ledger(limits: &[(&str, u64)]) -> Ledger {
    Ledger { limits: limits.iter().map(|(name, limit)| ((*name).into(), *limit)).collect(), ..Ledger::default() }
}

fn one(limits: &[(&str, u64, u32)], lease_percent: u64) -> (Worker, Ledger) {
    let known: Vec<_> = limits.iter().map(|(name, limit, _)| (*name, *limit)).collect();
    (Worker::new(limits, lease_percent, "closed", &SharedData::default()), ledger(&known))
}

fn reply(flow: &Flow) -> &Reply {
    match flow {
        Flow::Reply(reply) => reply,
        other => panic!("{other:?} is no reply"),
    }
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn strings(values: [&str; 3]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[test]
fn the_sixth_request_of_five_is_refused() {
    let (mut worker, mut ledger) = one(&[("key", 5, 60)], 10);
    worker.host.now += 48 * SECOND + 1;
    for remaining in ["4", "3", "2", "1", "0"] {
        let mut request = worker.admit(&mut ledger);
        assert_eq!(request.flow, Flow::Continue);
        assert_eq!(worker.answered_headers(&mut request), strings(["5", remaining, "12s"]));
    }
    let mut sixth = worker.admit(&mut ledger);
    let refused = reply(&sixth.flow);
    assert_eq!((refused.status, refused.code), (429, "rate_limit_exceeded"));
    assert_eq!(header(refused, "retry-after"), Some("12"));
    assert_eq!(worker.answered_headers(&mut sixth), strings(["5", "0", "12s"]));
    let asked = worker.host.calls.len();
    assert_eq!(worker.passing(10, &mut ledger), 0);
    assert_eq!(worker.host.calls.len(), asked, "a refusal is remembered");
    worker.host.now += 12 * SECOND;
    assert_eq!(worker.passing(10, &mut ledger), 5, "the next window");
}

#[test]
fn workers_draw_from_one_lease() {
    for lease_percent in [1, 10, 50, 100] {
        let shared = SharedData::default();
        let mut workers = [(); 2].map(|()| Worker::new(&[("key", 20, 60)], lease_percent, "closed", &shared));
        let mut ledger = ledger(&[("key", 20)]);
        let mut passed = 0;
        for _ in 0..30 {
            passed += workers.iter_mut().map(|worker| worker.passing(1, &mut ledger)).sum::<usize>();
        }
        assert_eq!(passed, 20, "leases of {lease_percent} %");
        let calls: usize = workers.iter().map(|worker| worker.host.calls.len()).sum();
        let lease = (20 * lease_percent / 100).max(1);
        assert_eq!(u64::try_from(calls).ok(), Some(20 / lease + 1), "leases of {lease_percent} %");
        assert_eq!(shared.borrow().len(), 2, "one key a counter, and the holder's name");
    }
}

#[test]
fn requests_at_the_same_moment_ask_once_and_get_no_more_than_there_is() {
    let (mut worker, mut ledger) = one(&[("key", 10, 60)], 50);
    let mut waiting: Vec<Request> = (0..16).map(|_| worker.request()).collect();
    assert!(waiting.iter().all(|request| request.flow == Flow::Pause));
    assert_eq!(worker.host.calls.len(), 1, "one asks for all");
    for calls in 2.. {
        let call = worker.host.calls.last().cloned().expect("a callout");
        worker.answer_with(call.id, Ok(&ledger.grant(&call.message)));
        worker.wake(&mut waiting);
        if worker.host.calls.len() < calls {
            break;
        }
    }
    let passed = waiting.iter().take_while(|request| request.flow == Flow::Continue).count();
    let refused = waiting.iter().filter(|request| matches!(request.flow, Flow::Reply(_))).count();
    assert_eq!((passed, refused), (10, 6), "in the order in which they came");
    assert_eq!(worker.host.calls.len(), 3, "for one, for the eleven that are left, and for six that are refused");
}

/// Another worker's answer may bring what this one waits for; it looks when its own comes.
#[test]
fn who_was_granted_nothing_takes_what_another_worker_has_over() {
    let shared = SharedData::default();
    let mut workers = [(); 2].map(|()| Worker::new(&[("key", 10, 60)], 100, "closed", &shared));
    let mut ledger = ledger(&[("key", 10)]);
    let mut requests = [0, 1].map(|index: usize| workers[index].request());
    for (worker, request) in workers.iter_mut().zip(&mut requests) {
        worker.answer(request, &mut ledger);
    }
    assert!(requests.iter().all(|request| request.flow == Flow::Continue));
}

#[test]
fn a_lease_that_was_asked_for_by_a_stream_that_left_is_asked_for_again() {
    let (mut worker, mut ledger) = one(&[("key", 10, 60)], 100);
    let (mut asking, mut waiting) = (worker.request(), worker.request());
    worker.end(&mut asking);
    assert_eq!(worker.host.calls.len(), 1);
    let first = worker.host.calls[0].clone();
    worker.plugin.on_tick(&mut worker.host, &worker.leases);
    assert_eq!(worker.host.calls.len(), 2);
    worker.answer_with(first.id, Ok(&ledger.grant(&first.message)));
    assert_eq!(worker.leases.next_woken(), None, "an answer to a stream that is gone");
    worker.answer(&mut waiting, &mut Ledger { used: HashMap::new(), ..ledger });
    assert_eq!(waiting.flow, Flow::Continue);
}

#[test]
fn only_so_many_wait() {
    let (mut worker, _) = one(&[("key", 10_000, 60)], 10);
    for _ in 0..1000 {
        assert_eq!(worker.request().flow, Flow::Pause);
    }
    let one_more = worker.request();
    assert_eq!((reply(&one_more.flow).status, reply(&one_more.flow).code), (503, "quota_unavailable"));
    assert_eq!(worker.host.calls.len(), 1);
}

#[test]
fn what_is_not_used_is_given_back_and_what_is_used_is_told() {
    let (mut worker, mut ledger) = one(&[("key", 100, 60)], 50);
    let told = |worker: &mut Worker, answer: Result<&[u8], CallError>| {
        worker.host.now += SECOND;
        worker.plugin.on_tick(&mut worker.host, &worker.leases);
        let Some(call) = worker.host.calls.pop_if(|call| call.method == "SettleQuota") else { return Vec::new() };
        worker.answer_with(call.id, answer);
        let request = SettleQuotaRequest::decode(call.message.as_slice()).expect("is decodable");
        request.settlements.into_iter().map(|one| (one.holder, one.spent, one.returned)).collect::<Vec<_>>()
    };
    let away = || Err(CallError { status: 14 });
    let told_once = |spent, returned| vec![("envoy".to_owned(), spent, returned)];
    assert_eq!(worker.answered(1, &mut ledger), 1);
    assert_eq!(told(&mut worker, away()), told_once(1, 44), "at one a second it keeps five");
    assert_eq!(told(&mut worker, Ok(b"")), told_once(1, 44), "while the control plane is away it keeps what it has");
    assert_eq!(told(&mut worker, Ok(b"")), told_once(1, 49), "idle for a second");
    assert_eq!(told(&mut worker, Ok(b"")), []);
    assert_eq!(worker.answered(2, &mut ledger), 2, "it asks again");
    assert_eq!(worker.host.calls.len(), 2);
    assert_eq!(told(&mut worker, Ok(b"")), told_once(3, 87), "of the fifty it keeps ten");
    worker.host.now += 60 * SECOND;
    assert_eq!(worker.answered(1, &mut ledger), 1);
    let of_both = [told_once(3, 97), told_once(1, 44)].concat();
    assert_eq!(told(&mut worker, Ok(b"")), of_both, "the next window begins anew, and gets nothing of what is left");
    // A control plane that knows no settlements takes nothing back.
    assert_eq!(worker.answered(1, &mut ledger), 1);
    assert_eq!(told(&mut worker, Err(CallError { status: 12 })), told_once(2, 44));
    assert_eq!([told(&mut worker, Ok(b"")), told(&mut worker, Ok(b""))], [[], []]);
    worker.host.now += 58 * SECOND;
    assert_eq!(worker.answered(1, &mut ledger), 1);
    let of_both = [told_once(2, 48), told_once(1, 44)].concat();
    assert_eq!(told(&mut worker, Ok(b"")), of_both, "it may be another by now");
    // Where much remains it can do without the control plane to the end of the window.
    let (mut worker, mut ledger) = one(&[("key", 10_000, 60)], 10);
    assert_eq!(worker.answered(2, &mut ledger), 2);
    assert_eq!(
        told(&mut worker, Ok(b"")),
        told_once(2, 98),
        "a tenth of what remains, since the pace is not known yet"
    );
    assert_eq!(worker.answered(3, &mut ledger), 3);
    assert_eq!(told(&mut worker, Ok(b"")), told_once(5, 635), "two minutes at three a second");
}

#[test]
fn what_others_may_give_back_is_asked_for_again_soon() {
    let (mut worker, _) = one(&[("key", 5, 60)], 10);
    let mut refused = worker.request();
    let call = worker.host.calls.last().cloned().expect("a callout");
    let asked = AcquireQuotaRequest::decode(call.message.as_slice()).expect("is decodable");
    let demand = &asked.demands[0];
    let grant = QuotaGrant {
        counter: demand.counter.clone(),
        window_start_unix_s: demand.window_start_unix_s,
        granted: 0,
        remaining: 0,
        limit: 5,
        ask_again_ms: 250,
    };
    worker.answer_with(call.id, Ok(&AcquireQuotaResponse { grants: vec![grant] }.encode_to_vec()));
    worker.wake(std::slice::from_mut(&mut refused));
    assert_eq!(header(reply(&refused.flow), "retry-after"), Some("1"), "sooner than the window ends");
    assert_eq!((reply(&worker.request().flow).status, worker.host.calls.len()), (429, 1), "not at once");
    worker.host.now += SECOND / 4;
    assert_eq!((worker.request().flow, worker.host.calls.len()), (Flow::Pause, 2));
}

#[test]
fn nothing_passes_before_the_answer_has_come() {
    let (mut worker, mut ledger) = one(&[("key", 5, 60)], 10);
    let mut request = worker.request();
    assert_eq!(request.flow, Flow::Pause);
    assert_eq!(request.stream.on_request_body(&mut worker.host, 3, false), Flow::Pause);
    assert_eq!(request.stream.on_request_body(&mut worker.host, 9, true), Flow::Pause);
    worker.answer_with(99, Ok(b""));
    assert_eq!(worker.leases.next_woken(), None, "somebody else's answer");
    worker.answer(&mut request, &mut ledger);
    assert_eq!(request.flow, Flow::Continue);
    assert_eq!(request.stream.on_request_body(&mut worker.host, 9, true), Flow::Continue);
}

#[test]
fn several_limits_are_taken_together_or_not_at_all() {
    let (mut worker, mut ledger) = one(&[("minute", 10, 60), ("day", 3, 86_400)], 100);
    let mut first = worker.admit(&mut ledger);
    assert_eq!(worker.answered_headers(&mut first), strings(["3", "2", "23h50m0s"]), "the tighter one is told");
    assert_eq!(worker.passing(10, &mut ledger), 2);
    let refused = worker.admit(&mut ledger);
    assert_eq!(header(reply(&refused.flow), "retry-after"), Some("85800"), "the end of the day");
    // The refused requests used nothing of the minute.
    worker.limits.truncate(1);
    assert_eq!(worker.passing(20, &mut ledger), 7);
}

#[test]
fn a_limit_that_was_raised_holds_at_once() {
    let (mut worker, mut ledger) = one(&[("key", 2, 60)], 10);
    assert_eq!(worker.passing(5, &mut ledger), 2);
    ledger.limits.insert("key".into(), 4);
    for limit in &mut worker.limits {
        limit.amount = 4;
    }
    assert_eq!(worker.passing(5, &mut ledger), 2);
}

#[test]
fn a_client_that_leaves_while_waiting_uses_nothing() {
    let (mut worker, mut ledger) = one(&[("minute", 10, 60), ("day", 5, 86_400)], 100);
    worker.limits.truncate(1);
    assert_eq!(worker.passing(1, &mut ledger), 1);
    worker.limits.push(requests("day", 5, 86_400));
    let mut leaving = worker.request();
    assert_eq!(leaving.flow, Flow::Pause);
    worker.end(&mut leaving);
    worker.end(&mut leaving);
    worker.limits.truncate(1);
    assert_eq!(worker.passing(20, &mut ledger), 9);
}

/// Of a request that was admitted, its unit is free again if nothing of it reached a provider, unless a guardrail refused it or had a
/// judge asked.
#[test]
fn what_a_request_took_is_settled_with_the_truth() {
    let check = |what: &str, then: fn(&mut Exchange), free: usize| {
        let (mut worker, mut ledger) = one(&[("key", 5, 60), ("day", 50, 86_400)], 100);
        for _ in 0..5 {
            let mut request = worker.admit(&mut ledger);
            assert_eq!(request.flow, Flow::Continue);
            request.shared.write(then);
            worker.end(&mut request);
            worker.end(&mut request);
        }
        assert_eq!(worker.passing(6, &mut ledger), free, "{what}");
    };
    check("the client left before an attempt", |exchange| exchange.decide(Party::Client, "client_disconnect"), 5);
    check("Envoy found no provider", |exchange| exchange.decide(Party::Network, "upstream_unavailable"), 5);
    check("it could not be said", |exchange| exchange.begin_attempt(Attempt::default()), 5);
    let left_judge = |exchange: &mut Exchange| {
        exchange.is_judged = true;
        exchange.decide(Party::Client, "client_disconnect");
    };
    check("the client left while a judge thought", left_judge, 0);
    check("a guardrail refused it", |exchange| exchange.decide(Party::Guardrail, "content_blocked"), 0);
    check("it was answered", |exchange| exchange.begin_attempt(Attempt { is_sent: true, ..Attempt::default() }), 0);
}

#[test]
fn without_an_answer_the_fail_mode_decides() {
    let check = |fail_mode: &str, expect: Option<(u16, &str)>| {
        let mut worker = Worker::new(&[("key", 5, 60)], 10, fail_mode, &SharedData::default());
        let answers: [Result<&[u8], CallError>; 3] = [Err(CallError { status: 4 }), Ok(b"\xff"), Ok(b"")];
        let mut flows = Vec::new();
        for answer in answers {
            let mut request = worker.request();
            assert_eq!(request.flow, Flow::Pause);
            let call = worker.host.calls.last().map(|call| call.id).expect("a callout");
            worker.answer_with(call, answer);
            worker.wake(std::slice::from_mut(&mut request));
            flows.push(request.flow);
        }
        worker.host.refuse_calls = true;
        flows.push(worker.request().flow);
        for flow in flows {
            match expect {
                Some(expect) => {
                    assert_eq!((reply(&flow).status, reply(&flow).code), expect);
                    assert_eq!(header(reply(&flow), "retry-after"), Some("1"));
                }
                None => assert_eq!(flow, Flow::Continue),
            }
        }
        worker.host.counters.get("weir_quota_failed_open").copied()
    };
    assert_eq!(check("closed", Some((503, "quota_unavailable"))), None);
    assert_eq!(check("open", None), Some(4));
}

/// As while it is started anew.
#[test]
fn a_control_plane_that_is_away_for_a_moment_costs_no_request() {
    let (mut worker, mut ledger) = one(&[("key", 5, 60)], 10);
    let mut requests = vec![worker.request()];
    worker.unreachable(&mut requests);
    requests.push(worker.request());
    assert_eq!(worker.host.calls.len(), 1, "nobody asks between two ticks");
    worker.host.now += 4 * SECOND;
    worker.tick();
    worker.unreachable(&mut requests);
    assert!(requests.iter().all(|request| request.flow == Flow::Pause));
    worker.tick();
    let call = worker.host.calls.last().cloned().expect("a callout");
    worker.answer_with(call.id, Ok(&ledger.grant(&call.message)));
    worker.wake(&mut requests);
    assert!(requests.iter().all(|request| request.flow == Flow::Continue));
}

#[test]
fn a_control_plane_that_stays_away_is_not_waited_for() {
    let (mut worker, mut ledger) = one(&[("key", 5, 60)], 10);
    let refused =
        |request: &Request| (reply(&request.flow).status, reply(&request.flow).code) == (503, "quota_unavailable");
    let mut requests = vec![worker.request()];
    for _ in 0..6 {
        worker.unreachable(&mut requests);
        worker.host.now += SECOND;
        worker.tick();
    }
    worker.unreachable(&mut requests);
    assert!(refused(&requests[0]));
    let mut next = vec![worker.request()];
    worker.unreachable(&mut next);
    assert!(refused(&next[0]), "at once");
    // It was there, and is away again.
    assert_eq!(worker.admit(&mut ledger).flow, Flow::Continue);
    worker.limits[0].counter = "other".into();
    let mut later = vec![worker.request()];
    worker.unreachable(&mut later);
    assert_eq!(later[0].flow, Flow::Pause);
}

#[test]
fn who_passes_without_an_answer_does_not_wait_for_a_control_plane_that_is_away() {
    let mut worker = Worker::new(&[("key", 5, 60)], 10, "open", &SharedData::default());
    let mut requests = vec![worker.request()];
    worker.unreachable(&mut requests);
    assert_eq!(requests[0].flow, Flow::Continue);
    assert_eq!(worker.host.counters.get("weir_quota_failed_open"), Some(&1));
}

#[test]
fn what_has_no_limit_asks_nobody() {
    let (mut worker, mut ledger) = one(&[], 10);
    assert_eq!(worker.passing(3, &mut ledger), 3);
    let (mut limited, _) = one(&[("key", 1, 60)], 10);
    let list = Operation::of("GET", "/v1/models", &|_| false).expect("an operation");
    for _ in 0..3 {
        assert_eq!(limited.request_for(list).flow, Flow::Continue);
    }
    let (mut closed, _) = one(&[("key", 0, 60)], 10);
    assert_eq!(reply(&closed.request().flow).status, 429, "a limit of nothing");
    assert!([worker, limited, closed].iter().all(|worker| worker.host.calls.is_empty()));
}

#[test]
fn without_weir_auth_nothing_passes() {
    let (mut worker, _) = one(&[("key", 5, 60)], 10);
    let mut stream = worker.plugin.stream(Shared::new(Exchange::new(Uuid::from_u128(1), 0)), Rc::clone(&worker.leases));
    let flow = stream.on_request_headers(&mut worker.host, false);
    assert_eq!((reply(&flow).status, reply(&flow).code), (503, "gateway_misconfigured"));
}

#[test]
fn what_others_wrote_into_shared_data_is_no_lease() {
    let (mut worker, mut ledger) = one(&[("key", 3, 60)], 100);
    worker.host.shared.borrow_mut().insert("weir.quota.counter.key".into(), (b"rubbish".to_vec(), 9));
    assert_eq!(worker.passing(9, &mut ledger), 3);
}
