use serde_json::{Value, json};
use weir_proto::dataplane::{UsageAttempt, UsageRecord, UsageSource};

/// A record as one JSON object in one line: the fields of `weir.dataplane.v1.UsageRecord` by their names, sources in
/// words. It holds no text of request or answer.
pub(crate) fn log_line(record: &UsageRecord) -> String {
    json!({
        "request_id": record.request_id,
        "started_at_unix_us": record.started_at_unix_us,
        "tenant_id": record.tenant_id,
        "key_id": record.key_id,
        "operation": record.operation,
        "model": record.model,
        "provider_id": record.provider_id,
        "deployment_id": record.deployment_id,
        "upstream_model": record.upstream_model,
        "input_tokens": record.input_tokens,
        "cached_input_tokens": record.cached_input_tokens,
        "cache_write_tokens": record.cache_write_tokens,
        "cache_write_1h_tokens": record.cache_write_1h_tokens,
        "output_tokens": record.output_tokens,
        "reasoning_tokens": record.reasoning_tokens,
        "input_source": source(record.input_source()),
        "cached_input_source": source(record.cached_input_source()),
        "cache_write_source": source(record.cache_write_source()),
        "output_source": source(record.output_source()),
        "reasoning_source": source(record.reasoning_source()),
        "doubtful": record.doubtful,
        "cost_microusd": record.cost_microusd,
        "cost_picousd": record.cost_picousd,
        "price_version": record.price_version,
        "latency_us": record.latency_us,
        "time_to_first_token_us": record.time_to_first_token_us,
        "status": record.status,
        "error_code": record.error_code,
        "outcome": record.outcome,
        "streamed": record.streamed,
        "attempts": record.attempts,
        "guardrail_findings": record.guardrail_findings,
        "revision": record.revision,
        "pool_id": record.pool_id,
        "attempt_details": record.attempt_details.iter().map(attempt).collect::<Vec<_>>(),
        "decided_by": record.decided_by,
        "service_tier": record.service_tier,
        "raw_usages": record.raw_usages,
        "web_searches": record.web_searches,
        "trace_id": record.trace_id,
        "client_request_id": record.client_request_id,
    })
    .to_string()
}

fn attempt(attempt: &UsageAttempt) -> Value {
    json!({
        "deployment_id": attempt.deployment_id,
        "provider_id": attempt.provider_id,
        "upstream_model": attempt.upstream_model,
        "status": attempt.status,
        "started_after_us": attempt.started_after_us,
        "answered_after_us": attempt.answered_after_us,
        "cost_picousd": attempt.cost_picousd,
        "input_tokens": attempt.input_tokens,
        "output_tokens": attempt.output_tokens,
        "price_version": attempt.price_version,
    })
}

fn source(source: UsageSource) -> &'static str {
    match source {
        UsageSource::Unspecified | UsageSource::None => "none",
        UsageSource::Provider => "provider",
        UsageSource::Estimated => "estimated",
    }
}
