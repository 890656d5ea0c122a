//! Service tokens: what they open, how they end, and what the audit log says of them.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::app::{Client, app, id};

fn token(tenant_id: &Value, role: &str) -> Value {
    json!({"tenant_id": tenant_id, "name": "deploy", "role": role, "expires_at": Utc::now() + TimeDelta::hours(1)})
}

fn holder(nobody: &Client, made: &Value) -> Client {
    nobody.with_token(made["token"].as_str().unwrap())
}

#[tokio::test]
async fn a_token_does_what_its_role_may_in_its_own_name() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "acme"})).await;
    let other = platform.make("tenants", json!({"name": "other"})).await;
    let made = platform.make("service-tokens", token(&tenant["id"], "tenant_admin")).await;
    assert!(made["token"].as_str().unwrap().starts_with("weirt_"));
    assert_eq!((&made["last_used_at"], &made["tenant_name"]), (&Value::Null, &json!("acme")));
    let machine = holder(&app.nobody(), &made);
    let key = machine.make("api-keys", json!({"tenant_id": tenant["id"], "name": "app"})).await;
    machine.post("api-keys", json!({"tenant_id": other["id"], "name": "app"})).await.problem(404, "not_found");
    let me = machine.get("auth/me").await.expect(200).json;
    assert_eq!((&me["id"], &me["email"], &me["role"]), (&made["id"], &json!("deploy"), &json!("tenant_admin")));

    let entry = platform.get("audit?limit=1").await.json["items"][0].clone();
    assert_eq!(entry["resource_id"], key["id"]);
    let actor = json!({"kind": "service_token", "id": made["id"], "email": "deploy"});
    assert_eq!(
        (&entry["actor"], &entry["origin"]["kind"], &entry["tenant_name"]),
        (&actor, &json!("api"), &json!("acme"))
    );
    // It is shown once.
    let read = platform.get("service-tokens/deploy?tenant=acme").await.expect(200);
    assert!(
        read.json["last_used_at"].is_string() && !read.text.contains(made["token"].as_str().unwrap()),
        "{}",
        read.text
    );
}

#[tokio::test]
async fn a_token_makes_no_tokens() {
    let app = app().await;
    let platform = app.platform().await;
    let made = platform.make("service-tokens", token(&Value::Null, "platform_admin")).await;
    let machine = holder(&app.nobody(), &made);
    machine.post("service-tokens", token(&Value::Null, "platform_admin")).await.problem(403, "forbidden");
    let path = format!("service-tokens/{}", id(&made));
    let longer = json!({"expires_at": "2100-01-01T00:00:00Z"});
    machine.patch(&path, &made["revision"], longer.clone()).await.problem(403, "forbidden");
    machine.delete(&path, &made["revision"]).await.problem(403, "forbidden");
    let object = json!({"kind": "service_token", "name": "n", "spec": {"role": "platform_admin", "expires_at": "2100-01-01T00:00:00Z"}});
    machine.post("apply", json!({"objects": [object]})).await.problem(403, "forbidden");
    let exported = machine.get("export").await.expect(200).json;
    assert!(exported["objects"].as_array().unwrap().iter().all(|object| object["kind"] != "service_token"));
    platform.patch(&path, &made["revision"], longer).await.expect(200);
}

#[tokio::test]
async fn a_token_ends_when_it_is_over_revoked_or_deleted() {
    let app = app().await;
    let platform = app.platform().await;
    let make = async |name: &str, expires_at: chrono::DateTime<Utc>| {
        let body = json!({"name": name, "role": "platform_admin", "expires_at": expires_at});
        platform.make("service-tokens", body).await
    };
    let soon = Utc::now() + TimeDelta::hours(1);
    let over = make("over", Utc::now() - TimeDelta::seconds(1)).await;
    holder(&app.nobody(), &over).get("auth/me").await.problem(401, "unauthenticated");
    let revoked = make("revoked", soon).await;
    let machine = holder(&app.nobody(), &revoked);
    machine.get("auth/me").await.expect(200);
    let path = format!("service-tokens/{}/revoke", id(&revoked));
    let answer = platform.post(&path, Value::Null).await.expect(200).json;
    assert!(answer["revoked_at"].is_string());
    machine.get("auth/me").await.problem(401, "unauthenticated");
    let deleted = make("deleted", soon).await;
    let machine = holder(&app.nobody(), &deleted);
    machine.get("auth/me").await.expect(200);
    platform.delete("service-tokens/deleted", &deleted["revision"]).await.expect(200);
    machine.get("auth/me").await.problem(401, "unauthenticated");

    make("valid", soon).await;
    for (state, names) in [("active", ["valid"]), ("expired", ["over"]), ("revoked", ["revoked"])] {
        let items = platform.get(&format!("service-tokens?state={state}")).await.expect(200).json["items"].clone();
        let found: Vec<&str> = items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{state}");
    }
    let role = json!({"name": "x", "role": "viewer", "expires_at": soon});
    platform.post("service-tokens", role).await.problem(422, "invalid_fields").field("tenant_id");
    let forever = json!({"name": "x", "role": "platform_admin"});
    platform.post("service-tokens", forever).await.problem(422, "invalid_fields").field("expires_at");
}
