//! Records that come from an Envoy's log.

use chrono::{TimeDelta, Utc};
use sqlx::PgPool;
use uuid::Uuid;
use weir_core::ledger::UsageRecord;
use weir_store::Imported;

use crate::app::id;
use crate::ledger::{ledger, record};

#[tokio::test]
async fn a_record_of_a_log_is_stored_once_whatever_way_it_comes() {
    let l = ledger().await;
    let now = Utc::now();
    let (reported, new) = (record(&l.a, now), record(&l.a, now));
    // As old as no Envoy may report any more.
    let old = record(&l.b, now - TimeDelta::days(60));
    l.app.store.record_usage(&l.gateway, vec![reported.clone()]).await.unwrap();
    let all = vec![reported, new.clone(), old.clone(), new];
    let imported = l.app.store.import_records(&l.gateway, all.clone()).await.unwrap();
    assert_eq!(imported, [Imported::Known, Imported::Stored, Imported::Stored, Imported::Known]);
    let again = l.app.store.import_records(&l.gateway, all.clone()).await.unwrap();
    assert_eq!(again, [Imported::Known; 4]);
    // And the Envoy's own report of it, that comes late, adds nothing.
    l.app.store.record_usage(&l.gateway, vec![all[1].clone()]).await.unwrap();
    let pool = PgPool::connect(&l.app.database_url).await.unwrap();
    let (records, cost): (i64, i64) = sqlx::query_as("SELECT count(*), sum(cost_microusd)::bigint FROM usage_records")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!((records, cost), (3, 3 * 122));
    let (summed,): (i64,) = sqlx::query_as("SELECT sum(requests)::bigint FROM usage_rollups WHERE slice = 0")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(summed, 3);
    let (started_at, doubtful): (chrono::DateTime<Utc>, Vec<String>) =
        sqlx::query_as("SELECT started_at, doubtful FROM usage_records WHERE request_id = $1")
            .bind(old.request_id)
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!((started_at.timestamp_micros(), doubtful), (old.started_at.timestamp_micros(), old.doubtful));
}

#[tokio::test]
async fn what_cannot_be_true_of_a_log_is_refused_or_bounded() {
    let l = ledger().await;
    let now = Utc::now();
    let good = record(&l.a, now);
    let stranger = UsageRecord { key_id: Uuid::now_v7(), ..record(&l.a, now) };
    let of_another = UsageRecord { tenant_id: id(&l.b.tenant), ..record(&l.a, now) };
    let of_the_future = record(&l.a, now + TimeDelta::hours(2));
    let too_old = record(&l.a, now - TimeDelta::days(1_000));
    let absurd = UsageRecord { cost_picousd: u64::MAX, input_tokens: u64::MAX, ..record(&l.a, now) };
    let all = vec![good.clone(), stranger, of_another, of_the_future, too_old, absurd.clone()];
    let imported = l.app.store.import_records(&l.gateway, all).await.unwrap();
    let scope = Imported::Refused("no such tenant and key in this gateway's scope");
    let expect = [
        Imported::Stored,
        scope,
        scope,
        Imported::Refused("its time has not come yet"),
        Imported::Refused("it is older than records are kept"),
        Imported::Stored,
    ];
    assert_eq!(imported, expect);
    let pool = PgPool::connect(&l.app.database_url).await.unwrap();
    let (cost, doubtful): (i64, Vec<String>) =
        sqlx::query_as("SELECT cost_microusd, doubtful FROM usage_records WHERE request_id = $1")
            .bind(absurd.request_id)
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(cost, 1_000_000_000_000);
    assert!(
        doubtful.contains(&"cost_picousd".to_owned()) && doubtful.contains(&"input_tokens".to_owned()),
        "{doubtful:?}"
    );
    // A tenant's gateway brings its own alone.
    let own = l.app.gateway(Some(id(&l.b.tenant))).await;
    assert_eq!(l.app.store.import_records(&own, vec![good]).await.unwrap(), [scope]);
}
