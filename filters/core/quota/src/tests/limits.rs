//! Limits of all units: what is reserved, what comes back, and what a client is told.

use std::rc::Rc;

use prost::Message as _;
use uuid::Uuid;
use weir_config::names::POOL_HEADER;
use weir_config::{Limit, LimitAction, LimitedModels, Period, Price, Unit, Window};
use weir_exchange::{Attempt, Body, Catalog, CatalogModel, DearestPrices, Exchange, Principal, Shared};
use weir_host::{CallError, Flow, Host as _, Message, StreamFilter as _};
use weir_llm::usage::Figure;
use weir_llm::{Operation, read_head};
use weir_proto::dataplane::{AcquireQuotaRequest, SettleQuotaRequest};

use super::{Ledger, Request, SECOND, SharedData, Worker, reply};
use crate::counter;

pub(super) const BODY: &str = r#"{"model":"gpt","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
pub(super) const LENGTH: u64 = BODY.len() as u64;

pub(super) fn worker(limits: Vec<Limit>) -> (Worker, Ledger) {
    let mut worker = Worker::new(&[], 100, "closed", &SharedData::default());
    let known = limits.iter().map(|limit| (limit.counter.clone(), limit.amount)).collect();
    worker.limits = limits;
    (worker, Ledger { limits: known, ..Ledger::default() })
}

pub(super) fn always(unit: Unit, amount: u64) -> Limit {
    Limit { name: "l".into(), subject: "tenant".into(), ..Limit::new("limit/l", unit, Window::Always, amount) }
}

impl Worker {
    /// A request with a body, after the ledger has answered.
    pub(super) fn send(&mut self, body: &str, ledger: &mut Ledger) -> Request {
        let prices = DearestPrices { input: 2, output: 10, request: 0 };
        self.send_to("/v1/chat/completions", Some(prices), body, ledger)
    }

    /// The same by a path, for a model of these prices.
    fn send_to(&mut self, path: &str, dearest: Option<DearestPrices>, body: &str, ledger: &mut Ledger) -> Request {
        let operation = Operation::of("POST", path, &|_| false).expect("an operation");
        let mut exchange = Exchange::new(Uuid::from_u128(1), self.host.now);
        let request = exchange.prepare().expect("no attempt was made");
        request.operation = Some(operation);
        request.principal = Some(Rc::new(Principal {
            tenant_id: "acme".into(),
            limits: self.held(),
            allowed_operations: self.allowed_operations.clone(),
            ..Principal::default()
        }));
        let model = CatalogModel {
            name: "gpt".into(),
            pool_id: "pool".into(),
            created_at_s: 0,
            owner: "platform".into(),
            dearest,
            ..CatalogModel::default()
        };
        request.catalog = Some(Rc::new(Catalog::new(vec![model])));
        request.body = Body::new(Rc::new(body.into()), read_head(operation, "", body.as_bytes()).ok());
        let shared = Shared::new(exchange);
        self.streams += 1;
        self.host.stream = self.streams;
        let mut stream = self.plugin.stream(shared.clone(), Rc::clone(&self.leases));
        let flow = stream.on_request_headers(&mut self.host, false);
        let mut request = Request { id: self.streams, shared, stream, flow };
        if request.flow == Flow::Pause {
            self.answer(&mut request, ledger);
        }
        request
    }

    /// Its answer came, and took so many tokens.
    fn took(&mut self, mut request: Request, input: u64, output: u64) {
        let price = Price { input_microusd_per_million: 2, output_microusd_per_million: 10, ..Price::default() };
        let mut attempt = Attempt { is_sent: true, status: 200, is_complete: true, ..Attempt::default() };
        attempt.price = Some(Rc::new(price));
        let usage = weir_llm::Usage::default().with(Figure::Input, input).with(Figure::Output, output);
        attempt.usage.report_whole(usage);
        request.shared.write(|exchange| exchange.begin_attempt(attempt));
        self.end(&mut request);
        self.leases.put_back(&mut self.host);
    }

    /// What is held, reserved, spent and owed of the limit.
    fn lease(&self) -> [u64; 4] {
        let (_, lease) = counter::held(&self.host, "limit/l", 0).expect("a lease");
        [lease.units, lease.in_flight, lease.spent(), lease.debt]
    }
}

#[test]
fn the_worst_case_is_reserved_and_the_truth_is_settled() {
    for (unit, worst, truth) in [
        (Unit::InputTokens, LENGTH, 20),
        (Unit::OutputTokens, 50, 3),
        (Unit::TotalTokens, LENGTH + 50, 23),
        (Unit::Money, 2 * LENGTH + 500, 2 * 20 + 10 * 3),
        (Unit::Requests, 1, 1),
    ] {
        let (mut worker, mut ledger) = worker(vec![always(unit, 10_000)]);
        let request = worker.send(BODY, &mut ledger);
        assert_eq!(request.flow, Flow::Continue, "{unit:?}");
        assert_eq!(worker.lease(), [10_000 - worst, worst, 0, 0], "{unit:?}");
        worker.took(request, 20, 3);
        assert_eq!(worker.lease(), [10_000 - truth, 0, truth, 0], "{unit:?}");
    }
}

#[test]
fn a_moderation_is_held_to_tokens_and_to_the_prices_that_there_are() {
    let body = r#"{"model":"gpt","input":"A dam."}"#;
    let length = body.len() as u64;
    let prices = DearestPrices { input: 2, output: 10, request: 3 };
    for (unit, dearest, worst, truth) in [
        (Unit::InputTokens, Some(prices), length, 20),
        (Unit::InputTokens, None, length, 20),
        (Unit::Money, Some(prices), 2 * length + 3, 40),
    ] {
        let (mut worker, mut ledger) = worker(vec![always(unit, 10_000)]);
        let request = worker.send_to("/v1/moderations", dearest, body, &mut ledger);
        assert_eq!(request.flow, Flow::Continue, "{unit:?} {dearest:?}");
        assert_eq!(worker.lease(), [10_000 - worst, worst, 0, 0], "{unit:?} {dearest:?}");
        worker.took(request, 20, 0);
        assert_eq!(worker.lease(), [10_000 - truth, 0, truth, 0], "{unit:?} {dearest:?}");
    }
    let (mut worker, mut ledger) = worker(vec![always(Unit::Money, 0)]);
    let request = worker.send_to("/v1/moderations", None, body, &mut ledger);
    assert_eq!(request.flow, Flow::Continue, "without a price it costs nothing");
}

#[test]
fn what_is_more_than_was_reserved_is_debited_before_the_next_request() {
    let (mut worker, mut ledger) = worker(vec![always(Unit::OutputTokens, 120)]);
    let request = worker.send(BODY, &mut ledger);
    worker.took(request, 1, 130);
    assert_eq!(worker.lease(), [0, 0, 130, 10]);
    let refused = worker.send(BODY, &mut ledger);
    assert_eq!(reply(&refused.flow).code, "rate_limit_exceeded");
}

#[test]
fn a_request_that_went_nowhere_gets_all_back() {
    let (mut worker, mut ledger) = worker(vec![always(Unit::Money, 10_000)]);
    let mut request = worker.send(BODY, &mut ledger);
    worker.end(&mut request);
    worker.leases.put_back(&mut worker.host);
    assert_eq!(worker.lease(), [10_000, 0, 0, 0]);
}

#[test]
fn all_limits_have_room_or_none_is_used() {
    let tight = Limit { counter: "limit/tight".into(), ..always(Unit::Requests, 1) };
    let (mut worker, mut ledger) = worker(vec![always(Unit::TotalTokens, 10_000), tight]);
    let first = worker.send(BODY, &mut ledger);
    assert_eq!(first.flow, Flow::Continue);
    let before = worker.lease();
    let second = worker.send(BODY, &mut ledger);
    assert_eq!(reply(&second.flow).code, "rate_limit_exceeded");
    assert_eq!(worker.lease(), before, "nothing of the wide one");
}

#[test]
fn what_cannot_be_bounded_is_refused_unless_the_limit_only_warns() {
    let unlimited = r#"{"model":"gpt","messages":[{"role":"user","content":"hi"}]}"#;
    let by_url = r#"{"model":"gpt","max_tokens":5,"messages":[{"role":"user","content":
        [{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}"#;
    for (unit, body, expect) in [
        (Unit::Money, unlimited, Some("max_tokens")),
        (Unit::OutputTokens, unlimited, Some("max_tokens")),
        (Unit::InputTokens, unlimited, None),
        (Unit::Requests, unlimited, None),
        (Unit::Money, by_url, Some("URL")),
        (Unit::InputTokens, by_url, Some("URL")),
        (Unit::OutputTokens, by_url, None),
    ] {
        let (mut worker, mut ledger) = worker(vec![always(unit, 1_000_000)]);
        let request = worker.send(body, &mut ledger);
        match expect {
            Some(says) => {
                let reply = reply(&request.flow);
                assert_eq!((reply.status, reply.code), (400, "cost_not_bounded"), "{unit:?} {body}");
                let text = String::from_utf8_lossy(&reply.body);
                assert!(text.contains(says), "{text}");
                assert!(worker.host.calls.is_empty(), "nothing was asked for");
            }
            None => assert_eq!(request.flow, Flow::Continue, "{unit:?} {body}"),
        }
    }
    let warns = Limit { action: LimitAction::Warn, ..always(Unit::Money, 1_000_000) };
    let (mut worker, mut ledger) = worker(vec![warns]);
    let request = worker.send(unlimited, &mut ledger);
    assert_eq!(request.flow, Flow::Continue);
    worker.took(request, 20, 3);
    assert_eq!(worker.lease()[2], 70, "it counts all the same");
}

#[test]
fn a_client_is_told_whose_limit_it_is_and_when_it_resets() {
    let of = |unit, window| Limit {
        name: "spring".into(),
        subject: "department Research".into(),
        ..Limit::new("limit/l", unit, window, 0)
    };
    let day = Window::Calendar { name: "day".into(), periods: [Period { start_s: 0, end_s: 86_400 }].into() };
    let check = |limit: Limit, code, says: &str, retry_after: Option<&str>, should_retry: Option<&str>| {
        let (mut worker, mut ledger) = worker(vec![limit]);
        ledger.limits.insert("limit/l".into(), 0);
        let refused = worker.send(BODY, &mut ledger);
        let reply = reply(&refused.flow);
        let header =
            |name: &str| reply.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let text = String::from_utf8_lossy(&reply.body);
        assert_eq!((reply.status, reply.code), (429, code), "{text}");
        assert!(text.contains(says), "{text}");
        assert_eq!((header("retry-after"), header("x-should-retry")), (retry_after, should_retry), "{text}");
    };
    let no = Some("false");
    check(
        Limit { amount: 5_000_000_000_000, ..of(Unit::Money, day.clone()) },
        "insufficient_quota",
        "The limit of $5.00 a day is used up (spring, of the department Research). It resets at 1970-01-02T00:00:00Z.",
        Some("85800"),
        no,
    );
    check(
        Limit { amount: 500, ..of(Unit::TotalTokens, Window::of_seconds(60)) },
        "rate_limit_exceeded",
        "The limit of 500 tokens in 1m0s is used up (spring, of the department Research). Try again in 1m0s.",
        Some("60"),
        None,
    );
    let one = Limit { amount: 500, ..of(Unit::TotalTokens, Window::Always) };
    check(one, "rate_limit_exceeded", "The limit of 500 tokens is used up", None, no);
    let small = Limit { amount: 10, ..of(Unit::OutputTokens, day) };
    check(small, "rate_limit_exceeded", "This request may take 50 output tokens, and the limit is 10", None, no);
}

#[test]
fn requests_at_the_same_time_are_free_as_soon_as_one_ends() {
    let (mut worker, mut ledger) = worker(vec![always(Unit::ConcurrentRequests, 1)]);
    let mut first = worker.send(BODY, &mut ledger);
    assert_eq!(first.flow, Flow::Continue);
    let second = worker.send(BODY, &mut ledger);
    assert_eq!(reply(&second.flow).code, "rate_limit_exceeded");
    worker.end(&mut first);
    assert_eq!(worker.send(BODY, &mut ledger).flow, Flow::Continue);
}

/// The VM's memory is gone, with what it had not written; what lies in Envoy's shared data is all that the next one knows.
#[test]
fn what_a_vm_had_reserved_when_it_died_stays_reserved_and_comes_back_only_of_requests_at_the_same_time() {
    let (mut dying, mut ledger) = worker(vec![always(Unit::Money, 10_000)]);
    let worst = 2 * LENGTH + 500;
    let request = dying.send(BODY, &mut ledger);
    assert_eq!(request.flow, Flow::Continue);
    let over = dying.send(BODY, &mut ledger);
    let mut next = Worker::new(&[], 100, "closed", &dying.host.shared);
    next.limits.clone_from(&dying.limits);
    drop((request, over, dying));
    assert_eq!(next.lease(), [10_000 - 2 * worst, 2 * worst, 0, 0]);
    let request = next.send(BODY, &mut ledger);
    next.took(request, 20, 3);
    assert_eq!(next.lease(), [10_000 - 2 * worst - 70, 2 * worst, 70, 0], "neither spent nor free");

    let (mut dying, mut ledger) = worker(vec![always(Unit::ConcurrentRequests, 1)]);
    assert_eq!(dying.send(BODY, &mut ledger).flow, Flow::Continue);
    let mut next = Worker::new(&[], 100, "closed", &dying.host.shared);
    next.limits.clone_from(&dying.limits);
    drop(dying);
    next.host.now += 20 * SECOND;
    next.plugin.on_tick(&mut next.host, &next.leases);
    let is_settlement = |call: &weir_host::fake::FakeCall| call.method == "SettleQuota";
    assert!(!next.host.calls.iter().any(is_settlement), "nobody says that the dead one is there");
}

#[test]
fn another_pool_serves_what_there_is_no_room_for() {
    let limit = Limit { action: LimitAction::FallOver("cheap".into()), ..always(Unit::Requests, 1) };
    let (mut worker, mut ledger) = worker(vec![limit]);
    let pool = |request: &Request| request.shared.read(|exchange| exchange.request().pool_id.clone()).flatten();
    let first = worker.send(BODY, &mut ledger);
    assert_eq!((&first.flow, pool(&first)), (&Flow::Continue, None));
    let second = worker.send(BODY, &mut ledger);
    assert_eq!((&second.flow, pool(&second).as_deref()), (&Flow::Continue, Some("cheap")));
    let header = worker.host.header_text(Message::Request, POOL_HEADER);
    assert_eq!(header.as_deref(), Some("cheap"));
    assert_eq!(worker.host.route_cache_cleared, 1);
}

#[test]
fn a_limit_holds_for_its_model_and_each_model_has_its_counter() {
    let one = Limit { models: LimitedModels::One("other".into()), ..always(Unit::Requests, 1) };
    let (mut worker, mut ledger) = worker(vec![one]);
    assert_eq!(worker.send(BODY, &mut ledger).flow, Flow::Continue);
    assert!(worker.host.calls.is_empty(), "it is another model's");
    let each = Limit { models: LimitedModels::Each, ..always(Unit::Requests, 1) };
    let (mut worker, mut ledger) = self::worker(vec![each]);
    ledger.limits.insert("limit/l/gpt".into(), 1);
    assert_eq!(worker.send(BODY, &mut ledger).flow, Flow::Continue);
    assert_eq!(reply(&worker.send(BODY, &mut ledger).flow).code, "rate_limit_exceeded");
}

#[test]
fn a_limit_that_only_warns_lets_pass_what_it_gets_no_lease_for_and_counts_it() {
    let warns = |unit| Limit { action: LimitAction::Warn, ..always(unit, 10_000) };
    let (mut unknown, mut ledger) = worker(vec![warns(Unit::Money)]);
    ledger.limits.clear();
    let request = unknown.send(BODY, &mut ledger);
    assert_eq!(request.flow, Flow::Continue, "the control plane knows it no longer");
    unknown.took(request, 20, 3);
    assert_eq!(unknown.lease(), [0, 0, 70, 70]);

    let (mut alone, mut ledger) = worker(vec![warns(Unit::Money)]);
    alone.host.refuse_calls = true;
    let request = alone.send(BODY, &mut ledger);
    assert_eq!(request.flow, Flow::Continue);
    alone.took(request, 20, 3);
    alone.host.refuse_calls = false;
    let request = alone.send(BODY, &mut ledger);
    alone.took(request, 20, 3);
    assert_eq!(alone.lease(), [10_000 - 140, 0, 140, 0], "what it took before is paid first");
}

#[test]
fn what_is_admitted_while_the_control_plane_is_away_is_debited() {
    let mut worker = Worker::new(&[], 100, "open", &SharedData::default());
    worker.limits = vec![always(Unit::TotalTokens, 10_000)];
    let mut ledger = Ledger { limits: [("limit/l".to_owned(), 10_000)].into(), ..Ledger::default() };
    worker.host.refuse_calls = true;
    let request = worker.send(BODY, &mut ledger);
    assert_eq!(request.flow, Flow::Continue);
    worker.took(request, 20, 3);
    assert_eq!(worker.lease(), [0, 0, 23, 23]);
}

/// The clock went back, or the limit's window is another one since.
#[test]
fn a_lease_that_cannot_be_kept_is_not_waited_for_again() {
    let (mut worker, mut ledger) = worker(vec![always(Unit::Requests, 10)]);
    counter::put(&mut worker.host, "limit/l", 3600, 1, 0, 10);
    let request = worker.send(BODY, &mut ledger);
    assert_eq!((reply(&request.flow).status, reply(&request.flow).code), (503, "quota_unavailable"));
    assert_eq!(worker.host.calls.len(), 1);
}

impl Worker {
    /// The last demand that was made: its id, its minimum, and what waits.
    fn demanded(&self) -> (String, u64, u64) {
        let call = self.host.calls.iter().rfind(|call| call.method == "AcquireQuota").expect("a callout");
        let asked = AcquireQuotaRequest::decode(call.message.as_slice()).expect("is decodable");
        let [demand] = asked.demands.as_slice() else { panic!("{} demands", asked.demands.len()) };
        (demand.id.clone(), demand.minimum, demand.waiting)
    }
}

#[test]
fn a_demand_that_was_not_answered_is_made_again_under_its_id() {
    let (mut worker, mut ledger) = worker(vec![always(Unit::Requests, 10)]);
    let mut first = worker.request();
    let id = worker.demanded().0;
    assert!(!id.is_empty());
    let call = worker.host.calls.last().map(|call| call.id).expect("a callout");
    // It came too late.
    worker.answer_with(call, Err(CallError { status: 4 }));
    worker.host.stream = worker.leases.next_woken().expect("it waits");
    assert_eq!(reply(&first.stream.on_wake(&mut worker.host)).status, 503);
    let mut second = worker.request();
    assert_eq!(worker.demanded(), (id.clone(), 1, 1));
    worker.answer(&mut second, &mut ledger);
    assert_eq!(second.flow, Flow::Continue);
    // It was answered: the next is another.
    worker.limits.push(Limit { counter: "limit/other".into(), ..always(Unit::Requests, 10) });
    worker.request();
    assert_ne!(worker.demanded().0, id);
}

#[test]
fn what_may_have_been_granted_to_a_client_that_left_is_asked_for_and_given_back() {
    let (mut worker, mut ledger) = worker(vec![always(Unit::Requests, 10)]);
    let mut leaving = worker.request();
    let id = worker.demanded().0;
    worker.end(&mut leaving);
    worker.plugin.on_tick(&mut worker.host, &worker.leases);
    assert_eq!(worker.demanded(), (id.clone(), 0, 0), "nothing new is wanted");
    let call = worker.host.calls.last().cloned().expect("a callout");
    worker.answer_with(call.id, Err(CallError { status: 14 }));
    worker.plugin.on_tick(&mut worker.host, &worker.leases);
    assert_eq!(worker.host.calls.len(), 2, "not at once");
    worker.host.now += SECOND;
    worker.plugin.on_tick(&mut worker.host, &worker.leases);
    assert_eq!(worker.demanded(), (id, 0, 0));
    let call = worker.host.calls.last().cloned().expect("a callout");
    let mut asked = AcquireQuotaRequest::decode(call.message.as_slice()).expect("is decodable");
    // It was granted four.
    asked.demands[0].wanted = 4;
    worker.answer_with(call.id, Ok(&ledger.grant(&asked.encode_to_vec())));
    let mut returned = 0;
    for _ in 0..5 {
        worker.host.now += SECOND;
        worker.plugin.on_tick(&mut worker.host, &worker.leases);
        let settled = worker.host.calls.iter().rfind(|call| call.method == "SettleQuota").cloned();
        if let Some(call) = settled {
            let settled = SettleQuotaRequest::decode(call.message.as_slice()).expect("is decodable");
            returned = settled.settlements.iter().map(|one| one.returned).max().unwrap_or_default();
            worker.answer_with(call.id, Ok(b""));
        }
    }
    assert_eq!(returned, 4);
    assert_eq!(worker.demanded().1, 0, "it was answered, and is not made again");
    assert_eq!(worker.host.calls.iter().filter(|call| call.method == "AcquireQuota").count(), 3);
}

#[test]
fn a_clock_that_jumps_gives_no_window_more_than_it_has() {
    let (mut worker, mut ledger) = worker(vec![Limit { window: Window::of_seconds(60), ..always(Unit::Requests, 5) }]);
    let mut passed: std::collections::HashMap<u64, u32> = std::collections::HashMap::new();
    // xorshift, so that every run sees the same.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..2000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Up to five minutes ahead or back, one time of eight.
        worker.host.now = match state % 8 {
            0 => (600 + (state >> 8) % 600) * SECOND,
            _ => worker.host.now + SECOND / 10,
        };
        let minute = worker.host.now / (60 * SECOND);
        let mut request = worker.admit(&mut ledger);
        if request.flow == Flow::Continue {
            *passed.entry(minute).or_default() += 1;
            request.shared.write(|exchange| exchange.begin_attempt(Attempt { is_sent: true, ..Attempt::default() }));
        }
        worker.end(&mut request);
    }
    assert!(passed.values().all(|count| *count <= 5), "{passed:?}");
    assert!(passed.values().filter(|count| **count == 5).count() > 3, "{passed:?}");
}

#[test]
fn a_lease_for_a_window_that_ended_meanwhile_is_asked_for_in_the_next() {
    let (mut worker, mut ledger) = worker(vec![Limit { window: Window::of_seconds(60), ..always(Unit::Requests, 10) }]);
    let operation = Operation::of("POST", "/v1/chat/completions", &|_| false).expect("an operation");
    let mut request = worker.request_for(operation);
    worker.host.now += 60 * SECOND;
    counter::put(&mut worker.host, "limit/l", 660, 1, 0, 10);
    counter::give_back_all_but(&mut worker.host, "limit/l", 660, 0);
    worker.answer(&mut request, &mut ledger);
    assert_eq!(request.flow, Flow::Pause);
    worker.answer(&mut request, &mut ledger);
    assert_eq!(request.flow, Flow::Continue);
}

/// What a provider bills of an answer that nobody saw the end of is at most what was reserved, and no client can say how much.
#[test]
fn an_answer_that_was_cut_off_without_usage_takes_what_was_reserved() {
    let check = |limit: Limit, has_usage: bool, is_sent: bool, expect: u64| {
        let (mut worker, mut ledger) = worker(vec![limit]);
        let mut request = worker.send(BODY, &mut ledger);
        let price = Price { input_microusd_per_million: 2, output_microusd_per_million: 10, ..Price::default() };
        let mut attempt = Attempt { is_sent, status: 200, price: Some(Rc::new(price)), ..Attempt::default() };
        if has_usage {
            attempt.usage.report_whole(weir_llm::Usage::default().with(Figure::Input, 20).with(Figure::Output, 3));
        }
        request.shared.write(|exchange| {
            exchange.begin_attempt(attempt);
            exchange.note_owed(is_sent);
        });
        worker.end(&mut request);
        worker.leases.put_back(&mut worker.host);
        let lease = worker.lease();
        assert_eq!((lease[1], lease[2]), (0, expect), "{has_usage} {is_sent}");
    };
    check(always(Unit::Money, 10_000), false, true, 2 * LENGTH + 500);
    check(always(Unit::OutputTokens, 10_000), false, true, 50);
    check(always(Unit::TotalTokens, 10_000), false, true, LENGTH + 50);
    check(always(Unit::TotalTokens, 10_000), true, true, 23);
    check(always(Unit::TotalTokens, 10_000), false, false, 0);
    check(Limit { action: LimitAction::Warn, ..always(Unit::OutputTokens, 10_000) }, false, true, 0);
}

#[test]
fn no_other_pool_serves_what_a_budget_was_reserved_for() {
    let falls =
        Limit { counter: "limit/f".into(), action: LimitAction::FallOver("dear".into()), ..always(Unit::Requests, 1) };
    let check = |budget: Limit, expect: Option<u16>| {
        let (mut worker, mut ledger) = worker(vec![falls.clone(), budget]);
        assert_eq!(worker.send(BODY, &mut ledger).flow, Flow::Continue);
        let second = worker.send(BODY, &mut ledger);
        match expect {
            Some(status) => assert_eq!(reply(&second.flow).status, status),
            None => assert_eq!(second.flow, Flow::Continue),
        }
    };
    check(always(Unit::Money, 1_000_000), Some(429));
    check(Limit { action: LimitAction::Warn, ..always(Unit::Money, 1_000_000) }, None);
    check(always(Unit::TotalTokens, 1_000_000), None);
}

/// A stream outlives the part of a sliding window that it began in, and costs less than was reserved, or more.
#[test]
fn a_request_that_outlives_its_window_is_settled_where_it_was_reserved() {
    // Of the hundred that the first part was granted fifty are reserved.
    for (output, returned) in [(3, 97), (50, 50), (70, 50)] {
        let window = Window::Sliding { seconds: 60, part_seconds: 5 };
        let (mut worker, mut ledger) = worker(vec![Limit { window, ..always(Unit::OutputTokens, 100) }]);
        let long = worker.send(BODY, &mut ledger);
        worker.host.now += 5 * SECOND;
        let later = worker.send(BODY, &mut ledger);
        assert_eq!((&long.flow, &later.flow), (&Flow::Continue, &Flow::Continue));
        worker.took(long, 1, output);
        let told = |worker: &mut Worker| {
            worker.plugin.on_tick(&mut worker.host, &worker.leases);
            let call = worker.host.calls.pop_if(|call| call.method == "SettleQuota").expect("settlements");
            worker.answer_with(call.id, Ok(b""));
            let request = SettleQuotaRequest::decode(call.message.as_slice()).expect("is decodable");
            let told = request.settlements.into_iter();
            told.map(|one| (one.window_start_unix_s, one.spent, one.returned)).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut worker), [(600, output, returned), (605, 0, 0)]);
        assert!(counter::held(&worker.host, "limit/l", 600).is_none(), "nothing of it is kept");
        worker.host.now += SECOND;
        worker.took(later, 1, 50);
        assert_eq!(told(&mut worker), [(605, 50, 50)]);
    }
}

#[test]
fn an_envoy_keeps_what_is_under_way_and_two_seconds_of_use() {
    let (mut worker, mut ledger) = worker(vec![always(Unit::Requests, 10_000)]);
    let mut under_way: Vec<Request> = (0..3).map(|_| worker.send(BODY, &mut ledger)).collect();
    assert_eq!(worker.lease(), [9_997, 3, 0, 0], "it was granted all");
    worker.took(under_way.remove(0), 1, 1);
    let look = |worker: &mut Worker| {
        worker.host.now += SECOND;
        worker.plugin.on_tick(&mut worker.host, &worker.leases);
        worker.lease()
    };
    assert_eq!(look(&mut worker), [6, 2, 1, 0], "three a second");
    assert_eq!(look(&mut worker), [0, 2, 1, 0], "idle");
}

/// A provider that began to answer may bill an answer of no use: its worst case counts, and another attempt needs as much again.
#[test]
fn an_attempt_after_one_that_may_be_billed_needs_room_of_its_own() {
    const EACH: u64 = 2 * LENGTH + 500;
    // The first of these is granted all at once, the second a hundredth, beyond which the rest is known to remain.
    for (amount, lease_percent, has_room) in [(2 * EACH, 100, true), (100 * EACH, 1, true), (2 * EACH - 1, 100, false)]
    {
        let mut worker = Worker::new(&[], lease_percent, "closed", &SharedData::default());
        worker.limits = vec![always(Unit::Money, amount)];
        let mut ledger = Ledger { limits: [("limit/l".to_owned(), amount)].into(), ..Ledger::default() };
        let request = worker.send(BODY, &mut ledger);
        assert_eq!(request.flow, Flow::Continue);
        let budget = |request: &Request| request.shared.read(Exchange::budget_of_next_attempt).flatten();
        assert!(budget(&request).is_none(), "nothing was asked yet");
        let refused = Attempt { is_sent: true, status: 503, ..Attempt::default() };
        request.shared.write(|exchange| exchange.begin_attempt(refused));
        assert!(budget(&request).is_none(), "who refuses bills nothing");
        let useless = Attempt { is_sent: true, status: 200, ..Attempt::default() };
        request.shared.write(|exchange| exchange.begin_attempt(useless));
        let reserved = budget(&request).expect("may be billed").reserve_another(&mut worker.host);
        let code = reserved.err().map(|error| error.code);
        assert_eq!(code, (!has_room).then_some("insufficient_quota"), "{amount} {lease_percent}");
        if has_room {
            assert_eq!(worker.lease()[1], 2 * EACH);
            worker.took(request, 20, 3);
            let [_, in_flight, spent, _] = worker.lease();
            assert_eq!((in_flight, spent), (0, EACH + 2 * 20 + 10 * 3), "{amount} {lease_percent}");
        }
    }
}

/// Waiting helps only while somebody may give something back: others, or a request that is under way here.
#[test]
fn a_limit_that_is_used_up_says_when_it_resets_unless_something_may_come_back() {
    let day = Window::Calendar { name: "day".into(), periods: [Period { start_s: 0, end_s: 86_400 }].into() };
    for (ask_again_ms, is_under_way, retry_after_s) in [(1000, false, 85_800), (1000, true, 1), (250, false, 1)] {
        let (mut worker, ledger) = worker(vec![Limit { window: day.clone(), ..always(Unit::Requests, 1) }]);
        let mut ledger = Ledger { ask_again_ms, ..ledger };
        let request = worker.send(BODY, &mut ledger);
        let _under_way = if is_under_way {
            Some(request)
        } else {
            worker.took(request, 1, 1);
            None
        };
        let refused = worker.send(BODY, &mut ledger);
        let refused = reply(&refused.flow);
        let header =
            |name: &str| refused.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        assert_eq!(header("retry-after"), Some(retry_after_s.to_string()), "{ask_again_ms} {is_under_way}");
        assert_eq!(header("x-should-retry").is_some(), retry_after_s > 60, "{ask_again_ms} {is_under_way}");
    }
}
