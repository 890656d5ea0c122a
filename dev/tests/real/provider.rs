//! The demo provider over real connections. The official SDKs drive it in the end-to-end tests.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const ECHO: &str = "This is Weir's demo provider, not a real model. You said: Hello";
/// Long enough for an answer that is coming; short enough to wait for one that is not.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) struct Provider {
    http: reqwest::Client,
    url: String,
}

/// How an answer arrives.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Status, body.
    Whole(u16, Vec<u8>),
    /// Headers and this much, then a broken connection.
    Broken(Vec<u8>),
    /// Headers and this much, then silence.
    Stalled(Vec<u8>),
    /// The connection was closed without an answer.
    Closed,
    /// No answer at all.
    Silent,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        let (Outcome::Whole(_, bytes) | Outcome::Broken(bytes) | Outcome::Stalled(bytes)) = self else {
            return String::new();
        };
        String::from_utf8_lossy(bytes).into_owned()
    }
}

impl Provider {
    pub(crate) async fn start() -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(weir_dev::provider::accept(listener));
        Provider { http: weir_dev::admin::http_client().unwrap(), url }
    }

    pub(crate) async fn scenario(&self, behaviours: &[Value]) -> String {
        self.scenario_below("/v1", behaviours).await
    }

    /// One whose API begins elsewhere.
    pub(crate) async fn scenario_below(&self, version: &str, behaviours: &[Value]) -> String {
        let body = json!({"responses": behaviours, "version": version});
        let answer = self.http.post(format!("{}/_control/scenarios", self.url)).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["id"].as_str().unwrap().to_owned()
    }

    async fn received(&self, id: &str) -> Vec<Value> {
        let url = format!("{}/_control/scenarios/{id}/requests", self.url);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn ask(&self, prefix: &str, path: &str, body: &Value) -> Outcome {
        let request = self.http.post(format!("{}{prefix}{path}", self.url)).json(body);
        let request = request.bearer_auth("credential").header("anthropic-version", "2023-06-01");
        let request = if path == "/v1/messages" { request } else { remove_version(request) };
        let mut answer = match timeout(PATIENCE, request.send()).await {
            Err(_) => return Outcome::Silent,
            Ok(Err(_)) => return Outcome::Closed,
            Ok(Ok(answer)) => answer,
        };
        let mut bytes = Vec::new();
        loop {
            match timeout(PATIENCE, answer.chunk()).await {
                Err(_) => return Outcome::Stalled(bytes),
                Ok(Err(_)) => return Outcome::Broken(bytes),
                Ok(Ok(None)) => return Outcome::Whole(answer.status().as_u16(), bytes),
                Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
            }
        }
    }
}

fn remove_version(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    let (client, request) = request.build_split();
    let mut request = request.unwrap();
    request.headers_mut().remove("anthropic-version");
    reqwest::RequestBuilder::from_parts(client, request)
}

fn chat(stream: bool) -> Value {
    json!({"model": "gpt-4o", "stream": stream, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]})
}

/// A request to each API that says the same.
fn hello(path: &str, stream: bool) -> Value {
    match path {
        "/v1/responses" => json!({"model": "gpt-4o", "stream": stream, "input": "Hello"}),
        _ => chat(stream),
    }
}

/// Every API, streamed and whole, against one behaviour; `expect` gets the outcome and whether it was a stream.
async fn check(behaviour: Value, expect: impl Fn(&Outcome, bool) -> bool) {
    let provider = Provider::start().await;
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/messages"] {
        for stream in [true, false] {
            let id = provider.scenario(std::slice::from_ref(&behaviour)).await;
            let outcome = provider.ask(&format!("/s/{id}"), path, &hello(path, stream)).await;
            assert!(expect(&outcome, stream), "{behaviour} {path} stream: {stream}: {outcome:?} {}", outcome.text());
            let received = &provider.received(&id).await[0];
            assert_eq!((&received["method"], &received["path"]), (&json!("POST"), &json!(path)));
            let body: Value = serde_json::from_str(received["body"].as_str().unwrap()).unwrap();
            assert_eq!(body, hello(path, stream));
        }
    }
}

/// The content of all events, put together; the whole text of a document.
fn said(outcome: &Outcome, stream: bool) -> String {
    let documents: Vec<Value> = if stream {
        let text = outcome.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str(data).ok()).collect()
    } else {
        serde_json::from_str(&outcome.text()).into_iter().collect()
    };
    let places = [
        "/choices/0/delta/content",
        "/choices/0/message/content",
        "/delta/text",
        "/content/0/text",
        "/delta",
        "/output/0/content/0/text",
    ];
    let texts =
        documents.iter().flat_map(|document| places.iter().filter_map(|place| document.pointer(place)?.as_str()));
    texts.collect()
}

#[tokio::test]
async fn usual_answers_echo_what_was_said() {
    let whole = |outcome: &Outcome, stream| matches!(outcome, Outcome::Whole(200, _)) && said(outcome, stream) == ECHO;
    check(json!({"type": "ok"}), whole).await;
    check(json!({"type": "ok", "chunks": 3, "delay_ms": 1}), whole).await;
    check(json!({"type": "slow", "delay_ms": 1}), whole).await;
    check(json!({"type": "split_every", "bytes": 1}), whole).await;
    check(json!({"type": "drip_after", "chunks": 2, "every_ms": 0}), whole).await;
    check(json!({"type": "ping_before", "times": 2, "every_ms": 1}), |outcome, stream| {
        let signs = if stream { ": still here\n\n: still here\n\n" } else { "  " };
        whole(outcome, stream) && outcome.text().starts_with(signs)
    })
    .await;
    check(json!({"type": "comments"}), |outcome, stream| {
        whole(outcome, stream) && outcome.text().contains("\n\n:\nid: 7\nretry: 1000\n") == stream
    })
    .await;
    check(json!({"type": "crlf"}), |outcome, stream| {
        whole(outcome, stream) && outcome.text().contains("\r\n\r\n") == stream
    })
    .await;
    check(json!({"type": "gzip"}), |outcome, stream| {
        let Outcome::Whole(200, compressed) = outcome else { return false };
        let mut bytes = Vec::new();
        GzDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).is_ok()
            && said(&Outcome::Whole(200, bytes), stream) == ECHO
    })
    .await;
}

#[tokio::test]
async fn a_scenario_says_what_is_answered() {
    let behaviour = json!({"type": "ok", "text": "Yes.", "usage": {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 7}});
    check(behaviour, |outcome, stream| {
        let text = outcome.text();
        // A stream reports its usage only where the request asked for it, or the API always does.
        let usage = text.contains(r#""cached_tokens":4"#) || text.contains(r#""cache_read_input_tokens":4"#);
        let is_openai_stream = text.contains("chat.completion.chunk");
        said(outcome, stream) == "Yes." && usage != is_openai_stream
    })
    .await;
    let behaviour = json!({"type": "status", "status": 429, "headers": {"retry-after": "7"}, "body": "busy"});
    check(behaviour, |outcome, _| *outcome == Outcome::Whole(429, b"busy".into())).await;
    check(json!({"type": "status", "status": 503}), |outcome, _| {
        matches!(outcome, Outcome::Whole(503, _)) && outcome.text().contains(r#""error":"#)
    })
    .await;
}

#[tokio::test]
async fn broken_answers_break_where_they_are_told_to() {
    check(json!({"type": "refuse"}), |outcome, _| *outcome == Outcome::Closed).await;
    check(json!({"type": "hang"}), |outcome, _| *outcome == Outcome::Silent).await;
    check(json!({"type": "hang_after_headers"}), |outcome, _| *outcome == Outcome::Stalled(vec![])).await;
    let half = |outcome: &Outcome, stream: bool| match stream {
        true => said(outcome, true) == "This is ",
        false => !outcome.text().is_empty() && said(outcome, false).is_empty(),
    };
    check(json!({"type": "stall_after", "chunks": 2}), |outcome, stream| {
        matches!(outcome, Outcome::Stalled(_)) && half(outcome, stream)
    })
    .await;
    check(json!({"type": "stall_before_end", "events": 1}), |outcome, stream| {
        let ended = ["[DONE]", "message_stop", "response.completed"].iter().any(|last| outcome.text().contains(last));
        matches!(outcome, Outcome::Stalled(_)) && !ended && (!stream || said(outcome, true) == ECHO)
    })
    .await;
    check(json!({"type": "cut_after", "chunks": 2}), |outcome, stream| {
        matches!(outcome, Outcome::Broken(_)) && half(outcome, stream)
    })
    .await;
    check(json!({"type": "reset"}), |outcome, _| *outcome == Outcome::Closed).await;
    check(json!({"type": "reset_after", "chunks": 2}), |outcome, _| matches!(outcome, Outcome::Broken(_))).await;
    check(json!({"type": "end_after", "chunks": 2}), |outcome, stream| {
        matches!(outcome, Outcome::Whole(200, _)) && half(outcome, stream)
    })
    .await;
    check(json!({"type": "ping_after", "chunks": 2, "every_ms": 60_000}), |outcome, stream| {
        matches!(outcome, Outcome::Stalled(_)) && half(outcome, stream)
    })
    .await;
    check(json!({"type": "error_first_event"}), |outcome, stream| {
        let status = matches!(outcome, Outcome::Whole(200, _));
        status == stream && said(outcome, stream).is_empty() && outcome.text().contains("verloaded")
    })
    .await;
    check(json!({"type": "error_after", "chunks": 2}), |outcome, stream| {
        outcome.text().contains("verloaded") && (!stream || said(outcome, true) == "This is ")
    })
    .await;
    check(json!({"type": "fail_after", "chunks": 2}), |outcome, stream| {
        outcome.text().contains("verloaded") && (!stream || said(outcome, true) == "This is ")
    })
    .await;
    check(json!({"type": "html"}), |outcome, _| outcome.text().starts_with("<!doctype html>")).await;
    check(json!({"type": "half_json"}), |outcome, _| {
        matches!(outcome, Outcome::Whole(200, _)) && serde_json::from_str::<Value>(&outcome.text()).is_err()
    })
    .await;
}

#[tokio::test]
async fn a_reset_is_no_close() {
    let provider = Provider::start().await;
    for (behaviour, expect) in [
        (json!({"type": "refuse"}), None),
        (json!({"type": "reset"}), Some(ErrorKind::ConnectionReset)),
        (json!({"type": "cut_after", "chunks": 2}), None),
        (json!({"type": "reset_after", "chunks": 2}), Some(ErrorKind::ConnectionReset)),
    ] {
        let id = provider.scenario(std::slice::from_ref(&behaviour)).await;
        let mut connection = send(&provider, &id).await;
        let ended = timeout(PATIENCE, connection.read_to_end(&mut Vec::new())).await.expect("an end");
        assert_eq!(ended.err().map(|error| error.kind()), expect, "{behaviour}");
    }
}

/// Asks for a stream over a connection of its own.
async fn send(provider: &Provider, id: &str) -> TcpStream {
    let mut connection = TcpStream::connect(provider.url.trim_start_matches("http://")).await.unwrap();
    let body = chat(true).to_string();
    let head = format!("POST /s/{id}/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let provider = Provider::start().await;
    for behaviour in [
        json!({"type": "hang"}),
        json!({"type": "hang_after_headers"}),
        json!({"type": "stall_after", "chunks": 2}),
        json!({"type": "ok", "delay_ms": 60_000}),
    ] {
        let id = provider.scenario(std::slice::from_ref(&behaviour)).await;
        let connection = send(&provider, &id).await;
        let finished = |wanted: &'static str| {
            let (provider, id) = (&provider, &id);
            async move {
                let deadline = Instant::now() + Duration::from_secs(5);
                while provider.received(id).await.first().is_none_or(|it| it["finished"] != wanted) {
                    assert!(Instant::now() < deadline, "not {wanted}");
                }
            }
        };
        finished("open").await;
        drop(connection);
        finished("client_gone").await;
    }
}

#[tokio::test]
async fn each_chunk_leaves_alone() {
    let provider = Provider::start().await;
    let id = provider.scenario(&[json!({"type": "stall_after", "chunks": 1})]).await;
    let body = chat(true).to_string();
    let mut connection = TcpStream::connect(provider.url.trim_start_matches("http://")).await.unwrap();
    let head = format!("POST /s/{id}/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    connection.write_all(request.as_bytes()).await.unwrap();
    // The stream stalls after this; it must have been flushed.
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(r#""content":"This ""#) {
        let mut buffer = [0; 4096];
        let count = timeout(Duration::from_secs(5), connection.read(&mut buffer)).await.expect("not flushed").unwrap();
        seen.extend_from_slice(&buffer[..count]);
    }
}

#[tokio::test]
async fn requests_that_a_real_provider_refuses_are_refused() {
    let provider = Provider::start().await;
    let with = |field: &str, value: Value| {
        let mut body = chat(false);
        body[field] = value;
        body
    };
    for (path, body, status) in [
        ("/v1/chat/completions", with("model", json!("llama-3")), 404),
        ("/v1/chat/completions", with("messages", json!([])), 400),
        ("/v1/chat/completions", with("messages", json!([{"role": "tool", "tool_call_id": "a", "content": "b"}])), 400),
        ("/v1/chat/completions", with("stream", json!("yes")), 400),
        ("/v1/chat/completions", with("tool_choice", json!("required")), 400),
        ("/v1/messages", with("max_tokens", Value::Null), 400),
        ("/v1/messages", with("messages", json!([{"role": "system", "content": "a"}])), 400),
        ("/v1/messages", with("tool_choice", json!({"type": "tool", "name": "absent"})), 400),
        ("/v1/audio/speech", chat(false), 404),
    ] {
        let outcome = provider.ask("", path, &body).await;
        assert!(matches!(outcome, Outcome::Whole(found, _) if found == status), "{path} {body}: {outcome:?}");
        assert!(outcome.text().contains(r#""error":"#), "{}", outcome.text());
    }
    let answer = provider.http.get(format!("{}/v1/models", provider.url)).send().await.unwrap();
    assert_eq!(answer.status(), 401);
}
