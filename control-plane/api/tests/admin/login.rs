//! Signing in.

use axum::http::Method;
use serde_json::{Value, json};
use weir_api::hash_password;
use weir_core::actor::{Actor, Role};
use weir_core::tenant::UserSettings;

use crate::app::{Answer, App, app, id};

const PASSWORD: &str = "correct horse battery";

async fn with_admin() -> App {
    let app = app().await;
    let settings = UserSettings { email: "Admin@weir.example".into(), role: Role::PlatformAdmin };
    let hash = hash_password(PASSWORD.into()).await.unwrap();
    app.store.create_user(&Actor::system(), None, settings, &hash, None).await.unwrap();
    app
}

async fn login(app: &App, email: &str, password: &str) -> Answer {
    app.nobody().post("auth/login", json!({"email": email, "password": password})).await
}

#[tokio::test]
async fn a_session_lives_until_it_is_ended() {
    let app = with_admin().await;
    let session = login(&app, "admin@weir.example", PASSWORD).await.expect(200).json;
    assert_eq!(session["user"]["role"], "platform_admin");
    assert_eq!(session["user"]["tenant_id"], Value::Null);
    let expires_at: chrono::DateTime<chrono::Utc> = session["expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!((expires_at - chrono::Utc::now()).num_minutes(), 12 * 60 - 1);
    let client = app.nobody().with_token(session["token"].as_str().unwrap());
    assert_eq!(client.get("auth/me").await.expect(200).json, session["user"]);
    client.send(Method::POST, "/api/v1/admin/auth/logout", &[], None).await.expect(204);
    let refused = client.get("auth/me").await.problem(401, "unauthenticated");
    assert!(refused.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_look_the_same_and_are_limited() {
    let app = with_admin().await;
    let wrong = login(&app, "admin@weir.example", "wrong").await.problem(401, "invalid_credentials");
    let unknown = login(&app, "nobody@weir.example", PASSWORD).await.problem(401, "invalid_credentials");
    assert_eq!(wrong.json, unknown.json);
    for _ in 0..9 {
        login(&app, "admin@weir.example", "wrong").await.problem(401, "invalid_credentials");
    }
    // Ten have failed: even the right one must wait, in whatever case the address is written.
    let limited = login(&app, "ADMIN@weir.example", PASSWORD).await.problem(429, "too_many_requests");
    assert_eq!(limited.headers["retry-after"], "900");
    // Others are not locked out.
    login(&app, "nobody@weir.example", PASSWORD).await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_new_password_ends_the_sessions() {
    let app = with_admin().await;
    let platform = app.platform().await;
    let session = login(&app, "admin@weir.example", PASSWORD).await.expect(200).json;
    let client = app.nobody().with_token(session["token"].as_str().unwrap());
    let one = format!("users/{}", id(&session["user"]));
    let user = client.get(&one).await.expect(200).json;
    client.delete(&one, &user["revision"]).await.problem(409, "in_use");
    platform.patch(&one, &user["revision"], json!({"password": "another long password"})).await.expect(200);
    client.get("auth/me").await.problem(401, "unauthenticated");
    login(&app, "admin@weir.example", PASSWORD).await.problem(401, "invalid_credentials");
    login(&app, "admin@weir.example", "another long password").await.expect(200);
}
