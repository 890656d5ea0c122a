//! Departments, and whose keys are: trees that stay trees, owners that can be disabled, lists that are narrowed.

use serde_json::{Value, json};
use weir_core::actor::Role;
use weir_core::change::ChangeKind;
use weir_core::gateway::CredentialStatus;
use weir_core::secret::sha256;

use crate::app::{App, Client, app, furnish, id};

async fn department(platform: &Client, tenant: &Value, name: &str, parent: &Value) -> Value {
    let body = json!({"tenant_id": tenant["id"], "name": name, "parent_id": parent["id"]});
    platform.make("departments", body).await
}

async fn status(app: &App, key: &Value) -> CredentialStatus {
    let gateway = app.gateway(None).await;
    let digest = sha256(key["key"].as_str().unwrap());
    let resolved = app.store.resolve_credential(&gateway, &digest, None, &weir_config::FindingType::ALL).await;
    resolved.unwrap().status
}

#[tokio::test]
async fn a_department_is_not_moved_under_itself_or_beneath() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "acme"})).await;
    let top = department(&platform, &tenant, "top", &Value::Null).await;
    let middle = department(&platform, &tenant, "middle", &top).await;
    let low = department(&platform, &tenant, "low", &middle).await;
    assert_eq!(low["parent_name"], "middle");
    for parent in [&top, &middle, &low] {
        let refused = platform.patch("departments/top", &top["revision"], json!({"parent_id": parent["id"]})).await;
        refused.problem(422, "invalid_fields").field("parent_id");
    }
    let other = platform.make("tenants", json!({"name": "other"})).await;
    let foreign = department(&platform, &other, "foreign", &Value::Null).await;
    let refused = platform.patch("departments/top", &top["revision"], json!({"parent_id": foreign["id"]})).await;
    refused.problem(422, "invalid_fields").field("parent_id");
    platform.patch("departments/low", &low["revision"], json!({"parent": "top"})).await.expect(200);
    // In use by those beneath it.
    platform.delete("departments/top", &top["revision"]).await.problem(409, "in_use");
}

#[tokio::test]
async fn two_departments_are_not_moved_beneath_each_other_at_the_same_time() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "acme"})).await;
    for round in 0..5 {
        let one = department(&platform, &tenant, &format!("one {round}"), &Value::Null).await;
        let other = department(&platform, &tenant, &format!("other {round}"), &Value::Null).await;
        let moves = [(&one, &other), (&other, &one)].map(|(moved, parent)| {
            let platform = platform.clone();
            let (path, revision) = (format!("departments/{}", id(moved)), moved["revision"].clone());
            let body = json!({"parent_id": parent["id"]});
            tokio::spawn(async move { platform.patch(&path, &revision, body).await.status.as_u16() })
        });
        let mut statuses = Vec::new();
        for one in moves {
            statuses.push(one.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422]);
    }
}

#[tokio::test]
async fn a_set_may_name_a_tree_in_any_order_and_prunes_it_from_below() {
    let app = app().await;
    let platform = app.platform().await;
    let object = |name: &str, parent: Option<&str>| {
        let spec = parent.map_or_else(|| json!({}), |parent| json!({"parent": parent}));
        json!({"kind": "department", "name": name, "tenant": "acme", "spec": spec})
    };
    let apply = async |departments: Vec<Value>, prune: bool| {
        let mut objects = vec![json!({"kind": "tenant", "name": "acme", "spec": {}})];
        objects.extend(departments);
        let origin = json!({"kind": "file", "ref": "tree"});
        platform.post("apply?dry_run=false", json!({"objects": objects, "origin": origin, "prune": prune})).await
    };
    let deep = vec![object("c", Some("b")), object("a", None), object("b", Some("a"))];
    let made = apply(deep.clone(), false).await.expect(200).json;
    assert_eq!(made["created"].as_array().unwrap().len(), 4);
    assert_eq!(apply(deep, false).await.expect(200).json["unchanged"].as_array().unwrap().len(), 4);
    // Turned upside down, which no order of single moves as they stand would allow.
    let turned = vec![object("a", Some("b")), object("b", Some("c")), object("c", None)];
    assert_eq!(apply(turned, false).await.expect(200).json["changed"].as_array().unwrap().len(), 3);
    let circle = vec![object("a", Some("b")), object("b", Some("a"))];
    apply(circle, false).await.problem(422, "invalid_fields");
    let pruned = apply(vec![object("c", None)], true).await.expect(200).json;
    let gone: Vec<&str> =
        pruned["deleted"].as_array().unwrap().iter().map(|object| object["name"].as_str().unwrap()).collect();
    assert_eq!(gone, ["a", "b"]);
}

#[tokio::test]
async fn a_disabled_owners_keys_end_and_come_back() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let tenant_id = &f.tenant["id"];
    let key = async |name: &str, owner: &str, of: &Value| {
        platform.make("api-keys", json!({"tenant_id": tenant_id, "name": name, owner: of["id"]})).await
    };
    let of_user = key("u", "user_id", &f.user).await;
    let of_account = key("s", "service_account_id", &f.service_account).await;
    let of_department = key("d", "department_id", &f.department).await;
    for (path, owner, key) in [("users", &f.user, &of_user), ("service-accounts", &f.service_account, &of_account)] {
        let one = format!("{path}/{}", id(owner));
        let since = app.store.revision().await.unwrap();
        let disabled = platform.patch(&one, &owner["revision"], json!({"disabled": true})).await.expect(200).json;
        assert_eq!(status(&app, key).await, CredentialStatus::Revoked);
        // Every Envoy is told to forget what it knows of the tenant's callers.
        let told = app.store.changes_since(since).await.unwrap().remove(0).kind;
        assert_eq!(told, ChangeKind::Tenant { tenant_id: id(&f.tenant) });
        let read = platform.get(&format!("api-keys/{}", id(key))).await.expect(200).json;
        assert_eq!((&read["owner_disabled"], &read["revoked_at"]), (&json!(true), &Value::Null));
        platform.delete(&one, &disabled["revision"]).await.problem(409, "in_use");
        let since = app.store.revision().await.unwrap();
        let enabled = platform.patch(&one, &disabled["revision"], json!({"disabled": false})).await.expect(200).json;
        assert_eq!(status(&app, key).await, CredentialStatus::Active);
        // What callers do not feel is told to nobody.
        platform.patch(&one, &enabled["revision"], json!({"labels": {"team": "x"}})).await.expect(200);
        let told = app.store.changes_since(since + 1).await.unwrap().remove(0).kind;
        assert_eq!(told, ChangeKind::Administration);
    }
    assert_eq!(status(&app, &of_department).await, CredentialStatus::Active);
    let two = json!({"user_id": f.user["id"], "department_id": f.department["id"]});
    let path = format!("api-keys/{}", id(&of_department));
    platform.patch(&path, &of_department["revision"], two).await.problem(422, "invalid_fields").field("department_id");
}

#[tokio::test]
async fn who_is_disabled_is_signed_out_and_the_last_administrator_stays() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "acme"})).await;
    let admin = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    let me = admin.get("auth/me").await.expect(200).json;
    let path = format!("users/{}", me["id"].as_str().unwrap());
    let user = platform.get(&path).await.expect(200).json;
    let disabled = platform.patch(&path, &user["revision"], json!({"disabled": true})).await.expect(200).json;
    admin.get("auth/me").await.problem(401, "unauthenticated");
    platform.patch(&path, &disabled["revision"], json!({"disabled": false})).await.expect(200);
    // What was signed in then does not come back.
    admin.get("auth/me").await.problem(401, "unauthenticated");
    let own = platform.get("auth/me").await.expect(200).json;
    let own = platform.get(&format!("users/{}", own["id"].as_str().unwrap())).await.expect(200).json;
    let refused = platform.patch(&format!("users/{}", id(&own)), &own["revision"], json!({"disabled": true})).await;
    refused.problem(403, "forbidden");
}

#[tokio::test]
async fn lists_are_narrowed_to_departments_with_those_beneath_owners_and_labels() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let tenant_id = &f.tenant["id"];
    let low = department(&platform, &f.tenant, "low", &f.department).await;
    let other = department(&platform, &f.tenant, "other", &Value::Null).await;
    let user = format!("users/{}", id(&f.user));
    platform.patch(&user, &f.user["revision"], json!({"department_id": low["id"]})).await.expect(200);
    for (name, owner, of, environment) in [
        ("user's", "user_id", &f.user, "production"),
        ("account's", "service_account_id", &f.service_account, "staging"),
        ("department's", "department_id", &low, "production"),
        ("other's", "department_id", &other, "production"),
    ] {
        let body = json!({"tenant_id": tenant_id, "name": name, owner: of["id"], "environment": environment,
            "labels": {"owner": name, "kind": "test"}});
        platform.make("api-keys", body).await;
    }
    let check = async |path: &str, query: String, expect: &[&str]| {
        let items = platform.get(&format!("{path}?{query}")).await.expect(200).json["items"].clone();
        let names: Vec<&str> = items
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.get("name").unwrap_or(&item["email"]).as_str().unwrap())
            .collect();
        assert_eq!(names, expect, "{path} {query}");
    };
    let in_research = ["user's", "account's", "department's"];
    check("api-keys", format!("department_id={}", id(&f.department)), &in_research).await;
    check("api-keys", format!("department_id={}", id(&low)), &["user's", "department's"]).await;
    check("api-keys", format!("user_id={}", id(&f.user)), &["user's"]).await;
    check("api-keys", format!("service_account_id={}", id(&f.service_account)), &["account's"]).await;
    check("api-keys", "environment=staging".into(), &["account's"]).await;
    check("api-keys", "label=owner=other%27s".into(), &["other's"]).await;
    check("api-keys", "label=kind&environment=staging".into(), &["account's"]).await;
    check("api-keys", "label=none".into(), &[]).await;
    check("users", format!("department_id={}", id(&f.department)), &["f@weir.example"]).await;
    check("departments", format!("parent_id={}", id(&f.department)), &["low"]).await;
    check("service-accounts", "state=active".into(), &["bot"]).await;
    platform.get("providers?label=kind").await.problem(400, "invalid_query").field("label");
    platform.get("api-keys?environment=test").await.problem(400, "invalid_query").field("environment");
}

#[tokio::test]
async fn departments_are_no_deeper_than_32() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "deep"})).await;
    let at = |depth: usize, parent: &Value| json!({"tenant_id": tenant["id"], "name": depth.to_string(), "parent_id": parent});
    let top = platform.make("departments", at(1, &Value::Null)).await;
    let mut last = top.clone();
    for depth in 2..=32 {
        last = platform.make("departments", at(depth, &last["id"])).await;
    }
    platform.post("departments", at(33, &last["id"])).await.problem(422, "invalid_fields").field("parent_id");
    // With what hangs beneath it.
    let above = platform.make("departments", json!({"tenant_id": tenant["id"], "name": "above"})).await;
    let moved = json!({"parent_id": above["id"]});
    platform.patch("departments/1", &top["revision"], moved).await.problem(422, "invalid_fields").field("parent_id");
}
