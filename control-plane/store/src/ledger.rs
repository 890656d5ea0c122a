//! Writing the usage ledger.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;
use weir_core::gateway::Gateway;
use weir_core::ledger::{RecordOutcome, RejectedRecord, UsageRecord};

use crate::row::signed;
use crate::{Store, StoreError};

/// How far ahead of ours an Envoy's clock may be.
const CLOCK_AHEAD: TimeDelta = TimeDelta::hours(1);
/// How late a record may come.
const OLDEST: TimeDelta = TimeDelta::days(7);
/// The dearest request: a million dollars.
const DEAREST_MICROUSD: i64 = 1_000_000_000_000;
/// The most tokens of one kind in a request.
const MOST_TOKENS: u64 = 1_000_000_000_000;
/// The longest request, in microseconds: a week. A pool's longest time-out is a day.
const LONGEST_US: u64 = 7 * 86_400 * 1_000_000;
/// How many records one statement stores.
const BATCH: usize = 2_000;
/// For how many days after today partitions are made.
const DAYS_AHEAD: u64 = 7;

impl Store {
    /// Stores records, each exactly once by its UTC day, tenant and request id, however often it comes. A record whose
    /// tenant or key is not in the gateway's scope, or whose time or figures cannot be true, is rejected for good.
    pub async fn record_usage(
        &self,
        gateway: &Gateway,
        records: Vec<UsageRecord>,
    ) -> Result<RecordOutcome, StoreError> {
        let known = self.known_keys(gateway, &records).await?;
        let now = Utc::now();
        let mut outcome = RecordOutcome::default();
        let mut valid = Vec::with_capacity(records.len());
        for record in records {
            let reason = if known.contains(&(record.tenant_id, record.key_id)) {
                implausible(&record, now)
            } else {
                Some("no such tenant and key in this gateway's scope")
            };
            match reason {
                None => valid.push(record),
                Some(reason) => {
                    let rejected = RejectedRecord { request_id: record.request_id, reason: reason.to_owned() };
                    outcome.rejected.push(rejected);
                }
            }
        }
        for batch in valid.chunks(BATCH) {
            self.insert_usage(gateway.id, batch).await?;
            outcome.stored += batch.len() as u32;
        }
        Ok(outcome)
    }

    async fn known_keys(
        &self,
        gateway: &Gateway,
        records: &[UsageRecord],
    ) -> Result<HashSet<(Uuid, Uuid)>, StoreError> {
        let asked: HashSet<Uuid> = records.iter().map(|record| record.key_id).collect();
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "SELECT tenant_id, id FROM api_keys WHERE id = ANY($1) AND ($2::uuid IS NULL OR tenant_id = $2)",
        )
        .bind(asked.into_iter().collect::<Vec<_>>())
        .bind(gateway.tenant_id)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().collect())
    }

    async fn insert_usage(&self, gateway_id: Uuid, records: &[UsageRecord]) -> Result<(), StoreError> {
        let column = |of: fn(&UsageRecord) -> i64| -> Vec<i64> { records.iter().map(of).collect() };
        let text = |of: fn(&UsageRecord) -> &str| -> Vec<String> { records.iter().map(|r| storable(of(r))).collect() };
        // UNNEST takes no arrays of arrays of different lengths: findings travel joined, and contain no line feeds.
        let findings: Vec<String> =
            records.iter().map(|record| storable(&record.guardrail_findings.join("\n"))).collect();
        sqlx::query(
            "INSERT INTO usage_records (gateway_id, started_on, request_id, started_at, tenant_id, key_id, operation, model,
                 provider_id, deployment_id, upstream_model, input_tokens, cached_input_tokens, output_tokens,
                 input_source, output_source, cost_microusd, price_version, latency_us, time_to_first_token_us, status,
                 error_code, outcome, streamed, attempts, revision, guardrail_findings)
             SELECT $1, r.started_on, r.request_id, r.started_at, r.tenant_id, r.key_id, r.operation, r.model,
                 r.provider_id, r.deployment_id, r.upstream_model, r.input_tokens, r.cached_input_tokens, r.output_tokens,
                 r.input_source, r.output_source, r.cost_microusd, r.price_version, r.latency_us, r.time_to_first_token_us,
                 r.status, r.error_code, r.outcome, r.streamed, r.attempts, r.revision,
                 CASE r.findings WHEN '' THEN '{}' ELSE string_to_array(r.findings, E'\\n') END
             FROM UNNEST($2::date[], $3::uuid[], $4::timestamptz[], $5::uuid[], $6::uuid[], $7::text[], $8::text[],
                 $9::uuid[], $10::uuid[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[],
                 $16::text[], $17::bigint[], $18::text[], $19::bigint[], $20::bigint[], $21::integer[], $22::text[],
                 $23::text[], $24::boolean[], $25::integer[], $26::bigint[], $27::text[])
             AS r (started_on, request_id, started_at, tenant_id, key_id, operation, model, provider_id, deployment_id,
                 upstream_model, input_tokens, cached_input_tokens, output_tokens, input_source, output_source,
                 cost_microusd, price_version, latency_us, time_to_first_token_us, status, error_code, outcome, streamed,
                 attempts, revision, findings)
             ON CONFLICT (started_on, tenant_id, request_id) DO NOTHING",
        )
        .bind(gateway_id)
        .bind(records.iter().map(|record| record.started_at.date_naive()).collect::<Vec<NaiveDate>>())
        .bind(records.iter().map(|record| record.request_id).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.started_at).collect::<Vec<DateTime<Utc>>>())
        .bind(records.iter().map(|record| record.tenant_id).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.key_id).collect::<Vec<_>>())
        .bind(text(|record| &record.operation))
        .bind(text(|record| &record.model))
        .bind(records.iter().map(|record| record.provider_id).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.deployment_id).collect::<Vec<_>>())
        .bind(text(|record| &record.upstream_model))
        .bind(column(|record| signed(record.input_tokens)))
        .bind(column(|record| signed(record.cached_input_tokens)))
        .bind(column(|record| signed(record.output_tokens)))
        .bind(text(|record| record.input_source.name()))
        .bind(text(|record| record.output_source.name()))
        .bind(column(|record| record.cost_microusd))
        .bind(text(|record| &record.price_version))
        .bind(column(|record| signed(record.latency_us)))
        .bind(records.iter().map(|record| record.time_to_first_token_us.map(signed)).collect::<Vec<_>>())
        .bind(records.iter().map(|record| i32::try_from(record.status).unwrap_or(i32::MAX)).collect::<Vec<_>>())
        .bind(text(|record| &record.error_code))
        .bind(text(|record| &record.outcome))
        .bind(records.iter().map(|record| record.streamed).collect::<Vec<_>>())
        .bind(records.iter().map(|record| i32::try_from(record.attempts).unwrap_or(i32::MAX)).collect::<Vec<_>>())
        .bind(column(|record| signed(record.revision)))
        .bind(findings)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Makes the ledger's partitions of today and the seven days after it; call it at least once a day. Records of other
    /// days go into the default partition.
    pub async fn ensure_partitions(&self) -> Result<(), StoreError> {
        let today = Utc::now().date_naive();
        for day in today.iter_days().take(1 + DAYS_AHEAD as usize) {
            sqlx::query("SELECT ensure_usage_partition($1)").bind(day).execute(&self.pool).await?;
        }
        Ok(())
    }
}

/// Why a record cannot be true. A gateway's token must not be enough to falsify sums or to fill the ledger's past.
fn implausible(record: &UsageRecord, now: DateTime<Utc>) -> Option<&'static str> {
    let most_tokens = record.input_tokens.max(record.cached_input_tokens).max(record.output_tokens);
    let longest = record.latency_us.max(record.time_to_first_token_us.unwrap_or(0));
    if record.started_at > now + CLOCK_AHEAD {
        Some("started_at lies more than an hour in the future")
    } else if record.started_at < now - OLDEST {
        Some("started_at lies more than 7 days in the past")
    } else if record.cost_microusd < 0 {
        Some("cost_microusd is negative")
    } else if record.cost_microusd > DEAREST_MICROUSD {
        Some("cost_microusd is more than a million dollars")
    } else if most_tokens > MOST_TOKENS {
        Some("a token figure is more than 10^12")
    } else if longest > LONGEST_US {
        Some("latency_us or time_to_first_token_us is more than 7 days")
    } else {
        None
    }
}

/// Postgres cannot store NUL in text; a client can put one into the model's name.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
