use std::collections::HashSet;

use chrono::{DateTime, Utc};
use weir_core::gateway::Gateway;
use weir_core::ledger::{CLOCK_AHEAD, UsageRecord};

use super::existing;
use super::queue::Identity;
use crate::{Store, StoreError};

/// What became of a record that was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is in the ledger now.
    Stored,
    /// It was there before, or came twice.
    Known,
    /// It can never be stored; why.
    Refused(&'static str),
}

impl Store {
    /// Stores records that come from an Envoy's log, each once however often it comes, and whatever way it came before. Unlike what an Envoy
    /// reports itself, they may be as old as records are kept. Answers for each what became of it, in their order.
    pub async fn import_records(
        &self,
        gateway: &Gateway,
        records: Vec<UsageRecord>,
    ) -> Result<Vec<Imported>, StoreError> {
        let now = Utc::now();
        let tenants = self.keys.tenants(&self.pool, records.iter().map(|record| record.key_id)).await?;
        let refusal = |record: &UsageRecord| {
            if !gateway.serves(record.tenant_id) || tenants.get(&record.key_id) != Some(&record.tenant_id) {
                return Some("no such tenant and key in this gateway's scope");
            }
            self.refused_time(record.started_at, now)
        };
        let mut outcomes: Vec<Imported> =
            records.iter().map(|record| refusal(record).map_or(Imported::Stored, Imported::Refused)).collect();
        let identity = |record: &UsageRecord| -> Identity {
            (record.started_at.date_naive(), record.tenant_id, record.request_id)
        };
        let asked: Vec<Identity> = records.iter().map(identity).collect();
        let mut connection = self.pool.acquire().await?;
        let mut known: HashSet<Identity> = existing::existing(&mut connection, &asked).await?;
        drop(connection);
        let mut new = Vec::new();
        for (record, outcome) in records.into_iter().zip(&mut outcomes) {
            if *outcome != Imported::Stored {
                continue;
            }
            if known.insert(identity(&record)) {
                // Its time is judged above.
                let at = record.started_at;
                new.push(record.bounded(at));
            } else {
                *outcome = Imported::Known;
            }
        }
        if !new.is_empty() {
            self.import_usage(gateway.id, new).await?;
        }
        Ok(outcomes)
    }

    fn refused_time(&self, started_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<&'static str> {
        if started_at > now + CLOCK_AHEAD {
            return Some("its time has not come yet");
        }
        (started_at.date_naive() < self.records_kept_from(now)).then_some("it is older than records are kept")
    }
}
