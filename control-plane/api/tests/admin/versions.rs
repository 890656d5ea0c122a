//! Replicas of two versions on one database.

use axum::http::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use weir_core::encryption::{Encryption, Purpose};
use weir_store::{Store, StoreError};

use crate::app::{admin, app, id};
use crate::postgres::fresh_database;

async fn connect(database_url: &str) -> Store {
    Store::connect(database_url, Encryption::new(&[7; 32]).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_later_versions_migrations_are_no_fault() {
    let app = app().await;
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999999, 'of a later version', true, '\\x00', 0)",
    )
    .execute(&database)
    .await
    .unwrap();
    let store = connect(&app.database_url).await;
    store.migrate().await.unwrap();
    store.check_schema().await.unwrap();
}

#[tokio::test]
async fn a_schema_that_lacks_something_is_told_and_left_as_it_is() {
    let database_url = fresh_database().await;
    let store = connect(&database_url).await;
    let refused = store.check_schema().await.unwrap_err();
    assert!(matches!(refused, StoreError::SchemaOutdated { needed: 1 }), "{refused}");
    store.migrate().await.unwrap();
    store.check_schema().await.unwrap();
    let database = sqlx::PgPool::connect(&database_url).await.unwrap();
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 20").execute(&database).await.unwrap();
    let refused = store.check_schema().await.unwrap_err();
    assert_eq!(refused.to_string(), "the database's schema lacks migration 20; run `weir migrate` first");
}

#[tokio::test]
async fn a_stored_result_of_another_version_is_repeated() {
    let app = app().await;
    let platform = app.platform().await;
    let me = id(&platform.get("auth/me").await.expect(200).json);
    let (path, body) = (admin("tenants"), json!({"name": "a"}).to_string());
    let request = async || platform.send(Method::POST, &path, &[("idempotency-key", "k")], Some(body.clone())).await;
    let first = request().await.expect(201).json;

    // Without what came later, and with what is not known here.
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let (kept,): (Vec<u8>,) =
        sqlx::query_as("SELECT result_encrypted FROM idempotency_keys").fetch_one(&database).await.unwrap();
    let encryption = Encryption::new(&[7; 32]).unwrap();
    let kept = encryption.decrypt(Purpose::StoredResult, me, &kept).unwrap();
    let mut kept: Value = serde_json::from_str(kept.expose_secret()).unwrap();
    kept["result"]["also"] = json!("later");
    kept["result"].as_object_mut().unwrap().remove("secret");
    let stored = kept["result"]["stored"].as_object_mut().unwrap();
    stored.remove("status");
    stored.insert("labels".into(), json!({"later": true}));
    stored.insert("origin".into(), json!({"kind": "of a later version", "commit": "abc"}));
    let encrypted = encryption.encrypt(Purpose::StoredResult, me, &kept.to_string().into()).unwrap();
    sqlx::query("UPDATE idempotency_keys SET result_encrypted = $1").bind(encrypted).execute(&database).await.unwrap();

    let again = request().await.expect(201).json;
    for field in ["id", "name", "time_zone", "revision"] {
        assert_eq!(again[field], first[field], "{field}");
    }
}
