//! Signing in by identity providers that are slow, or away.

use axum::http::Method;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::app::{Answer, App, Client, app, furnish, id};

async fn provider(platform: &Client, tenant_id: &Value, listener: &TcpListener) -> Value {
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let body = json!({"tenant_id": tenant_id, "name": "SSO", "issuer": issuer, "client_id": "weir"});
    platform.make("sign-in-providers", body).await
}

async fn start(app: &App, provider: &Value) -> Answer {
    let path = format!("/api/v1/admin/auth/oidc/{}/start", id(provider));
    let headers = [("sec-fetch-site", "same-origin"), ("origin", "https://weir.example")];
    app.nobody().send(Method::POST, &path, &headers, Some("{}".into())).await
}

#[tokio::test]
async fn one_tenants_slow_issuer_keeps_nobody_else_from_signing_in() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, b) = (furnish(&platform, "a").await, furnish(&platform, "b").await);
    // It takes connections, and never answers.
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (of_a, of_b) =
        (provider(&platform, &a.tenant["id"], &slow).await, provider(&platform, &b.tenant["id"], &away).await);
    drop(away);
    let mut waiting: FuturesUnordered<_> = (0..40).map(|_| start(&app, &of_a)).collect();
    waiting.next().await.unwrap().problem(429, "too_many_requests");
    let asked = start(&app, &of_b);
    tokio::pin!(asked);
    let answer = loop {
        tokio::select! {
            answer = &mut asked => break answer,
            Some(_) = waiting.next() => {}
        }
    };
    answer.problem(502, "sign_in_provider_unreachable");
}

#[tokio::test]
async fn an_issuer_that_is_away_is_not_asked_again_by_each() {
    let app = app().await;
    let platform = app.platform().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = provider(&platform, &Value::Null, &listener).await;
    // Whoever connects is sent away.
    let (asked, count) = tokio::sync::watch::channel(0);
    let issuer = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            drop(connection);
            asked.send_modify(|count| *count += 1);
        }
    });
    let mut answers: FuturesUnordered<_> = (0..8).map(|_| start(&app, &provider)).collect();
    while let Some(answer) = answers.next().await {
        answer.problem(502, "sign_in_provider_unreachable");
    }
    assert_eq!(*count.borrow(), 1);
    issuer.abort();
}
