//! Sessions of browsers: the cookie, who may use it, how it ends.

use axum::http::Method;
use serde_json::json;
use weir_api::hash_password;
use weir_core::actor::{Actor, Role};
use weir_core::tenant::UserSettings;

use crate::app::{Answer, App, app};

const PASSWORD: &str = "correct horse battery";
const EMAIL: &str = "admin@weir.example";
const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");

async fn with_admin() -> App {
    let app = app().await;
    let settings = UserSettings::new(EMAIL.into(), Role::PlatformAdmin);
    let hash = hash_password(PASSWORD.into()).await.unwrap();
    app.store.create_user(&Actor::system(), None, settings, &hash, None).await.unwrap();
    app
}

async fn sign_in(app: &App, headers: &[(&str, &str)]) -> Answer {
    let body = json!({"email": EMAIL, "password": PASSWORD}).to_string();
    app.nobody().send(Method::POST, "/api/v1/admin/auth/session", headers, Some(body)).await
}

/// What the browser sends back.
fn cookie(answer: &Answer) -> String {
    answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

async fn call(app: &App, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    app.nobody().send(method, &format!("/api/v1/admin/{path}"), headers, None).await
}

async fn status_of_me(app: &App, cookie: &str) -> u16 {
    call(app, Method::GET, "auth/me", &[("cookie", cookie)]).await.status.as_u16()
}

async fn age(app: &App, seconds: i32) {
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    sqlx::query("UPDATE sessions SET last_seen_at = now() - make_interval(secs => $1)")
        .bind(seconds)
        .execute(&database)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_token_is_in_a_cookie_that_scripts_cannot_read_and_nowhere_else() {
    let app = with_admin().await;
    let answer = sign_in(&app, &[OWN]).await.expect(200);
    let set = answer.headers["set-cookie"].to_str().unwrap();
    for part in ["__Host-weir-session=weirs_", "Path=/", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=43200"] {
        assert!(set.contains(part), "{part} is not in {set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    assert!(!answer.text.contains("weirs_"), "{}", answer.text);
    assert_eq!(answer.json["user"]["email"], EMAIL);
    assert_eq!(status_of_me(&app, &cookie(&answer)).await, 200);
}

#[tokio::test]
async fn another_sites_page_changes_nothing_and_signs_nobody_in() {
    let app = with_admin().await;
    sign_in(&app, &[("sec-fetch-site", "cross-site")]).await.problem(403, "forbidden");
    sign_in(&app, &[]).await.problem(403, "forbidden");
    let cookie = cookie(&sign_in(&app, &[OWN]).await.expect(200));
    let session = ("cookie", cookie.as_str());
    call(&app, Method::POST, "auth/logout", &[session, ("sec-fetch-site", "same-site")])
        .await
        .problem(403, "forbidden");
    call(&app, Method::POST, "auth/logout", &[session]).await.problem(403, "forbidden");
    let origin = ("origin", "https://weir.example");
    call(&app, Method::POST, "auth/logout", &[session, origin, ("host", "other.example")]).await.expect(403);
    assert_eq!(status_of_me(&app, &cookie).await, 200);
    // A bearer token is sent by nobody but who has it.
    app.platform().await.post("models", json!({})).await.expect(422);
    let gone = call(&app, Method::POST, "auth/logout", &[session, origin, ("host", "weir.example")]).await.expect(204);
    assert!(gone.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(status_of_me(&app, &cookie).await, 401);
}

#[tokio::test]
async fn signing_in_again_ends_the_session_before() {
    let app = with_admin().await;
    let first = cookie(&sign_in(&app, &[OWN]).await.expect(200));
    let elsewhere = cookie(&sign_in(&app, &[OWN]).await.expect(200));
    let second = cookie(&sign_in(&app, &[OWN, ("cookie", &first)]).await.expect(200));
    assert_ne!(first, second);
    assert_eq!(status_of_me(&app, &first).await, 401);
    assert_eq!(status_of_me(&app, &second).await, 200);
    assert_eq!(status_of_me(&app, &elsewhere).await, 200);
}

#[tokio::test]
async fn a_browsers_session_ends_when_it_is_not_used_and_a_machines_does_not() {
    let app = with_admin().await;
    let cookie = cookie(&sign_in(&app, &[OWN]).await.expect(200));
    let machine = app.platform().await;
    age(&app, 7_100).await;
    assert_eq!(status_of_me(&app, &cookie).await, 200);
    // That was a use: the two hours begin anew.
    let sessions = call(&app, Method::GET, "auth/sessions", &[("cookie", &cookie)]).await.expect(200).json;
    let seen: chrono::DateTime<chrono::Utc> = sessions["items"][0]["last_seen_at"].as_str().unwrap().parse().unwrap();
    assert!((chrono::Utc::now() - seen).num_seconds() < 60, "{sessions}");
    age(&app, 7_201).await;
    assert_eq!(status_of_me(&app, &cookie).await, 401);
    machine.get("auth/me").await.expect(200);
}

#[tokio::test]
async fn everybody_sees_and_ends_their_own_sessions() {
    let app = with_admin().await;
    let here = cookie(&sign_in(&app, &[OWN, ("user-agent", "Here/1.0")]).await.expect(200));
    let there = cookie(&sign_in(&app, &[OWN, ("user-agent", "There/1.0")]).await.expect(200));
    let list = call(&app, Method::GET, "auth/sessions", &[("cookie", &here)]).await.expect(200).json;
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{list}");
    let named = |name: &str| items.iter().find(|item| item["user_agent"] == name).unwrap();
    assert_eq!((&named("Here/1.0")["current"], &named("There/1.0")["current"]), (&json!(true), &json!(false)));
    assert_eq!(named("Here/1.0")["kind"], "browser");
    let path = format!("auth/sessions/{}", named("There/1.0")["id"].as_str().unwrap());
    let other = app.platform().await;
    other.send(Method::DELETE, &format!("/api/v1/admin/{path}"), &[], None).await.problem(404, "not_found");
    assert_eq!(status_of_me(&app, &there).await, 200);
    call(&app, Method::DELETE, &path, &[("cookie", &here), OWN]).await.expect(204);
    assert_eq!(status_of_me(&app, &there).await, 401);
    call(&app, Method::DELETE, &path, &[("cookie", &here), OWN]).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_browser_that_has_signed_in_is_not_held_up_by_others_at_its_address() {
    let app = with_admin().await;
    let known = sign_in(&app, &[OWN]).await.expect(200);
    let device = known.headers.get_all("set-cookie").iter().nth(1).unwrap().to_str().unwrap();
    for part in ["__Host-weir-device=weird_", "Path=/", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=7776000"] {
        assert!(device.contains(part), "{part} is not in {device}");
    }
    let device = ("cookie", device.split(';').next().unwrap());
    let fail = async |headers: &[(&str, &str)]| {
        let body = json!({"email": EMAIL, "password": "wrong"}).to_string();
        app.nobody().send(Method::POST, "/api/v1/admin/auth/session", headers, Some(body)).await
    };
    for _ in 0..10 {
        fail(&[OWN]).await.problem(401, "invalid_credentials");
    }
    sign_in(&app, &[OWN]).await.problem(429, "too_many_requests");
    sign_in(&app, &[OWN, ("cookie", "__Host-weir-device=weird_invented")]).await.problem(429, "too_many_requests");
    // Its own failures count for it all the same.
    for _ in 0..10 {
        fail(&[OWN, device]).await.problem(401, "invalid_credentials");
    }
    fail(&[OWN, device]).await.problem(429, "too_many_requests");
    sign_in(&app, &[OWN, device]).await.problem(429, "too_many_requests");
}

#[tokio::test]
async fn a_known_browser_signs_in_while_its_address_is_refused() {
    let app = with_admin().await;
    let known = sign_in(&app, &[OWN]).await.expect(200);
    let device =
        known.headers.get_all("set-cookie").iter().nth(1).unwrap().to_str().unwrap().split(';').next().unwrap();
    let body = json!({"email": EMAIL, "password": "wrong"}).to_string();
    for _ in 0..10 {
        app.nobody().send(Method::POST, "/api/v1/admin/auth/session", &[OWN], Some(body.clone())).await.expect(401);
    }
    sign_in(&app, &[OWN]).await.problem(429, "too_many_requests");
    sign_in(&app, &[OWN, ("cookie", device)]).await.expect(200);
}
