//! Writing the usage ledger.

mod copy;
mod existing;
mod import;
mod keys;
mod queue;
mod rollup;
mod waiting;

pub use import::Imported;
pub(crate) use keys::KnownKeys;
pub(crate) use queue::Queue;

use std::collections::HashSet;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use uuid::Uuid;
use weir_core::gateway::Gateway;
use weir_core::ledger::{RecordOutcome, RejectedRecord, UsageRecord};

use crate::{Store, StoreError};

/// For how many days after today partitions are made.
const DAYS_AHEAD: u64 = 7;

impl Store {
    /// Stores records, each exactly once by its UTC day, tenant and request id, however often it comes. A record whose
    /// tenant or key is not in the gateway's scope is rejected for good; every other one is stored, with a mark where a figure
    /// or its time cannot be true.
    ///
    /// Answers when all that is stored is committed. Calls at the same time share transactions.
    pub async fn record_usage(
        &self,
        gateway: &Gateway,
        records: Vec<UsageRecord>,
    ) -> Result<RecordOutcome, StoreError> {
        self.unless_away()?;
        let tenants = self.keys.tenants(&self.pool, records.iter().map(|record| record.key_id)).await?;
        let (valid, foreign): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| {
            gateway.serves(record.tenant_id) && tenants.get(&record.key_id) == Some(&record.tenant_id)
        });
        let rejected = foreign.iter().map(|record| RejectedRecord {
            request_id: record.request_id,
            reason: "no such tenant and key in this gateway's scope".to_owned(),
        });
        let stored = u32::try_from(valid.len()).unwrap_or(u32::MAX);
        let mut valid = self.bounded(valid).await?;
        self.keys.note_subjects(&self.pool, &mut valid).await?;
        if !valid.is_empty() {
            self.ledger.store(gateway.id, valid).await?;
        }
        Ok(RecordOutcome { stored, rejected: rejected.collect() })
    }

    /// Stores records of any time, and makes the partitions of their days. For data that was made up or comes from elsewhere: nothing of
    /// it is checked.
    pub async fn import_usage(&self, gateway_id: Uuid, mut records: Vec<UsageRecord>) -> Result<(), StoreError> {
        self.keys.note_subjects(&self.pool, &mut records).await?;
        let days: HashSet<NaiveDate> = records.iter().map(|record| record.started_at.date_naive()).collect();
        for day in days {
            sqlx::query("SELECT ensure_usage_partition($1)").bind(day).execute(&self.pool).await?;
        }
        sqlx::query(
            "SELECT ensure_audit_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))::date)
             FROM generate_series(0, 1) AS ahead",
        )
        .execute(&self.pool)
        .await?;
        self.ledger.store(gateway_id, records).await
    }

    /// Whether there is any record.
    pub async fn has_usage(&self) -> Result<bool, StoreError> {
        let (has,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT FROM usage_records)").fetch_one(&self.pool).await?;
        Ok(has)
    }

    /// The records as they can be kept, without those that are in the ledger under another day. One whose time cannot be true
    /// counts for the day on which it comes, so it is looked for under the day that it says, and under yesterday: it may have come
    /// before midnight as well.
    async fn bounded(&self, records: Vec<UsageRecord>) -> Result<Vec<UsageRecord>, StoreError> {
        let now = Utc::now();
        let mut moved = Vec::new();
        let mut bounded: Vec<UsageRecord> = Vec::with_capacity(records.len());
        for record in records {
            let said = record.started_at;
            let record = record.bounded(now);
            if record.started_at != said {
                let days = [Some(said).filter(is_in_range).map(|said| said.date_naive()), now.date_naive().pred_opt()];
                let identity = |day: NaiveDate| (day, record.tenant_id, record.request_id);
                moved.extend(days.into_iter().flatten().map(identity));
            }
            bounded.push(record);
        }
        if moved.is_empty() {
            return Ok(bounded);
        }
        let mut connection = self.pool.acquire().await?;
        let known = existing::existing(&mut connection, &moved).await?;
        let known: HashSet<_> = known.into_iter().map(|(_, tenant_id, request_id)| (tenant_id, request_id)).collect();
        bounded.retain(|record| {
            !record.doubtful.iter().any(|field| field == "started_at")
                || !known.contains(&(record.tenant_id, record.request_id))
        });
        Ok(bounded)
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

/// Whether Postgres knows the day; no record is kept under any other.
fn is_in_range(time: &DateTime<Utc>) -> bool {
    (1970..10_000).contains(&time.year())
}
