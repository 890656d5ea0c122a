//! A provider whose answers say which credential and which model it was asked with.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Serves until the runtime ends; answers where.
pub(crate) async fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let _ = connection.set_nodelay(true);
            tokio::spawn(async move {
                // The client going away is no concern of a provider.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), service_fn(answer))
                    .await;
            });
        }
    });
    Ok(address)
}

/// What an answer says of this model and credential.
pub(crate) fn says(model: &str, credential: &str) -> String {
    format!("asked for {model} with Bearer {credential}.")
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let credential = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("nothing");
    let credential = credential.to_owned();
    let asked: Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes()).unwrap_or_default();
    let model = asked["model"].as_str().unwrap_or_default();
    let body = json!({"id": "chatcmpl-bench", "object": "chat.completion", "created": 1_760_000_000, "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant",
            "content": format!("asked for {model} with {credential}.")}}],
        "usage": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}});
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}
