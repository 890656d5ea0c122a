//! What a record says of tokens and money.

use std::rc::Rc;

use weir_config::Price;
use weir_exchange::{Attempt, Body, Exchange, Party};
use weir_llm::{Operation, Schema, usage_of_response};
use weir_proto::dataplane::{UsageRecord, UsageSource};

use super::{asking, attempt, body, record};

/// As in the price list of the cases: 2.5, 1.25 cached, 10 $ per million.
fn price() -> Price {
    Price {
        version: "v2".into(),
        input_microusd_per_million: 2_500_000,
        cached_input_microusd_per_million: 1_250_000,
        output_microusd_per_million: 10_000_000,
        ..Price::default()
    }
}

/// A request that a provider of this schema answers whole with this body.
fn answered(schema: &str, answer: &str) -> Exchange {
    let mut exchange = asking(body(false));
    let mut answering = Attempt { price: Some(Rc::new(price())), is_complete: true, ..attempt(200) };
    if let Some(usage) = usage_of_response(Schema::named(schema).expect("a schema"), answer.as_bytes()) {
        answering.usage.report_whole(usage);
    }
    exchange.attempts = vec![answering];
    exchange
}

fn embeddings(input: &str, answer: &str) -> Exchange {
    asked("/v1/embeddings", input, answer)
}

/// Of an operation of OpenAI's, with this input.
fn asked(path: &str, input: &str, answer: &str) -> Exchange {
    let mut exchange = answered("openai", answer);
    let answered = std::mem::take(&mut exchange.attempts);
    let request = exchange.prepare().expect("no attempt was made");
    request.operation = Operation::of("POST", path, &|_| false).ok();
    let body = format!(r#"{{"model": "e", "input": {input}}}"#).into_bytes();
    request.body = Body::new(Rc::new(body), None);
    exchange.attempts = answered;
    exchange
}

/// Input and output, and who says so.
#[track_caller]
fn check(exchange: Exchange, input: (u64, UsageSource), output: (u64, UsageSource), doubtful: &[&str]) -> UsageRecord {
    let record = record(exchange, 200, "via_upstream");
    assert_eq!((record.input_tokens, record.input_source()), input, "{record:?}");
    assert_eq!((record.output_tokens, record.output_source()), output, "{record:?}");
    assert_eq!(record.doubtful, doubtful, "{record:?}");
    record
}

const PROVIDER: UsageSource = UsageSource::Provider;
const ESTIMATED: UsageSource = UsageSource::Estimated;

#[test]
fn a_placeholder_is_not_what_was_used() {
    let mut exchange = answered("anthropic", r#"{"usage": {"input_tokens": 9, "output_tokens": 1}}"#);
    exchange.attempts[0].usage.is_final = false;
    exchange.attempts[0].usage.output_characters = 200;
    check(exchange, (9, PROVIDER), (50, ESTIMATED), &[]);
}

#[test]
fn every_class_is_recorded_and_has_its_price() {
    let answer = r#"{"usage": {"input_tokens": 10, "cache_creation_input_tokens": 1000, "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 600},
        "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 12}}}"#;
    let record = check(answered("anthropic", answer), (1110, PROVIDER), (30, PROVIDER), &[]);
    let figures = [record.cached_input_tokens, record.cache_write_tokens, record.cache_write_1h_tokens];
    assert_eq!((figures, record.reasoning_tokens), ([100, 400, 600], 12));
    let sources = [record.cached_input_source(), record.cache_write_source(), record.reasoning_source()];
    assert_eq!(sources, [PROVIDER; 3]);
    // 10 at 2.5, 100 at 1.25, 400 at 3.125, 600 at 5, 30 at 10.
    assert_eq!(record.cost_picousd, Some((25 + 125 + 1250 + 3000 + 300) * 1_000_000));
}

#[test]
fn a_class_that_nobody_counted_has_no_source() {
    let answer = r#"{"usage": {"prompt_tokens": 10, "completion_tokens": 5}}"#;
    let record = check(answered("openai", answer), (10, PROVIDER), (5, PROVIDER), &[]);
    let sources = [record.cached_input_source(), record.cache_write_source(), record.reasoning_source()];
    assert_eq!(sources, [UsageSource::Unspecified; 3]);
}

#[test]
fn figures_without_measure_are_estimated_and_marked() {
    for tokens in ["500000000000", "1000000000000", "18446744073709551615", "1e300", "-1", "0.5", "{}"] {
        let answer = format!(r#"{{"usage": {{"prompt_tokens": {tokens}, "completion_tokens": 5}}}}"#);
        let record = check(answered("openai", &answer), (3, ESTIMATED), (5, PROVIDER), &["input_tokens"]);
        assert_eq!(
            record.cost_picousd,
            Some(57_500_000),
            "7.5 for the prompt's 9 characters, and the output: {tokens}"
        );
        let answer = format!(r#"{{"usage": {{"prompt_tokens": 10, "completion_tokens": {tokens}}}}}"#);
        let mut exchange = answered("openai", &answer);
        exchange.attempts[0].usage.output_characters = 41;
        check(exchange, (10, PROVIDER), (11, ESTIMATED), &["output_tokens"]);
    }
}

#[test]
fn a_cost_without_measure_is_bounded_and_marked() {
    let mut exchange = answered("openai", r#"{"usage": {"prompt_tokens": 100000000, "completion_tokens": 100000000}}"#);
    let dearest = Price { input_microusd_per_million: u64::MAX, ..price() };
    exchange.attempts[0].price = Some(Rc::new(dearest));
    let record = check(exchange, (100_000_000, PROVIDER), (100_000_000, PROVIDER), &["cost_picousd"]);
    assert_eq!((record.cost_microusd, record.cost_picousd), (1_000_000_000_000, Some(1_000_000_000_000_000_000)));
}

#[test]
fn text_that_came_back_was_not_nothing() {
    let mut exchange =
        answered("openai", r#"{"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}"#);
    exchange.attempts[0].usage.output_characters = 8;
    check(exchange, (3, ESTIMATED), (2, ESTIMATED), &["output_tokens"]);
    check(
        answered("openai", r#"{"usage": {"prompt_tokens": 4, "completion_tokens": 0}}"#),
        (4, PROVIDER),
        (0, PROVIDER),
        &[],
    );
}

#[test]
fn a_total_alone_is_shared_between_input_and_output() {
    check(answered("openai", r#"{"usage": {"total_tokens": 50}}"#), (3, ESTIMATED), (47, ESTIMATED), &[]);
    check(answered("openai", r#"{"usage": {"total_tokens": 2}}"#), (2, ESTIMATED), (0, ESTIMATED), &[]);
}

#[test]
fn embeddings_are_counted_by_the_total_or_by_their_input() {
    let ids = serde_json::to_string(&(0..100).collect::<Vec<u32>>()).expect("JSON");
    check(embeddings(&ids, "{}"), (100, ESTIMATED), (0, ESTIMATED), &[]);
    check(embeddings("[[1, 2], [3]]", "{}"), (3, ESTIMATED), (0, ESTIMATED), &[]);
    check(embeddings(&ids, r#"{"usage": {"total_tokens": 7}}"#), (7, PROVIDER), (0, PROVIDER), &[]);
    check(embeddings(&ids, r#"{"usage": {"prompt_tokens": 7, "total_tokens": 7}}"#), (7, PROVIDER), (0, PROVIDER), &[]);
    check(embeddings(&ids, r#"{"usage": {"total_tokens": -7}}"#), (100, ESTIMATED), (0, ESTIMATED), &["input_tokens"]);
}

#[test]
fn moderations_are_billed_by_what_is_reported_or_priced() {
    let usage = r#"{"results": [], "usage": {"prompt_tokens": 7, "total_tokens": 7}}"#;
    let moderated = |answer: &str, has_price: bool| {
        let mut exchange = asked("/v1/moderations", "\"What is a weir?\"", answer);
        if !has_price {
            exchange.attempts[0].price = None;
        }
        exchange
    };
    let cost = |record: UsageRecord| record.cost_picousd.unwrap_or(0);
    let reported = check(moderated(usage, true), (7, PROVIDER), (0, PROVIDER), &[]);
    assert_eq!(cost(reported), 7 * 2_500_000);
    let priced = check(moderated("{}", true), (4, ESTIMATED), (0, ESTIMATED), &[]);
    assert_eq!(cost(priced), 4 * 2_500_000);
    assert_eq!(cost(check(moderated(usage, false), (7, PROVIDER), (0, PROVIDER), &[])), 0);
    let free = record(moderated("{}", false), 200, "via_upstream");
    assert_eq!((free.input_tokens, free.output_tokens, cost(free)), (0, 0, 0));
}

#[test]
fn an_answer_that_cannot_be_used_is_charged_by_its_own_figures() {
    let mut exchange = answered("openai", r#"{"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}"#);
    exchange.attempts[0].is_complete = false;
    exchange.decide(Party::Provider, "upstream_invalid_response");
    let record = record(exchange, 502, "via_upstream");
    assert_eq!((record.outcome.as_str(), record.cost_microusd), ("failed", 25 + 50));
    assert_eq!(record.input_source(), PROVIDER);
}

#[test]
fn a_client_is_told_the_cost_that_the_ledger_has() {
    let check = |exchange: Exchange, expect: u64, told: &str| {
        let headers = exchange.answer_headers(0);
        let cost = headers.iter().find(|(name, _)| *name == "x-weir-cost").map(|(_, cost)| cost.to_owned());
        let record = record(exchange, 200, "via_upstream");
        assert_eq!((record.cost_picousd, cost.as_deref()), (Some(expect), Some(told)));
    };
    check(answered("openai", r#"{"usage": {"prompt_tokens": 10, "completion_tokens": 5}}"#), 75_000_000, "0.000075");
    // No figures, and a short body that nobody has counted yet: 3 tokens in, 5 out.
    let mut silent = answered("openai", "{}");
    silent.attempts[0].usage.output_characters = 20;
    check(silent, 57_500_000, "0.0000575");
    // A guardrail refuses the answer afterwards: what was told stays.
    let refused = answered("openai", r#"{"usage": {"prompt_tokens": 10, "completion_tokens": 5}}"#);
    assert_eq!(refused.answer_headers(0).iter().count(), 4);
    let mut refused = refused;
    refused.decide(Party::Guardrail, "content_blocked");
    assert_eq!(record(refused, 400, "").cost_picousd, Some(75_000_000));
}
