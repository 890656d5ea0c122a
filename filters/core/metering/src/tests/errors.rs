//! Who decided on an error, and after which attempts.

use weir_exchange::{Decider, Exchange};

use super::{attempt, exchange, record};

#[test]
fn a_record_says_who_decided_on_an_error() {
    let check = |refusal: Option<(&'static str, Decider)>, status, details: &str, expect: &str| {
        let mut exchange = exchange();
        if let Some((code, by)) = refusal {
            exchange.note_refusal(code, by);
            exchange.note_refusal_if_first("later", Decider::Provider);
        }
        assert_eq!(record(exchange, status, details).decided_by, expect, "{refusal:?} {status} {details}");
    };
    check(None, 200, "via_upstream", "");
    check(None, 413, "request_payload_too_large", "envoy");
    check(Some(("content_blocked", Decider::Guardrails)), 400, "", "guardrails");
    check(Some(("rate_limit_exceeded", Decider::Quota)), 429, "", "quota");
    check(Some(("content_blocked", Decider::Guardrails)), 0, "downstream_remote_disconnect", "client");
}

#[test]
fn an_endless_row_of_attempts_is_cut() {
    let exchange = Exchange { attempts: vec![attempt(503); 1000], ..exchange() };
    let record = record(exchange, 503, "via_upstream");
    assert_eq!((record.attempts, record.attempt_details.len()), (1000, 16));
}
