//! What a client is told in the headers of its answer.

use uuid::Uuid;
use weir_exchange::{Attempt, Exchange, Party, RateLimitStatus, Step};
use weir_host::{Flow, StreamFilter};

use super::{LEDGER, Vm, attempt, body, exchange, usage};

#[test]
fn response_headers_name_the_request_and_its_provider() {
    let check = |change: &dyn Fn(&mut Exchange), expect: &[(&str, &str)]| {
        let mut vm = Vm::new(LEDGER);
        let mut exchange = exchange();
        change(&mut exchange);
        vm.host.headers[1] = vec![(":status".to_owned(), b"200".to_vec())];
        assert_eq!(vm.stream(exchange).on_response_headers(&mut vm.host, false), Flow::Continue);
        let headers = vm.host.headers[1].iter().skip(1).cloned();
        let ours: Vec<_> = headers.map(|(name, value)| (name, String::from_utf8(value).expect("text"))).collect();
        let expect: Vec<_> = expect.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(ours, expect);
    };
    let id = Uuid::from_u128(7).to_string();
    check(
        &|exchange| {
            exchange.prepare().expect("no attempt was made").body = body(false);
            let mut answering = Attempt { is_complete: true, ..attempt(200) };
            answering.usage.report_whole(usage(100, 10));
            exchange.attempts = vec![answering];
        },
        &[
            ("x-weir-request-id", &id),
            ("x-weir-provider", "Provider"),
            ("x-weir-model", "gpt-9"),
            ("x-weir-cost", "0.000120"),
        ],
    );
    check(
        &|exchange| {
            exchange.attempts = vec![Attempt { is_complete: true, ..attempt(200) }];
        },
        &[("x-weir-request-id", &id), ("x-weir-provider", "Provider"), ("x-weir-model", "gpt-9")],
    );
    check(
        &|exchange| exchange.decide(Party::Gateway(Step::Quota), "rate_limit_exceeded"),
        &[("x-weir-request-id", &id)],
    );
}

#[test]
fn a_failure_without_a_body_gets_one() {
    let mut vm = Vm::new(LEDGER);
    let mut exchange = exchange();
    exchange.attempts = vec![attempt(503)];
    exchange.decide(Party::Provider, "upstream_unavailable");
    vm.host.headers[1] = vec![(":status".to_owned(), b"503".to_vec())];
    let Flow::Reply(reply) = vm.stream(exchange).on_response_headers(&mut vm.host, true) else { panic!("no reply") };
    assert_eq!((reply.status, reply.code), (503, "upstream_unavailable"));
    assert!(String::from_utf8(reply.body).expect("text").contains(r#""code":"upstream_unavailable""#));
    assert!(reply.headers.iter().any(|(name, _)| name == "x-weir-request-id"));
}

/// An answer that the last attempt has passed on says it all; any other is looked at.
#[test]
fn an_answer_is_told_about_unless_the_attempt_did() {
    let check = |change: &dyn Fn(&mut Exchange), expect: &[&str]| {
        let mut vm = Vm::new(LEDGER);
        let mut exchange = exchange();
        exchange.attempts = vec![Attempt { is_passed_on: true, ..attempt(200) }];
        change(&mut exchange);
        vm.host.headers[1] = [(":status", "500"), ("a", "1"), ("x-weir-guardrails", "not Weir's")]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into();
        assert_eq!(vm.stream(exchange).on_response_headers(&mut vm.host, false), Flow::Continue);
        let names: Vec<_> = vm.host.headers[1].iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, expect);
    };
    let told = [":status", "a", "x-weir-request-id", "x-weir-provider", "x-weir-model"];
    check(&|_| {}, &[":status", "a", "x-weir-guardrails"]);
    check(&|exchange| exchange.attempts[0].is_passed_on = false, &told);
    // A guardrail refused it since; the router asked another one.
    check(&|exchange| exchange.decide(Party::Guardrail, "content_blocked"), &told);
    check(&|exchange| exchange.attempts.push(attempt(0)), &told[..3]);
    let all = |exchange: &mut Exchange| {
        exchange.decide(Party::Guardrail, "content_blocked");
        exchange.add_finding("EMAIL", "flag");
        let answered = std::mem::take(&mut exchange.attempts);
        let request = exchange.prepare().expect("no attempt was made");
        request.rate_limit = Some(RateLimitStatus { limit: 5, remaining: 4, window_end: 0 });
        exchange.attempts = answered;
    };
    // What a rule in shadow would have done is in the record only.
    let shadow = |exchange: &mut Exchange| {
        exchange.decide(Party::Guardrail, "content_blocked");
        exchange.add_finding("EMAIL", "would_block");
    };
    check(&shadow, &told);
    let limits = ["limit", "remaining", "reset"].map(|what| format!("x-ratelimit-{what}-requests"));
    let mut expect = told.to_vec();
    expect.extend(limits.iter().map(String::as_str));
    expect.push("x-weir-guardrails");
    check(&all, &expect);
}
