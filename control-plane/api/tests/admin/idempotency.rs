//! Repeating a request with an `Idempotency-Key`.

use axum::http::Method;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::app::{Answer, Client, admin, app};

async fn post(client: &Client, path: &str, key: &str, body: &Value) -> Answer {
    client.send(Method::POST, &admin(path), &[("idempotency-key", key)], Some(body.to_string())).await
}

#[tokio::test]
async fn a_repeat_has_the_same_answer_and_makes_nothing() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let body = json!({"tenant_id": tenant["id"], "name": "app"});
    let first = post(&platform, "api-keys", "k1", &body).await.expect(201);
    let revision = app.store.revision().await.unwrap();
    let again = post(&platform, "api-keys", "k1", &body).await.expect(201);
    assert_eq!(again.json, first.json);
    assert!(again.json["key"].is_string());
    assert_eq!(again.headers["location"], first.headers["location"]);
    assert_eq!(app.store.revision().await.unwrap(), revision);

    let other = json!({"tenant_id": tenant["id"], "name": "other"});
    post(&platform, "api-keys", "k1", &other).await.problem(422, "idempotency_key_reused");
    post(&platform, "models", "k1", &json!({"name": "m", "pool_id": tenant["id"]}))
        .await
        .problem(422, "idempotency_key_reused");
    // Another key, and another caller with the same key, are another request.
    post(&platform, "api-keys", "k2", &body).await.problem(409, "taken").field("name");
    let colleague = app.platform().await;
    assert_ne!(post(&colleague, "api-keys", "k1", &other).await.expect(201).json["id"], first.json["id"]);
    post(&platform, "api-keys", "", &body).await.problem(400, "invalid_header").field("Idempotency-Key");
}

#[tokio::test]
async fn the_secret_of_what_was_deleted_is_not_shown_again() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    for (path, secret, body) in [
        ("api-keys", "key", json!({"tenant_id": tenant["id"], "name": "app"})),
        ("gateways", "token", json!({"name": "g"})),
    ] {
        let made = post(&platform, path, path, &body).await.expect(201).json;
        assert_eq!(post(&platform, path, path, &body).await.expect(201).json[secret], made[secret]);
        platform.delete(&format!("{path}/{}", crate::app::id(&made)), &made["revision"]).await.expect(200);
        let again = post(&platform, path, path, &body).await.problem(404, "not_found");
        assert!(!again.text.contains(made[secret].as_str().unwrap()));
        // Another key makes another.
        post(&platform, path, &format!("another, of {path}"), &body).await.expect(201);
    }
}

#[tokio::test]
async fn repeats_at_the_same_time_make_one() {
    let app = app().await;
    let platform = app.platform().await;
    let body = json!({"name": "a"});
    let answers = join_all((0..10).map(|_| post(&platform, "tenants", "k", &body))).await;
    for answer in &answers {
        assert_eq!(answer.clone().expect(201).json, answers[0].json);
    }
    assert_eq!(platform.get("tenants").await.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again() {
    let app = app().await;
    let platform = app.platform().await;
    let taken = platform.make("tenants", json!({"name": "a"})).await;
    let body = json!({"name": "a"});
    post(&platform, "tenants", "k", &body).await.problem(409, "taken");
    platform.delete(&format!("tenants/{}", crate::app::id(&taken)), &taken["revision"]).await.expect(200);
    post(&platform, "tenants", "k", &body).await.expect(201);
}
