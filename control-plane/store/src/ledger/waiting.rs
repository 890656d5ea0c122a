//! Records that are not part of the sums yet: those of before there were any, and those that a control plane of the version before
//! still writes.

use chrono::NaiveDate;
use uuid::Uuid;
use weir_core::ledger::UsageRecord;

use super::rollup;
use crate::transaction::{WRITING, begin};
use crate::usage_list::UsageRow;
use crate::{Store, StoreError};

/// Records that one transaction takes in.
const AT_ONCE: i64 = 4_000;
/// No queue's writer has this number.
const WRITER: i16 = i16::MAX;

impl Store {
    /// Takes all of them into the sums. Several control planes may do so at once.
    pub(crate) async fn roll_up_waiting(&self) -> Result<(), StoreError> {
        while self.roll_up_some().await? == AT_ONCE as usize {}
        Ok(())
    }

    async fn roll_up_some(&self) -> Result<usize, StoreError> {
        let mut transaction = begin(&self.pool, WRITING).await?;
        let rows: Vec<UsageRow> = sqlx::query_as(
            "SELECT * FROM usage_records WHERE NOT rolled_up ORDER BY started_at LIMIT $1 FOR UPDATE SKIP LOCKED",
        )
        .bind(AT_ONCE)
        .fetch_all(&mut *transaction)
        .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let records: Vec<UsageRecord> =
            rows.into_iter().map(|row| Ok(row.into_entry()?.record)).collect::<Result<_, StoreError>>()?;
        rollup::add(&mut transaction, records.iter(), WRITER).await?;
        sqlx::query(
            "UPDATE usage_records record SET rolled_up = true
             FROM UNNEST($1::date[], $2::uuid[], $3::uuid[]) AS taken (started_on, tenant_id, request_id)
             WHERE record.started_on = taken.started_on AND record.tenant_id = taken.tenant_id
               AND record.request_id = taken.request_id",
        )
        .bind(records.iter().map(|record| record.started_at.date_naive()).collect::<Vec<NaiveDate>>())
        .bind(records.iter().map(|record| record.tenant_id).collect::<Vec<Uuid>>())
        .bind(records.iter().map(|record| record.request_id).collect::<Vec<Uuid>>())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(records.len())
    }
}
