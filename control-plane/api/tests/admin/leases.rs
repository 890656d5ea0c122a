//! Envoys that share a key's limit: the filter itself in many Envoys of two workers each, the real store, and a clock that is
//! moved by hand. Answers take a while; requests come in patterns that are hard to share fairly.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use chrono::{DateTime, Utc};
use prost::Message as _;
use serde_json::json;
use uuid::Uuid;
use weir_config::{QuotaConfig, parse};
use weir_core::gateway::{Counter, Gateway, LeaseTerms, QuotaDemand, QuotaSettlement};
use weir_exchange::{Exchange, Principal, Shared};
use weir_host::fake::{FakeHost, SharedData};
use weir_host::{CallError, CallId, Flow, StreamFilter as _, StreamId};
use weir_llm::Operation;
use weir_proto::dataplane::{
    AcquireQuotaRequest, AcquireQuotaResponse, QuotaGrant, SettleQuotaRequest, SettleQuotaResponse,
};
use weir_quota::{Leases, QuotaPlugin, QuotaStream};
use weir_store::Store;

use crate::app::{App, app, id};

const LIMIT: u64 = 100;
/// Two minutes: in the second the control plane knows who takes part.
const MINUTES: u64 = 2;
/// A step of the clock, and how long an answer takes.
const STEP_MS: u64 = 10;
const ANSWER_MS: u64 = 20;
const TICK_MS: u64 = 200;

/// How requests come: when, in milliseconds of a minute, and to which Envoy of so many.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    /// Four a second, in turn.
    RoundRobin,
    /// Four a second; of ten nine to the first Envoy.
    Skewed,
    /// Half of the limit to the first Envoy within a second, then all to the others in turn.
    Moving,
    /// Three times the limit within a second, in turn, and then one a second.
    Burst,
}

impl Pattern {
    fn requests(self, envoys: usize) -> Vec<(u64, usize)> {
        let steady = |which: fn(usize, usize) -> usize| (0..236).map(|n| (n as u64 * 250, which(n, envoys))).collect();
        match self {
            Self::RoundRobin => steady(|n, envoys| n % envoys),
            Self::Skewed => steady(|n, envoys| if n % 10 == 9 { (n / 10) % envoys } else { 0 }),
            Self::Moving => {
                let others = (0..200)
                    .map(|n| (3000 + n as u64 * 250, n % envoys.max(2) % envoys))
                    .map(|(at, which)| (at, if which == 0 && envoys > 1 { 1 } else { which }));
                (0..50).map(|n| (n * 20, 0)).chain(others).collect()
            }
            Self::Burst => {
                let later = (1..59).map(|n| (n * 1000, n as usize % envoys));
                (0..300).map(|n| (n as u64 * 10 / 3, n % envoys)).chain(later).collect()
            }
        }
    }
}

#[derive(Default)]
struct Outcome {
    /// In each minute.
    passed: [u64; MINUTES as usize],
    refused: u64,
    leases: u64,
    settlements: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, refused, leases, settlements } = self;
        write!(formatter, "{passed:?} | {refused} | {leases} | {settlements}")
    }
}

struct Envoy {
    workers: Vec<Worker>,
    next: usize,
    dead: bool,
}

struct Worker {
    host: FakeHost,
    plugin: QuotaPlugin,
    leases: Rc<Leases>,
    streams: HashMap<StreamId, QuotaStream>,
    /// Calls under way, with when they are answered.
    calls: VecDeque<(u64, CallId, String, Vec<u8>)>,
    calls_seen: usize,
}

impl Worker {
    fn new(shared: &SharedData, number: u64) -> Self {
        let config: QuotaConfig = parse(br#"{"control_plane": {"cluster": "weir"}}"#).unwrap();
        Self {
            host: FakeHost { shared: Rc::clone(shared), ..FakeHost::default() },
            plugin: QuotaPlugin::new(config),
            leases: Rc::new(Leases::new(format!("envoy {number}"), number)),
            streams: HashMap::new(),
            calls: VecDeque::new(),
            calls_seen: 0,
        }
    }

    /// Takes note of calls that were just made.
    fn note_calls(&mut self, now_ms: u64) {
        for call in &self.host.calls[self.calls_seen..] {
            self.calls.push_back((now_ms + ANSWER_MS, call.id, call.method.clone(), call.message.clone()));
        }
        self.calls_seen = self.host.calls.len();
    }
}

struct Simulation<'a> {
    store: &'a Store,
    gateway: Gateway,
    principal: Rc<Principal>,
    envoys: Vec<Envoy>,
    start: DateTime<Utc>,
    now_ms: u64,
    outcome: Outcome,
    streams: StreamId,
}

impl<'a> Simulation<'a> {
    /// So many Envoys that serve a new key, each with so many workers.
    async fn new(app: &'a App, envoys: usize, workers: usize) -> Self {
        let platform = app.platform().await;
        let tenant = platform.make("tenants", json!({"name": Uuid::now_v7()})).await;
        let body = json!({"tenant_id": tenant["id"], "name": "app", "requests_per_minute": LIMIT});
        let key_id = id(&platform.make("api-keys", body).await);
        let limits = vec![Rc::new(Counter::KeyRequestsPerMinute { key_id }.limit(LIMIT))];
        let principal = Principal { tenant_id: id(&tenant).to_string(), limits, ..Principal::default() };
        let envoys = (0..envoys as u64).map(|number| {
            let shared = SharedData::default();
            let number = |worker| number * workers as u64 + worker as u64 + 1;
            let workers = (0..workers).map(|worker| Worker::new(&shared, number(worker))).collect();
            Envoy { workers, next: 0, dead: false }
        });
        Self {
            gateway: app.gateway(None).await,
            store: &app.store,
            principal: Rc::new(principal),
            envoys: envoys.collect(),
            start: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            now_ms: 0,
            outcome: Outcome::default(),
            streams: 0,
        }
    }

    async fn run(&mut self, pattern: Pattern, kill: Option<(u64, usize)>) {
        let of_minute = pattern.requests(self.envoys.len());
        let mut requests: VecDeque<(u64, usize)> = (0..MINUTES)
            .flat_map(|minute| of_minute.iter().map(move |(at, envoy)| (minute * 60_000 + at, *envoy)))
            .collect();
        while self.now_ms < MINUTES * 60_000 {
            if let Some((at, envoy)) = kill
                && self.now_ms == at
            {
                self.envoys[envoy].dead = true;
            }
            self.answer().await;
            while let Some((_, envoy)) = requests.pop_front_if(|(at, _)| *at <= self.now_ms) {
                self.request(envoy);
            }
            if self.now_ms.is_multiple_of(TICK_MS) {
                self.tick();
            }
            self.now_ms += STEP_MS;
        }
    }

    fn now_us(&self) -> u64 {
        self.start.timestamp_micros() as u64 + self.now_ms * 1000
    }

    /// A request comes to an Envoy; where it is dead, to the next.
    fn request(&mut self, envoy: usize) {
        let now_us = self.now_us();
        let living = (0..self.envoys.len()).map(|n| (envoy + n) % self.envoys.len()).find(|n| !self.envoys[*n].dead);
        let envoy = &mut self.envoys[living.expect("a living Envoy")];
        envoy.next = (envoy.next + 1) % envoy.workers.len();
        let worker = &mut envoy.workers[envoy.next];
        self.streams += 1;
        let mut exchange = Exchange::new(Uuid::nil(), now_us);
        let request = exchange.prepare().expect("a request that was not passed on");
        request.operation = Operation::of("POST", "/v1/chat/completions", &|_| false).ok();
        request.principal = Some(Rc::clone(&self.principal));
        let mut stream = worker.plugin.stream(Shared::new(exchange), Rc::clone(&worker.leases));
        (worker.host.now, worker.host.stream) = (now_us, self.streams);
        match stream.on_request_headers(&mut worker.host, false) {
            Flow::Pause => drop(worker.streams.insert(self.streams, stream)),
            flow => self.outcome.note(flow, self.now_ms),
        }
        worker.note_calls(self.now_ms);
    }

    fn tick(&mut self) {
        let now_us = self.now_us();
        for worker in self.envoys.iter_mut().filter(|envoy| !envoy.dead).flat_map(|envoy| &mut envoy.workers) {
            (worker.host.now, worker.host.stream) = (now_us, 0);
            worker.plugin.on_tick(&mut worker.host, &worker.leases);
            worker.note_calls(self.now_ms);
        }
    }

    /// Answers all calls whose time has come. Those of dead Envoys have reached the control plane all the same.
    async fn answer(&mut self) {
        let (now_us, now_ms) = (self.now_us(), self.now_ms);
        let now = DateTime::from_timestamp_micros(now_us as i64).unwrap();
        for envoy in 0..self.envoys.len() {
            for index in 0..self.envoys[envoy].workers.len() {
                while let Some((_, call, method, message)) =
                    self.envoys[envoy].workers[index].calls.pop_front_if(|(at, ..)| *at <= now_ms)
                {
                    let answer = match method.as_str() {
                        "AcquireQuota" => self.acquire(&message, now).await,
                        "SettleQuota" => self.settle(&message, now).await,
                        other => panic!("{other} is no call of weir.quota's"),
                    };
                    if !self.envoys[envoy].dead {
                        self.answered(envoy, index, call, Ok(&answer));
                    }
                }
            }
        }
    }

    fn answered(&mut self, envoy: usize, index: usize, call: CallId, answer: Result<&[u8], CallError>) {
        let (now_us, now_ms) = (self.now_us(), self.now_ms);
        let worker = &mut self.envoys[envoy].workers[index];
        (worker.host.now, worker.host.stream) = (now_us, 0);
        worker.leases.on_call(&mut worker.host, call, answer);
        while let Some(id) = worker.leases.next_woken() {
            let mut stream = worker.streams.remove(&id).expect("a stream that waits");
            worker.host.stream = id;
            match stream.on_wake(&mut worker.host) {
                Flow::Pause => drop(worker.streams.insert(id, stream)),
                flow => self.outcome.note(flow, now_ms),
            }
        }
        worker.note_calls(now_ms);
    }

    async fn acquire(&mut self, message: &[u8], now: DateTime<Utc>) -> Vec<u8> {
        self.outcome.leases += 1;
        let request = AcquireQuotaRequest::decode(message).unwrap();
        let demands = request.demands.into_iter().map(|demand| QuotaDemand {
            counter: demand.counter,
            window_start_unix_s: demand.window_start_unix_s,
            minimum: demand.minimum,
            wanted: demand.wanted,
            waiting: demand.waiting,
            id: demand.id,
        });
        let (store, tenant, terms) = (self.store, request.tenant_id.parse().unwrap(), LeaseTerms::default());
        let grants = store.acquire_quota(&self.gateway, tenant, &request.holder, demands.collect(), terms, now).await;
        let grants = grants.unwrap().into_iter().map(|grant| QuotaGrant {
            counter: grant.counter,
            window_start_unix_s: grant.window_start_unix_s,
            granted: grant.granted,
            remaining: grant.remaining,
            limit: grant.limit,
            ask_again_ms: grant.ask_again_ms,
        });
        AcquireQuotaResponse { grants: grants.collect() }.encode_to_vec()
    }

    async fn settle(&mut self, message: &[u8], now: DateTime<Utc>) -> Vec<u8> {
        self.outcome.settlements += 1;
        let request = SettleQuotaRequest::decode(message).unwrap();
        let settlements = request.settlements.into_iter().map(|one| QuotaSettlement {
            tenant_id: one.tenant_id.parse().unwrap(),
            counter: one.counter,
            window_start_unix_s: one.window_start_unix_s,
            holder: one.holder,
            spent: one.spent,
            returned: one.returned,
        });
        let settled = self.store.settle_quota(&self.gateway, settlements.collect(), LeaseTerms::default(), now).await;
        SettleQuotaResponse { settled: settled.unwrap() }.encode_to_vec()
    }
}

impl Outcome {
    fn note(&mut self, flow: Flow, now_ms: u64) {
        match flow {
            Flow::Continue => self.passed[(now_ms / 60_000) as usize] += 1,
            Flow::Reply(reply) => {
                assert_eq!((reply.status, reply.code), (429, "rate_limit_exceeded"));
                self.refused += 1;
            }
            Flow::Pause => panic!("it waits"),
        }
    }
}

/// The table of docs/performance.md; `cargo test -p weir-api leases -- --nocapture` prints it.
#[tokio::test]
async fn a_limit_is_passed_whole_and_never_exceeded_however_many_envoys_share_it() {
    let app = app().await;
    for envoys in [1, 3, 11] {
        for pattern in [Pattern::RoundRobin, Pattern::Skewed, Pattern::Moving, Pattern::Burst] {
            let mut simulation = Simulation::new(&app, envoys, 2).await;
            simulation.run(pattern, None).await;
            println!("| {envoys} | {pattern:?} | {} |", simulation.outcome);
            assert_eq!(simulation.outcome.passed, [LIMIT; MINUTES as usize], "{envoys} Envoys, {pattern:?}");
        }
    }
}

/// What a killed Envoy held of its lease may all be spent, and counts as that; the rest is the others'.
#[tokio::test]
async fn an_envoy_that_is_killed_takes_only_with_it_what_it_held() {
    let app = app().await;
    for (pattern, killed_ms, most_lost) in [(Pattern::RoundRobin, 5_000, 10), (Pattern::Moving, 2_500, 0)] {
        let mut simulation = Simulation::new(&app, 3, 2).await;
        simulation.run(pattern, Some((killed_ms, 0))).await;
        println!("| 3, one killed | {pattern:?} | {} |", simulation.outcome);
        let [first, second] = simulation.outcome.passed;
        assert!((LIMIT - most_lost..=LIMIT).contains(&first), "{pattern:?}: {first} passed");
        assert_eq!(second, LIMIT, "{pattern:?}: the next minute is the living ones'");
    }
}

/// Each worker asks once for a counter however many of its requests wait; that others of its Envoy ask at the same moment costs a few
/// calls, which `docs/ARCHITECTURE.md` weighs.
#[tokio::test]
async fn more_workers_hardly_ask_more() {
    let app = app().await;
    for pattern in [Pattern::RoundRobin, Pattern::Burst] {
        let mut calls = Vec::new();
        for workers in [1, 4] {
            let mut simulation = Simulation::new(&app, 1, workers).await;
            simulation.run(pattern, None).await;
            println!("| 1 Envoy, {workers} workers | {pattern:?} | {} |", simulation.outcome);
            assert_eq!(simulation.outcome.passed, [LIMIT; MINUTES as usize], "{workers} workers, {pattern:?}");
            calls.push(simulation.outcome.leases);
        }
        assert!(calls[1] <= 2 * calls[0], "{pattern:?}: {calls:?} calls for leases");
    }
}
