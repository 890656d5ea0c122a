//! Usage records as Envoy's log has them: one JSON object in a line, as the filters write it (`weir.usage {…}`), alone or behind what
//! Envoy writes before it; or a line of an access log in JSON that holds one as `weir_usage`.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::json::read;
use crate::ledger::{PICOUSD_PER_MICROUSD, RecordSaid, RecordSubject, UsageAttempt, UsageRecord, UsageSource};

/// What stands before a record in a line of Envoy's own log: one that was written as such, and one for which a worker had no room.
const MARKS: [&str; 2] = ["weir.usage ", "weir.metering: no room for a record: "];
/// The field of a line in JSON that holds a record.
const FIELD: &str = "weir_usage";

/// Reads the record of a line; `None`: the line holds none. A reason names the field, never its value.
pub fn read_line(line: &str) -> Option<Result<UsageRecord, String>> {
    // What a line in JSON quotes, a client's user agent for one, marks nothing.
    if line.trim_start().starts_with('{') {
        let value: Value = serde_json::from_str(line.trim()).ok()?;
        return match value.get(FIELD) {
            Some(Value::String(text)) => Some(parse(text)),
            Some(record @ Value::Object(_)) => Some(of_value(record.clone())),
            Some(_) => None,
            None => value.get("request_id").and(value.get("key_id")).is_some().then(|| of_value(value)),
        };
    }
    // The first mark is the log's own: what stands behind it is a record, whatever it quotes.
    let marks = MARKS.iter().filter_map(|mark| Some((line.find(mark)?, mark.len())));
    let (at, length) = marks.min()?;
    Some(parse(line.get(at.saturating_add(length)..)?))
}

fn parse(json: &str) -> Result<UsageRecord, String> {
    let value =
        serde_json::from_str(json.trim()).map_err(|_| "is no JSON: it is cut off, or something stands behind it")?;
    of_value(value)
}

fn of_value(value: Value) -> Result<UsageRecord, String> {
    let line: Line = read(value).map_err(|errors| {
        let reasons = errors.into_iter().map(|error| format!("{}: {}", error.field, error.reason));
        reasons.collect::<Vec<_>>().join("; ")
    })?;
    line.into_record()
}

/// What a line says. A field that a later version adds is passed over; one that an earlier version had not is as if it said nothing.
#[derive(Deserialize)]
#[serde(default)]
struct Line {
    request_id: Uuid,
    started_at_unix_us: i64,
    tenant_id: Uuid,
    key_id: Uuid,
    operation: String,
    model: String,
    provider_id: String,
    deployment_id: String,
    upstream_model: String,
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    cache_write_1h_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    input_source: String,
    cached_input_source: String,
    cache_write_source: String,
    output_source: String,
    reasoning_source: String,
    doubtful: Vec<String>,
    cost_microusd: u64,
    cost_picousd: Option<u64>,
    price_version: String,
    latency_us: u64,
    time_to_first_token_us: Option<u64>,
    status: u32,
    error_code: String,
    outcome: String,
    streamed: bool,
    attempts: u32,
    guardrail_findings: Vec<String>,
    revision: u64,
    pool_id: String,
    attempt_details: Vec<Attempt>,
    decided_by: String,
    service_tier: String,
    raw_usages: Vec<String>,
    web_searches: u64,
    trace_id: String,
    client_request_id: String,
    finding_digests: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Attempt {
    deployment_id: String,
    provider_id: String,
    upstream_model: String,
    status: u32,
    started_after_us: u64,
    answered_after_us: Option<u64>,
    cost_picousd: Option<u64>,
    input_tokens: u64,
    output_tokens: u64,
    price_version: String,
}

impl Line {
    fn into_record(self) -> Result<UsageRecord, String> {
        for (field, id) in [("request_id", self.request_id), ("tenant_id", self.tenant_id), ("key_id", self.key_id)] {
            if id.is_nil() {
                return Err(format!("{field}: is missing"));
            }
        }
        let started_at = DateTime::<Utc>::from_timestamp_micros(self.started_at_unix_us)
            .filter(|_| self.started_at_unix_us > 0)
            .ok_or("started_at_unix_us: is no time")?;
        let source = |name: &str| UsageSource::from_name(name);
        Ok(UsageRecord {
            request_id: self.request_id,
            started_at,
            tenant_id: self.tenant_id,
            key_id: self.key_id,
            operation: self.operation,
            model: self.model,
            provider_id: self.provider_id.parse().ok(),
            deployment_id: self.deployment_id.parse().ok(),
            upstream_model: self.upstream_model,
            input_tokens: self.input_tokens,
            cached_input_tokens: self.cached_input_tokens,
            cache_write_tokens: self.cache_write_tokens,
            cache_write_1h_tokens: self.cache_write_1h_tokens,
            output_tokens: self.output_tokens,
            reasoning_tokens: self.reasoning_tokens,
            input_source: source(&self.input_source),
            cached_input_source: source(&self.cached_input_source),
            cache_write_source: source(&self.cache_write_source),
            output_source: source(&self.output_source),
            reasoning_source: source(&self.reasoning_source),
            cost_picousd: self.cost_picousd.unwrap_or_else(|| self.cost_microusd.saturating_mul(PICOUSD_PER_MICROUSD)),
            price_version: self.price_version,
            latency_us: self.latency_us,
            time_to_first_token_us: self.time_to_first_token_us,
            status: self.status,
            error_code: self.error_code,
            outcome: self.outcome,
            streamed: self.streamed,
            attempts: self.attempts,
            guardrail_findings: self.guardrail_findings,
            revision: self.revision,
            doubtful: self.doubtful,
            pool_id: self.pool_id.parse().ok(),
            attempt_details: self.attempt_details.into_iter().map(Attempt::into_attempt).collect(),
            decided_by: self.decided_by,
            said: RecordSaid {
                service_tier: self.service_tier,
                raw_usages: self.raw_usages,
                web_searches: self.web_searches,
                trace_id: self.trace_id,
                client_request_id: self.client_request_id,
                finding_digests: self.finding_digests,
            },
            // The store knows.
            subject: RecordSubject::default(),
        })
    }
}

impl Default for Line {
    fn default() -> Self {
        Self {
            request_id: Uuid::nil(),
            started_at_unix_us: 0,
            tenant_id: Uuid::nil(),
            key_id: Uuid::nil(),
            operation: String::new(),
            model: String::new(),
            provider_id: String::new(),
            deployment_id: String::new(),
            upstream_model: String::new(),
            input_tokens: 0,
            cached_input_tokens: 0,
            cache_write_tokens: 0,
            cache_write_1h_tokens: 0,
            output_tokens: 0,
            reasoning_tokens: 0,
            input_source: String::new(),
            cached_input_source: String::new(),
            cache_write_source: String::new(),
            output_source: String::new(),
            reasoning_source: String::new(),
            doubtful: Vec::new(),
            cost_microusd: 0,
            cost_picousd: None,
            price_version: String::new(),
            latency_us: 0,
            time_to_first_token_us: None,
            status: 0,
            error_code: String::new(),
            outcome: String::new(),
            streamed: false,
            attempts: 0,
            guardrail_findings: Vec::new(),
            revision: 0,
            pool_id: String::new(),
            attempt_details: Vec::new(),
            decided_by: String::new(),
            service_tier: String::new(),
            raw_usages: Vec::new(),
            web_searches: 0,
            trace_id: String::new(),
            client_request_id: String::new(),
            finding_digests: Vec::new(),
        }
    }
}

impl Attempt {
    fn into_attempt(self) -> UsageAttempt {
        UsageAttempt {
            deployment_id: self.deployment_id.parse().ok(),
            provider_id: self.provider_id.parse().ok(),
            upstream_model: self.upstream_model,
            status: self.status,
            started_after_us: self.started_after_us,
            answered_after_us: self.answered_after_us,
            cost_picousd: self.cost_picousd,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            price_version: self.price_version,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Value {
        let id = Uuid::from_u128(7).to_string();
        json!({"request_id": id, "tenant_id": id, "key_id": id, "started_at_unix_us": 1_780_000_000_000_001_i64, "model": "gpt-4o",
            "input_tokens": 3, "input_source": "provider", "cost_picousd": 60_000, "of_a_later_version": {"x": 1},
            "attempt_details": [{"deployment_id": id, "status": 200, "answered_after_us": null}]})
    }

    #[test]
    fn a_record_is_found_wherever_a_log_has_it() {
        let record = record();
        let text = record.to_string();
        let alone = read_line(&text).unwrap().unwrap();
        assert_eq!((alone.cost_picousd, alone.input_tokens, alone.request_id), (60_000, 3, Uuid::from_u128(7)));
        assert_eq!((alone.input_source, alone.output_source), (UsageSource::Provider, UsageSource::None));
        assert_eq!(alone.started_at.timestamp_micros(), 1_780_000_000_000_001);
        assert_eq!((alone.attempt_details[0].status, alone.provider_id), (200, None));
        for line in [
            format!("  {text}\r"),
            format!(
                "[2026-11-30 18:00:00.000][12][info][wasm] [source/extensions/common/wasm/context.cc:1] wasm log: weir.usage {text}"
            ),
            format!("[error] weir.metering: no room for a record: {text}"),
            json!({"path": "/v1/chat/completions", "weir_usage": record}).to_string(),
            json!({"path": "/v1/chat/completions", "weir_usage": text}).to_string(),
        ] {
            assert_eq!(read_line(&line).unwrap().unwrap(), alone, "{line}");
        }
        let of_the_version_before = json!({"request_id": alone.request_id, "tenant_id": alone.request_id, "key_id": alone.request_id,
            "started_at_unix_us": 1, "cost_microusd": 2});
        assert_eq!(read_line(&of_the_version_before.to_string()).unwrap().unwrap().cost_picousd, 2_000_000);
    }

    #[test]
    fn what_a_line_quotes_is_no_mark() {
        let mut quoting = record();
        quoting["model"] = "weir.metering: no room for a record: x".into();
        let marked = read_line(&format!("[info] weir.usage {quoting}")).unwrap().unwrap();
        assert_eq!(marked.cost_picousd, 60_000);
        let log = json!({"user_agent": "weir.usage x", "weir_usage": record()});
        assert_eq!(read_line(&log.to_string()).unwrap().unwrap().cost_picousd, 60_000);
    }

    #[test]
    fn what_is_no_record_is_passed_over() {
        for line in [
            "",
            "starting main dispatch loop",
            "{}",
            "[1]",
            "{\"path\":\"/\"}",
            "{\"weir_usage\":null}",
            "{\"weir_usage\":1}",
        ] {
            assert_eq!(read_line(line), None, "{line}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_is_refused_with_its_field() {
        let check = |field: &str, value: Value, reason: &str| {
            let mut record = record();
            record[field] = value;
            let refused = read_line(&record.to_string()).unwrap().unwrap_err();
            assert!(refused.starts_with(reason), "{field}: {refused}");
        };
        check("request_id", json!("7"), "request_id");
        check("tenant_id", json!(Uuid::nil()), "tenant_id: is missing");
        check("input_tokens", json!(-1), "input_tokens");
        check("input_tokens", json!(1e300), "input_tokens");
        check("started_at_unix_us", json!(0), "started_at_unix_us");
        check("started_at_unix_us", json!(i64::MAX), "started_at_unix_us");
        let cut_off = format!("weir.usage {}", &record().to_string()[..40]);
        assert!(read_line(&cut_off).unwrap().unwrap_err().contains("cut off"));
    }
}
