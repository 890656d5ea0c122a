//! The audit log: how each change was asked for.

use axum::http::Method;
use serde_json::{Value, json};
use weir_core::actor::Role;

use crate::app::{admin, app, id};

#[tokio::test]
async fn an_entry_names_the_request_and_from_where_it_came() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "acme"})).await;
    let headers = [("x-request-id", "from-the-client.1"), ("x-forwarded-for", "6.6.6.6, 2001:db8::7")];
    let body = json!({"tenant_id": tenant["id"], "name": "app"}).to_string();
    platform.send(Method::POST, &admin("api-keys"), &headers, Some(body)).await.expect(201);
    let entry = platform.get("audit?limit=1").await.json["items"][0].clone();
    assert_eq!(
        (&entry["request_id"], &entry["client_address"], &entry["actor"]["kind"]),
        (&json!("from-the-client.1"), &json!("2001:db8::7"), &json!("user"))
    );
    // Of the platform's people a tenant learns neither.
    let own = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    let entry = own.get("audit?limit=1").await.json["items"][0].clone();
    assert_eq!((&entry["request_id"], &entry["client_address"]), (&Value::Null, &Value::Null));
    let made = own.post("api-keys", json!({"tenant_id": tenant["id"], "name": "own"})).await.expect(201);
    let entry = own.get("audit?limit=1").await.json["items"][0].clone();
    assert_eq!(entry["request_id"], made.headers["x-request-id"].to_str().unwrap());
}

#[tokio::test]
async fn what_a_page_of_the_console_makes_is_of_the_console() {
    let app = app().await;
    let platform = app.platform().await;
    let cookie = format!("__Host-weir-session={}", platform.token());
    let page = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let nobody = app.nobody();
    let made =
        nobody.send(Method::POST, &admin("tenants"), &page, Some(json!({"name": "a"}).to_string())).await.expect(201);
    assert_eq!(made.json["origin"], json!({"kind": "console", "ref": null}));
    // A machine may change it all the same; the log says who did what in which way.
    let patch = json!({"time_zone": "Asia/Tokyo"});
    let changed = platform.patch("tenants/a", &made.json["revision"], patch).await.expect(200).json;
    assert_eq!(changed["origin"]["kind"], "console");
    let entries = platform.get("audit?limit=2").await.json["items"].clone();
    let origins: Vec<&str> = [0, 1].map(|index| entries[index]["origin"]["kind"].as_str().unwrap()).into();
    assert_eq!(origins, ["api", "console"]);
}

#[tokio::test]
async fn what_is_managed_elsewhere_is_only_read_by_every_door() {
    let app = app().await;
    let platform = app.platform().await;
    let origin = json!({"kind": "kubernetes", "ref": "prod/weir"});
    let provider =
        json!({"kind": "provider", "name": "p", "spec": {"schema": "openai", "base_url": "https://api.openai.com"}});
    let tenant = json!({"kind": "tenant", "name": "t", "spec": {}});
    let key = json!({"kind": "api_key", "name": "k", "tenant": "t", "spec": {}});
    let set = json!({"objects": [provider, tenant, key], "origin": origin});
    let made = platform.post("apply", set.clone()).await.expect(200).json;
    let revision = made["revision"].clone();
    for path in ["providers/p", "tenants/t", "api-keys/k"] {
        for answer in
            [platform.patch(path, &revision, json!({"name": "x"})).await, platform.delete(path, &revision).await]
        {
            let refused = answer.problem(409, "managed_elsewhere");
            assert!(refused.json["detail"].as_str().unwrap().contains("kubernetes prod/weir"), "{}", refused.text);
        }
        let etag = format!("\"{revision}\"");
        let body = json!({"name": "x", "schema": "openai", "base_url": "https://api.openai.com"});
        let body = if path.starts_with("providers") { body } else { json!({"name": "x"}) };
        let put = platform.send(Method::PUT, &admin(path), &[("if-match", &etag)], Some(body.to_string())).await;
        put.problem(409, "managed_elsewhere");
    }
    let mut here = set.clone();
    here["origin"] = Value::Null;
    here["objects"][0]["spec"]["query"] = json!("a=b");
    platform.post("apply", here).await.problem(409, "managed_elsewhere");
    let undone = platform.post(&format!("revisions/{revision}/revert"), Value::Null).await.problem(409, "irrevertible");
    assert!(undone.text.contains("it is managed elsewhere"), "{}", undone.text);
    // But what has leaked does not wait for anybody.
    platform.post("api-keys/k/revoke", Value::Null).await.expect(200);
    let again = platform.post("apply", set).await.expect(200).json;
    assert_eq!(again["revision"], Value::Null, "{again}");
    assert!(platform.get("api-keys/k").await.expect(200).json["revoked_at"].is_string());
}
