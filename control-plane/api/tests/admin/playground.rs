//! The playground: what it sends on, and what it refuses. The fake provider stands where the gateway does: both speak one API.

use axum::http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use weir_api::Gateway;

use crate::app::{Answer, App, Client, admin, app};

const KEY: (&str, &str) = ("x-weir-app-key", "weir_key");

async fn ask(client: &Client, operation: &str, headers: &[(&str, &str)], body: Value) -> Answer {
    client.send(Method::POST, &admin(&format!("playground/{operation}")), headers, Some(body.to_string())).await
}

fn chat(stream: bool) -> Value {
    json!({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": "Say tangerine"}]})
}

/// The API with somebody who answers behind it.
async fn answered() -> App {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::at(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(weir_dev::provider::accept(listener));
    app().await.with_gateway(gateway)
}

#[tokio::test]
async fn an_apps_request_goes_on_with_its_key_and_comes_back_as_it_was_answered() {
    let app = answered().await;
    let platform = app.platform().await;
    let whole = ask(&platform, "chat.completions", &[KEY], chat(false)).await.expect(200);
    assert_eq!(whole.headers["content-type"], "application/json");
    assert!(whole.text.contains("tangerine"), "{}", whole.text);
    let stream = ask(&platform, "chat.completions", &[KEY], chat(true)).await.expect(200);
    assert!(stream.headers["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    assert!(stream.text.ends_with("data: [DONE]\n\n"), "{}", stream.text);
    // A refusal behind it is no refusal of the control plane.
    let refused = ask(&platform, "chat.completions", &[KEY], json!([])).await.expect(400);
    assert!(refused.json["error"].is_object(), "{}", refused.text);
}

#[tokio::test]
async fn a_large_body_is_sent_on_up_to_a_bound() {
    let app = answered().await;
    let platform = app.platform().await;
    let body = |bytes: usize| json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "x".repeat(bytes)}]});
    ask(&platform, "chat.completions", &[KEY], body(4 << 20)).await.expect(200);
    ask(&platform, "chat.completions", &[KEY], body(16 << 20)).await.expect(413);
}

#[tokio::test]
async fn what_is_no_apps_request_goes_nowhere() {
    let app = answered().await;
    let platform = app.platform().await;
    for key in ["", "   ", "wéir"] {
        let answer = ask(&platform, "chat.completions", &[("x-weir-app-key", key)], chat(false)).await;
        answer.problem(400, "invalid_header").field("X-Weir-App-Key");
    }
    ask(&platform, "chat.completions", &[], chat(false)).await.problem(400, "invalid_header");
    for operation in ["models", "chat", "..%2Fadmin", "chat%2Fcompletions"] {
        ask(&platform, operation, &[KEY], chat(false)).await.problem(404, "not_found");
    }
    ask(&app.nobody(), "chat.completions", &[KEY], chat(false)).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_said() {
    let app = app().await;
    let platform = app.platform().await;
    assert_eq!(platform.get("playground").await.expect(200).json, json!({"gateway_url": null}));
    let unset = ask(&platform, "chat.completions", &[KEY], chat(false)).await.problem(502, "gateway_unreachable");
    assert!(unset.text.contains("WEIR_GATEWAY_URL"), "{}", unset.text);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Nobody listens there any more.
    drop(listener);
    let app = app.with_gateway(Gateway::at(&url).unwrap());
    let platform = app.platform().await;
    assert_eq!(platform.get("playground").await.expect(200).json, json!({"gateway_url": url}));
    ask(&platform, "chat.completions", &[KEY], chat(false)).await.problem(502, "gateway_unreachable");
}
