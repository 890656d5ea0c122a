use weir_exchange::{Exchange, TokenSource};
use weir_host::Micros;
use weir_proto::dataplane::{UsageAttempt, UsageRecord, UsageSource};

use crate::{Ending, Outcome};

/// Characters of a model's name that a record keeps; the API allows models no longer ones.
const LONGEST_MODEL: usize = 256;
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
        price_version: settlement.price_version,
        latency_us: now.saturating_sub(request.arrived),
        time_to_first_token_us: first_content.map(|first| first.saturating_sub(request.arrived)),
        status: ending.status.into(),
        error_code: verdict.map(|verdict| verdict.code).unwrap_or_default().to_owned(),
        outcome: outcome.name().to_owned(),
        streamed: head.is_some_and(|head| head.stream),
        attempts: u32::try_from(exchange.attempts.len()).unwrap_or(u32::MAX),
        guardrail_findings: exchange.findings_in_words(),
        revision: request.revision(),
        pool_id: request.pool_id.clone().unwrap_or_default(),
        attempt_details: exchange
            .attempts
            .iter()
            .take(MOST_ATTEMPTS)
            .map(|attempt| UsageAttempt {
                deployment_id: attempt.deployment_id.clone(),
                provider_id: attempt.provider_id.clone(),
                upstream_model: attempt.upstream_model.clone(),
                status: attempt.status.into(),
                started_after_us: attempt.started.saturating_sub(request.arrived),
                answered_after_us: attempt.answered.map(|at| at.saturating_sub(request.arrived)),
            })
            .collect(),
        decided_by: verdict.map(|verdict| verdict.by.name()).unwrap_or_default().to_owned(),
    })
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
