//! Usage records as the filters make them.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;
use weir_proto::dataplane::{UsageRecord, UsageSource};

/// Whose requests are reported.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) tenant: String,
    pub(crate) key: String,
}

/// The record of one chat request that ends now; every fourth is streamed, every tenth had a finding.
pub(crate) fn record(caller: &Caller, provider: &str, number: u64) -> UsageRecord {
    let (input, output) = (200 + number % 1800, 20 + number % 380);
    let is_stream = number.is_multiple_of(4);
    UsageRecord {
        request_id: Uuid::now_v7().to_string(),
        started_at_unix_us: now_us(),
        tenant_id: caller.tenant.clone(),
        key_id: caller.key.clone(),
        operation: "chat.completions".into(),
        model: "gpt-4o".into(),
        provider_id: provider.into(),
        deployment_id: provider.into(),
        upstream_model: "gpt-4o-2024-11-20".into(),
        input_tokens: input,
        cached_input_tokens: input / 4,
        output_tokens: output,
        input_source: UsageSource::Provider.into(),
        output_source: UsageSource::Provider.into(),
        cost_microusd: i64::try_from((input * 5).div_ceil(2) + output * 10).unwrap_or_default(),
        cost_picousd: Some(input * 2_500_000 + output * 10_000_000),
        price_version: "r7".into(),
        latency_us: 700_000 + number % 1000 * 1000,
        time_to_first_token_us: is_stream.then_some(300_000 + number % 1000),
        status: 200,
        error_code: String::new(),
        outcome: "complete".into(),
        streamed: is_stream,
        attempts: 1,
        guardrail_findings: number.is_multiple_of(10).then(|| "EMAIL:redact=1".to_owned()).into_iter().collect(),
        revision: 42,
        cached_input_source: UsageSource::Provider.into(),
        ..UsageRecord::default()
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
