//! Who decided on an error, and after which attempts.

use weir_exchange::{Party, Step};

use super::{attempt, exchange, record};

#[test]
fn a_record_says_who_decided_on_an_error() {
    let check = |verdict: Option<(Party, &'static str)>, status, details: &str, expect: &str| {
        let mut exchange = exchange();
        if let Some((by, code)) = verdict {
            exchange.decide(by, code);
            exchange.decide_if_first(Party::Provider, "later");
        }
        assert_eq!(record(exchange, status, details).decided_by, expect, "{verdict:?} {status} {details}");
    };
    check(None, 200, "via_upstream", "");
    check(None, 413, "request_payload_too_large", "envoy");
    check(Some((Party::Guardrail, "content_blocked")), 400, "", "guardrails");
    check(Some((Party::Gateway(Step::Quota), "rate_limit_exceeded")), 429, "", "quota");
    check(Some((Party::Guardrail, "content_blocked")), 0, "downstream_remote_disconnect", "client");
}

#[test]
fn an_outcome_goes_by_who_decided() {
    let check = |attempts: Vec<u16>, by, status, expect: &str| {
        let mut exchange = exchange();
        exchange.attempts = attempts.into_iter().map(attempt).collect();
        exchange.decide(by, "code");
        let record = record(exchange, status, "");
        assert_eq!((record.outcome.as_str(), record.error_code.as_str()), (expect, "code"), "{by:?} {status}");
    };
    let of_attempt = Party::Gateway(Step::Attempt);
    // No attempt could be made; what the client asks for has no place in the provider's schema.
    check(vec![], of_attempt, 503, "failed");
    check(vec![500, 0], of_attempt, 400, "refused");
    // No guardrail can read the request, or the answer.
    check(vec![], Party::Guardrail, 503, "refused");
    check(vec![200], Party::Guardrail, 502, "failed");
    check(vec![200], Party::Provider, 502, "failed");
    check(vec![200], Party::Provider, 200, "upstream_broken");
    check(vec![], Party::Gateway(Step::Quota), 503, "refused");
}

#[test]
fn an_endless_row_of_attempts_is_cut() {
    let mut exchange = exchange();
    exchange.attempts = vec![attempt(503); 1000];
    let record = record(exchange, 503, "via_upstream");
    assert_eq!((record.attempts, record.attempt_details.len()), (1000, 16));
}
