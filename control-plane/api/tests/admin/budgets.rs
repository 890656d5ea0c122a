//! A budget that many Envoys share: the filter itself, the real store, and requests that come all at once.

use std::rc::Rc;

use chrono::{DateTime, Utc};
use prost::Message as _;
use serde_json::json;
use uuid::Uuid;
use weir_config::{Limit, Price, QuotaConfig, Unit, Window, parse};
use weir_core::gateway::{Gateway, LeaseTerms, LimitCounter, QuotaDemand, QuotaSettlement};
use weir_exchange::{Attempt, Body, Catalog, CatalogModel, Exchange, Principal, Shared};
use weir_host::fake::{FakeHost, SharedData};
use weir_host::{CallError, Flow, StreamFilter as _, StreamId};
use weir_llm::usage::Figure;
use weir_llm::{Operation, read_head};
use weir_proto::dataplane::{
    AcquireQuotaRequest, AcquireQuotaResponse, QuotaGrant, SettleQuotaRequest, SettleQuotaResponse,
};
use weir_quota::{Leases, QuotaPlugin, QuotaStream};

use crate::app::{App, app, id};

const BODY: &str = r#"{"model":"gpt","max_tokens":50,"messages":[{"role":"user","content":"hello"}]}"#;
const INPUT_PRICE: u64 = 2_500_001;
const OUTPUT_PRICE: u64 = 10_000_007;
const REQUESTS: usize = 200;
/// Pico-dollars of the worst case: a token a byte, and all of the output that the request allows.
const WORST: u64 = BODY.len() as u64 * INPUT_PRICE + 50 * OUTPUT_PRICE;

struct Stream {
    id: StreamId,
    filter: QuotaStream,
    shared: Shared,
}

struct Envoy {
    host: FakeHost,
    plugin: QuotaPlugin,
    leases: Rc<Leases>,
    waiting: Vec<Stream>,
    admitted: Vec<Stream>,
    refused: usize,
    /// Since the control plane did not answer.
    sent_away: usize,
    answered: usize,
}

struct Fleet<'a> {
    app: &'a App,
    gateway: Gateway,
    principal: Rc<Principal>,
    catalog: Rc<Catalog>,
    limit_id: Uuid,
    envoys: Vec<Envoy>,
    now: DateTime<Utc>,
    /// Which answers to calls for leases do not arrive, in their order.
    lost: Box<dyn Iterator<Item = bool>>,
}

impl<'a> Fleet<'a> {
    /// So many Envoys, and a budget of so many micro-dollars for ever.
    async fn new(app: &'a App, envoys: u64, microusd: u64) -> Self {
        let platform = app.platform().await;
        let tenant = platform.make("tenants", json!({"name": Uuid::now_v7()})).await;
        let limit = json!({"tenant_id": tenant["id"], "name": "budget", "subject": {"kind": "tenant"},
            "unit": "cost_microusd", "window": {"kind": "total"}, "amount": microusd, "action": "refuse"});
        let limit_id = id(&platform.make("limits", limit).await);
        let counter = LimitCounter { limit_id, generation: 0, member: "" }.name();
        let limits = vec![Rc::new(Limit::new(counter, Unit::Money, Window::Always, microusd * 1_000_000))];
        let model = CatalogModel {
            name: "gpt".into(),
            pool_id: "pool".into(),
            created_at_s: 0,
            owner: "platform".into(),
            dearest: Some(weir_exchange::DearestPrices { input: INPUT_PRICE, output: OUTPUT_PRICE, request: 0 }),
            ..CatalogModel::default()
        };
        let envoy = |number: u64| Envoy {
            host: FakeHost { shared: SharedData::default(), ..FakeHost::default() },
            plugin: QuotaPlugin::new(
                parse::<QuotaConfig>(br#"{"control_plane": {"cluster": "weir"}, "fail_mode": "closed"}"#).unwrap(),
            ),
            leases: Rc::new(Leases::new(format!("envoy {number}"), number)),
            waiting: Vec::new(),
            admitted: Vec::new(),
            refused: 0,
            sent_away: 0,
            answered: 0,
        };
        Self {
            app,
            gateway: app.gateway(None).await,
            principal: Rc::new(Principal { tenant_id: id(&tenant).to_string(), limits, ..Principal::default() }),
            catalog: Rc::new(Catalog::new(vec![model])),
            limit_id,
            envoys: (1..=envoys).map(envoy).collect(),
            now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            lost: Box::new(std::iter::empty()),
        }
    }

    /// A request comes to an Envoy.
    fn request(&mut self, number: usize) {
        let now = self.now.timestamp_micros() as u64;
        let envoys = self.envoys.len();
        let envoy = &mut self.envoys[number % envoys];
        let operation = Operation::of("POST", "/v1/chat/completions", &|_| false).ok().unwrap();
        let mut exchange = Exchange::new(Uuid::nil(), now);
        let request = exchange.prepare().unwrap();
        request.operation = Some(operation);
        request.principal = Some(Rc::clone(&self.principal));
        request.catalog = Some(Rc::clone(&self.catalog));
        request.body = Body::new(Rc::new(BODY.into()), read_head(operation, "", BODY.as_bytes()).ok());
        let shared = Shared::new(exchange);
        let id = StreamId::try_from(number + 1).unwrap();
        (envoy.host.now, envoy.host.stream) = (now, id);
        let mut filter = envoy.plugin.stream(shared.clone(), Rc::clone(&envoy.leases));
        let flow = filter.on_request_headers(&mut envoy.host, false);
        envoy.note(Stream { id, filter, shared }, flow);
    }

    /// Answers all calls, one for each Envoy in turn, until there are none.
    async fn answer(&mut self) {
        loop {
            let mut answered = false;
            for index in 0..self.envoys.len() {
                let Some(call) = self.envoys[index].host.calls.get(self.envoys[index].answered).cloned() else {
                    continue;
                };
                self.envoys[index].answered += 1;
                answered = true;
                let answer = match call.method.as_str() {
                    "AcquireQuota" => self.acquire(&call.message).await,
                    _ => self.settle(&call.message).await,
                };
                let is_lost = call.method == "AcquireQuota" && self.lost.next().unwrap_or_default();
                let envoy = &mut self.envoys[index];
                envoy.host.stream = 0;
                let answer = if is_lost { Err(CallError { status: 4 }) } else { Ok(answer.as_slice()) };
                envoy.leases.on_call(&mut envoy.host, call.id, answer);
                while let Some(id) = envoy.leases.next_woken() {
                    let place = envoy.waiting.iter().position(|stream| stream.id == id).unwrap();
                    let mut stream = envoy.waiting.remove(place);
                    envoy.host.stream = id;
                    let flow = stream.filter.on_wake(&mut envoy.host);
                    envoy.note(stream, flow);
                }
                // What they lack still is asked for by the next tick.
                envoy.host.stream = 0;
                envoy.plugin.on_tick(&mut envoy.host, &envoy.leases);
            }
            if !answered {
                return;
            }
        }
    }

    async fn tick(&mut self, seconds: i64) {
        self.now += chrono::TimeDelta::seconds(seconds);
        let now = self.now.timestamp_micros() as u64;
        for envoy in &mut self.envoys {
            (envoy.host.now, envoy.host.stream) = (now, 0);
            envoy.plugin.on_tick(&mut envoy.host, &envoy.leases);
        }
        self.answer().await;
    }

    /// All that was admitted is answered, and took so many tokens.
    fn finish(&mut self, input: u64, output: u64) {
        let price = Rc::new(Price {
            version: "1".into(),
            input_microusd_per_million: INPUT_PRICE,
            output_microusd_per_million: OUTPUT_PRICE,
            ..Price::default()
        });
        for envoy in &mut self.envoys {
            for mut stream in std::mem::take(&mut envoy.admitted) {
                let mut attempt = Attempt {
                    is_sent: true,
                    status: 200,
                    is_complete: true,
                    price: Some(Rc::clone(&price)),
                    ..Attempt::default()
                };
                let usage = weir_llm::Usage::default().with(Figure::Input, input).with(Figure::Output, output);
                attempt.usage.report_whole(usage);
                stream.shared.write(|exchange| exchange.begin_attempt(attempt));
                envoy.host.stream = stream.id;
                stream.filter.on_log(&mut envoy.host);
            }
        }
    }

    fn admitted(&self) -> usize {
        self.envoys.iter().map(|envoy| envoy.admitted.len()).sum()
    }

    /// What the window has taken, and what was spent, in pico-dollars.
    async fn used(&self) -> (u64, u64) {
        let query = "SELECT (SELECT sum(used) FROM limit_windows WHERE limit_id = $1)::bigint,
            (SELECT sum(spent) FROM limit_leases WHERE limit_id = $1)::bigint";
        let (used, spent): (i64, i64) = sqlx::query_as(query)
            .bind(self.limit_id)
            .fetch_one(&sqlx::PgPool::connect(&self.app.database_url).await.unwrap())
            .await
            .unwrap();
        (used as u64, spent as u64)
    }

    async fn acquire(&self, message: &[u8]) -> Vec<u8> {
        let request = AcquireQuotaRequest::decode(message).unwrap();
        let demands = request.demands.into_iter().map(|demand| QuotaDemand {
            counter: demand.counter,
            window_start_unix_s: demand.window_start_unix_s,
            minimum: demand.minimum,
            wanted: demand.wanted,
            waiting: demand.waiting,
            id: demand.id,
        });
        let (store, tenant, terms) = (&self.app.store, request.tenant_id.parse().unwrap(), LeaseTerms::default());
        let grants =
            store.acquire_quota(&self.gateway, tenant, &request.holder, demands.collect(), terms, self.now).await;
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

    async fn settle(&self, message: &[u8]) -> Vec<u8> {
        let request = SettleQuotaRequest::decode(message).unwrap();
        let settlements = request.settlements.into_iter().map(|one| QuotaSettlement {
            tenant_id: one.tenant_id.parse().unwrap(),
            counter: one.counter,
            window_start_unix_s: one.window_start_unix_s,
            holder: one.holder,
            spent: one.spent,
            returned: one.returned,
        });
        let settled =
            self.app.store.settle_quota(&self.gateway, settlements.collect(), LeaseTerms::default(), self.now);
        SettleQuotaResponse { settled: settled.await.unwrap() }.encode_to_vec()
    }
}

impl Envoy {
    fn note(&mut self, stream: Stream, flow: Flow) {
        match flow {
            Flow::Continue => self.admitted.push(stream),
            Flow::Pause => self.waiting.push(stream),
            Flow::Reply(reply) => match (reply.status, reply.code) {
                (429, "insufficient_quota") => self.refused += 1,
                (503, "quota_unavailable") => self.sent_away += 1,
                other => panic!("{other:?}"),
            },
        }
    }
}

/// Rounded up to what can be written as an amount: less than one more request.
fn budget_for(requests: u64) -> u64 {
    (requests * WORST).div_ceil(1_000_000)
}

#[tokio::test]
async fn a_budget_for_thirty_seven_serves_thirty_seven_of_two_hundred_and_charges_them_exactly() {
    let app = app().await;
    for envoys in [1, 3, 11] {
        let mut fleet = Fleet::new(&app, envoys, budget_for(37)).await;
        (0..REQUESTS).for_each(|number| fleet.request(number));
        fleet.answer().await;
        assert_eq!(fleet.admitted(), 37, "{envoys} Envoys");
        let refused: usize = fleet.envoys.iter().map(|envoy| envoy.refused).sum();
        assert_eq!(refused, REQUESTS - 37, "{envoys} Envoys");
        fleet.finish(BODY.len() as u64, 50);
        fleet.tick(2).await;
        fleet.tick(2).await;
        assert_eq!(fleet.used().await, (37 * WORST, 37 * WORST), "{envoys} Envoys");
    }
}

/// The control plane is killed as it answers, or its answer comes too late: whoever comes again gets what was granted then.
#[tokio::test]
async fn what_was_granted_in_an_answer_that_was_lost_is_served_all_the_same() {
    let app = app().await;
    for envoys in [1, 3] {
        let mut fleet = Fleet::new(&app, envoys, budget_for(37)).await;
        fleet.lost = Box::new((0..).map(|answer| answer % 3 != 2));
        let (mut comes, mut number, mut sent_away) = (REQUESTS, 0, 0);
        while comes > 0 {
            (0..comes).for_each(|one| fleet.request(number + one));
            number += comes;
            fleet.answer().await;
            comes = fleet.envoys.iter_mut().map(|envoy| std::mem::take(&mut envoy.sent_away)).sum();
            sent_away += comes;
            fleet.tick(1).await;
        }
        assert!(sent_away > 0);
        assert_eq!(fleet.admitted(), 37, "{envoys} Envoys");
        fleet.lost = Box::new(std::iter::empty());
        fleet.finish(BODY.len() as u64, 50);
        fleet.tick(2).await;
        fleet.tick(2).await;
        assert_eq!(fleet.used().await, (37 * WORST, 37 * WORST), "{envoys} Envoys");
    }
}

#[tokio::test]
async fn what_cheaper_requests_did_not_take_is_there_for_others_and_no_more() {
    let app = app().await;
    let mut fleet = Fleet::new(&app, 3, budget_for(37)).await;
    let (mut served, cost) = (0, 20 * INPUT_PRICE + 3 * OUTPUT_PRICE);
    for round in 0..6 {
        (0..REQUESTS).for_each(|number| fleet.request(round * REQUESTS + number));
        fleet.answer().await;
        served += fleet.admitted() as u64;
        let (used, _) = fleet.used().await;
        assert!(used <= budget_for(37) * 1_000_000, "{used} in round {round}");
        fleet.finish(20, 3);
        for _ in 0..4 {
            fleet.tick(2).await;
        }
        assert_eq!(fleet.used().await, (served * cost, served * cost), "round {round}");
    }
    assert!(served > 120, "{served}");
}

#[tokio::test]
async fn a_bill_that_is_more_than_the_worst_case_is_debited_before_the_next_admission() {
    let app = app().await;
    let mut fleet = Fleet::new(&app, 1, budget_for(10)).await;
    (0..9).for_each(|number| fleet.request(number));
    fleet.answer().await;
    assert_eq!(fleet.admitted(), 9);
    // The provider bills twice what the request allowed.
    fleet.finish(2 * BODY.len() as u64, 100);
    fleet.tick(2).await;
    assert_eq!(fleet.used().await, (18 * WORST, 18 * WORST), "it is all on the books");
    fleet.request(100);
    fleet.answer().await;
    assert_eq!((fleet.admitted(), fleet.envoys[0].refused), (0, 1));
}
