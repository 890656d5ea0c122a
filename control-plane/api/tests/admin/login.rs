//! Signing in.

use axum::http::Method;
use serde_json::{Value, json};
use weir_api::hash_password;
use weir_core::actor::{Actor, Role};
use weir_core::secret::sha256;
use weir_core::tenant::UserSettings;

use crate::app::{Answer, App, app, app_on, id};
use crate::postgres::fresh_unicode_database;

const PASSWORD: &str = "correct horse battery";

async fn with_admin() -> App {
    let app = app().await;
    make_admin(&app, "Admin@weir.example").await;
    app
}

async fn make_admin(app: &App, email: &str) {
    let settings = UserSettings::new(email.into(), Role::PlatformAdmin);
    let hash = hash_password(PASSWORD.into()).await.unwrap();
    app.store.create_user(&Actor::system(), None, settings, &hash, None).await.unwrap();
}

async fn login(app: &App, email: &str, password: &str) -> Answer {
    login_from(app, "192.0.2.1", email, password).await
}

async fn login_from(app: &App, address: &str, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password}).to_string();
    // What the client itself says stands to the left of what the proxy before the API saw, and is not believed.
    let forwarded = format!("198.51.100.{}, {address}", body.len() % 200);
    let headers = [("x-forwarded-for", forwarded.as_str())];
    app.nobody().send(Method::POST, "/api/v1/admin/auth/login", &headers, Some(body)).await
}

/// Attempts that have failed, as if they had been made so long ago.
async fn failed(app: &App, many: i32, email: Option<&str>, address: Option<&str>, minutes_ago: i32) {
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    sqlx::query(
        "INSERT INTO login_attempts (id, email_sha256, address_sha256, at)
         SELECT gen_random_uuid(), coalesce($2, sha256(n::text::bytea)), coalesce($3, sha256(n::text::bytea)),
                now() - make_interval(mins => $4)
         FROM generate_series(1, $1) n",
    )
    .bind(many)
    .bind(email.map(sha256))
    .bind(address.map(sha256))
    .bind(minutes_ago)
    .execute(&database)
    .await
    .unwrap();
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
    for _ in 0..10 {
        let wrong = login(&app, "admin@weir.example", "wrong").await.problem(401, "invalid_credentials");
        let unknown = login(&app, "nobody@weir.example", PASSWORD).await.problem(401, "invalid_credentials");
        assert_eq!(wrong.json, unknown.json);
    }
    // Ten have failed: even the right one must wait, in whatever case the account is written.
    let limited = login(&app, "ADMIN@weir.example", PASSWORD).await.problem(429, "too_many_requests");
    let unknown = login(&app, "nobody@weir.example", PASSWORD).await.problem(429, "too_many_requests");
    for answer in [&limited, &unknown] {
        let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((880..=900).contains(&wait), "{wait}");
    }
    // The administrator is not locked out elsewhere, nor is another account there.
    login_from(&app, "192.0.2.2", "admin@weir.example", PASSWORD).await.expect(200);
    login(&app, "somebody@weir.example", PASSWORD).await.problem(401, "invalid_credentials");
    // Who may wait: the oldest attempt of the ten is soon over.
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    sqlx::query("UPDATE login_attempts SET at = at - interval '14 minutes'").execute(&database).await.unwrap();
    let limited = login(&app, "admin@weir.example", PASSWORD).await.problem(429, "too_many_requests");
    let wait: u64 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    sqlx::query("UPDATE login_attempts SET at = at - interval '2 minutes'").execute(&database).await.unwrap();
    login(&app, "admin@weir.example", PASSWORD).await.expect(200);
}

/// Which spellings are one account is for the database to say, and it says so of attempts as well.
#[tokio::test]
async fn no_spelling_of_an_account_is_counted_apart() {
    // U+0130's small letter is `i` to Postgres; to Rust it is another.
    let spellings =
        ["ADM\u{130}N@weir.example", "adm\u{130}n@weir.example", "Admin@weir.example", "admin@WEIR.example"];
    let app = app_on(fresh_unicode_database().await).await;
    make_admin(&app, "admin@weir.example").await;
    for spelling in spellings {
        login(&app, spelling, PASSWORD).await.expect(200);
    }
    for attempt in 0..10 {
        login(&app, spellings[attempt % 4], "wrong").await.problem(401, "invalid_credentials");
    }
    for spelling in spellings {
        login(&app, spelling, PASSWORD).await.problem(429, "too_many_requests");
    }
    login(&app, "adm\u{131}n@weir.example", PASSWORD).await.problem(401, "invalid_credentials");
    login(&app, "admin@weir.example\0", PASSWORD).await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn many_attempts_at_once_are_no_more() {
    let app = with_admin().await;
    let attempts = (0..40).map(|_| login(&app, "admin@weir.example", "wrong"));
    let answers = futures::future::join_all(attempts).await;
    let tried = answers.iter().filter(|answer| answer.status == 401).count();
    assert!(tried <= 10, "{tried} of 40 were tried");
    let others: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 401).collect();
    assert!(others.iter().all(|answer| answer.status == 429), "{others:?}");
}

#[tokio::test]
async fn guessing_is_limited_for_each_address_and_account_and_in_all_but_known_addresses_go_on() {
    const HOME: &str = "203.0.113.7";
    const ELSEWHERE: &str = "203.0.113.8";
    let attackers: [(&str, i32, Option<&str>, Option<&str>); 3] = [
        ("one address tries many accounts", 50, None, Some(ELSEWHERE)),
        ("many addresses try one account", 100, Some("admin@weir.example"), None),
        ("everybody tries everything", 1000, None, None),
    ];
    for (attack, many, account, address) in attackers {
        let app = with_admin().await;
        login_from(&app, HOME, "admin@weir.example", PASSWORD).await.expect(200);
        failed(&app, many - 1, account, address, 1).await;
        let refused = login_from(&app, ELSEWHERE, "admin@weir.example", "wrong").await;
        refused.problem(401, "invalid_credentials");
        let refused = login_from(&app, ELSEWHERE, "admin@weir.example", PASSWORD).await;
        assert_eq!(refused.status, 429, "{attack}: {}", refused.text);
        assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() <= 840, "{attack}");
        login_from(&app, HOME, "admin@weir.example", PASSWORD).await.expect(200);
        // What is known of one account helps no other.
        if address.is_none() && account.is_none() {
            login_from(&app, HOME, "other@weir.example", PASSWORD).await.problem(429, "too_many_requests");
        }
        // Also from home nobody may try without end.
        for _ in 0..10 {
            login_from(&app, HOME, "admin@weir.example", "wrong").await.problem(401, "invalid_credentials");
        }
        login_from(&app, HOME, "admin@weir.example", PASSWORD).await.problem(429, "too_many_requests");
    }
}

#[tokio::test]
async fn an_account_of_ones_own_does_not_reset_the_count_of_an_address() {
    let app = with_admin().await;
    failed(&app, 49, None, Some("192.0.2.1"), 1).await;
    login(&app, "admin@weir.example", PASSWORD).await.expect(200);
    login(&app, "victim@weir.example", "wrong").await.problem(401, "invalid_credentials");
    login(&app, "victim@weir.example", "wrong").await.problem(429, "too_many_requests");
}

#[tokio::test]
async fn what_is_over_is_forgotten_and_refusals_are_not_kept() {
    let app = with_admin().await;
    failed(&app, 2000, None, None, 16).await;
    failed(&app, 1000, None, None, 1).await;
    for _ in 0..5 {
        login(&app, "admin@weir.example", PASSWORD).await.problem(429, "too_many_requests");
    }
    app.store.maintain(chrono::Utc::now()).await.unwrap();
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let (kept,): (i64,) = sqlx::query_as("SELECT count(*) FROM login_attempts").fetch_one(&database).await.unwrap();
    assert_eq!(kept, 1000);
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
