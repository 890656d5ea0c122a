use weir_exchange::{Exchange, Settlement, TokenSource};
use weir_host::Micros;
use weir_proto::dataplane::{UsageAttempt, UsageRecord, UsageSource};

use crate::{Ending, Outcome};

/// Characters of a model's name that a record keeps; the API allows models no longer ones.
const LONGEST_MODEL: usize = 256;
/// Characters of a client's own name for its request.
const LONGEST_REQUEST_ID: usize = 128;
/// Attempts that a record tells of one by one; a pool has at most half as many members.
const MOST_ATTEMPTS: usize = 16;

/// The record of a stream that is over. `None` if nobody knows who sent it: there is no tenant to keep a record for.
pub(crate) fn record(
    exchange: &Exchange,
    ending: &Ending,
    first_content: Option<Micros>,
    now: Micros,
) -> Option<UsageRecord> {
    let request = exchange.request();
    let head = exchange.body().head.as_ref();
    let principal = request.principal.as_ref()?;
    let outcome = Outcome::of(exchange, ending);
    let verdict = outcome.verdict(exchange, ending);
    let is_owed = outcome.is_owed(exchange);
    exchange.note_owed(is_owed);
    let settlement = exchange.settlement(is_owed);
    let tokens = settlement.tokens;
    let charged = settlement.input_source != TokenSource::None;
    let answered = exchange.attempt().filter(|attempt| attempt.status != 0 || charged).cloned().unwrap_or_default();
    Some(UsageRecord {
        request_id: request.id.to_string(),
        started_at_unix_us: i64::try_from(request.arrived).unwrap_or(i64::MAX),
        tenant_id: principal.tenant_id.clone(),
        key_id: principal.key_id.clone(),
        operation: request.operation.map(|operation| operation.name().to_owned()).unwrap_or_default(),
        model: head.map(|head| shortened(&head.model)).unwrap_or_default(),
        provider_id: answered.provider_id,
        deployment_id: answered.deployment_id,
        upstream_model: answered.upstream_model,
        input_tokens: tokens.input,
        cached_input_tokens: tokens.cached_input,
        cache_write_tokens: tokens.cache_write,
        cache_write_1h_tokens: tokens.cache_write_1h,
        output_tokens: tokens.output,
        reasoning_tokens: tokens.reasoning,
        input_source: source(settlement.input_source).into(),
        output_source: source(settlement.output_source).into(),
        cached_input_source: part_source(settlement.cached_input_source).into(),
        cache_write_source: part_source(settlement.cache_write_source).into(),
        reasoning_source: part_source(settlement.reasoning_source).into(),
        doubtful: settlement.doubtful.iter().map(|field| (*field).to_owned()).collect(),
        cost_microusd: i64::try_from(settlement.cost_picousd.div_ceil(1_000_000)).unwrap_or(i64::MAX),
        cost_picousd: Some(settlement.cost_picousd),
        price_version: settlement.price_version.clone(),
        latency_us: now.saturating_sub(request.arrived),
        time_to_first_token_us: first_content.map(|first| first.saturating_sub(request.arrived)),
        status: ending.status.into(),
        error_code: verdict.map(|verdict| verdict.code).unwrap_or_default().to_owned(),
        outcome: outcome.name().to_owned(),
        streamed: head.is_some_and(|head| head.stream),
        attempts: u32::try_from(exchange.attempts.len()).unwrap_or(u32::MAX),
        guardrail_findings: exchange.findings_in_words(),
        finding_digests: digests(exchange),
        revision: request.revision(),
        pool_id: request.pool_id.clone().unwrap_or_default(),
        attempt_details: attempts(exchange, &settlement),
        decided_by: verdict.map(|verdict| verdict.by.name()).unwrap_or_default().to_owned(),
        service_tier: settlement.tier.clone(),
        raw_usages: exchange.attempt().map(|attempt| attempt.usage.said.usages.clone()).unwrap_or_default(),
        web_searches: settlement.web_searches,
        trace_id: said(exchange, "traceparent", trace_id),
        client_request_id: said(exchange, "x-request-id", client_request_id),
    })
}

fn digests(exchange: &Exchange) -> Vec<String> {
    exchange.finding_digests.iter().map(|(finding, digest)| format!("{finding}:{digest}")).collect()
}

/// The first attempts one by one, with what each came to; the last came to what the record says.
fn attempts(exchange: &Exchange, last: &Settlement) -> Vec<UsageAttempt> {
    let arrived = exchange.request().arrived;
    let mut settlements = exchange.earlier_settlements();
    settlements.push(last.clone());
    let tried = exchange.attempts.iter().zip(settlements).take(MOST_ATTEMPTS);
    let told = tried.map(|(attempt, settlement)| UsageAttempt {
        deployment_id: attempt.deployment_id.clone(),
        provider_id: attempt.provider_id.clone(),
        upstream_model: attempt.upstream_model.clone(),
        status: attempt.status.into(),
        started_after_us: attempt.started.saturating_sub(arrived),
        answered_after_us: attempt.answered.map(|at| at.saturating_sub(arrived)),
        cost_picousd: Some(settlement.attempt_picousd),
        input_tokens: settlement.tokens.input,
        output_tokens: settlement.tokens.output,
        price_version: settlement.price_version,
    });
    told.collect()
}

/// What a header of the client's says; empty where nothing went on to a provider, as its headers are kept only then.
fn said(exchange: &Exchange, header: &str, read: impl FnOnce(&str) -> Option<&str>) -> String {
    let headers = exchange.original_headers.as_ref();
    headers.and_then(|headers| read(headers.text(header))).unwrap_or_default().to_owned()
}

/// The trace of a `traceparent` (W3C Trace Context, 3.2.2).
fn trace_id(traceparent: &str) -> Option<&str> {
    let (_, rest) = traceparent.split_once('-')?;
    let (trace_id, _) = rest.split_once('-')?;
    let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_valid =
        trace_id.len() == 32 && trace_id.bytes().all(is_lower_hex) && trace_id.bytes().any(|byte| byte != b'0');
    is_valid.then_some(trace_id)
}

/// The client's own name for its request, if it can be shown anywhere.
fn client_request_id(id: &str) -> Option<&str> {
    (id.len() <= LONGEST_REQUEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic())).then_some(id)
}

/// A model's name as the client wrote it: it need not be one, and may be as long as a body.
fn shortened(model: &str) -> String {
    match model.len() {
        ..=LONGEST_MODEL => model.to_owned(),
        _ => model.chars().take(LONGEST_MODEL).collect(),
    }
}

fn source(source: TokenSource) -> UsageSource {
    match source {
        TokenSource::None => UsageSource::None,
        TokenSource::Provider => UsageSource::Provider,
        TokenSource::Estimated => UsageSource::Estimated,
    }
}

/// Of a class of which providers may say nothing.
fn part_source(part: TokenSource) -> UsageSource {
    match part {
        TokenSource::None => UsageSource::Unspecified,
        TokenSource::Provider | TokenSource::Estimated => source(part),
    }
}

#[cfg(test)]
mod tests {
    use super::{client_request_id, trace_id};

    #[test]
    fn a_trace_and_a_clients_id_are_kept_if_they_are_ones() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{trace}-00f067aa0ba902b7-01")), Some(trace));
        for odd in [
            "",
            "00",
            "00-x-y",
            &format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            &format!("00-{}-1-01", "0".repeat(32)),
        ] {
            assert_eq!(trace_id(odd), None, "{odd}");
        }
        assert_eq!(client_request_id("req_1:a.b"), Some("req_1:a.b"));
        for odd in ["a b", "ä", "<a\n", &"x".repeat(129)] {
            assert_eq!(client_request_id(odd), None, "{odd}");
        }
    }
}
