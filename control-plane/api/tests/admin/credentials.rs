//! Secrets appear in no answer but the one that makes them, and nowhere in the database in clear.

use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};

use crate::app::{CREDENTIAL, admin, app, furnish, id};

#[tokio::test]
async fn no_secret_is_in_the_database_in_clear() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    // The stored result of a repeatable request holds a secret too.
    let headers = [("idempotency-key", "k")];
    let body = json!({"tenant_id": f.tenant["id"], "name": "app"}).to_string();
    let key = platform.send(axum::http::Method::POST, &admin("api-keys"), &headers, Some(body)).await.expect(201).json;
    let gateway = platform.make("gateways", json!({"name": "g"})).await;
    let secrets = [
        CREDENTIAL,
        f.api_key["key"].as_str().unwrap(),
        key["key"].as_str().unwrap(),
        gateway["token"].as_str().unwrap(),
        "a long password",
    ];

    let pool = PgPool::connect(&app.database_url).await.unwrap();
    let tables: Vec<(String,)> = sqlx::query_as("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert!(tables.len() > 15);
    // Each row's text, and every binary column as text.
    for (table,) in tables {
        let rows: Vec<(String,)> =
            sqlx::query_as(AssertSqlSafe(format!("SELECT t::text FROM {table} t"))).fetch_all(&pool).await.unwrap();
        for (row,) in rows {
            for secret in secrets {
                assert!(!row.contains(secret), "{table}");
                let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
                assert!(!row.contains(&hex), "{table}");
            }
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_an_answer() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let provider = format!("providers/{}", id(&f.provider));
    let changed = platform.patch(&provider, &f.provider["revision"], json!({"name": "renamed"})).await.expect(200);
    let key = f.api_key["key"].as_str().unwrap();
    let mut answers = vec![f.provider.to_string(), f.user.to_string(), changed.text];
    for path in ["providers", "api-keys", "users", "audit", "pools", "gateways", &provider] {
        answers.push(platform.get(path).await.expect(200).text);
    }
    let wrong = json!({"name": "p", "schema": "openai", "base_url": "https://a", "credential": [CREDENTIAL]});
    answers.push(platform.post("providers", wrong).await.problem(422, "invalid_fields").field("credential").text);
    let wrong = json!({"name": "p", "schema": CREDENTIAL, "base_url": "https://a"});
    answers.push(platform.post("providers", wrong).await.problem(422, "invalid_fields").field("schema").text);
    for answer in answers {
        assert!(
            !answer.contains(CREDENTIAL) && !answer.contains(key) && !answer.contains("a long password"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn another_master_key_reads_nothing() {
    let app = app().await;
    let platform = app.platform().await;
    furnish(&platform, "f").await;
    let other = weir_core::encryption::Encryption::new(&[8; 32]).unwrap();
    let store = weir_store::Store::connect(&app.database_url, other).await.unwrap();
    assert!(matches!(store.snapshot().await, Err(weir_store::StoreError::Encryption(_))));
}

/// Whoever may change a provider could else have its credential sent to a server of their own.
#[tokio::test]
async fn a_credential_does_not_follow_its_provider_to_another_server() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let provider = format!("providers/{}", id(&f.provider));
    let revision = &f.provider["revision"];
    let moved = platform.patch(&provider, revision, json!({"base_url": "https://elsewhere.example"})).await;
    assert_eq!(moved.expect(422).json["errors"][0]["field"], "credential");
    let same_server = json!({"base_url": "https://api.openai.com/other/prefix"});
    let same_server = platform.patch(&provider, revision, same_server).await.expect(200).json;
    let moved = json!({"base_url": "https://elsewhere.example", "credential": "another"});
    platform.patch(&provider, &same_server["revision"], moved).await.expect(200);
}
