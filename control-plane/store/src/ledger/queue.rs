//! Group commit: reports that wait at the same time are stored in one transaction.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use uuid::Uuid;
use weir_core::ledger::{UsageAttempt, UsageRecord};

use super::{copy, existing, rollup};
use crate::StoreError;

/// Transactions at the same time: while one waits for the disk, the next is written.
const WRITERS: i16 = 2;
/// Numbers that control planes draw for their writers.
const PROCESSES: u8 = 4;
/// Reports that wait at most. Who comes then waits outside, until its caller's deadline.
const WAITING: usize = 64;
/// Memory of reports that wait or are being stored, in units of [`UNIT`]: 64 MiB. Who comes then waits outside as well.
const ROOM: u32 = 64 * 1024;
/// In what memory is counted, in bytes.
const UNIT: usize = 1024;
/// A transaction takes no further report once it has so many records.
const ENOUGH: usize = 4_000;
/// Or once they take so many bytes, as it is sent in one piece: it is at most this and one report more.
const ENOUGH_BYTES: usize = 8 * 1024 * 1024;
/// How often records are stored anew without those that turned out to be stored: each time, another transaction was faster.
const ATTEMPTS: usize = 5;
/// How long a transaction may take: a server that is gone without a word must not hold up the reports behind it.
const LONGEST: Duration = Duration::from_secs(10);

/// Where reports wait to be stored. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    reports: mpsc::Sender<Report>,
    room: Arc<Semaphore>,
}

/// The records of one call.
#[derive(Debug)]
struct Report {
    gateway_id: Uuid,
    records: Vec<UsageRecord>,
    bytes: usize,
    stored: oneshot::Sender<Result<(), StoreError>>,
    /// Given back when the report is stored, or nobody waits for it.
    _room: OwnedSemaphorePermit,
}

impl Queue {
    /// A queue into this database. To be called within a runtime.
    pub(crate) fn new(pool: &PgPool) -> Self {
        let (reports, waiting) = mpsc::channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        // Another control plane has other numbers, most likely: rows of sums are its own, and nobody waits for them.
        let process = i16::from(Uuid::now_v7().as_bytes()[15] % PROCESSES);
        for writer in 0..WRITERS {
            tokio::spawn(write(pool.clone(), waiting.clone(), process * WRITERS + writer));
        }
        Self { reports, room: Arc::new(Semaphore::new(ROOM as usize)) }
    }

    /// Stores records; what is stored already stays as it is. Answers when they are committed. A caller that leaves before
    /// its turn has nothing stored, since it will report again.
    pub(crate) async fn store(&self, gateway_id: Uuid, records: Vec<UsageRecord>) -> Result<(), StoreError> {
        // Without a writer the runtime is ending.
        let ended = || StoreError::Database(sqlx::Error::WorkerCrashed);
        let bytes = records.iter().map(size).sum();
        // What is larger than all the room goes alone.
        let units = u32::try_from(bytes / UNIT).unwrap_or(ROOM).clamp(1, ROOM);
        let room = self.room.clone().acquire_many_owned(units).await.map_err(|_| ended())?;
        let (stored, outcome) = oneshot::channel();
        let report = Report { gateway_id, records, bytes, stored, _room: room };
        self.reports.send(report).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}

/// Bytes that a record takes in memory, and about as many in the database.
fn size(record: &UsageRecord) -> usize {
    let UsageRecord {
        operation,
        model,
        upstream_model,
        price_version,
        error_code,
        outcome,
        guardrail_findings,
        doubtful,
        attempt_details,
        decided_by,
        said,
        ..
    } = record;
    let texts = [operation, model, upstream_model, price_version, error_code, outcome, decided_by];
    let listed = guardrail_findings
        .iter()
        .chain(doubtful)
        .chain(&said.finding_digests)
        .map(|text| size_of::<String>() + text.len())
        .sum::<usize>();
    let attempts =
        attempt_details.iter().map(|attempt| size_of::<UsageAttempt>() + attempt.upstream_model.len()).sum::<usize>();
    attempts + size_of::<UsageRecord>() + texts.iter().map(|text| text.len()).sum::<usize>() + listed
}

async fn write(pool: PgPool, waiting: Arc<Mutex<mpsc::Receiver<Report>>>, writer: i16) {
    while let Some(group) = next_group(&waiting).await {
        store_group(&pool, group, writer).await;
    }
}

/// The next report and all that wait behind it, as far as there is room.
async fn next_group(waiting: &Mutex<mpsc::Receiver<Report>>) -> Option<Vec<Report>> {
    let mut waiting = waiting.lock().await;
    let (mut group, mut records, mut bytes) = (Vec::new(), 0, 0);
    let mut next = Some(waiting.recv().await?);
    while let Some(report) = next {
        if !report.stored.is_closed() {
            records += report.records.len();
            bytes += report.bytes;
            group.push(report);
        }
        next = if records < ENOUGH && bytes < ENOUGH_BYTES { waiting.try_recv().ok() } else { None };
    }
    Some(group)
}

async fn store_group(pool: &PgPool, group: Vec<Report>, writer: i16) {
    let stored = store(pool, &group, writer).await;
    let error = match stored {
        Ok(()) => {
            for report in group {
                // Whoever has gone away reports again, and is told the same.
                let _ = report.stored.send(Ok(()));
            }
            return;
        }
        Err(error) => error,
    };
    // One report must not keep the others from being stored; but a database that is away stores none of them.
    if group.len() > 1 && !error.is_away() {
        for report in group {
            let stored = store(pool, std::slice::from_ref(&report), writer).await;
            let _ = report.stored.send(stored);
        }
        return;
    }
    let error = Arc::new(error);
    for report in group {
        let _ = report.stored.send(Err(StoreError::Group(error.clone())));
    }
}

/// Stores what the ledger does not have yet, in one transaction.
async fn store(pool: &PgPool, group: &[Report], writer: i16) -> Result<(), StoreError> {
    let mut rows: Vec<Row<'_>> = group
        .iter()
        .flat_map(|report| report.records.iter().map(|record| Row { gateway_id: report.gateway_id, record }))
        .collect();
    // In one order, so that transactions with the same records never wait for each other crosswise. The sort is stable: of
    // two records with the same identity the first counts, as if each had come alone.
    rows.sort_by_cached_key(Row::identity);
    rows.dedup_by_key(|row| row.identity());
    let mut connection = pool.acquire().await?;
    match tokio::time::timeout(LONGEST, store_missing(&mut connection, rows, writer)).await {
        Ok(stored) => stored,
        Err(elapsed) => {
            // Nobody knows what its server will still answer.
            drop(connection.detach());
            Err(StoreError::Database(sqlx::Error::Io(elapsed.into())))
        }
    }
}

async fn store_missing(connection: &mut PgConnection, mut rows: Vec<Row<'_>>, writer: i16) -> Result<(), StoreError> {
    let mut attempts = 1..ATTEMPTS;
    while !rows.is_empty() {
        match store_new(connection, &rows, writer).await {
            Err(error) if is_repeated(&error) && attempts.next().is_some() => {
                let identities: Vec<Identity> = rows.iter().map(Row::identity).collect();
                let existing = existing::existing(connection, &identities).await?;
                rows.retain(|row| !existing.contains(&row.identity()));
            }
            copied => return copied,
        }
    }
    Ok(())
}

/// Stores the records and adds them to the sums: both or nothing.
async fn store_new(connection: &mut PgConnection, rows: &[Row<'_>], writer: i16) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    copy::copy(&mut transaction, rows).await?;
    // Last, since another transaction with these rows of sums waits until this one is committed.
    rollup::add(&mut transaction, rows.iter().map(|row| row.record), writer).await?;
    transaction.commit().await?;
    Ok(())
}

/// Whether a record is in the ledger already; it has been committed by now.
fn is_repeated(error: &StoreError) -> bool {
    match error {
        StoreError::Database(sqlx::Error::Database(error)) => error.is_unique_violation(),
        _ => false,
    }
}

/// What the ledger knows a record by: UTC day, tenant, request id.
pub(super) type Identity = (NaiveDate, Uuid, Uuid);

/// A record, and the gateway that reported it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) gateway_id: Uuid,
    pub(super) record: &'a UsageRecord,
}

impl Row<'_> {
    pub(super) fn identity(&self) -> Identity {
        (self.record.started_at.date_naive(), self.record.tenant_id, self.record.request_id)
    }
}

#[cfg(test)]
mod tests;
