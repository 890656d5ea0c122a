//! What OWASP's list for APIs asks of those that are about who may do what: objects and fields of others (API1, API3, API5), and how much
//! of everything somebody takes (API4). Fields that are nobody's to set are in `contract`.

use serde_json::{Value, json};
use weir_core::actor::Role;

use crate::app::{Furnished, app, furnish, id};
use crate::operations::operations;

/// What a plain user of a tenant sees of it, and what needs no permission. Of nothing else anything, whoever's id they know.
const OPEN_TO_USERS: [&str; 3] = ["get_tenant", "get_model", "start_sign_in"];

#[tokio::test]
async fn a_plain_user_gets_at_no_object_of_others_in_the_same_tenant() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let gateway = platform.make("gateways", json!({"name": "g"})).await;
    let user = app.user(Role::User, Some(id(&a.tenant))).await;
    let before = app.store.revision().await.unwrap();
    let mut asked = 0;
    for operation in operations().iter().filter(|operation| operation.path.contains("{id}")) {
        if OPEN_TO_USERS.contains(&operation.id.as_str()) || operation.path.contains("/auth/oidc/") {
            continue;
        }
        let answer = operation.send(&user, &operation.request(&a, &gateway)).await;
        assert!([403, 404].contains(&answer.status.as_u16()), "{}: {} {}", operation.id, answer.status, answer.text);
        asked += 1;
    }
    assert!(asked > 50, "{asked}");
    assert_eq!(app.store.revision().await.unwrap(), before, "nothing was written");
}

#[tokio::test]
async fn a_departments_manager_gets_at_nobody_of_another_department() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let make = async |path: &str, body: Value| {
        let mut whole = json!({"tenant_id": a.tenant["id"], "department_id": a.department["id"]});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        platform.make(path, whole).await
    };
    let of = Furnished {
        user: make("users", json!({"email": "other@weir.example", "role": "user"})).await,
        service_account: make("service-accounts", json!({"name": "other"})).await,
        api_key: make("api-keys", json!({"name": "other"})).await,
        ..a.clone()
    };
    let own = platform.make("departments", json!({"tenant_id": a.tenant["id"], "name": "own"})).await;
    let grants = json!([{"role": "manager", "department_id": own["id"]}]);
    let manager = app.granted(id(&a.tenant), grants).await;
    let before = app.store.revision().await.unwrap();
    let mut asked = 0;
    for operation in operations().iter().filter(|operation| operation.path.contains("{id}")) {
        let collection = operation.path.trim_start_matches("/api/v1/admin/").split("/{id}").next().unwrap();
        if !["users", "service-accounts", "api-keys", "departments"].contains(&collection) {
            continue;
        }
        let answer = operation.send(&manager, &operation.request(&of, &Value::Null)).await;
        assert_eq!(answer.status, 404, "{}: {}", operation.id, answer.text);
        asked += 1;
    }
    assert!(asked >= 25, "{asked}");
    assert_eq!(app.store.revision().await.unwrap(), before, "nothing was written");
}

#[tokio::test]
async fn what_is_anothers_is_not_referred_to_either() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, b) = (furnish(&platform, "a").await, furnish(&platform, "b").await);
    let admin = app.user(Role::TenantAdmin, Some(id(&a.tenant))).await;
    let refused = async |path: &str, body: Value, field: &str| {
        let mut whole = json!({"tenant_id": a.tenant["id"]});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let answer = admin.post(path, whole).await.problem(422, "invalid_fields").field(field);
        for foreign in [&b.tenant, &b.user, &b.department] {
            let name = foreign["name"].as_str().or(foreign["email"].as_str()).unwrap();
            assert!(name.len() < 3 || !answer.text.contains(&format!("\"{name}\"")), "{}", answer.text);
        }
    };
    for field in ["user", "service_account", "department"] {
        let of_b = match field {
            "user" => &b.user,
            "service_account" => &b.service_account,
            _ => &b.department,
        };
        let field = format!("{field}_id");
        refused("api-keys", json!({"name": "x", field.as_str(): of_b["id"]}), &field).await;
    }
    refused("api-keys", json!({"name": "x", "guardrail_profile_id": b.profile["id"]}), "guardrail_profile_id").await;
    refused("departments", json!({"name": "x", "parent_id": b.department["id"]}), "parent_id").await;
    refused("service-accounts", json!({"name": "x", "department_id": b.department["id"]}), "department_id").await;
    let user = |more: Value| {
        let mut body = json!({"email": "x@weir.example", "role": "user"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    refused("users", user(json!({"department_id": b.department["id"]})), "department_id").await;
    let grant = json!([{"custom_role_id": b.role["id"]}]);
    refused("users", user(json!({"grants": grant})), "grants[0].custom_role_id").await;
    let grant = json!([{"role": "viewer", "department_id": b.department["id"]}]);
    refused("users", user(json!({"grants": grant})), "grants[0].department_id").await;
    let provider = |rule: Value| json!({"name": "x", "issuer": "https://x.example", "client_id": "x", "rules": [rule]});
    let rule = json!({"group": "g", "role": "viewer", "tenant_id": b.tenant["id"]});
    refused("sign-in-providers", provider(rule), "rules[0].tenant_id").await;
    for (grant, field) in [
        (json!({"role": "viewer", "department_id": b.department["id"]}), "rules[0].grants[0].department_id"),
        (json!({"custom_role_id": b.role["id"]}), "rules[0].grants[0].custom_role_id"),
    ] {
        let rule = json!({"group": "g", "role": "user", "grants": [grant]});
        refused("sign-in-providers", provider(rule), field).await;
    }
}

#[tokio::test]
async fn rules_give_no_more_than_whoever_writes_them_has() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let keeper = json!({"tenant_id": a.tenant["id"], "name": "keeper",
        "permissions": ["sign_in.read", "sign_in.write", "keys.read"]});
    let keeper = platform.make("roles", keeper).await;
    let holder = app.granted(id(&a.tenant), json!([{"custom_role_id": keeper["id"]}])).await;
    let provider = |name: &str, grant: Value| {
        let rule = json!({"group": "g", "role": "user", "tenant_id": a.tenant["id"], "grants": [grant]});
        json!({"tenant_id": a.tenant["id"], "name": name, "issuer": "https://x.example", "client_id": "x", "rules": [rule]})
    };
    let of_department = json!({"role": "manager", "department_id": a.department["id"]});
    holder.post("sign-in-providers", provider("more", of_department)).await.problem(403, "forbidden");
    holder
        .post("sign-in-providers", provider("role", json!({"custom_role_id": a.role["id"]})))
        .await
        .problem(403, "forbidden");
    holder.make("sign-in-providers", provider("same", json!({"custom_role_id": keeper["id"]}))).await;
}

#[tokio::test]
async fn of_everything_there_is_only_so_much() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let many = |count: usize, one: Value| Value::Array(vec![one; count]);
    let labels: Value =
        (0..51).map(|index| (format!("l{index}"), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    let rule = json!({"group": "g", "role": "user", "tenant_id": a.tenant["id"]});
    let crowded = json!({"group": "g", "role": "user", "tenant_id": a.tenant["id"], "grants": many(51, json!({"role": "viewer"}))});
    for (path, resource, patch, field) in [
        ("users", &a.user, json!({"grants": many(51, json!({"role": "viewer"}))}), "grants"),
        ("users", &a.user, json!({"labels": labels}), "labels"),
        ("departments", &a.department, json!({"labels": labels}), "labels"),
        ("sign-in-providers", &a.sign_in_provider, json!({"rules": many(201, rule)}), "rules"),
        ("sign-in-providers", &a.sign_in_provider, json!({"rules": [crowded]}), "rules[0].grants"),
        ("sign-in-providers", &a.sign_in_provider, json!({"scopes": many(31, json!("openid"))}), "scopes"),
        ("roles", &a.role, json!({"name": "x".repeat(101)}), "name"),
        // A hash takes a core for a while: not of a text without end.
        ("users", &a.user, json!({"password": "x7#Lq".repeat(60)}), "password"),
    ] {
        let path = format!("{path}/{}", id(resource));
        platform.patch(&path, &resource["revision"], patch).await.problem(422, "invalid_fields").field(field);
    }
    let large = json!({"name": "x".repeat(4 << 20)});
    platform.post("roles", large).await.problem(413, "body_too_large");
    // However often somebody signs in, only the latest sessions stay.
    app.sql(
        "INSERT INTO sessions (token_sha256, user_id, expires_at, last_seen_at)
         SELECT sha256(number::text::bytea), id, now() + interval '1 hour', now() - number * interval '1 second'
         FROM users, generate_series(1, 250) number WHERE email = 'a@weir.example'",
    )
    .await;
    let credentials = json!({"email": "a@weir.example", "password": "a long password"});
    let token = app.nobody().post("auth/login", credentials).await.expect(200).json["token"].clone();
    app.nobody().with_token(token.as_str().unwrap()).get("auth/me").await.expect(200);
    let kept = "SELECT count(*) FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = 'a@weir.example')";
    assert_eq!(app.count(kept).await, 200);
    app.nobody().with_token("1").get("auth/me").await.expect(200);
    app.nobody().with_token("250").get("auth/me").await.problem(401, "unauthenticated");
}
