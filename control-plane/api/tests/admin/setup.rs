//! The first administrator.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::{Value, json};
use weir_core::secret::sha256;

use crate::app::{Answer, App, app};

const TOKEN: &str = "weirsetup_token";
const PASSWORD: &str = "correct horse battery";

async fn allow(app: &App, token: &str, until: DateTime<Utc>) {
    app.store.allow_setup(&sha256(token), until).await.unwrap();
}

async fn set_up(app: &App, token: &str, email: &str, password: &str) -> Answer {
    app.nobody().post("setup", json!({"token": token, "email": email, "password": password})).await
}

async fn is_needed(app: &App) -> Value {
    app.nobody().get("setup").await.expect(200).json["is_needed"].clone()
}

#[tokio::test]
async fn the_token_makes_one_administrator_who_can_sign_in() {
    let app = app().await;
    let later = Utc::now() + TimeDelta::hours(1);
    allow(&app, TOKEN, later).await;
    allow(&app, "another replica's", later).await;
    allow(&app, "over", Utc::now() - TimeDelta::seconds(1)).await;
    assert_eq!(is_needed(&app).await, true);
    for token in ["invented", "over", ""] {
        set_up(&app, token, "a@weir.example", PASSWORD).await.problem(401, "invalid_credentials").field("token");
    }
    // What is refused uses nothing up.
    set_up(&app, TOKEN, "a@weir.example", "short").await.problem(422, "invalid_fields").field("password");
    set_up(&app, TOKEN, "no address", PASSWORD).await.problem(422, "invalid_fields").field("email");
    let made = set_up(&app, TOKEN, "a@weir.example", PASSWORD).await.expect(201).json;
    assert_eq!(is_needed(&app).await, false);
    for token in [TOKEN, "another replica's"] {
        set_up(&app, token, "b@weir.example", PASSWORD).await.problem(409, "already_set_up");
    }
    let session = app.nobody().post("auth/login", json!({"email": "a@weir.example", "password": PASSWORD})).await;
    let session = session.expect(200).json;
    assert_eq!((&session["user"]["id"], &session["user"]["role"]), (&made["id"], &json!("platform_admin")));
    let admin = app.nobody().with_token(session["token"].as_str().unwrap());
    assert_eq!(admin.get("audit?resource_type=user").await.expect(200).json["items"][0]["actor"]["email"], "system");
}

#[tokio::test]
async fn of_many_with_one_token_one_becomes_the_administrator() {
    let app = app().await;
    allow(&app, TOKEN, Utc::now() + TimeDelta::hours(1)).await;
    let emails: Vec<String> = (0..5).map(|number| format!("a{number}@weir.example")).collect();
    let answers = join_all(emails.iter().map(|email| set_up(&app, TOKEN, email, PASSWORD))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
}
