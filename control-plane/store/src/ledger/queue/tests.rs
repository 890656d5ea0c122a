use chrono::Utc;
use weir_core::ledger::UsageSource;

use super::*;

const MEBIBYTE: usize = 1024 * 1024;

/// A record whose texts have so many bytes together.
fn record(bytes: usize) -> UsageRecord {
    let text = |part: usize| "x".repeat(bytes / 4 + if part == 0 { bytes % 4 } else { 0 });
    UsageRecord {
        request_id: Uuid::now_v7(),
        started_at: Utc::now(),
        tenant_id: Uuid::nil(),
        key_id: Uuid::nil(),
        operation: String::new(),
        model: text(0),
        provider_id: None,
        deployment_id: None,
        upstream_model: text(1),
        input_tokens: 0,
        cached_input_tokens: 0,
        cache_write_tokens: 0,
        cache_write_1h_tokens: 0,
        output_tokens: 0,
        reasoning_tokens: 0,
        input_source: UsageSource::None,
        cached_input_source: UsageSource::None,
        cache_write_source: UsageSource::None,
        output_source: UsageSource::None,
        reasoning_source: UsageSource::None,
        cost_picousd: 0,
        price_version: String::new(),
        latency_us: 0,
        time_to_first_token_us: None,
        status: 200,
        error_code: text(2),
        outcome: String::new(),
        streamed: false,
        attempts: 1,
        guardrail_findings: vec![text(3)],
        revision: 1,
        doubtful: vec![],
        pool_id: None,
        attempt_details: vec![],
        decided_by: String::new(),
        said: Default::default(),
        subject: Default::default(),
    }
}

/// A queue that nobody stores from.
fn queue() -> (Queue, Mutex<mpsc::Receiver<Report>>) {
    let (reports, waiting) = mpsc::channel(WAITING);
    (Queue { reports, room: Arc::new(Semaphore::new(ROOM as usize)) }, Mutex::new(waiting))
}

/// Reports as many as fit of these, each with so many records of so many bytes. Answers how many wait in the queue.
async fn report(queue: &Queue, reports: usize, records: usize, bytes: usize) -> usize {
    for _ in 0..reports {
        let queue = queue.clone();
        tokio::spawn(async move { queue.store(Uuid::nil(), vec![record(bytes); records]).await });
    }
    // On one thread each has run until it waits.
    tokio::task::yield_now().await;
    WAITING - queue.reports.capacity()
}

#[tokio::test]
async fn a_group_is_bounded_by_records_and_by_bytes() {
    let check = async |reports, records, bytes, expect: &[usize]| {
        let (queue, waiting) = queue();
        assert_eq!(report(&queue, reports, records, bytes).await, reports);
        for expect in expect {
            let group = next_group(&waiting).await.unwrap();
            assert_eq!(group.len(), *expect, "{records} records of {bytes} bytes");
        }
    };
    check(5, 1, 100, &[5]).await;
    check(5, 1999, 100, &[3, 2]).await;
    check(5, 1, 3 * MEBIBYTE, &[3, 2]).await;
    check(3, 10, 2 * MEBIBYTE - 10_000, &[1, 1, 1]).await;
    check(6, 1000, 5_000, &[2, 2, 2]).await;
}

#[tokio::test]
async fn what_waits_is_bounded_by_bytes() {
    let (queue, waiting) = queue();
    assert_eq!(report(&queue, 8, 1, 20 * MEBIBYTE).await, 3);
    // One is over, and the next has its room.
    drop(next_group(&waiting).await);
    assert_eq!(report(&queue, 0, 0, 0).await, 3);
}

#[tokio::test]
async fn a_report_larger_than_all_the_room_passes_alone() {
    let (queue, waiting) = queue();
    assert_eq!(report(&queue, 2, 1, 100 * MEBIBYTE).await, 1);
    drop(next_group(&waiting).await);
    assert_eq!(report(&queue, 0, 0, 0).await, 1);
}
