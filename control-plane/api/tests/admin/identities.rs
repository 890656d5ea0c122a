//! Accounts at identity providers that users are connected with: seen, and taken away.

use serde_json::{Value, json};
use weir_core::actor::Role;

use crate::app::{App, Client, Furnished, app, furnish, id};

const PASSWORD: &str = "vK3-tulip-Ozean-92";

/// Connects everybody of each tenant with its identity provider.
async fn connect_all(app: &App) {
    app.sql(
        "INSERT INTO user_identities (provider_id, issuer, subject, user_id)
         SELECT p.id, p.issuer, u.email, u.id FROM sign_in_providers p JOIN users u ON u.tenant_id = p.tenant_id
         ON CONFLICT DO NOTHING",
    )
    .await;
}

async fn identities(client: &Client, path: &str) -> Vec<Value> {
    client.get(path).await.expect(200).json["items"].as_array().unwrap().clone()
}

async fn of(client: &Client, user: &Value) -> Vec<Value> {
    identities(client, &format!("users/{}/identities", id(user))).await
}

async fn signed_in(app: &App, email: &Value, password: &str) -> Client {
    let token = app.nobody().post("auth/login", json!({"email": email, "password": password})).await.expect(200).json;
    app.nobody().with_token(token["token"].as_str().unwrap())
}

async fn furnished(app: &App, platform: &Client, name: &str) -> (Furnished, Client) {
    let f = furnish(platform, name).await;
    let own = signed_in(app, &f.user["email"], "a long password").await;
    (f, own)
}

#[tokio::test]
async fn everybody_sees_and_ends_the_accounts_that_are_connected_with_them() {
    let app = app().await;
    let platform = app.platform().await;
    let (f, own) = furnished(&app, &platform, "f").await;
    assert_eq!(identities(&own, "auth/identities").await, Vec::<Value>::new());
    connect_all(&app).await;
    app.sql(
        "INSERT INTO sessions (token_sha256, user_id, expires_at, provider_id)
         SELECT sha256('by the provider'), user_id, now() + interval '1 hour', provider_id FROM user_identities",
    )
    .await;
    let [identity] = identities(&own, "auth/identities").await.try_into().unwrap();
    assert_eq!(identity["provider_id"], f.sign_in_provider["id"]);
    assert_eq!((&identity["provider_name"], &identity["subject"]), (&json!("Company"), &f.user["email"]));
    assert_eq!(of(&platform, &f.user).await, vec![identity.clone()]);
    let path = format!("auth/identities/{}", id(&identity));
    own.delete(&path, &Value::Null).await.expect(204);
    own.delete(&path, &Value::Null).await.problem(404, "not_found");
    app.nobody().with_token("by the provider").get("auth/me").await.problem(401, "unauthenticated");
    own.get("auth/me").await.expect(200);
    let entries = platform.get("audit?action=user.disconnect").await.expect(200).json["items"].clone();
    assert_eq!((&entries[0]["actor"]["email"], &entries[0]["resource_id"]), (&f.user["email"], &f.user["id"]));
    assert_eq!(entries[0]["changes"], json!([{"path": "identities", "before": "Company", "after": null}]));
}

#[tokio::test]
async fn the_only_way_in_stays() {
    let app = app().await;
    let platform = app.platform().await;
    let (f, own) = furnished(&app, &platform, "f").await;
    connect_all(&app).await;
    app.sql("UPDATE users SET password_hash = NULL WHERE email = 'f@weir.example'").await;
    let [identity] = identities(&own, "auth/identities").await.try_into().unwrap();
    let refused =
        own.delete(&format!("auth/identities/{}", id(&identity)), &Value::Null).await.problem(403, "forbidden");
    assert!(refused.text.contains("only way in"), "{}", refused.text);
    // An administrator may: who has got hold of it must be shut out.
    platform.delete(&format!("users/{}/identities/{}", id(&f.user), id(&identity)), &Value::Null).await.expect(204);
    // But the platform keeps somebody who can sign in.
    let chief = app.platform().await;
    let me = chief.get("auth/me").await.expect(200).json;
    platform.make("sign-in-providers", json!({"name": "P", "issuer": "https://p.example", "client_id": "weir"})).await;
    app.sql(
        "INSERT INTO user_identities (provider_id, issuer, subject, user_id)
         SELECT p.id, p.issuer, u.email, u.id FROM sign_in_providers p, users u WHERE p.tenant_id IS NULL AND u.tenant_id IS NULL",
    )
    .await;
    app.sql("UPDATE users SET password_hash = NULL").await;
    let of_other = of(&chief, &platform.get("auth/me").await.expect(200).json).await;
    let path = format!("users/{}/identities/{}", id(&platform.get("auth/me").await.json), id(&of_other[0]));
    chief.delete(&path, &Value::Null).await.expect(204);
    let [last] = of(&chief, &me).await.try_into().unwrap();
    let path = format!("users/{}/identities/{}", id(&me), id(&last));
    platform.delete(&path, &Value::Null).await.problem(403, "forbidden");
}

#[tokio::test]
async fn nobody_takes_away_the_accounts_of_those_above_or_beside() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, _) = furnished(&app, &platform, "a").await;
    let (b, _) = furnished(&app, &platform, "b").await;
    let chief = json!({"tenant_id": a.tenant["id"], "email": "chief@weir.example", "role": "tenant_admin"});
    let chief = platform.make("users", chief).await;
    connect_all(&app).await;
    let manager = app.granted(id(&a.tenant), json!([{"role": "manager"}])).await;
    for (user, status, code) in [(&chief, 403, "forbidden"), (&b.user, 404, "not_found")] {
        let [identity] = of(&platform, user).await.try_into().unwrap();
        let path = format!("users/{}/identities/{}", id(user), id(&identity));
        manager.delete(&path, &Value::Null).await.problem(status, code);
        // Nor as one's own, nor as somebody's whom one may write.
        manager.delete(&format!("auth/identities/{}", id(&identity)), &Value::Null).await.problem(404, "not_found");
        let path = format!("users/{}/identities/{}", id(&a.user), id(&identity));
        app.user(Role::TenantAdmin, Some(id(&a.tenant)))
            .await
            .delete(&path, &Value::Null)
            .await
            .problem(404, "not_found");
        assert_eq!(of(&platform, user).await.len(), 1);
    }
    manager.get(&format!("users/{}/identities", id(&b.user))).await.problem(404, "not_found");
}

#[tokio::test]
async fn whoever_is_let_in_anew_by_somebody_else_is_shut_out_of_no_back_door() {
    let app = app().await;
    let platform = app.platform().await;
    let (f, own) = furnished(&app, &platform, "f").await;
    let path = format!("users/{}", id(&f.user));
    let change = async |client: &Client, patch: Value| {
        let revision = platform.get(&path).await.expect(200).json["revision"].clone();
        client.patch(&path, &revision, patch).await.expect(200);
    };
    // A link, the password that is set by one, and a password that somebody sets.
    connect_all(&app).await;
    let made = platform.post(&format!("{path}/password-link"), Value::Null).await.expect(201).json;
    assert_eq!(of(&platform, &f.user).await.len(), 0);
    connect_all(&app).await;
    let token = made["path"].as_str().unwrap().strip_prefix("/password#").unwrap();
    app.nobody().post("auth/password", json!({"token": token, "password": PASSWORD})).await.expect(204);
    assert_eq!(of(&platform, &f.user).await.len(), 0);
    own.get("auth/me").await.problem(401, "unauthenticated");
    connect_all(&app).await;
    change(&platform, json!({"password": "another-Tulip-77-kiosk"})).await;
    assert_eq!(of(&platform, &f.user).await.len(), 0);
    // What is no way in leaves them, as does one's own new password.
    connect_all(&app).await;
    change(&platform, json!({"role": "tenant_admin"})).await;
    let own = signed_in(&app, &f.user["email"], "another-Tulip-77-kiosk").await;
    change(&own, json!({"password": PASSWORD})).await;
    assert_eq!(of(&platform, &f.user).await.len(), 1);
    // Where passwords are refused, it would be the user who is shut out.
    let only = json!({"tenant_id": f.tenant["id"], "name": "Only", "issuer": "https://o.example", "client_id": "weir",
        "is_only_way_in": true});
    platform.make("sign-in-providers", only).await;
    platform.post(&format!("{path}/password-link"), Value::Null).await.expect(201);
    assert_eq!(of(&platform, &f.user).await.len(), 1);
}

#[tokio::test]
async fn a_tenant_does_not_lock_itself_out_by_a_provider_that_nobody_has_tried() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let admin = app.user(Role::TenantAdmin, Some(id(&f.tenant))).await;
    let untried = json!({"tenant_id": f.tenant["id"], "name": "Untried", "issuer": "https://u.example", "client_id": "weir",
        "is_only_way_in": true});
    admin.post("sign-in-providers", untried).await.problem(422, "invalid_fields").field("is_only_way_in");
    let path = format!("sign-in-providers/{}", id(&f.sign_in_provider));
    let only = json!({"is_only_way_in": true});
    let revision = &f.sign_in_provider["revision"];
    admin.patch(&path, revision, only.clone()).await.problem(422, "invalid_fields").field("is_only_way_in");
    connect_all(&app).await;
    // Of those who could not undo it, it takes more.
    app.sql("DELETE FROM user_identities i USING users u WHERE u.id = i.user_id AND u.role = 'tenant_admin'").await;
    admin.patch(&path, revision, only.clone()).await.problem(422, "invalid_fields").field("is_only_way_in");
    connect_all(&app).await;
    let set = admin.patch(&path, revision, only).await.expect(200).json;
    let [identity] = identities(&admin, "auth/identities").await.try_into().unwrap();
    admin.delete(&format!("auth/identities/{}", id(&identity)), &Value::Null).await.problem(403, "forbidden");
    // At another issuer nobody is known.
    let moved = json!({"issuer": "https://moved.example", "client_secret": "x"});
    admin.patch(&path, &set["revision"], moved).await.problem(422, "invalid_fields").field("is_only_way_in");
}
