//! What the ledger and clients see of `weir.metering`.

use std::rc::Rc;

use prost::Message as _;
use uuid::Uuid;
use weir_config::{MeteringConfig, Price, parse};
use weir_exchange::{Attempt, Body, Exchange, Party, Principal, Shared, Step, Verdict};
use weir_host::fake::FakeHost;
use weir_host::{CallError, Flow, StreamFilter};
use weir_llm::{Figure, Operation, Usage, read_head};
use weir_proto::dataplane::{
    RejectedRecord, ReportUsageRequest, ReportUsageResponse, UsageAttempt, UsageRecord, UsageSource,
};

use crate::{MeteringPlugin, MeteringStream, Outbox};

mod dead_vms;
mod errors;
mod headers;
mod usage;

const SECOND: u64 = 1_000_000;
const LEDGER: &str = r#"{"sink": {"control_plane": {"cluster": "weir"}}, "batch_records": 3,
    "outbox_records": 5}"#;

/// One VM.
struct Vm {
    plugin: MeteringPlugin,
    outbox: Rc<Outbox>,
    host: FakeHost,
}

impl Vm {
    fn new(config: &str) -> Self {
        let config: MeteringConfig = parse(config.as_bytes()).expect("a good configuration");
        let host = FakeHost { now: 100 * SECOND, ..FakeHost::default() };
        Self { plugin: MeteringPlugin::new(config), outbox: Rc::new(Outbox::new(1)), host }
    }

    fn stream(&self, exchange: Exchange) -> MeteringStream {
        self.plugin.stream(Shared::new(exchange), Rc::clone(&self.outbox))
    }

    /// The proxy tells how a stream ended.
    fn end(&mut self, status: u64, details: &str) {
        self.host.properties.insert("response.code".into(), status.to_le_bytes().to_vec());
        self.host.properties.insert("response.code_details".into(), details.into());
    }

    fn fill(&mut self, records: usize) {
        for number in 0..records {
            let record = UsageRecord { request_id: number.to_string(), ..Default::default() };
            self.outbox.push(&mut self.host, &self.plugin.config, record);
        }
    }

    /// The next batch.
    fn due(&mut self) -> Vec<UsageRecord> {
        self.tick();
        let call = self.host.calls.last().expect("a batch");
        ReportUsageRequest::decode(call.message.as_slice()).expect("is decodable").records
    }

    fn tick(&mut self) {
        self.plugin.on_tick(&mut self.host, &self.outbox);
    }

    /// Ids of the records in each delivery so far.
    fn delivered(&self) -> Vec<Vec<String>> {
        let ids = |message: &[u8]| {
            let request = ReportUsageRequest::decode(message).expect("is decodable");
            request.records.into_iter().map(|record| record.request_id).collect()
        };
        self.host.calls.iter().map(|call| ids(&call.message)).collect()
    }

    /// Answers the last delivery.
    fn answer(&mut self, answer: Result<ReportUsageResponse, u32>) {
        let call = self.host.calls.last().map(|call| call.id).expect("a delivery");
        let bytes = answer.map(|response| response.encode_to_vec()).map_err(|status| CallError { status });
        let bytes = bytes.as_ref().map(Vec::as_slice).map_err(Clone::clone);
        self.plugin.on_call(&mut self.host, &self.outbox, call, bytes);
    }
}

fn stored(stored: u32) -> Result<ReportUsageResponse, u32> {
    Ok(ReportUsageResponse { stored, rejected: Vec::new() })
}

/// A chat request that is known and was forwarded to nobody yet; it began 2 s ago.
fn exchange() -> Exchange {
    let body = br#"{"model": "gpt", "stream": true, "messages": [{"role": "user", "content": "hello you"}]}"#;
    let mut exchange = Exchange::new(Uuid::from_u128(7), 98 * SECOND);
    let operation = Operation::of("POST", "/v1/chat/completions", &|_| false).unwrap();
    let request = exchange.prepare().expect("no attempt was made");
    request.operation = Some(operation);
    request.principal = Some(Rc::new(Principal { tenant_id: "t".into(), key_id: "k".into(), ..Default::default() }));
    request.body = Body::new(Rc::new(body.to_vec()), read_head(operation, "", body).ok());
    exchange
}

/// The same, of which another body is known.
fn asking(body: Body) -> Exchange {
    let mut exchange = exchange();
    exchange.prepare().expect("no attempt was made").body = body;
    exchange
}

/// The body of [`exchange`], which asks for a stream or for a whole answer.
fn body(streamed: bool) -> Body {
    let mut body = exchange().request().body.clone();
    body.head.as_mut().expect("a head").stream = streamed;
    body
}

fn attempt(status: u16) -> Attempt {
    Attempt {
        deployment_id: "d".into(),
        provider_id: "p".into(),
        provider_name: "Provider".into(),
        upstream_model: "gpt-9".into(),
        price: Some(Rc::new(Price {
            version: "v1".into(),
            input_microusd_per_million: 1_000_000,
            cached_input_microusd_per_million: 500_000,
            output_microusd_per_million: 2_000_000,
            ..Price::default()
        })),
        status,
        started: 98 * SECOND + 5,
        answered: Some(98 * SECOND + 7),
        ..Attempt::default()
    }
}

fn usage(input: u64, output: u64) -> Usage {
    Usage::default().with(Figure::Input, input).with(Figure::Output, output)
}

/// The record of a stream that ended so.
fn record(exchange: Exchange, status: u64, details: &str) -> UsageRecord {
    let mut vm = Vm::new(LEDGER);
    vm.end(status, details);
    let mut stream = vm.stream(exchange);
    stream.on_request_headers(&mut vm.host, false);
    stream.on_log(&mut vm.host);
    stream.on_log(&mut vm.host);
    assert_eq!(vm.outbox.len(), 1, "exactly one record");
    vm.due().into_iter().next().expect("a record")
}

#[test]
fn a_record_says_who_used_what() {
    let mut complete = exchange();
    let request = complete.prepare().expect("no attempt was made");
    let known = Principal { tenant_id: "t".into(), key_id: "k".into(), revision: 9, ..Default::default() };
    request.principal = Some(Rc::new(known));
    request.pool_id = Some("pool".into());
    let mut answering = Attempt { is_complete: true, first_content: Some(99 * SECOND), ..attempt(200) };
    answering.usage.report_whole(usage(100, 7).with(Figure::CachedInput, 40));
    complete.attempts = vec![attempt(503), answering];
    let details = |status| UsageAttempt {
        deployment_id: "d".into(),
        provider_id: "p".into(),
        upstream_model: "gpt-9".into(),
        status,
        started_after_us: 5,
        answered_after_us: Some(7),
        cost_picousd: Some(0),
        ..UsageAttempt::default()
    };
    let answered = UsageAttempt {
        cost_picousd: Some((60 + 20 + 14) * 1_000_000),
        input_tokens: 100,
        output_tokens: 7,
        price_version: "v1".into(),
        ..details(200)
    };
    complete.add_finding("EMAIL", "redact");
    complete.add_finding("EMAIL", "redact");
    let expect = UsageRecord {
        request_id: Uuid::from_u128(7).to_string(),
        started_at_unix_us: 98_000_000,
        tenant_id: "t".into(),
        key_id: "k".into(),
        operation: "chat.completions".into(),
        model: "gpt".into(),
        provider_id: "p".into(),
        deployment_id: "d".into(),
        upstream_model: "gpt-9".into(),
        input_tokens: 100,
        cached_input_tokens: 40,
        output_tokens: 7,
        input_source: UsageSource::Provider.into(),
        output_source: UsageSource::Provider.into(),
        cost_microusd: 60 + 20 + 14,
        cost_picousd: Some((60 + 20 + 14) * 1_000_000),
        price_version: "v1".into(),
        latency_us: 2_000_000,
        time_to_first_token_us: Some(1_000_000),
        status: 200,
        error_code: String::new(),
        outcome: "complete".into(),
        streamed: true,
        attempts: 2,
        guardrail_findings: vec!["EMAIL:redact=2".into()],
        revision: 9,
        cached_input_source: UsageSource::Provider.into(),
        pool_id: "pool".into(),
        attempt_details: vec![details(503), answered],
        ..UsageRecord::default()
    };
    assert_eq!(record(complete, 200, "via_upstream"), expect);
}

#[test]
fn what_a_provider_bills_whose_answer_was_of_no_use_is_part_of_the_cost() {
    let mut tried = exchange();
    let request = tried.prepare().expect("no attempt was made");
    request.principal = Some(Rc::new(Principal { tenant_id: "t".into(), ..Default::default() }));
    let used = |input, output, is_complete| {
        let mut attempt = Attempt { is_complete, ..attempt(200) };
        attempt.usage.report_whole(usage(input, output));
        attempt
    };
    tried.attempts = vec![used(10, 1, false), attempt(503), used(100, 7, true)];
    let record = record(tried, 200, "via_upstream");
    let costs: Vec<_> = record.attempt_details.iter().map(|attempt| attempt.cost_picousd).collect();
    assert_eq!(costs, [Some(12_000_000), Some(0), Some(114_000_000)]);
    assert_eq!((record.cost_picousd, record.input_tokens), (Some(126_000_000), 100));
}

#[test]
fn streams_end_in_many_ways() {
    use UsageSource::{Estimated, None, Provider};
    struct Case {
        attempts: Vec<Attempt>,
        reported: Option<Usage>,
        output_characters: u64,
        complete: bool,
        verdict: Option<(Party, &'static str)>,
        ending: (u64, &'static str),
        expect: (&'static str, &'static str, u64, UsageSource, u64, UsageSource, i64),
    }
    let case = || Case {
        attempts: vec![attempt(200)],
        reported: Option::None,
        output_characters: 0,
        complete: false,
        verdict: Option::None,
        ending: (200, "via_upstream"),
        expect: ("", "", 0, None, 0, None, 0),
    };
    let input_only = Some(usage(50, 1));
    let cases = [
        // The prompt has 9 characters: 3 tokens.
        Case {
            output_characters: 5,
            complete: true,
            expect: ("complete", "", 3, Estimated, 2, Estimated, 7),
            ..case()
        },
        Case {
            reported: input_only,
            output_characters: 41,
            ending: (200, "downstream_remote_disconnect"),
            expect: ("client_disconnect", "client_disconnect", 50, Provider, 11, Estimated, 72),
            ..case()
        },
        Case {
            reported: Some(usage(50, 30)),
            output_characters: 41,
            ending: (200, "http2.remote_reset"),
            expect: ("client_disconnect", "client_disconnect", 50, Provider, 30, Estimated, 110),
            ..case()
        },
        Case {
            reported: input_only,
            output_characters: 4,
            ending: (200, "upstream_reset_after_response_started{connection_termination}"),
            expect: ("upstream_broken", "upstream_broken", 50, Provider, 1, Estimated, 52),
            ..case()
        },
        Case {
            output_characters: 4,
            ending: (200, "stream_idle_timeout"),
            expect: ("upstream_broken", "upstream_broken", 3, Estimated, 1, Estimated, 5),
            ..case()
        },
        // The client left while the provider was thinking.
        Case {
            attempts: vec![attempt(0)],
            ending: (0, "downstream_remote_disconnect"),
            expect: ("client_disconnect", "client_disconnect", 3, Estimated, 0, Estimated, 3),
            ..case()
        },
        // An administrator ended it: the provider was at work.
        Case {
            attempts: vec![attempt(0)],
            verdict: Some((Party::Policy, "ended_by_policy")),
            ending: (403, "weir.ended_by_policy"),
            expect: ("ended_by_policy", "ended_by_policy", 3, Estimated, 0, Estimated, 3),
            ..case()
        },
        // The client left during a callout.
        Case {
            attempts: vec![],
            ending: (0, "downstream_remote_disconnect"),
            expect: ("client_disconnect", "client_disconnect", 0, None, 0, None, 0),
            ..case()
        },
        Case {
            attempts: vec![],
            verdict: Some((Party::Gateway(Step::Route), "model_not_found")),
            ending: (404, ""),
            expect: ("refused", "model_not_found", 0, None, 0, None, 0),
            ..case()
        },
        // A guardrail blocked the answer: the provider bills it all the same.
        Case {
            reported: input_only,
            complete: true,
            verdict: Some((Party::Guardrail, "content_blocked")),
            ending: (400, ""),
            expect: ("refused", "content_blocked", 50, Provider, 1, Provider, 52),
            ..case()
        },
        Case {
            attempts: vec![attempt(0), attempt(0)],
            ending: (503, "upstream_reset_before_response_started{remote_connection_failure}"),
            expect: ("failed", "upstream_unavailable", 0, None, 0, None, 0),
            ..case()
        },
        Case {
            attempts: vec![attempt(500)],
            ending: (500, "via_upstream"),
            expect: ("failed", "upstream_error", 0, None, 0, None, 0),
            ..case()
        },
        Case {
            attempts: vec![attempt(401)],
            ending: (502, "via_upstream"),
            expect: ("failed", "upstream_auth_failed", 0, None, 0, None, 0),
            ..case()
        },
        // The provider's own refusal, as weir.provider notes it.
        Case {
            attempts: vec![attempt(429)],
            verdict: Some((Party::Provider, "upstream_rate_limited")),
            ending: (429, "via_upstream"),
            expect: ("failed", "upstream_rate_limited", 0, None, 0, None, 0),
            ..case()
        },
        // A 200 that turned out to be none.
        Case {
            verdict: Some((Party::Provider, "upstream_invalid_response")),
            ending: (502, "via_upstream"),
            expect: ("failed", "upstream_invalid_response", 0, None, 0, None, 0),
            ..case()
        },
        // The provider closed its stream without its last event, and we told the client so.
        Case {
            output_characters: 8,
            verdict: Some((Party::Provider, "upstream_incomplete")),
            ending: (200, "via_upstream"),
            expect: ("upstream_broken", "upstream_incomplete", 3, Estimated, 2, Estimated, 7),
            ..case()
        },
        // A guardrail that had to see the answer did not: its provider answered all the same.
        Case {
            output_characters: 8,
            complete: true,
            verdict: Some((Party::Guardrail, "guardrail_unavailable")),
            ending: (503, ""),
            expect: ("failed", "guardrail_unavailable", 3, Estimated, 2, Estimated, 7),
            ..case()
        },
        Case {
            attempts: vec![attempt(500)],
            verdict: Some((Party::Guardrail, "response_not_inspectable")),
            ending: (502, ""),
            expect: ("failed", "response_not_inspectable", 0, None, 0, None, 0),
            ..case()
        },
        // A guardrail ended a stream.
        Case {
            output_characters: 8,
            verdict: Some((Party::Guardrail, "content_blocked")),
            ending: (200, "via_upstream"),
            expect: ("refused", "content_blocked", 3, Estimated, 2, Estimated, 7),
            ..case()
        },
        // The client left between two attempts.
        Case {
            attempts: vec![attempt(503)],
            verdict: Some((Party::Provider, "upstream_unavailable")),
            ending: (0, "downstream_remote_disconnect"),
            expect: ("client_disconnect", "client_disconnect", 0, None, 0, None, 0),
            ..case()
        },
        Case { attempts: vec![], ending: (200, ""), expect: ("complete", "", 0, None, 0, None, 0), ..case() },
    ];
    for case in cases {
        let mut exchange = asking(Body { input_tokens: Some(3), ..body(true) });
        exchange.attempts = case.attempts;
        if let Some(attempt) = exchange.attempt_mut() {
            attempt.usage.reported = case.reported;
            attempt.usage.is_final = case.complete;
            attempt.usage.output_characters = case.output_characters;
            attempt.is_complete = case.complete;
        }
        exchange.verdict = case.verdict.map(|(by, code)| Verdict { by, code });
        let record = record(exchange, case.ending.0, case.ending.1);
        let (outcome, code, input, input_source, output, output_source, cost) = case.expect;
        let what = format!("{:?} {code}", case.ending);
        assert_eq!((record.outcome.as_str(), record.error_code.as_str()), (outcome, code), "{what}");
        assert_eq!((record.input_tokens, record.input_source()), (input, input_source), "{what}");
        assert_eq!((record.output_tokens, record.output_source()), (output, output_source), "{what}");
        assert_eq!(record.cost_microusd, cost, "{what}");
        assert_eq!(u64::from(record.status), case.ending.0, "{what}");
        assert_eq!(record.price_version.is_empty(), input_source == None, "{what}");
        assert_eq!(record.provider_id.is_empty(), record.deployment_id.is_empty(), "{what}");
    }
}

#[test]
fn input_that_nobody_counted_is_counted_from_the_body() {
    let mut exchange = exchange();
    exchange.attempts = vec![attempt(200)];
    let record = record(exchange, 200, "downstream_remote_disconnect");
    // "hello you" has 9 characters.
    assert_eq!((record.input_tokens, record.input_source()), (3, UsageSource::Estimated));
}

#[test]
fn the_first_token_is_the_first_content() {
    let check_ending = |streamed: bool, output_characters: u64, told: Option<u64>, status: u64, expect: Option<u64>| {
        let mut vm = Vm::new(LEDGER);
        let mut exchange = asking(body(streamed));
        let mut answering = Attempt { first_content: told, ..attempt(200) };
        answering.usage.output_characters = output_characters;
        exchange.attempts = vec![answering];
        let mut stream = vm.stream(exchange);
        vm.end(status, "via_upstream");
        for held in [0, 5, 5] {
            vm.host.now += SECOND;
            assert_eq!(stream.on_response_body(&mut vm.host, held, false), Flow::Continue);
        }
        stream.on_log(&mut vm.host);
        assert_eq!(vm.due().first().and_then(|record| record.time_to_first_token_us), expect);
    };
    let check = |streamed, characters, told, expect| check_ending(streamed, characters, told, 200, expect);
    check(true, 9, Some(99 * SECOND), Some(SECOND));
    check(true, 9, None, Some(4 * SECOND));
    check(true, 0, None, None);
    check(false, 0, None, Some(4 * SECOND));
    // An error in the place of the content, and a client that left while it was held.
    for status in [0, 400, 503] {
        check_ending(true, 9, Some(99 * SECOND), status, None);
        check_ending(false, 0, None, status, None);
    }
}

#[test]
fn who_is_not_known_has_no_record_but_is_counted() {
    let mut vm = Vm::new(LEDGER);
    let mut stream = vm.stream(Exchange::new(Uuid::from_u128(7), 0));
    assert_eq!(stream.on_request_headers(&mut vm.host, false), Flow::Continue);
    vm.end(401, "invalid_api_key");
    stream.on_log(&mut vm.host);
    assert!(vm.outbox.is_empty());
    assert_eq!(vm.host.counters.get("weir_requests_unauthenticated"), Some(&1));
}

#[test]
fn nothing_is_admitted_that_could_not_be_recorded() {
    let mut vm = Vm::new(LEDGER);
    vm.fill(4);
    let mut admitted = vm.stream(exchange());
    assert_eq!(admitted.on_request_headers(&mut vm.host, false), Flow::Continue);
    vm.fill(1);
    let mut refused = vm.stream(exchange());
    match refused.on_request_headers(&mut vm.host, false) {
        Flow::Reply(reply) => assert_eq!((reply.status, reply.code), (503, "metering_unavailable")),
        other => panic!("{other:?}"),
    }
    assert_eq!(refused.on_request_body(&mut vm.host, 5, true), Flow::Pause);
    admitted.on_log(&mut vm.host);
    refused.on_log(&mut vm.host);
    assert_eq!(vm.outbox.len(), 7, "what was admitted or refused is recorded in any case");
}

#[test]
fn records_are_delivered_in_batches_one_after_the_other() {
    let mut vm = Vm::new(LEDGER);
    vm.fill(7);
    vm.tick();
    vm.tick();
    assert_eq!(vm.delivered(), [["0", "1", "2"]], "one batch at a time");
    vm.answer(stored(3));
    vm.answer(stored(3));
    assert_eq!(vm.delivered().len(), 2, "a full batch does not wait for the tick; the rest does");
    vm.tick();
    assert_eq!(vm.delivered().len(), 2);
    vm.host.now += SECOND / 5;
    vm.tick();
    vm.answer(stored(1));
    assert_eq!(vm.delivered().last(), Some(&vec!["6".to_owned()]));
    assert!(vm.outbox.is_empty());
    assert_eq!(vm.host.counters.get("weir_usage_records_stored"), Some(&7));
}

#[test]
fn what_was_not_acknowledged_goes_out_again() {
    type Failure = (&'static str, fn(&mut Vm));
    let failures: [Failure; 5] = [
        ("the call fails", |vm| vm.answer(Err(14))),
        ("the answer is rubbish", |vm| {
            let call = vm.host.calls.last().map(|call| call.id).expect("a delivery");
            vm.plugin.on_call(&mut vm.host, &vm.outbox, call, Ok(b"\xff"));
        }),
        ("fewer were stored", |vm| vm.answer(stored(1))),
        ("no answer ever comes", |vm| {
            vm.host.now += 3 * SECOND;
            vm.tick();
        }),
        ("the plugin was configured anew", |vm| {
            vm.plugin = MeteringPlugin::new(parse(LEDGER.as_bytes()).expect("a good configuration"));
            vm.host.now += 3 * SECOND;
            vm.tick();
        }),
    ];
    for (what, fail) in failures {
        let mut vm = Vm::new(LEDGER);
        vm.fill(2);
        vm.tick();
        let first = vm.host.calls.last().map(|call| call.id).expect("a delivery");
        fail(&mut vm);
        vm.tick();
        assert_eq!(vm.delivered().len(), 1, "{what}: not at once");
        vm.host.now += SECOND / 4;
        vm.tick();
        assert_eq!(vm.delivered(), [["0", "1"], ["0", "1"]], "{what}");
        let late = stored(2).expect("an answer").encode_to_vec();
        vm.plugin.on_call(&mut vm.host, &vm.outbox, first, Ok(&late));
        assert_eq!(vm.outbox.len(), 2, "{what}: a late answer to the first delivery is none to the second");
        vm.answer(stored(2));
        assert!(vm.outbox.is_empty(), "{what}");
    }
}

#[test]
fn a_delivery_that_cannot_be_sent_is_tried_more_and_more_slowly() {
    let mut vm = Vm::new(LEDGER);
    vm.fill(4);
    vm.host.refuse_calls = true;
    let tries = |vm: &Vm| vm.host.logged.len();
    for _ in 0..300 {
        vm.tick();
        vm.host.now += SECOND / 10;
    }
    assert!((7..=11).contains(&tries(&vm)), "{} tries in 30 s", tries(&vm));
    vm.host.refuse_calls = false;
    vm.host.now += 5 * SECOND;
    vm.tick();
    vm.answer(stored(3));
    assert_eq!(vm.outbox.len(), 1);
}

#[test]
fn rejected_records_are_told_and_not_sent_again() {
    let mut vm = Vm::new(LEDGER);
    vm.fill(3);
    vm.tick();
    let rejected = vec![RejectedRecord { request_id: "1".into(), reason: "no such tenant".into() }];
    vm.answer(Ok(ReportUsageResponse { stored: 2, rejected }));
    assert!(vm.outbox.is_empty());
    assert_eq!(vm.host.counters.get("weir_usage_records_rejected"), Some(&1));
    assert!(vm.host.logged.iter().any(|(_, line)| line.contains("no such tenant")), "{:?}", vm.host.logged);
}

#[test]
fn records_may_go_to_the_log() {
    let mut vm = Vm::new(r#"{"sink": "log"}"#);
    let mut exchange = exchange();
    exchange.attempts = vec![Attempt { is_complete: true, ..attempt(200) }];
    let mut stream = vm.stream(exchange);
    vm.end(200, "via_upstream");
    stream.on_log(&mut vm.host);
    vm.tick();
    assert!(vm.outbox.is_empty() && vm.host.calls.is_empty());
    let (_, line) = vm.host.logged.first().expect("a line");
    let json: serde_json::Value =
        serde_json::from_str(line.strip_prefix("weir.usage ").expect("its prefix")).expect("is JSON");
    assert_eq!((&json["tenant_id"], &json["output_source"]), (&"t".into(), &"estimated".into()));
    assert!(!line.contains("hello"), "no text of the request");
}
