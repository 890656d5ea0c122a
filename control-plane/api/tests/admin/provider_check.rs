//! Asking a provider whether it answers.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use weir_core::actor::Role;

use crate::app::{CREDENTIAL, Client, app, furnish, id};

/// A server that answers every connection with these bytes, and keeps what it was asked.
async fn server(answer: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    // TLS begins with this byte, and has no end of a head.
                    Ok(0x16) if head.is_empty() => break,
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nlocation: http://127.0.0.1:1/\r\n\r\n{body}", body.len())
}

fn provider(tenant_id: &Value, name: &str, url: &str) -> Value {
    json!({"tenant_id": tenant_id, "name": name, "schema": "anthropic", "base_url": url, "credential": CREDENTIAL})
}

async fn check(client: &Client, url: &str, expect: &str) -> Value {
    let draft = client.post("providers/check", provider(&Value::Null, "draft", url)).await.expect(200);
    assert!(!draft.text.contains(CREDENTIAL), "{}", draft.text);
    assert_eq!((&draft.json["result"], &draft.json["ok"]), (&json!(expect), &json!(expect == "ok")), "{}", draft.text);
    draft.json
}

#[tokio::test]
async fn what_a_provider_answers_is_said_in_words() {
    let app = app().await;
    let platform = app.platform().await;
    let models = r#"{"data": [{"id": "claude"}, {"id": "claude-mini"}]}"#;
    let (url, asked) = server(http("200 OK", models)).await;
    let found = check(&platform, &url, "ok").await;
    assert_eq!((&found["models"], &found["http_status"]), (&json!(["claude", "claude-mini"]), &json!(200)));
    let head = asked.lock().unwrap().remove(0).to_lowercase();
    assert!(head.starts_with("get /v1/models http/1.1\r\n"), "{head}");
    for line in [format!("x-api-key: {CREDENTIAL}\r\n"), "anthropic-version: ".into(), "host: 127.0.0.1:".into()] {
        assert!(head.contains(&line), "{line} {head}");
    }
    for (answer, expect) in [
        (http("401 Unauthorized", CREDENTIAL), "credential"),
        (http("403 Forbidden", ""), "credential"),
        (http("404 Not Found", ""), "not_found"),
        (http("429 Too Many Requests", ""), "rate_limited"),
        (http("500 Oops", CREDENTIAL), "provider"),
        (http("302 Found", ""), "status"),
        (http("200 OK", "<html>"), "schema"),
        (http("200 OK", &"x".repeat(1024 * 1024 + 1)), "schema"),
        ("SSH-2.0-OpenSSH\r\n\r\n".into(), "http"),
        (String::new(), "http"),
    ] {
        let (url, _) = server(answer.clone()).await;
        let found = check(&platform, &url, expect).await;
        assert!(found["message"].as_str().unwrap().ends_with('.'), "{found}");
        // It is asked in clear, and speaks no TLS.
        if expect == "http" {
            check(&platform, &url.replace("http:", "https:"), "tls").await;
        }
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    check(&platform, &format!("http://{closed}"), "connect").await;
    check(&platform, "http://nothing.invalid", "dns").await;
}

#[tokio::test]
async fn a_stored_provider_is_asked_by_those_who_may_write_it_and_never_inside_for_tenants() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let (url, asked) = server(http("200 OK", r#"{"data": []}"#)).await;
    let stored = platform.make("providers", provider(&a.tenant["id"], "inside", &url)).await;
    let path = format!("providers/{}/check", id(&stored));
    let found = platform.post(&path, Value::Null).await.expect(200);
    assert_eq!(found.json["result"], "ok", "{}", found.text);
    let audit = platform.get("audit?limit=1").await.expect(200).json["items"][0].clone();
    assert_eq!(
        (&audit["action"], &audit["resource_id"], &audit["resource_name"]),
        (&json!("provider.check"), &stored["id"], &json!("inside"))
    );
    assert_eq!(asked.lock().unwrap().len(), 1);

    let admin = app.user(Role::TenantAdmin, Some(id(&a.tenant))).await;
    let found = admin.post(&path, Value::Null).await.expect(200);
    assert_eq!(found.json["result"], "destination", "{}", found.text);
    admin
        .post("providers/check", provider(&a.tenant["id"], "draft", &url))
        .await
        .problem(422, "invalid_fields")
        .field("base_url");
    assert_eq!(asked.lock().unwrap().len(), 1, "nobody was asked");
    // So many in a minute, whatever comes of them.
    let mut last = found.status;
    for _ in 0..30 {
        last = admin.post(&path, Value::Null).await.status;
    }
    assert_eq!(last, 429);
}
