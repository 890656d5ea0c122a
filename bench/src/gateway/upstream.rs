//! A provider that costs next to nothing: the same answer to everybody, whole or as a paced stream.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_stream::wrappers::IntervalStream;

/// Pieces of a stream's content; its first and last events come on top.
pub(crate) const CHUNKS: usize = 200;
/// Time between two pieces, long enough for Envoy to see each alone.
pub(crate) const CHUNK_INTERVAL: Duration = Duration::from_millis(10);

/// A whole answer.
pub(crate) const WHOLE: &str = r#"{"id":"chatcmpl-bench","object":"chat.completion","created":1760000000,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"A service mesh moves retries, encryption and telemetry out of every program and into a proxy beside it, so that teams write them once. The price is one more hop and one more thing to operate.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":212,"completion_tokens":41,"total_tokens":253},"service_tier":"default","system_fingerprint":"fp_bench"}"#;
const FIRST: &str = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Mesh\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
const PIECE: &str = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" proxies\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"gpt-4o\",\"choices\":[],\"usage\":{\"prompt_tokens\":212,\"completion_tokens\":202,\"total_tokens\":414}}\n\ndata: [DONE]\n\n";

type Body = BoxBody<Bytes, Infallible>;

/// Serves until the runtime ends; answers where.
pub(crate) async fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            // Small pieces must leave at once.
            let _ = connection.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(|request| async { Ok::<_, hyper::Error>(answer(request).await) });
                // The client going away is no concern of a provider.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), service)
                    .await;
            });
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let is_stream = memchr::memmem::find(&body, br#""stream":true"#).is_some();
    let (content_type, body) = match is_stream {
        false => ("application/json", Full::new(Bytes::from_static(WHOLE.as_bytes())).boxed()),
        true => ("text/event-stream", stream()),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(content_type));
    response
}

fn stream() -> Body {
    let mut ticks = tokio::time::interval(CHUNK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let pieces = std::iter::once(FIRST).chain(std::iter::repeat_n(PIECE, CHUNKS)).chain(std::iter::once(LAST));
    let paced = IntervalStream::new(ticks).zip(futures::stream::iter(pieces));
    BodyExt::boxed(StreamBody::new(
        paced.map(|(_, piece)| Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece.as_bytes())))),
    ))
}
