//! API keys: what is kept of them, what they are restricted to, and keys that apps have already.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;
use weir_core::actor::Role;
use weir_core::change::ChangeKind;
use weir_core::encryption::Encryption;
use weir_core::gateway::{CredentialStatus, Resolved};
use weir_core::secret::sha256;
use weir_store::Store;

use crate::app::{App, app, furnish, id};
use crate::ledger::{ledger, record};

/// A key as a provider makes them.
const GIVEN: &str = "sk-proj-A1b2C3d4E5f6G7h8I9j0";

async fn resolve(app: &App, key: &str) -> Resolved {
    let gateway = app.gateway(None).await;
    app.store.resolve_credential(&gateway, &sha256(key), None, &[]).await.unwrap()
}

#[tokio::test]
async fn what_the_database_holds_finds_no_key_under_another_master_key() {
    let app = app().await;
    let f = furnish(&app.platform().await, "f").await;
    let key = f.api_key["key"].as_str().unwrap();
    assert_eq!(app.count("SELECT count(*) FROM api_keys WHERE key_sha256 IS NOT NULL").await, 0);
    assert_eq!(resolve(&app, key).await.status, CredentialStatus::Active);
    let gateway = app.gateway(None).await;
    let thief = Store::connect(&app.database_url, Encryption::new(&[8; 32]).unwrap()).await.unwrap();
    let found = thief.resolve_credential(&gateway, &sha256(key), None, &[]).await.unwrap();
    assert_eq!(found.status, CredentialStatus::Unknown);
}

/// The database was made by a version of before.
const UPGRADED: &str = "UPDATE _sqlx_migrations SET installed_on = installed_on - interval '1 hour' WHERE version = 1";

#[tokio::test]
async fn in_a_new_installation_a_key_that_changes_makes_nobody_forget_the_tenants_others() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let start = app.store.revision().await.unwrap();
    let path = format!("api-keys/{}", id(&f.api_key));
    let renamed = platform.patch(&path, &f.api_key["revision"], json!({"name": "renamed"})).await.expect(200).json;
    let sha256 = sha256(f.api_key["key"].as_str().unwrap()).to_vec();
    let told = async |since| app.store.changes_since(since).await.unwrap()[0].kind.clone();
    assert_eq!(told(start).await, ChangeKind::Key { sha256, tenant_id: id(&f.tenant) });
    app.sql(UPGRADED).await;
    let start = app.store.revision().await.unwrap();
    platform.patch(&path, &renamed["revision"], json!({"name": "again"})).await.expect(200);
    assert_eq!(told(start).await, ChangeKind::Tenant { tenant_id: id(&f.tenant) });
}

#[tokio::test]
async fn keys_of_the_version_before_work_before_and_after_they_are_brought_up_to_date() {
    let app = app().await;
    app.sql(UPGRADED).await;
    let f = furnish(&app.platform().await, "f").await;
    let key = f.api_key["key"].as_str().unwrap();
    let database = PgPool::connect(&app.database_url).await.unwrap();
    sqlx::query("UPDATE api_keys SET key_sha256 = $1, key_hmac = NULL, key_digest_encrypted = NULL")
        .bind(sha256(key))
        .execute(&database)
        .await
        .unwrap();
    assert_eq!(resolve(&app, key).await.status, CredentialStatus::Active);
    app.store.migrate().await.unwrap();
    assert_eq!(app.count("SELECT count(*) FROM api_keys WHERE key_hmac IS NULL").await, 0);
    assert_eq!(resolve(&app, key).await.status, CredentialStatus::Active);
    // Control planes of the version before may still serve.
    app.store.maintain(Utc::now()).await.unwrap();
    assert_eq!(app.count("SELECT count(*) FROM api_keys WHERE key_sha256 IS NULL").await, 0);
    app.sql("UPDATE _sqlx_migrations SET installed_on = now() - interval '25 hours' WHERE version = 39").await;
    app.store.maintain(Utc::now()).await.unwrap();
    assert_eq!(app.count("SELECT count(*) FROM api_keys WHERE key_sha256 IS NULL").await, 1);
    assert_eq!(resolve(&app, key).await.status, CredentialStatus::Active);
}

/// They know keys by plain digests alone, no restrictions, and no encrypted digests among the changes.
#[tokio::test]
async fn while_control_planes_of_the_version_before_may_serve_they_find_no_restricted_key_and_tell_of_all_changes() {
    let app = app().await;
    app.sql(UPGRADED).await;
    let platform = app.platform().await;
    let database = PgPool::connect(&app.database_url).await.unwrap();
    let found_by_them = "SELECT count(*) FROM api_keys WHERE key_sha256 IS NOT NULL";
    for (index, (patch, stays)) in [
        (json!({"name": "renamed"}), 1),
        (json!({"disabled": true}), 0),
        (json!({"allowed_operations": ["embeddings"]}), 0),
        (json!({"source_cidrs": ["10.0.0.0/8"]}), 0),
    ]
    .into_iter()
    .enumerate()
    {
        let f = furnish(&platform, &format!("f{index}")).await;
        let (path, key) = (format!("api-keys/{}", id(&f.api_key)), f.api_key["key"].as_str().unwrap());
        let plain = "UPDATE api_keys SET key_sha256 = $1 WHERE id = $2";
        sqlx::query(plain).bind(sha256(key)).bind(id(&f.api_key)).execute(&database).await.unwrap();
        let start = app.store.revision().await.unwrap();
        platform.patch(&path, &f.api_key["revision"], patch.clone()).await.expect(200);
        assert_eq!(app.count(found_by_them).await, stays, "{patch}");
        let told: Vec<_> =
            app.store.changes_since(start).await.unwrap().into_iter().map(|change| change.kind).collect();
        assert_eq!(told, [ChangeKind::Tenant { tenant_id: id(&f.tenant) }], "{patch}");
        // The same for what such a control plane wrote, once it is brought up to date.
        let old = "UPDATE api_keys SET key_sha256 = $1, key_hmac = NULL, key_digest_encrypted = NULL WHERE id = $2";
        sqlx::query(old).bind(sha256(key)).bind(id(&f.api_key)).execute(&database).await.unwrap();
        app.store.migrate().await.unwrap();
        assert_eq!(app.count(found_by_them).await, stays, "{patch}");
        assert_ne!(resolve(&app, key).await.status, CredentialStatus::Unknown, "{patch}");
        app.sql("UPDATE api_keys SET key_sha256 = NULL").await;
    }
}

#[tokio::test]
async fn a_key_is_disabled_and_enabled_again() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let (path, key) = (format!("api-keys/{}", id(&f.api_key)), f.api_key["key"].as_str().unwrap());
    let disabled = platform.patch(&path, &f.api_key["revision"], json!({"disabled": true})).await.expect(200).json;
    assert_eq!(resolve(&app, key).await.status, CredentialStatus::Disabled);
    let listed = platform.get("api-keys?state=disabled").await.expect(200).json;
    assert_eq!(listed["items"][0]["id"], f.api_key["id"]);
    assert_eq!(platform.get("api-keys?state=active").await.expect(200).json["items"], json!([]));
    platform.patch(&path, &disabled["revision"], json!({"disabled": null})).await.expect(200);
    assert_eq!(resolve(&app, key).await.status, CredentialStatus::Active);
}

#[tokio::test]
async fn a_principal_says_what_its_key_is_restricted_to_and_which_hops_are_trusted() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let path = format!("api-keys/{}", id(&f.api_key));
    let restrict = json!({"allowed_operations": ["embeddings"], "source_cidrs": ["10.0.0.0/8", "2001:db8::/32"]});
    let restricted = platform.patch(&path, &f.api_key["revision"], restrict).await.expect(200).json;
    let gateway = platform.make("gateways", json!({"name": "behind two", "trusted_hops": 2})).await;
    let gateway =
        app.store.gateway_by_token(&sha256(gateway["token"].as_str().unwrap())).await.unwrap().unwrap().gateway;
    let digest = sha256(f.api_key["key"].as_str().unwrap());
    let principal = app.store.resolve_credential(&gateway, &digest, None, &[]).await.unwrap().principal.unwrap();
    assert_eq!(principal.allowed_operations.as_deref(), Some(&["embeddings".to_owned()][..]));
    assert_eq!(principal.source_cidrs, ["10.0.0.0/8", "2001:db8::/32"]);
    assert_eq!(principal.trusted_hops, 2);
    let wrong = json!({"source_cidrs": ["10.0.0.1/8"]});
    platform.patch(&path, &restricted["revision"], wrong).await.expect(422).field("source_cidrs[0]");
    platform.post("gateways", json!({"name": "far", "trusted_hops": 17})).await.expect(422).field("trusted_hops");
}

#[tokio::test]
async fn a_key_that_apps_have_already_is_made_known_once_and_never_shown() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, b) = (furnish(&platform, "a").await, furnish(&platform, "b").await);
    let admin = app.user(Role::TenantAdmin, Some(id(&a.tenant))).await;
    let body =
        |of: &Value, name: &str, field: &str, value: &str| json!({"tenant_id": of["id"], "name": name, field: value});
    let made = admin.post("api-keys", body(&a.tenant, "given", "key", GIVEN)).await.expect(201);
    assert_eq!((&made.json["key"], &made.json["prefix"]), (&Value::Null, &json!("sk-proj")));
    assert!(!made.text.contains(GIVEN));
    let principal = resolve(&app, GIVEN).await.principal.unwrap();
    assert_eq!((principal.tenant_id, principal.key_id), (id(&a.tenant), id(&made.json)));

    // Whose it is nobody is told, and not in which way it was given.
    for (field, value) in [("key", GIVEN.to_owned()), ("key_sha256", hex(&sha256(GIVEN)))] {
        let taken = platform.post("api-keys", body(&b.tenant, "again", field, &value)).await.problem(409, "taken");
        assert_eq!(taken.json["errors"][0]["field"], field);
        assert!(!taken.text.contains(&id(&a.tenant).to_string()) && !taken.text.contains("given"), "{}", taken.text);
    }
    for wrong in ["sk-short", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "weir_1_A1b2C3d4E5f6G7h8I9j0"] {
        let refused = admin.post("api-keys", body(&a.tenant, "wrong", "key", wrong)).await.expect(422);
        assert!(!refused.text.contains(wrong), "{}", refused.text);
        refused.field("key");
    }
    // What is deleted can be made known again, by anybody who has it.
    admin.delete(&format!("api-keys/{}", id(&made.json)), &made.json["revision"]).await.expect(200);
    assert_eq!(resolve(&app, GIVEN).await.status, CredentialStatus::Unknown);
    platform.make("api-keys", body(&b.tenant, "moved", "key", GIVEN)).await;
    assert_eq!(resolve(&app, GIVEN).await.principal.unwrap().tenant_id, id(&b.tenant));
}

#[tokio::test]
async fn only_the_platforms_admins_give_digests() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let admin = app.user(Role::TenantAdmin, Some(id(&f.tenant))).await;
    let body = |digest: &str| json!({"tenant_id": f.tenant["id"], "name": "digest", "key_sha256": digest});
    admin.post("api-keys", body(&hex(&sha256(GIVEN)))).await.expect(403);
    for wrong in ["", "00", &"g".repeat(64), &"0".repeat(66)] {
        platform.post("api-keys", body(wrong)).await.expect(422).field("key_sha256");
    }
    let both = json!({"tenant_id": f.tenant["id"], "name": "both", "key": GIVEN, "key_sha256": hex(&sha256(GIVEN))});
    platform.post("api-keys", both).await.expect(422).field("key_sha256");
    let made = platform.make("api-keys", body(&hex(&sha256(GIVEN)))).await;
    assert_eq!(made["key"], Value::Null);
    assert_eq!(resolve(&app, GIVEN).await.principal.unwrap().key_id, id(&made));
}

#[tokio::test]
async fn keys_that_nobody_uses_are_listed() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let now = Utc::now();
    let unused = async |days: u16| -> Vec<Value> {
        let listed = platform.get(&format!("api-keys?unused_for_days={days}")).await.expect(200).json;
        listed["items"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect()
    };
    assert_eq!(unused(10).await, Vec::<Value>::new(), "they are new");
    l.app.sql("UPDATE api_keys SET created_at = now() - interval '40 days'").await;
    let used = record(&l.a, now - TimeDelta::days(6));
    l.app.store.record_usage(&l.gateway, vec![used.clone()]).await.unwrap();
    assert_eq!(unused(5).await, [l.a.api_key["id"].clone(), l.b.api_key["id"].clone()]);
    assert_eq!(unused(10).await, [l.b.api_key["id"].clone()]);
    let key = platform.get(&format!("api-keys/{}", id(&l.a.api_key))).await.expect(200).json;
    let last: chrono::DateTime<Utc> = key["last_used_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(last.timestamp_micros(), used.started_at.timestamp_micros());
    platform.get("api-keys?unused_for_days=0").await.problem(400, "invalid_query").field("unused_for_days");
    platform.get("models?unused_for_days=5").await.expect(400);
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_change_says_whose_streams_it_ends() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let owned = json!({"tenant_id": f.tenant["id"], "name": "owned", "user_id": f.user["id"]});
    let owned = platform.make("api-keys", owned).await;
    let start = app.store.revision().await.unwrap();
    let (key, user) = (format!("api-keys/{}", id(&f.api_key)), format!("users/{}", id(&f.user)));
    let changed = platform.patch(&key, &f.api_key["revision"], json!({"disabled": true})).await.expect(200).json;
    let ended = platform.patch(&format!("{key}?streams=end"), &changed["revision"], json!({"disabled": null})).await;
    ended.expect(200);
    platform.post(&format!("{key}/revoke"), Value::Null).await.expect(200);
    platform.patch(&format!("{user}?streams=end"), &f.user["revision"], json!({"disabled": true})).await.expect(200);
    platform.post(&format!("api-keys/{}/revoke?streams=finish", id(&owned)), Value::Null).await.expect(200);
    let changes = app.store.changes_since(start).await.unwrap();
    let ends: Vec<_> = changes.into_iter().map(|change| change.ends_streams_of).collect();
    assert_eq!(ends, [vec![], vec![id(&f.api_key)], vec![id(&f.api_key)], vec![id(&owned)], vec![]]);
    platform.post(&format!("{key}/revoke?streams=stop"), Value::Null).await.problem(400, "invalid_query");
    let tenant = format!("tenants/{}?streams=end", id(&f.tenant));
    platform.patch(&tenant, &f.tenant["revision"], json!({})).await.problem(400, "invalid_query").field("streams");
}
