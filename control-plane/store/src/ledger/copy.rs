//! The way into the ledger: `COPY` in Postgres' binary format, a third of the cost of an `INSERT` that looks for what is there
//! already. The whole of it is one transaction, and fails if one record is there.
//!
//! Format: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format"; each value as its type's binary
//! input function takes it.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;
use weir_core::ledger::PICOUSD_PER_MICROUSD;

use super::queue::Row;
use crate::StoreError;
use crate::row::signed;

const COPY: &str = "COPY usage_records (gateway_id, started_on, request_id, started_at, tenant_id, key_id, operation, model,
    provider_id, deployment_id, upstream_model, input_tokens, cached_input_tokens, output_tokens, input_source,
    output_source, cost_microusd, price_version, latency_us, time_to_first_token_us, status, error_code, outcome, streamed,
    attempts, revision, guardrail_findings, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, cached_input_source,
    cache_write_source, reasoning_source, doubtful, pool_id, attempt_details, decided_by, rolled_up,
    cost_rest_picousd, service_tier, raw_usages, web_searches, trace_id, client_request_id, user_id, service_account_id,
    department_id, labels, finding_digests)
    FROM STDIN (FORMAT binary)";
/// How many the list above has.
const COLUMNS: i16 = 49;
/// The format's name, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;
/// What stands for NULL in place of a length.
const NULL: i32 = -1;
/// Type `text` (`pg_type.dat`).
const TEXT_OID: i32 = 25;
/// Postgres counts time from the beginning of 2000: this many microseconds of Unix time.
const EPOCH_US: i64 = 946_684_800_000_000;
const EPOCH_DAYS_FROM_CE: i32 = 730_120;
/// Bytes of a usual record.
const USUAL: usize = 512;

/// Stores all of them, or none.
pub(super) async fn copy(connection: &mut PgConnection, rows: &[Row<'_>]) -> Result<(), StoreError> {
    let mut message = Message(Vec::with_capacity(HEADER.len() + rows.len() * USUAL));
    message.0.extend_from_slice(HEADER);
    for row in rows {
        message.row(row);
    }
    message.0.extend_from_slice(&TRAILER.to_be_bytes());
    let mut copying = connection.copy_in_raw(COPY).await?;
    copying.send(message.0).await?;
    copying.finish().await?;
    Ok(())
}

struct Message(Vec<u8>);

impl Message {
    fn row(&mut self, row: &Row<'_>) {
        let record = row.record;
        self.0.extend_from_slice(&COLUMNS.to_be_bytes());
        self.id(row.gateway_id);
        self.date(record.started_at.date_naive());
        self.id(record.request_id);
        self.time(record.started_at);
        self.id(record.tenant_id);
        self.id(record.key_id);
        self.text(&record.operation);
        self.text(&record.model);
        self.optional_id(record.provider_id);
        self.optional_id(record.deployment_id);
        self.text(&record.upstream_model);
        self.large(signed(record.input_tokens));
        self.large(signed(record.cached_input_tokens));
        self.large(signed(record.output_tokens));
        self.text(record.input_source.name());
        self.text(record.output_source.name());
        self.large(signed(record.cost_picousd / PICOUSD_PER_MICROUSD));
        self.text(&record.price_version);
        self.large(signed(record.latency_us));
        match record.time_to_first_token_us {
            Some(time) => self.large(signed(time)),
            None => self.null(),
        }
        self.small(record.status);
        self.text(&record.error_code);
        self.text(&record.outcome);
        self.value(&[u8::from(record.streamed)]);
        self.small(record.attempts);
        self.large(signed(record.revision));
        self.texts(&record.guardrail_findings);
        self.large(signed(record.cache_write_tokens));
        self.large(signed(record.cache_write_1h_tokens));
        self.large(signed(record.reasoning_tokens));
        self.text(record.cached_input_source.name());
        self.text(record.cache_write_source.name());
        self.text(record.reasoning_source.name());
        self.texts(&record.doubtful);
        self.optional_id(record.pool_id);
        match serde_json::to_string(&record.attempt_details) {
            Ok(details) if !record.attempt_details.is_empty() => self.text(&details),
            _ => self.null(),
        }
        self.text(&record.decided_by);
        // The same transaction adds it to the sums.
        self.value(&[1]);
        self.large(signed(record.cost_picousd % PICOUSD_PER_MICROUSD));
        let (said, subject) = (&record.said, &record.subject);
        self.text(&said.service_tier);
        self.texts(&said.raw_usages);
        self.large(signed(said.web_searches));
        self.text(&said.trace_id);
        self.text(&said.client_request_id);
        self.optional_id(subject.user_id);
        self.optional_id(subject.service_account_id);
        self.optional_id(subject.department_id);
        self.texts(&subject.labels);
        self.texts(&said.finding_digests);
    }

    fn value(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&length(bytes.len()).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn null(&mut self) {
        self.0.extend_from_slice(&NULL.to_be_bytes());
    }

    fn id(&mut self, id: Uuid) {
        self.value(id.as_bytes());
    }

    fn optional_id(&mut self, id: Option<Uuid>) {
        match id {
            Some(id) => self.id(id),
            None => self.null(),
        }
    }

    fn text(&mut self, text: &str) {
        self.value(storable(text).as_bytes());
    }

    fn large(&mut self, number: i64) {
        self.value(&number.to_be_bytes());
    }

    fn small(&mut self, number: u32) {
        self.value(&i32::try_from(number).unwrap_or(i32::MAX).to_be_bytes());
    }

    fn time(&mut self, time: DateTime<Utc>) {
        self.large(time.timestamp_micros().saturating_sub(EPOCH_US));
    }

    fn date(&mut self, date: NaiveDate) {
        use chrono::Datelike;
        self.value(&date.num_days_from_ce().saturating_sub(EPOCH_DAYS_FROM_CE).to_be_bytes());
    }

    /// An array: dimensions, whether it holds NULLs, its elements' type, then the one dimension's size and lower bound.
    fn texts(&mut self, texts: &[String]) {
        let begin = self.0.len();
        self.null();
        let dimensions = i32::from(!texts.is_empty());
        for number in [dimensions, 0, TEXT_OID] {
            self.0.extend_from_slice(&number.to_be_bytes());
        }
        if !texts.is_empty() {
            for number in [length(texts.len()), 1] {
                self.0.extend_from_slice(&number.to_be_bytes());
            }
        }
        for text in texts {
            self.text(text);
        }
        let bytes = length(self.0.len() - begin - size_of::<i32>());
        self.0[begin..begin + size_of::<i32>()].copy_from_slice(&bytes.to_be_bytes());
    }
}

/// No value of a message from an Envoy comes near the bound.
fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// Postgres cannot store NUL in text; a client can put one into the model's name.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&0) { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
