//! Writers who wait hold up nobody else.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;
use weir_core::gateway::{Counter, CredentialStatus, LeaseTerms, QuotaDemand};
use weir_core::secret::sha256;

use crate::app::{app, furnish, id};
use crate::ledger::record;

/// Far below the times for which connections and locks are waited for.
const SOON: Duration = Duration::from_secs(3);
/// More writers than any pool has connections.
const STALLED: usize = 32;
/// More than wait at all.
const TOO_MANY: usize = 120;

#[tokio::test]
async fn stalled_writers_hold_up_neither_envoys_nor_readers() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let gateway = app.gateway(None).await;
    let digest = sha256(a.api_key["key"].as_str().unwrap());
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let mut stalling = database.begin().await.unwrap();
    sqlx::query("UPDATE policy_revision SET revision = revision").execute(&mut *stalling).await.unwrap();
    let writers: Vec<_> = (0..STALLED)
        .map(|number| {
            let platform = platform.clone();
            tokio::spawn(async move { platform.post("tenants", json!({"name": format!("t{number}")})).await })
        })
        .collect();
    // The first of them waits in the database.
    loop {
        let waiting: (i64,) = sqlx::query_as(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&database)
        .await
        .unwrap();
        if waiting.0 > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }

    let began = Instant::now();
    for _ in 0..20 {
        let resolved =
            app.store.resolve_credential(&gateway, &digest, None, &weir_config::FindingType::ALL).await.unwrap();
        assert_eq!(resolved.status, CredentialStatus::Active);
    }
    let minute = chrono::Utc::now().timestamp() / 60 * 60;
    let counter = Counter::KeyRequestsPerMinute { key_id: id(&a.api_key) }.name();
    let demand =
        QuotaDemand { counter, window_start_unix_s: minute, minimum: 1, wanted: 1, waiting: 1, id: String::new() };
    let (terms, now) = (LeaseTerms::default(), chrono::Utc::now());
    app.store.acquire_quota(&gateway, id(&a.tenant), "envoy", vec![demand], terms, now).await.unwrap();
    app.store.record_usage(&gateway, vec![record(&a, chrono::Utc::now())]).await.unwrap();
    app.store.changes_since(0).await.unwrap();
    platform.get("tenants").await.expect(200);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

    stalling.rollback().await.unwrap();
    for answer in join_all(writers).await {
        answer.unwrap().expect(201);
    }
}

#[tokio::test]
async fn one_writer_too_many_is_told_when_to_come_again() {
    let app = app().await;
    let platform = app.platform().await;
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let mut stalling = database.begin().await.unwrap();
    sqlx::query("UPDATE policy_revision SET revision = revision").execute(&mut *stalling).await.unwrap();
    let names = (0..TOO_MANY).map(|number| json!({"name": format!("t{number}")}));
    let mut writers: Vec<_> = names
        .map(|body| {
            let platform = platform.clone();
            Box::pin(async move { platform.post("tenants", body).await })
        })
        .collect();
    // The first that is answered was refused: nobody else is, while the row is held.
    let (refused, _, others) = futures::future::select_all(writers.drain(..)).await;
    let refused = refused.problem(503, "overloaded");
    assert_eq!(refused.headers["retry-after"], "5");
    stalling.rollback().await.unwrap();
    let answers = join_all(others).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert!(made >= 32 && answers.iter().all(|answer| [201, 503].contains(&answer.status.as_u16())), "{made}");
    assert_eq!(platform.get("tenants?limit=200").await.json["items"].as_array().unwrap().len(), made);
}

#[tokio::test]
async fn a_thousand_look_ups_at_once_are_all_answered() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let gateway = app.gateway(None).await;
    let key = sha256(a.api_key["key"].as_str().unwrap());
    let began = Instant::now();
    let answers = join_all((0..1000).map(|number: usize| {
        let (app, gateway) = (&app, &gateway);
        async move {
            let unknown = sha256(&Uuid::now_v7().to_string());
            let digest = if number.is_multiple_of(2) { key } else { unknown };
            app.store
                .resolve_credential(gateway, &digest, None, &weir_config::FindingType::ALL)
                .await
                .map(|resolved| resolved.status)
        }
    }))
    .await;
    for (number, status) in answers.into_iter().enumerate() {
        let expect = if number.is_multiple_of(2) { CredentialStatus::Active } else { CredentialStatus::Unknown };
        assert_eq!(status.unwrap(), expect);
    }
    println!("1,000 look-ups at once took {:?}", began.elapsed());
}
