//! Revisions have no gaps, and each change says what it makes out of date.

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use serde_json::{Value, json};
use weir_core::change::{Affected, Change, ChangeKind};
use weir_core::secret::sha256;

use crate::app::{app, furnish, id, provider_body};

#[tokio::test]
async fn writers_at_the_same_time_leave_no_gap() {
    let app = app().await;
    let platform = app.platform().await;
    let start = app.store.revision().await.unwrap();
    // Every other one is refused: its name is taken. A refused write takes no revision.
    let names: Vec<String> = (0..40).map(|index| format!("t{}", index / 2)).collect();
    let answers = join_all(names.iter().map(|name| platform.post("tenants", json!({"name": name})))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count() as u64;
    assert_eq!(made, 20);
    assert_eq!(app.store.revision().await.unwrap(), start + made);
    let changes = app.store.changes_since(start).await.unwrap();
    let revisions: Vec<u64> = changes.iter().map(|change| change.revision).collect();
    assert_eq!(revisions, (start + 1..=start + made).collect::<Vec<_>>());
    assert!(app.store.changes_since(start + made).await.unwrap().is_empty());
}

#[tokio::test]
async fn each_change_says_whom_it_concerns() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let tenant_id = id(&f.tenant);
    // No control plane of the version before serves any more.
    app.sql("UPDATE _sqlx_migrations SET installed_on = now() - interval '25 hours' WHERE version = 39").await;
    let start = app.store.revision().await.unwrap();
    let key_sha256 = sha256(f.api_key["key"].as_str().unwrap()).to_vec();
    platform.post(&format!("api-keys/{}/revoke", id(&f.api_key)), Value::Null).await.expect(200);
    let patch = json!({"name": "renamed"});
    for (path, resource) in [
        ("tenants", &f.tenant),
        ("models", &f.model),
        ("providers", &f.provider),
        ("pools", &f.pool),
        ("guardrails/profiles", &f.profile),
    ] {
        platform.patch(&format!("{path}/{}", id(resource)), &resource["revision"], patch.clone()).await.expect(200);
    }
    let provider = platform.make("providers", provider_body(&Value::Null, "p")).await;
    let pool = platform.make("pools", crate::app::pool_body(&Value::Null, "p", &provider)).await;
    platform.make("models", json!({"name": "m", "pool_id": pool["id"]})).await;
    let rules = json!([{"type": "EMAIL", "action": "flag"}]);
    platform.make("guardrails/profiles", json!({"name": "p", "rules": rules})).await;
    let gateway = platform.make("gateways", json!({"name": "g"})).await;
    app.user(weir_core::actor::Role::Viewer, Some(tenant_id)).await;

    let changes = app.store.changes_since(start).await.unwrap();
    let found: Vec<_> =
        changes.into_iter().map(|change| (change.kind, change.configuration != Affected::Nothing)).collect();
    let configuration = || (ChangeKind::Configuration, true);
    let expect = vec![
        (ChangeKind::Key { sha256: key_sha256, tenant_id }, false),
        (ChangeKind::Tenant { tenant_id }, false),
        (ChangeKind::Catalog { tenant_id: Some(tenant_id) }, false),
        configuration(),
        (ChangeKind::Catalog { tenant_id: Some(tenant_id) }, true),
        (ChangeKind::Tenant { tenant_id }, false),
        configuration(),
        (ChangeKind::Catalog { tenant_id: None }, true),
        (ChangeKind::Catalog { tenant_id: None }, false),
        (ChangeKind::Everyone, false),
        (ChangeKind::Gateway { gateway_id: id(&gateway) }, false),
        (ChangeKind::Administration, false),
    ];
    assert_eq!(found, expect);
}

#[tokio::test]
async fn what_cannot_be_told_apart_counts_as_a_change_of_everything() {
    let app = app().await;
    let platform = app.platform().await;
    let start = app.store.revision().await.unwrap();
    for name in ["a", "b", "c"] {
        platform.make("tenants", json!({"name": name})).await;
    }
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let since = async |revision: u64| {
        let changes = app.store.changes_since(revision).await.unwrap();
        let told = |change: Change| (change.revision - start, change.kind == ChangeKind::Unknown, change.configuration);
        changes.into_iter().map(told).collect::<Vec<_>>()
    };
    let known = |revision| (revision, false, Affected::Nothing);
    let anything = |revision| (revision, true, Affected::Everything);
    assert_eq!(since(start).await, [known(1), known(2), known(3)]);

    // Of a kind that a later version has.
    let later = "UPDATE changes SET kind = 'of a later version' WHERE revision = $1";
    sqlx::query(later).bind(start as i64 + 2).execute(&database).await.unwrap();
    assert_eq!(since(start).await, [known(1), anything(2), known(3)]);

    // No longer kept: who has followed up to the last of them misses nothing.
    let purge = async |revision: u64| {
        let purge = "DELETE FROM changes WHERE revision <= $1";
        sqlx::query(purge).bind(revision as i64).execute(&database).await.unwrap();
    };
    purge(start + 2).await;
    assert_eq!(since(start).await, [anything(3)]);
    assert_eq!(since(start + 1).await, [anything(3)]);
    assert_eq!(since(start + 2).await, [known(3)]);
    purge(start + 3).await;
    assert_eq!(since(start + 2).await, [anything(3)]);
    assert_eq!(since(start + 3).await, []);

    // A backup was restored.
    assert_eq!(since(start + 9).await, [anything(3)]);
}

#[tokio::test]
async fn a_listener_hears_of_a_commit_and_survives_a_broken_connection() {
    let app = app().await;
    let platform = app.platform().await;
    let mut hints = Box::pin(app.store.listen());
    let mut hint = async || tokio::time::timeout(Duration::from_secs(10), hints.next()).await.expect("a hint").unwrap();
    hint().await;
    platform.make("tenants", json!({"name": "a"})).await;
    hint().await;

    let pool = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let ended: Vec<(bool,)> = sqlx::query_as(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(ended.len(), 1);
    let before = app.store.revision().await.unwrap();
    // One for the break, since hints may have been missed; then it hears again.
    hint().await;
    let heard = async {
        loop {
            hint().await;
            if app.store.revision().await.unwrap() > before {
                break;
            }
        }
    };
    let (_, ()) = tokio::join!(platform.make("tenants", json!({"name": "b"})), heard);
}
