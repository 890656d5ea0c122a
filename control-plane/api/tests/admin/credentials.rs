//! Secrets appear in no answer but the one that makes them, and nowhere in the database in clear.

use axum::http::Method;
use base64::Engine as _;
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;
use weir_core::encryption::Encryption;
use weir_core::gateway::CredentialStatus;
use weir_core::secret::sha256;
use weir_store::{Rekeyed, Store, StoreError};

use crate::app::{CREDENTIAL, admin, app, furnish, id, provider_body};

#[tokio::test]
async fn no_secret_is_in_the_database_in_clear() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    // The stored result of a repeatable request holds a secret too.
    let headers = [("idempotency-key", "k")];
    let body = json!({"tenant_id": f.tenant["id"], "name": "second"}).to_string();
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
async fn another_master_key_ends_the_start() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let with_key =
        async |key: [u8; 32]| Store::connect(&app.database_url, Encryption::new(&key).unwrap()).await.unwrap();
    let wrong = with_key([8; 32]).await;
    assert!(matches!(wrong.migrate().await, Err(StoreError::MasterKey(_))));
    // A database from before there was a text to check with.
    let database = PgPool::connect(&app.database_url).await.unwrap();
    sqlx::query("DELETE FROM encryption_check").execute(&database).await.unwrap();
    assert!(matches!(wrong.migrate().await, Err(StoreError::MasterKey(_))));
    let unreadable: Vec<Uuid> = wrong.snapshot().await.unwrap().unreadable.iter().map(|provider| provider.id).collect();
    assert_eq!(unreadable, [id(&f.provider)]);
    let same = with_key([7; 32]).await;
    same.migrate().await.unwrap();
    assert_eq!(same.snapshot().await.unwrap().unreadable, []);
}

/// What is wrong with one row of one tenant is no reason to keep everybody's changes from Envoy.
#[tokio::test]
async fn a_provider_that_cannot_be_read_is_left_out_and_no_other() {
    let app = app().await;
    let platform = app.platform().await;
    let (f, other) = (furnish(&platform, "f").await, furnish(&platform, "other").await);
    let tenant_id = &f.tenant["id"];
    let second = platform.make("providers", provider_body(tenant_id, "second")).await;
    let members = json!([{"provider_id": f.provider["id"], "model": "a"}, {"provider_id": second["id"], "model": "b"}]);
    let mixed = json!({"tenant_id": tenant_id, "name": "mixed", "members": members});
    let mixed = platform.make("pools", mixed).await;
    let database = PgPool::connect(&app.database_url).await.unwrap();
    let whole: (Vec<u8>,) = sqlx::query_as("SELECT credential_encrypted FROM providers WHERE id = $1")
        .bind(id(&f.provider))
        .fetch_one(&database)
        .await
        .unwrap();
    for damage in [
        "credential_encrypted = set_byte(credential_encrypted, 20, 0) || '\\x00'::bytea",
        "credential_encrypted = ''",
        "credential_encrypted = '\\x09'",
        "credential_encrypted = (SELECT credential_encrypted FROM providers WHERE name = 'second')",
        "base_url = 'nowhere'",
    ] {
        sqlx::query(AssertSqlSafe(format!("UPDATE providers SET {damage} WHERE id = $1")))
            .bind(id(&f.provider))
            .execute(&database)
            .await
            .unwrap();
        let snapshot = app.store.snapshot().await.unwrap();
        let unreadable: Vec<Uuid> = snapshot.unreadable.iter().map(|provider| provider.id).collect();
        assert_eq!(unreadable, [id(&f.provider)], "{damage}");
        assert!(!snapshot.unreadable[0].reason.contains(CREDENTIAL), "{damage}");
        let providers: Vec<Uuid> = snapshot.providers.iter().map(|provider| provider.id).collect();
        assert_eq!(providers, [id(&other.provider), id(&second)], "{damage}");
        let pools: Vec<(Uuid, Vec<&str>)> = snapshot
            .pools
            .iter()
            .map(|pool| (pool.id, pool.members.iter().map(|member| member.model.as_str()).collect()))
            .collect();
        assert_eq!(pools, [(id(&other.pool), vec!["gpt-4o"]), (id(&mixed), vec!["b"])], "{damage}");
        sqlx::query(
            "UPDATE providers SET credential_encrypted = $2, base_url = 'https://api.openai.com/v1' WHERE id = $1",
        )
        .bind(id(&f.provider))
        .bind(&whole.0)
        .execute(&database)
        .await
        .unwrap();
        assert_eq!(app.store.snapshot().await.unwrap().unreadable, [], "{damage}");
    }
    // An administrator mends it by setting the credential anew.
    sqlx::query("UPDATE providers SET credential_encrypted = '' WHERE name = 'second'")
        .execute(&database)
        .await
        .unwrap();
    assert_eq!(app.store.snapshot().await.unwrap().unreadable.len(), 1);
    let path = format!("providers/{}", id(&second));
    platform.patch(&path, &second["revision"], json!({"credential": "anew"})).await.expect(200);
    let snapshot = app.store.snapshot().await.unwrap();
    assert_eq!((snapshot.unreadable.len(), snapshot.pools.len()), (0, 3));
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

#[tokio::test]
async fn everything_is_encrypted_anew_under_the_first_key_while_others_serve() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let key = |byte: u8| base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    let with_ring = async |keys: &[u8]| {
        let lines: Vec<String> = keys.iter().map(|byte| key(*byte)).collect();
        Store::connect(&app.database_url, Encryption::from_base64(&lines.join("\n").into()).unwrap()).await.unwrap()
    };
    let body = json!({"tenant_id": f.tenant["id"], "name": "kept"}).to_string();
    let path = "/api/v1/admin/api-keys";
    let kept = platform.send(Method::POST, path, &[("idempotency-key", "k")], Some(body)).await.expect(201).json;
    let gateway = app.gateway(None).await;
    let status = async |store: &Store| {
        let digest = sha256(f.api_key["key"].as_str().unwrap());
        store.resolve_credential(&gateway, &digest, None, &[]).await.unwrap().status
    };

    // A ring that lacks the old key changes nothing, and names what it cannot read.
    let lacking = with_ring(&[8]).await;
    let mut unreadable = lacking.rekey().await.unwrap().unreadable;
    unreadable.sort_unstable();
    let mut kept_under_the_old_key = [id(&f.provider), id(&f.sign_in_provider), id(&f.api_key), id(&kept)];
    kept_under_the_old_key.sort_unstable();
    assert_eq!(unreadable, kept_under_the_old_key);
    let ring = with_ring(&[8, 7]).await;
    ring.migrate().await.unwrap();
    let credential = async |store: &Store| {
        let snapshot = store.snapshot().await.unwrap();
        assert_eq!(snapshot.unreadable, []);
        snapshot.providers[0].credential.as_ref().unwrap().expose_secret().to_owned()
    };
    assert_eq!(credential(&ring).await, CREDENTIAL);
    let revision = app.store.revision().await.unwrap();
    assert_eq!(status(&ring).await, CredentialStatus::Active, "found by the digest under the old key");
    // The credential, the secret at the identity provider, two API keys, the stored result, the check.
    let done = Rekeyed { rewritten: 6, current: 0, unreadable: Vec::new() };
    assert_eq!(ring.rekey().await.unwrap(), done);
    assert_eq!(ring.rekey().await.unwrap(), Rekeyed { rewritten: 0, current: 6, unreadable: Vec::new() });
    assert_eq!(app.store.revision().await.unwrap(), revision, "nothing has changed for anybody");
    // The old key is needed no more, and of no use any more.
    let new = with_ring(&[8]).await;
    new.migrate().await.unwrap();
    assert_eq!(credential(&new).await, CREDENTIAL);
    assert_eq!(status(&new).await, CredentialStatus::Active);
    assert!(matches!(with_ring(&[7]).await.migrate().await, Err(StoreError::MasterKey(_))));
}

#[tokio::test]
async fn a_database_that_was_encrypted_by_the_version_before_is_read_and_written_anew() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let database = PgPool::connect(&app.database_url).await.unwrap();
    let provider = id(&f.provider);
    sqlx::query("UPDATE providers SET credential_encrypted = $1")
        .bind(version_1(provider, CREDENTIAL))
        .execute(&database)
        .await
        .unwrap();
    sqlx::query("UPDATE encryption_check SET text_encrypted = $1")
        .bind(version_1(Uuid::nil(), "weir"))
        .execute(&database)
        .await
        .unwrap();
    let store = Store::connect(&app.database_url, Encryption::new(&[7; 32]).unwrap()).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.snapshot().await.unwrap().unreadable, []);
    assert_eq!(store.rekey().await.unwrap().rewritten, 2);
    let (anew,): (Vec<u8>,) =
        sqlx::query_as("SELECT credential_encrypted FROM providers").fetch_one(&database).await.unwrap();
    assert_eq!(anew[0], 2);
    assert_eq!(store.snapshot().await.unwrap().unreadable, []);
}

/// As the version before encrypted: one byte of version and the owner's id are authenticated.
fn version_1(owner: Uuid, text: &str) -> Vec<u8> {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
    let nonce = [5; 12];
    let mut sealed = text.as_bytes().to_vec();
    let authenticated = [&[1][..], owner.as_bytes()].concat();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(authenticated), &mut sealed).unwrap();
    [&[1][..], &nonce, &sealed].concat()
}
