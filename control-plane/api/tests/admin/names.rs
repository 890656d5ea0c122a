//! What things are called: in paths, in lists, beside ids, and only once.

use axum::http::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use weir_core::actor::Role;

use crate::app::{Client, admin, app, etag, furnish, id};

#[tokio::test]
async fn every_kind_is_found_by_its_name() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    platform.make("gateways", json!({"name": "edge"})).await;
    for (path, name, resource) in [
        ("tenants", "a", &a.tenant),
        ("users", "a@weir.example", &a.user),
        ("api-keys", "app", &a.api_key),
        ("providers", "openai", &a.provider),
        ("pools", "pool", &a.pool),
        ("models", "gpt", &a.model),
        ("guardrails/profiles", "p", &a.profile),
        ("service-tokens", "pipeline", &a.service_token),
        ("departments", "research", &a.department),
        ("roles", "auditor", &a.role),
        ("service-accounts", "bot", &a.service_account),
        ("sign-in-providers", "Company", &a.sign_in_provider),
        ("limits", "budget", &a.limit),
        ("token-issuers", "company", &a.token_issuer),
        ("identity-rules", "apps", &a.identity_rule),
    ] {
        let found = platform.get(&format!("{path}/{name}")).await.expect(200).json;
        assert_eq!(found["id"], resource["id"], "{path}");
        platform.get(&format!("{path}/none")).await.problem(404, "not_found");
        platform.get(&format!("{path}/a%00b")).await.problem(404, "not_found");
    }
    platform.get("gateways/edge").await.expect(200);
    let renamed = platform.patch("models/gpt", &a.model["revision"], json!({"name": "x/y.z"})).await.expect(200).json;
    platform.get("models/x%2Fy.z").await.expect(200);
    platform.delete("models/x%2Fy.z", &renamed["revision"]).await.expect(200);
    platform.post("api-keys/app/revoke", Value::Null).await.expect(200);
}

#[tokio::test]
async fn a_name_that_several_have_needs_a_tenant() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, b) = (furnish(&platform, "a").await, furnish(&platform, "b").await);
    platform.get("providers/openai").await.problem(400, "invalid_query").field("tenant");
    for tenant in ["b", b.tenant["id"].as_str().unwrap()] {
        let found = platform.get(&format!("providers/openai?tenant={tenant}")).await.expect(200).json;
        assert_eq!(found["id"], b.provider["id"]);
    }
    platform.get("providers/openai?tenant=none").await.problem(404, "not_found");
    let own = app.user(Role::TenantAdmin, Some(id(&a.tenant))).await;
    assert_eq!(own.get("providers/openai").await.expect(200).json["id"], a.provider["id"]);
    own.get("providers/openai?tenant=b").await.problem(404, "not_found");
    // A tenant's own comes before the platform's.
    let rules = json!([{"type": "EMAIL", "action": "flag"}]);
    let shared = platform.make("guardrails/profiles", json!({"name": "p", "rules": rules})).await;
    assert_eq!(own.get("guardrails/profiles/p").await.expect(200).json["id"], a.profile["id"]);
    assert_ne!(shared["id"], a.profile["id"]);
    assert_eq!(own.get("tenants/a").await.expect(200).json["id"], a.tenant["id"]);
    own.get("tenants/b").await.problem(404, "not_found");
    let tenants = own.get("tenants").await.expect(200).json["items"].clone();
    assert_eq!(tenants.as_array().unwrap().len(), 1);
    own.patch("tenants/a", &a.tenant["revision"], json!({"name": "c"})).await.problem(403, "forbidden");
}

async fn names(client: &Client, path: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = client.get(&format!("{path}&limit=2{cursor}")).await.expect(200).json;
        found.extend(part["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        match part["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_list_has_the_order_that_is_asked_for() {
    let app = app().await;
    let platform = app.platform().await;
    let mut made = Vec::new();
    for name in ["c", "a", "e", "b", "d"] {
        made.push(platform.make("tenants", json!({"name": name})).await);
    }
    platform.patch("tenants/c", &made[0]["revision"], json!({"time_zone": "Asia/Tokyo"})).await.expect(200);
    for (sort, expect) in [
        ("created_at", "caebd"),
        ("-created_at", "dbeac"),
        ("name", "abcde"),
        ("-name", "edcba"),
        ("updated_at", "aebdc"),
        ("-updated_at", "cdbea"),
    ] {
        assert_eq!(names(&platform, &format!("tenants?sort={sort}")).await.concat(), expect, "{sort}");
    }
    let part = platform.get("tenants?sort=name&limit=1").await.expect(200).json;
    let cursor = part["next_cursor"].as_str().unwrap();
    platform.get(&format!("tenants?cursor={cursor}")).await.problem(400, "invalid_query").field("cursor");
    platform.get("tenants?sort=colour").await.problem(400, "invalid_query");
    platform.get("tenants?state=active").await.problem(400, "invalid_query").field("state");
    platform.get("api-keys?state=odd").await.problem(400, "invalid_query").field("state");
}

#[tokio::test]
async fn no_two_keys_of_a_tenant_share_a_name() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, b) = (furnish(&platform, "a").await, furnish(&platform, "b").await);
    let body = json!({"tenant_id": a.tenant["id"], "name": "app"});
    platform.post("api-keys", body.clone()).await.problem(409, "taken").field("name");
    assert_eq!(b.api_key["name"], "app", "another tenant's may");
    let other = platform.make("api-keys", json!({"tenant_id": a.tenant["id"], "name": "other"})).await;
    platform
        .patch(&format!("api-keys/{}", id(&other)), &other["revision"], json!({"name": "app"}))
        .await
        .problem(409, "taken");
    platform.delete(&format!("api-keys/{}", id(&a.api_key)), &a.api_key["revision"]).await.expect(200);
    platform.make("api-keys", body).await;
}

#[tokio::test]
async fn keys_that_shared_a_name_have_one_each_after_the_migration() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let long = "x".repeat(100);
    let mut database = PgConnection::connect(&app.database_url).await.unwrap();
    sqlx::query("DROP INDEX api_keys_name_key").execute(&mut database).await.unwrap();
    for name in ["app", "app", &long, &long] {
        let unique =
            platform.make("api-keys", json!({"tenant_id": a.tenant["id"], "name": uuid::Uuid::now_v7()})).await;
        sqlx::query("UPDATE api_keys SET name = $2 WHERE id = $1")
            .bind(id(&unique))
            .bind(name)
            .execute(&mut database)
            .await
            .unwrap();
    }
    let migration = include_str!("../../../../migrations/0014_api_key_names.sql");
    sqlx::raw_sql(migration).execute(&mut database).await.unwrap();
    let items = platform.get("api-keys").await.expect(200).json["items"].clone();
    let names: Vec<&str> = items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    let distinct: std::collections::BTreeSet<&&str> = names.iter().collect();
    assert_eq!((names.len(), distinct.len(), names[0], names[3]), (5, 5, "app", long.as_str()), "{names:?}");
    for (item, name) in items.as_array().unwrap().iter().zip(&names).skip(1).filter(|(_, name)| **name != long) {
        assert!(name.ends_with(&item["id"].as_str().unwrap()[24..]) && name.len() <= 100, "{name}");
    }
}

#[tokio::test]
async fn names_stand_beside_ids() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    assert_eq!((&a.pool["tenant_name"], &a.pool["members"][0]["provider_name"]), (&json!("a"), &json!("openai")));
    assert_eq!(a.model["pool_name"], "pool");
    assert_eq!(a.api_key["guardrail_profile_name"], Value::Null);
    let patch = json!({"guardrail_profile": "p"});
    let key =
        platform.patch(&format!("api-keys/{}", id(&a.api_key)), &a.api_key["revision"], patch).await.expect(200).json;
    assert_eq!(key["guardrail_profile_name"], "p");
    // A name is nobody's to write.
    let headers = [("if-match", etag(&a.model["revision"]))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = json!({"name": "gpt", "pool_id": a.pool["id"], "pool_name": "pool"}).to_string();
    let path = admin(&format!("models/{}", id(&a.model)));
    platform.send(Method::PUT, &path, &headers, Some(body)).await.problem(422, "invalid_fields").field("pool_name");

    // Of the platform's pools, a tenant's users see none.
    let provider = platform
        .make("providers", json!({"name": "shared", "schema": "openai", "base_url": "https://api.openai.com"}))
        .await;
    let pool = json!({"name": "secret pool", "members": [{"provider_id": provider["id"], "model": "m"}]});
    let pool = platform.make("pools", pool).await;
    platform.make("models", json!({"name": "shared", "pool_id": pool["id"]})).await;
    let own = app.user(Role::Viewer, Some(id(&a.tenant))).await;
    for path in ["models/shared", "models?name=shared"] {
        assert!(platform.get(path).await.expect(200).text.contains("secret pool"));
        assert!(!own.get(path).await.expect(200).text.contains("secret pool"), "{path}");
    }
    // What is gone is still called something.
    let tenant = platform.make("tenants", json!({"name": "gone"})).await;
    platform.delete("tenants/gone", &tenant["revision"]).await.expect(200);
    let entry = platform.get("audit?limit=1").await.json["items"][0].clone();
    assert_eq!((&entry["resource_name"], &entry["tenant_name"]), (&json!("gone"), &json!("gone")));
}
