//! How people without a password, or with a forgotten one, are let in; and accounts that work without the identity provider.

use axum::http::Method;
use serde_json::{Value, json};
use weir_core::actor::Role;

use crate::app::{Answer, App, Client, app, furnish, id};

const PASSWORD: &str = "vK3-tulip-Ozean-92";
const OTHER: &str = "another-Tulip-77-kiosk";

async fn sign_in(app: &App, email: &str, password: &str) -> Answer {
    app.nobody().post("auth/login", json!({"email": email, "password": password})).await
}

async fn link(client: &Client, user: &Value) -> (String, Value) {
    let made = client.post(&format!("users/{}/password-link", id(user)), Value::Null).await.expect(201).json;
    let token = made["path"].as_str().unwrap().strip_prefix("/password#").unwrap().to_owned();
    (token, made)
}

async fn set(app: &App, token: &str, password: &str) -> Answer {
    app.nobody().post("auth/password", json!({"token": token, "password": password})).await
}

#[tokio::test]
async fn somebody_who_is_invited_sets_a_password_once_and_signs_in() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let body = json!({"email": "maria.weber@acme.example", "role": "viewer", "tenant_id": tenant["id"]});
    let user = platform.make("users", body).await;
    assert_eq!(user["has_password"], false);
    sign_in(&app, "maria.weber@acme.example", "").await.problem(401, "invalid_credentials");
    let (token, made) = link(&platform, &user).await;
    assert_eq!(made["is_invitation"], true);
    let said = app.nobody().post("auth/password-link", json!({"token": token})).await.expect(200).json;
    assert_eq!((&said["email"], &said["is_invitation"]), (&json!("maria.weber@acme.example"), &json!(true)));
    // What is easily guessed, from the address too, uses nothing up.
    for weak in ["short", "password1234", "maria.weber1", "aaaaaaaaaaaaaaaaaa"] {
        set(&app, &token, weak).await.problem(422, "invalid_fields").field("password");
    }
    set(&app, &token, PASSWORD).await.expect(204);
    set(&app, &token, OTHER).await.problem(401, "invalid_credentials").field("token");
    sign_in(&app, "maria.weber@acme.example", PASSWORD).await.expect(200);
    let read = platform.get(&format!("users/{}", id(&user))).await.expect(200).json;
    assert_eq!(read["has_password"], true);
    let entries = platform.get(&format!("audit?resource_id={}", id(&user))).await.expect(200).text;
    assert!(entries.contains("user.invite") && !entries.contains(&token), "{entries}");
}

#[tokio::test]
async fn a_reset_leaves_the_password_until_it_is_used_and_ends_sessions_then() {
    let app = app().await;
    let platform = app.platform().await;
    let email = "b@acme.example";
    let user = json!({"email": email, "role": "platform_admin", "password": PASSWORD});
    let user = platform.make("users", user).await;
    let session = sign_in(&app, email, PASSWORD).await.expect(200).json["token"].as_str().unwrap().to_owned();
    let (first, made) = link(&platform, &user).await;
    assert_eq!(made["is_invitation"], false);
    let (second, _) = link(&platform, &user).await;
    sign_in(&app, email, PASSWORD).await.expect(200);
    // A new link ends the one before; and one whose time is over does not hold.
    set(&app, &first, OTHER).await.problem(401, "invalid_credentials");
    set(&app, &second, OTHER).await.expect(204);
    sign_in(&app, email, PASSWORD).await.problem(401, "invalid_credentials");
    sign_in(&app, email, OTHER).await.expect(200);
    app.nobody().with_token(&session).get("auth/me").await.problem(401, "unauthenticated");
    let (third, _) = link(&platform, &user).await;
    app.sql("UPDATE password_links SET expires_at = now()").await;
    set(&app, &third, PASSWORD).await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn nobody_makes_links_for_those_above_or_beside() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, b) = (furnish(&platform, "a").await, furnish(&platform, "b").await);
    let admin = app.user(Role::TenantAdmin, Some(id(&a.tenant))).await;
    let chief = platform.make("users", json!({"email": "chief@weir.example", "role": "platform_admin"})).await;
    for user in [&b.user, &chief] {
        admin.post(&format!("users/{}/password-link", id(user)), Value::Null).await.problem(404, "not_found");
    }
    link(&admin, &a.user).await;
}

async fn only_way_in(platform: &Client, tenant_id: &Value, name: &str) -> Answer {
    let body = json!({"tenant_id": tenant_id, "name": name, "issuer": "https://login.example.com", "client_id": "weir",
        "is_only_way_in": true});
    platform.post("sign-in-providers", body).await
}

#[tokio::test]
async fn where_passwords_are_refused_a_break_glass_account_still_works_and_everybody_hears_of_it() {
    let app = app().await;
    let platform = app.platform().await;
    let body = |email: &str, more: Value| {
        let mut body = json!({"email": email, "role": "platform_admin", "password": PASSWORD});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    platform.make("users", body("plain@weir.example", json!({}))).await;
    // Not before somebody could get in without the identity provider.
    only_way_in(&platform, &Value::Null, "SSO").await.problem(422, "invalid_fields").field("is_only_way_in");
    let glass = platform.make("users", body("glass@weir.example", json!({"is_break_glass": true}))).await;
    let provider = only_way_in(&platform, &Value::Null, "SSO").await.expect(201).json;
    let refused = sign_in(&app, "plain@weir.example", PASSWORD).await.problem(403, "forbidden");
    assert!(refused.text.contains("identity provider"), "{}", refused.text);
    // Only whoever has the password learns that it is of no use.
    sign_in(&app, "plain@weir.example", "wrong").await.problem(401, "invalid_credentials");
    let heard = async |client: &Client| client.get("auth/break-glass").await.expect(200).json["items"].clone();
    assert_eq!(heard(&platform).await, json!([]));
    let headers = [("x-forwarded-for", "192.0.2.7")];
    let credentials = json!({"email": "glass@weir.example", "password": PASSWORD}).to_string();
    app.nobody().send(Method::POST, "/api/v1/admin/auth/login", &headers, Some(credentials)).await.expect(200);
    let told = heard(&platform).await;
    assert_eq!((&told[0]["email"], &told[0]["address"]), (&json!("glass@weir.example"), &json!("192.0.2.7")));
    let entries = platform.get("audit?actor=glass@weir.example").await.expect(200).json["items"].clone();
    let told: Vec<_> =
        entries.as_array().unwrap().iter().map(|entry| (&entry["action"], &entry["client_address"])).collect();
    assert_eq!(told, [(&json!("user.break_glass_sign_in"), &json!("192.0.2.7"))], "one entry for one sign-in");
    assert_eq!(entries[0]["resource_id"], glass["id"]);
    // It stays while it is needed.
    let one = format!("users/{}", id(&glass));
    platform.delete(&one, &glass["revision"]).await.problem(403, "forbidden");
    platform.patch(&one, &glass["revision"], json!({"is_break_glass": false})).await.problem(403, "forbidden");
    platform.patch(&one, &glass["revision"], json!({"password": null})).await.problem(403, "forbidden");
    platform.delete(&format!("sign-in-providers/{}", id(&provider)), &provider["revision"]).await.expect(200);
    sign_in(&app, "plain@weir.example", PASSWORD).await.expect(200);
    platform.delete(&one, &glass["revision"]).await.expect(200);
}

#[tokio::test]
async fn a_tenants_only_way_in_is_for_its_own_people() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, b) = (furnish(&platform, "a").await, furnish(&platform, "b").await);
    only_way_in(&platform, &a.tenant["id"], "SSO").await.expect(201);
    sign_in(&app, "a@weir.example", "a long password").await.problem(403, "forbidden");
    sign_in(&app, b.user["email"].as_str().unwrap(), "a long password").await.expect(200);
    let body =
        json!({"tenant_id": a.tenant["id"], "email": "x@a.example", "role": "tenant_admin", "is_break_glass": true});
    platform.post("users", body).await.problem(422, "invalid_fields").field("is_break_glass");
}

#[tokio::test]
async fn a_tenants_issuer_lies_outside_and_a_secret_goes_nowhere_else() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let admin = app.user(Role::TenantAdmin, Some(id(&a.tenant))).await;
    let body =
        |issuer: &str| json!({"tenant_id": a.tenant["id"], "name": issuer, "issuer": issuer, "client_id": "weir"});
    for inside in ["https://10.0.0.1", "https://metadata.google.internal", "http://127.0.0.1:9000"] {
        admin.post("sign-in-providers", body(inside)).await.problem(422, "invalid_fields").field("issuer");
        let check = json!({"tenant_id": a.tenant["id"], "issuer": inside});
        admin.post("sign-in-providers/check", check).await.problem(422, "invalid_fields").field("issuer");
        platform.make("sign-in-providers", body(inside)).await;
    }
    admin.make("sign-in-providers", body("https://10.7.7.7")).await;
    let one = format!("sign-in-providers/{}", id(&a.sign_in_provider));
    let moved = json!({"issuer": "https://elsewhere.example.com"});
    let revision = &a.sign_in_provider["revision"];
    admin.patch(&one, revision, moved).await.problem(422, "invalid_fields").field("client_secret");
    let read = admin.get(&one).await.expect(200);
    assert_eq!(read.json["has_client_secret"], true);
    assert!(read.json.get("client_secret").is_none(), "{}", read.text);
    // A rule leads to a tenant that is there.
    let rule = json!([{"group": "g", "role": "viewer", "tenant_id": uuid::Uuid::now_v7()}]);
    let body = json!({"name": "x", "issuer": "https://x.example", "client_id": "x", "rules": rule});
    platform.post("sign-in-providers", body).await.problem(422, "invalid_fields").field("rules[0].tenant_id");
}

#[tokio::test]
async fn a_link_ends_with_the_rights_under_which_it_was_made() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let tenant_id = &f.tenant["id"];
    let person = |email: &str| json!({"tenant_id": tenant_id, "email": email, "role": "user"});
    let change = async |user: &Value, patch: Value| {
        let path = format!("users/{}", id(user));
        let revision = platform.get(&path).await.expect(200).json["revision"].clone();
        platform.patch(&path, &revision, patch).await.expect(200);
    };
    // Whoever has more now, is not taken over by a link of before.
    for (name, patch) in [
        ("role", json!({"role": "tenant_admin"})),
        ("grants", json!({"grants": [{"role": "admin"}]})),
        ("disabled", json!({"disabled": true})),
    ] {
        let user = platform.make("users", person(&format!("{name}@weir.example"))).await;
        let (token, _) = link(&platform, &user).await;
        change(&user, patch).await;
        set(&app, &token, PASSWORD).await.problem(401, "invalid_credentials");
    }
    // And a link does not outlive what its maker may do: by a custom role that gets more, and by the maker's own role.
    let helper = platform.make("users", person("helper@weir.example")).await;
    change(&helper, json!({"grants": [{"role": "manager"}], "password": PASSWORD})).await;
    let session = sign_in(&app, "helper@weir.example", PASSWORD).await.expect(200).json["token"].clone();
    let maker = app.nobody().with_token(session.as_str().unwrap());
    let [one, other] = ["one@weir.example", "other@weir.example"].map(person);
    let (one, other) = (platform.make("users", one).await, platform.make("users", other).await);
    let permissions = json!(["users.read"]);
    let role = json!({"tenant_id": tenant_id, "name": "reader", "permissions": permissions});
    let role = platform.make("roles", role).await;
    change(&one, json!({"grants": [{"custom_role_id": role["id"]}]})).await;
    let (of_one, _) = link(&maker, &one).await;
    let (of_other, _) = link(&maker, &other).await;
    let more = json!({"permissions": ["users.read", "guardrails.write"]});
    platform.patch("roles/reader", &role["revision"], more).await.expect(200);
    set(&app, &of_one, OTHER).await.problem(401, "invalid_credentials");
    change(&helper, json!({"grants": []})).await;
    set(&app, &of_other, OTHER).await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_service_token_lets_nobody_in() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let token = json!({"name": "t", "role": "platform_admin", "expires_at": "2026-12-24T00:00:00Z"});
    let token = platform.post("service-tokens", token).await.expect(201).json["token"].as_str().unwrap().to_owned();
    let machine = app.nobody().with_token(&token);
    machine.post(&format!("users/{}/password-link", id(&f.user)), Value::Null).await.problem(403, "forbidden");
    let body = |password: Value| json!({"tenant_id": f.tenant["id"], "email": "new@weir.example", "role": "viewer", "password": password});
    machine.post("users", body(json!(PASSWORD))).await.problem(403, "forbidden");
    let made = machine.post("users", body(Value::Null)).await.expect(201).json;
    let path = format!("users/{}", id(&made));
    machine.patch(&path, &made["revision"], json!({"password": PASSWORD})).await.problem(403, "forbidden");
    let objects = json!({"objects": [{"kind": "user", "name": "f@weir.example", "tenant": "f",
        "spec": {"role": "viewer", "password": PASSWORD}}]});
    machine.post("apply", objects).await.problem(403, "forbidden");
}
