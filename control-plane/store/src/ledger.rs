//! Writing the usage ledger.

mod copy;
mod existing;
mod keys;
mod queue;

pub(crate) use keys::KnownKeys;
pub(crate) use queue::Queue;

use chrono::{DateTime, TimeDelta, Utc};
use weir_core::gateway::Gateway;
use weir_core::ledger::{RecordOutcome, RejectedRecord, UsageRecord};

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
/// For how many days after today partitions are made.
const DAYS_AHEAD: u64 = 7;

impl Store {
    /// Stores records, each exactly once by its UTC day, tenant and request id, however often it comes. A record whose
    /// tenant or key is not in the gateway's scope, or whose time or figures cannot be true, is rejected for good.
    ///
    /// Answers when all that is stored is committed. Calls at the same time share transactions.
    pub async fn record_usage(
        &self,
        gateway: &Gateway,
        records: Vec<UsageRecord>,
    ) -> Result<RecordOutcome, StoreError> {
        self.unless_away()?;
        let tenants = self.keys.tenants(&self.pool, records.iter().map(|record| record.key_id)).await?;
        let now = Utc::now();
        let mut rejected = Vec::new();
        let mut valid = records;
        valid.retain(|record| {
            let of_scope = gateway.serves(record.tenant_id) && tenants.get(&record.key_id) == Some(&record.tenant_id);
            let reason = if of_scope {
                implausible(record, now)
            } else {
                Some("no such tenant and key in this gateway's scope")
            };
            rejected.extend(
                reason.map(|reason| RejectedRecord { request_id: record.request_id, reason: reason.to_owned() }),
            );
            reason.is_none()
        });
        let stored = u32::try_from(valid.len()).unwrap_or(u32::MAX);
        if !valid.is_empty() {
            self.ledger.store(gateway.id, valid).await?;
        }
        Ok(RecordOutcome { stored, rejected })
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
