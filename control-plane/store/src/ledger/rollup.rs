//! Sums over the ledger, written with the records that they are of.
//!
//! Each record counts in six rows: by quarter-hour and by UTC day, each for all tenants together, for its tenant, and for its key. A
//! question is answered from the shortest of them that can tell (`usage_summary`).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;
use weir_core::ledger::{PICOUSD_PER_MICROUSD, RecordSubject, UsageRecord};
use weir_core::secret::sha256_bytes;
use weir_core::sketch::Sketch;
use weir_core::usage_summary::{Sums, is_error};

use super::copy::storable;
use crate::StoreError;
use crate::row::signed;

/// Microseconds of the periods of even slices and of odd ones.
const PERIODS_US: [i64; 2] = [86_400_000_000, 900_000_000];
/// Nobody in particular.
static NOBODY: RecordSubject =
    RecordSubject { user_id: None, service_account_id: None, department_id: None, labels: Vec::new() };
/// Between labels in one text: it is in none of them.
const SEPARATOR: &str = "\u{1f}";
/// Pico-dollars of a micro-dollar.
const PICOUSD: u128 = PICOUSD_PER_MICROUSD as u128;
/// A histogram with more bytes than this is made short again; those of a busy day come to about half of it.
const LONG_SKETCH: i32 = 2_000;

/// A row of the sums, by what it is the sum of. The order is that in which rows are written, so that two writers never wait for each
/// other crosswise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    slice: i16,
    /// Microseconds of Unix time.
    period_start: i64,
    tenant_id: Uuid,
    key_id: Uuid,
    provider_id: Uuid,
    pool_id: Uuid,
    model: &'a str,
    outcome: &'a str,
    /// For whom the key is, where keys are told apart.
    subject: &'a RecordSubject,
}

impl<'a> Place<'a> {
    fn all_of(record: &'a UsageRecord) -> impl Iterator<Item = Self> {
        let (nil, us) = (Uuid::nil(), record.started_at.timestamp_micros());
        let whose = [(nil, nil), (record.tenant_id, nil), (record.tenant_id, record.key_id)];
        let is_known = record.provider_id.is_some() || record.pool_id.is_some();
        (0_i16..).zip(whose).flat_map(move |(level, (tenant_id, key_id))| {
            (0_i16..).zip(PERIODS_US).map(move |(grain, period)| Self {
                slice: level * 2 + grain,
                period_start: us - us.rem_euclid(period),
                tenant_id,
                key_id,
                provider_id: record.provider_id.unwrap_or(nil),
                pool_id: record.pool_id.unwrap_or(nil),
                model: if is_known { &record.model } else { "" },
                outcome: &record.outcome,
                subject: if key_id.is_nil() { &NOBODY } else { &record.subject },
            })
        })
    }

    fn series(&self, writer: i16) -> Uuid {
        let mut bytes = Vec::with_capacity(160);
        for id in [self.tenant_id, self.key_id, self.provider_id, self.pool_id] {
            bytes.extend_from_slice(id.as_bytes());
        }
        bytes.extend_from_slice(&writer.to_be_bytes());
        bytes.extend_from_slice(&(self.model.len() as u64).to_be_bytes());
        bytes.extend_from_slice(self.model.as_bytes());
        bytes.extend_from_slice(self.outcome.as_bytes());
        if *self.subject != NOBODY {
            let RecordSubject { user_id, service_account_id, department_id, labels } = self.subject;
            for id in [user_id, service_account_id, department_id] {
                bytes.extend_from_slice(id.unwrap_or_default().as_bytes());
            }
            bytes.extend_from_slice(labels.join(SEPARATOR).as_bytes());
        }
        let (half, _) =
            sha256_bytes(&bytes).split_first_chunk::<16>().map(|(half, rest)| (*half, rest.len())).unwrap_or_default();
        Uuid::from_bytes(half)
    }
}

/// Adds records to the sums, within the transaction that stores them.
pub(super) async fn add<'a>(
    connection: &mut PgConnection,
    records: impl Iterator<Item = &'a UsageRecord>,
    writer: i16,
) -> Result<(), StoreError> {
    let mut sums: BTreeMap<Place<'a>, Sums> = BTreeMap::new();
    for record in records {
        for place in Place::all_of(record) {
            count(sums.entry(place).or_default(), record);
        }
    }
    let long = upsert(connection, &sums, writer).await?;
    shorten(connection, long).await
}

fn count(sums: &mut Sums, record: &UsageRecord) {
    let of = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
    of(&mut sums.requests, 1);
    of(&mut sums.errors, is_error(&record.outcome).into());
    of(&mut sums.with_findings, (!record.guardrail_findings.is_empty()).into());
    of(&mut sums.input_tokens, record.input_tokens);
    of(&mut sums.cached_input_tokens, record.cached_input_tokens);
    of(&mut sums.cache_write_tokens, record.cache_write_tokens.saturating_add(record.cache_write_1h_tokens));
    of(&mut sums.output_tokens, record.output_tokens);
    of(&mut sums.reasoning_tokens, record.reasoning_tokens);
    sums.cost_picousd = sums.cost_picousd.saturating_add(record.cost_picousd.into());
    sums.last_at = sums.last_at.max(Some(record.started_at));
    sums.latency.add(record.latency_us);
    if let Some(time) = record.time_to_first_token_us {
        sums.time_to_first_token.add(time);
    }
}

/// A row whose histograms have become long.
#[derive(sqlx::FromRow)]
struct Long {
    slice: i16,
    period_start: DateTime<Utc>,
    series: Uuid,
    latency: Vec<u8>,
    time_to_first_token: Vec<u8>,
}

async fn upsert(
    connection: &mut PgConnection,
    sums: &BTreeMap<Place<'_>, Sums>,
    writer: i16,
) -> Result<Vec<Long>, StoreError> {
    fn column<'a, T>(sums: &'a BTreeMap<Place<'a>, Sums>, of: impl Fn(&Place<'a>, &'a Sums) -> T) -> Vec<T> {
        sums.iter().map(|(place, sums)| of(place, sums)).collect()
    }
    let time = |us: i64| DateTime::from_timestamp_micros(us).unwrap_or_default();
    let long = sqlx::query_as(
        "WITH written AS (
            INSERT INTO usage_rollups AS r (slice, period_start, series, tenant_id, key_id, provider_id, pool_id, model, outcome,
                writer, requests, errors, with_findings, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
                reasoning_tokens, cost_microusd, cost_rest_picousd, last_at, latency, time_to_first_token,
                user_id, service_account_id, department_id, labels)
            SELECT slice, period_start, series, tenant_id, key_id, provider_id, pool_id, model, outcome, $27, requests, errors,
                with_findings, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
                cost_microusd, cost_rest_picousd, last_at, latency, time_to_first_token,
                user_id, service_account_id, department_id, string_to_array(labels, E'\\x1f')
            FROM UNNEST($1::smallint[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[],
                $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
                $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::timestamptz[], $21::bytea[], $22::bytea[],
                $23::uuid[], $24::uuid[], $25::uuid[], $26::text[])
                AS new (slice, period_start, series, tenant_id, key_id, provider_id, pool_id, model, outcome, requests, errors,
                    with_findings, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
                    cost_microusd, cost_rest_picousd, last_at, latency, time_to_first_token, user_id, service_account_id,
                    department_id, labels)
            ON CONFLICT (slice, period_start, series) DO UPDATE SET
                requests = bounded_sum(r.requests, EXCLUDED.requests),
                errors = bounded_sum(r.errors, EXCLUDED.errors),
                with_findings = bounded_sum(r.with_findings, EXCLUDED.with_findings),
                input_tokens = bounded_sum(r.input_tokens, EXCLUDED.input_tokens),
                cached_input_tokens = bounded_sum(r.cached_input_tokens, EXCLUDED.cached_input_tokens),
                cache_write_tokens = bounded_sum(r.cache_write_tokens, EXCLUDED.cache_write_tokens),
                output_tokens = bounded_sum(r.output_tokens, EXCLUDED.output_tokens),
                reasoning_tokens = bounded_sum(r.reasoning_tokens, EXCLUDED.reasoning_tokens),
                cost_microusd = bounded_sum(r.cost_microusd, EXCLUDED.cost_microusd),
                cost_rest_picousd = bounded_sum(r.cost_rest_picousd, EXCLUDED.cost_rest_picousd),
                last_at = greatest(r.last_at, EXCLUDED.last_at),
                latency = r.latency || EXCLUDED.latency,
                time_to_first_token = r.time_to_first_token || EXCLUDED.time_to_first_token
            RETURNING slice, period_start, series, latency, time_to_first_token)
         SELECT * FROM written WHERE octet_length(latency) > $28 OR octet_length(time_to_first_token) > $28",
    )
    .bind(column(sums, |place, _| place.slice))
    .bind(column(sums, |place, _| time(place.period_start)))
    .bind(column(sums, |place, _| place.series(writer)))
    .bind(column(sums, |place, _| place.tenant_id))
    .bind(column(sums, |place, _| place.key_id))
    .bind(column(sums, |place, _| place.provider_id))
    .bind(column(sums, |place, _| place.pool_id))
    .bind(column(sums, |place, _| storable(place.model).into_owned()))
    .bind(column(sums, |place, _| storable(place.outcome).into_owned()))
    .bind(column(sums, |_, sums| signed(sums.requests)))
    .bind(column(sums, |_, sums| signed(sums.errors)))
    .bind(column(sums, |_, sums| signed(sums.with_findings)))
    .bind(column(sums, |_, sums| signed(sums.input_tokens)))
    .bind(column(sums, |_, sums| signed(sums.cached_input_tokens)))
    .bind(column(sums, |_, sums| signed(sums.cache_write_tokens)))
    .bind(column(sums, |_, sums| signed(sums.output_tokens)))
    .bind(column(sums, |_, sums| signed(sums.reasoning_tokens)))
    .bind(column(sums, |_, sums| i64::try_from(sums.cost_picousd / PICOUSD).unwrap_or(i64::MAX)))
    .bind(column(sums, |_, sums| i64::try_from(sums.cost_picousd % PICOUSD).unwrap_or(i64::MAX)))
    .bind(column(sums, |_, sums| sums.last_at.unwrap_or_default()))
    .bind(column(sums, |_, sums| sums.latency.to_bytes()))
    .bind(column(sums, |_, sums| sums.time_to_first_token.to_bytes()))
    .bind(column(sums, |place, _| place.subject.user_id))
    .bind(column(sums, |place, _| place.subject.service_account_id))
    .bind(column(sums, |place, _| place.subject.department_id))
    .bind(column(sums, |place, _| place.subject.labels.join(SEPARATOR)))
    .bind(writer)
    .bind(LONG_SKETCH)
    .fetch_all(connection)
    .await?;
    Ok(long)
}

/// Writes histograms with each bucket once. The rows are this transaction's, so nobody adds to them meanwhile.
async fn shorten(connection: &mut PgConnection, mut long: Vec<Long>) -> Result<(), StoreError> {
    if long.is_empty() {
        return Ok(());
    }
    for row in &mut long {
        for bytes in [&mut row.latency, &mut row.time_to_first_token] {
            let mut sketch = Sketch::default();
            sketch.add_bytes(bytes).ok_or(StoreError::Corrupt("a histogram"))?;
            *bytes = sketch.to_bytes();
        }
    }
    sqlx::query(
        "UPDATE usage_rollups r SET latency = short.latency, time_to_first_token = short.time_to_first_token
         FROM UNNEST($1::smallint[], $2::timestamptz[], $3::uuid[], $4::bytea[], $5::bytea[])
             AS short (slice, period_start, series, latency, time_to_first_token)
         WHERE r.slice = short.slice AND r.period_start = short.period_start AND r.series = short.series",
    )
    .bind(long.iter().map(|row| row.slice).collect::<Vec<_>>())
    .bind(long.iter().map(|row| row.period_start).collect::<Vec<_>>())
    .bind(long.iter().map(|row| row.series).collect::<Vec<_>>())
    .bind(long.iter().map(|row| row.latency.as_slice()).collect::<Vec<_>>())
    .bind(long.iter().map(|row| row.time_to_first_token.as_slice()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
