//! What must be done from time to time, and how long everything is kept.

use crate::{Store, StoreError};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::AssertSqlSafe;

/// Rows that one statement deletes, so that none holds locks for long.
const BATCH: u64 = 5_000;
/// Statements at a time: what is left is deleted the next time.
const MOST_BATCHES: u32 = 400;
/// Changes that are kept whatever their age, so that none is missed by who was away.
const CHANGES_KEPT: i64 = 10_000;

/// How long is kept what operators may want for longer or shorter.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Days of the audit log, of which whole months go.
    pub audit_days: u16,
    /// Days of the ledger's single records, and of their sums by quarter-hour.
    pub usage_days: u16,
    /// Days of the sums by day; never less than those of the records, which are not summed a second time.
    pub usage_sum_days: u16,
}

impl Default for Retention {
    fn default() -> Self {
        Self { audit_days: 730, usage_days: 400, usage_sum_days: 1100 }
    }
}

/// What is deleted in bounded batches: the table, and which of its rows.
const EXPIRED: [(&str, &str); 12] = [
    ("sessions", "expires_at <= now()"),
    ("sessions", "kind = 'browser' AND last_seen_at <= now() - interval '2 hours'"),
    ("login_attempts", "at <= now() - interval '15 minutes'"),
    ("login_addresses", "at <= now() - interval '90 days'"),
    ("login_devices", "at <= now() - interval '90 days'"),
    ("setup_tokens", "expires_at <= now()"),
    ("password_links", "expires_at <= now()"),
    // A browser keeps one for ten minutes.
    ("used_sign_in_states", "at <= now() - interval '1 hour'"),
    ("idempotency_keys", "created_at <= now() - interval '24 hours'"),
    ("former_gateway_tokens", "valid_until <= now()"),
    ("limit_raises", "ends_at <= now()"),
    ("limit_events", "at <= now() - interval '90 days'"),
];

impl Store {
    /// Makes the ledger's coming partitions, takes records that are not part of the sums into them, and ends what is over. Call it at
    /// least once a day; several control planes may do so at once. `now` is the control plane's clock: what administrators want kept goes
    /// only when it is over by the database's clock too, so that one that jumps ahead ends nothing.
    ///
    /// What is over is ended also where no partition could be made, as by a database role that may not; that is the error then.
    pub async fn maintain(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let made = self.ensure_partitions().await;
        self.end_what_is_over(now).await?;
        made
    }

    async fn end_what_is_over(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        for (table, condition) in EXPIRED {
            self.purge(table, condition).await?;
        }
        self.forget_old_nodes().await?;
        self.purge("ended_streams", "heard_at <= now() - interval '30 days'").await?;
        self.forget_plain_key_digests().await?;
        let (database_now,): (DateTime<Utc>,) = sqlx::query_as("SELECT now()").fetch_one(&self.pool).await?;
        let now = now.min(database_now);
        self.purge_quota(now).await?;
        let kept = format!(
            "at <= now() - interval '7 days'
             AND revision <= (SELECT revision FROM policy_revision) - {CHANGES_KEPT}"
        );
        self.purge("changes", &kept).await?;
        self.drop_audit(now).await?;
        // What is not part of the sums yet must be before it goes.
        self.roll_up_waiting().await?;
        self.drop_usage(self.records_kept_from(now)).await?;
        self.purge_sums(now).await
    }

    /// The first day of which there are single records, and sums by quarter-hour.
    pub(crate) fn records_kept_from(&self, now: DateTime<Utc>) -> NaiveDate {
        (now - TimeDelta::days(self.retention.usage_days.into())).date_naive()
    }

    /// Of the sums the slices with odd numbers are of quarter-hours, the others of days.
    async fn purge_sums(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        for slice in 0..6_u8 {
            let Retention { usage_days, usage_sum_days, .. } = self.retention;
            let days = if slice % 2 == 1 { usage_days } else { usage_sum_days.max(usage_days) };
            let oldest = (now - TimeDelta::days(days.into())).date_naive();
            // Each from its own table: where a row stands (`ctid`) is told within one table only. The slice is named for the index, which
            // begins with it.
            let is_over = format!("slice = {slice} AND period_start < '{oldest}'");
            self.purge(&format!("usage_rollups_{slice}"), &is_over).await?;
        }
        Ok(())
    }

    async fn purge(&self, table: &str, condition: &str) -> Result<(), StoreError> {
        let statement = format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY (SELECT ctid FROM {table} WHERE {condition} LIMIT {BATCH}))"
        );
        for _ in 0..MOST_BATCHES {
            let deleted = sqlx::query(AssertSqlSafe(statement.clone())).execute(&self.pool).await?;
            if deleted.rows_affected() < BATCH {
                break;
            }
        }
        Ok(())
    }

    /// Drops the audit log's months of which all entries are past their time. Of each a signed head is left, from which the chain goes on.
    async fn drop_audit(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let oldest = now - TimeDelta::days(self.retention.audit_days.into());
        let partitions: Vec<(String,)> = sqlx::query_as(
            "SELECT child.relname::text FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
             WHERE inhparent = 'audit'::regclass AND child.relname ~ '^audit_[0-9]{6}$'
               AND child.relname < 'audit_' || to_char($1, 'YYYYMM') ORDER BY 1",
        )
        .bind(oldest)
        .fetch_all(&self.pool)
        .await?;
        for (partition,) in partitions {
            let mut dropping = self.pool.begin().await?;
            // Whoever waits for a table holds up all who come after; so it gives up soon, until the next time.
            sqlx::query("SET LOCAL lock_timeout = '1s'").execute(&mut *dropping).await?;
            let last = format!("SELECT sequence, hash FROM {partition} ORDER BY sequence DESC, id DESC LIMIT 1");
            let last: Option<(i64, Vec<u8>)> =
                sqlx::query_as(AssertSqlSafe(last)).fetch_optional(&mut *dropping).await?;
            if let Some((sequence, hash)) = last {
                self.keep_head(&mut dropping, sequence, &hash, now, true).await?;
            }
            sqlx::query(AssertSqlSafe(format!("DROP TABLE IF EXISTS {partition}"))).execute(&mut *dropping).await?;
            dropping.commit().await?;
            tracing::info!(partition, "the audit log's entries of a month are past their time");
        }
        Ok(())
    }

    /// Drops the ledger's partitions of days before this one: that costs nothing, however many records they have.
    async fn drop_usage(&self, oldest: NaiveDate) -> Result<(), StoreError> {
        let partitions: Vec<(String,)> = sqlx::query_as(
            "SELECT child.relname::text FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
             WHERE inhparent = 'usage_records'::regclass AND child.relname ~ '^usage_records_[0-9]{8}$'
               AND child.relname < 'usage_records_' || to_char($1::date, 'YYYYMMDD') ORDER BY 1",
        )
        .bind(oldest)
        .fetch_all(&self.pool)
        .await?;
        for (partition,) in partitions {
            let mut dropping = self.pool.begin().await?;
            // Whoever waits for a table holds up all who come after; so it gives up soon, until the next time.
            sqlx::query("SET LOCAL lock_timeout = '1s'").execute(&mut *dropping).await?;
            sqlx::query(AssertSqlSafe(format!("DROP TABLE IF EXISTS {partition}"))).execute(&mut *dropping).await?;
            dropping.commit().await?;
            tracing::info!(partition, "the ledger's records of a day are past their time");
        }
        self.purge("usage_records_default", &format!("started_on < '{oldest}'")).await
    }
}
