//! Lists, part by part.

use serde_json::{Value, json};

use weir_core::actor::Role;

use crate::app::{Client, app, furnish, id};

#[tokio::test]
async fn parts_of_a_list_are_the_whole_in_order() {
    let app = app().await;
    let platform = app.platform().await;
    let mut made = Vec::new();
    for index in 0..7 {
        made.push(platform.make("tenants", json!({"name": format!("t{index}")})).await["id"].clone());
    }
    for limit in [1, 3, 7, 200] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let part = platform.get(&format!("tenants?limit={limit}{cursor}")).await.expect(200).json;
            let items = part["items"].as_array().unwrap();
            assert!(items.len() <= limit);
            found.extend(items.iter().map(|item| item["id"].clone()));
            match part["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, made, "limit {limit}");
    }
}

#[tokio::test]
async fn a_list_can_be_narrowed_to_a_tenant() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    furnish(&platform, "b").await;
    let tenant_id = a.tenant["id"].as_str().unwrap();
    for path in [
        "api-keys",
        "providers",
        "pools",
        "models",
        "guardrails/profiles",
        "users",
        "service-tokens",
        "departments",
        "roles",
        "service-accounts",
        "sign-in-providers",
        "limits",
    ] {
        let items = platform.get(&format!("{path}?tenant_id={tenant_id}")).await.expect(200).json["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), 1, "{path}");
        assert_eq!(items[0]["tenant_id"], tenant_id, "{path}");
    }
    let entries = platform.get(&format!("audit?tenant_id={tenant_id}")).await.expect(200).json["items"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 15);
}

#[tokio::test]
async fn a_list_can_be_narrowed_to_the_platforms_own() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let admin = app.user(Role::TenantAdmin, Some(id(&a.tenant))).await;
    let rules = json!([{"type": "EMAIL", "action": "flag"}]);
    platform.make("guardrails/profiles", json!({"name": "everybody's", "rules": rules})).await;
    for client in [&platform, &admin] {
        let items = client.get("guardrails/profiles?owner=platform").await.expect(200).json["items"].clone();
        let names: Vec<&Value> = items.as_array().unwrap().iter().map(|item| &item["name"]).collect();
        assert_eq!(names, ["all", "everybody's"]);
    }
    let keys = admin.get("api-keys?owner=platform").await.expect(200).json;
    assert_eq!(keys["items"], json!([]), "there are none, and what a tenant may not see stays unseen");
    let refused = platform.get("guardrails/profiles?owner=somebody").await.expect(400).json;
    assert_eq!(refused["code"], "invalid_query");
}

#[tokio::test]
async fn the_audit_can_be_narrowed_to_who_did_what_when() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let admin = app.user(Role::TenantAdmin, Some(id(&a.tenant))).await;
    admin.make("models", json!({"tenant_id": a.tenant["id"], "name": "own", "pool_id": a.pool["id"]})).await;
    let count = async |client: &Client, query: &str| {
        client.get(&format!("audit?{query}")).await.expect(200).json["items"].as_array().unwrap().len()
    };
    assert_eq!(count(&admin, "resource_type=model").await, 2);
    assert_eq!(count(&admin, &format!("resource_type=model&actor={}", admin.token().to_uppercase())).await, 1);
    // The platform's user, of whom a tenant's does not know, is not found by the address either.
    assert_eq!(count(&admin, &format!("actor={}", platform.token())).await, 0);
    assert_eq!(count(&platform, &format!("actor={}", platform.token())).await, 17, "the sign-in is one of them");
    assert_eq!(count(&platform, &format!("resource_id={}", a.pool["id"].as_str().unwrap())).await, 1);
    let made = a.pool["created_at"].as_str().unwrap();
    assert_eq!(count(&admin, &format!("resource_type=pool&from={made}")).await, 1);
    assert_eq!(count(&admin, &format!("resource_type=pool&to={made}")).await, 0);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let app = app().await;
    let platform = app.platform().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("tenant_id=x", "tenant_id"),
        ("colour=red", "colour"),
    ] {
        for path in ["tenants", "usage", "audit"] {
            platform.get(&format!("{path}?{query}")).await.problem(400, "invalid_query").field(field);
        }
    }
}
