//! The console's playground: a request of an app, sent on to the gateway.
//!
//! The console's pages may speak to their own origin only, so the control plane passes the request on: to the one gateway that the
//! operator names, with the app's key that the user has entered. The gateway decides about it as about any other. Neither the key
//! nor the texts are stored or logged.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::{Extension, Json};
use futures::StreamExt as _;
use futures::stream;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_core::operations;
use weir_core::snapshot::BaseUrl;

use crate::ApiState;
use crate::caller::Caller;
use crate::problem::{Code, Problem, Reading};
use crate::turns::Turns;

/// Bytes of the largest request: some pictures have room in it.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// How long a request may take with the whole of its answer. The port cuts a connection somewhat later.
const LONGEST: Duration = Duration::from_secs(90);
/// Requests under way at once for one tenant, and in all: each holds a connection of the console's port.
const MOST_OF_ONE: usize = 8;
const MOST_IN_ALL: usize = 64;
/// The header that carries the app's key. `Authorization` is the session's.
const KEY: HeaderName = HeaderName::from_static("x-weir-app-key");
/// What the answer keeps of the gateway's headers, beside all that begin so.
const KEPT: [HeaderName; 2] = [header::CONTENT_TYPE, header::RETRY_AFTER];
const KEPT_PREFIXES: [&str; 3] = ["x-weir-", "x-ratelimit-", "x-should-retry"];

/// The gateway that the playground speaks to.
#[derive(Clone, Debug)]
pub struct Gateway {
    url: String,
    client: reqwest::Client,
}

/// Why there is no client for the gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The URL is none, or leads further than to a host.
    #[error("the gateway's URL is not like http://gateway.example:18080")]
    Url,
    /// No client can be made on this machine.
    #[error("no HTTP client can be made")]
    Client(#[source] reqwest::Error),
}

impl Gateway {
    /// The gateway at a URL: scheme, host and port.
    pub fn at(url: &str) -> Result<Self, GatewayError> {
        let url = url.trim_end_matches('/');
        let read: BaseUrl = url.parse().map_err(|_| GatewayError::Url)?;
        if !read.path_prefix.is_empty() {
            return Err(GatewayError::Url);
        }
        // The key goes to this gateway and nowhere else: neither where it redirects to nor through somebody's proxy.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(LONGEST)
            .build()
            .map_err(GatewayError::Client)?;
        Ok(Self { url: url.to_owned(), client })
    }
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(playground))
        .routes(routes!(send))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(Extension(Turns::new(MOST_OF_ONE, MOST_IN_ALL)))
}

/// Where the playground sends to.
#[derive(Serialize, ToSchema)]
struct Playground {
    /// The gateway's URL, as apps use it; null: none is set (`WEIR_GATEWAY_URL`), and nothing can be sent.
    gateway_url: Option<String>,
}

/// Where the playground sends to.
#[utoipa::path(get, path = "/playground", operation_id = "playground", tag = "playground",
    responses((status = 200, body = Playground), Reading))]
async fn playground(State(state): State<ApiState>, _: Caller) -> Json<Playground> {
    Json(Playground { gateway_url: state.gateway.map(|gateway| gateway.url) })
}

/// Sends an app's request to the gateway.
///
/// The body and the answer are the gateway's, streams included; so are the statuses of the gateway's own refusals. A request may
/// have 16 MiB and take 90 s.
#[utoipa::path(post, path = "/playground/{operation}", operation_id = "send_playground_request", tag = "playground",
    params(
        ("operation" = String, Path, description = "The operation's name: `chat.completions`, `messages`, `embeddings`, …"),
        ("X-Weir-App-Key" = String, Header, description = "The app's API key. It is sent to the gateway, and not stored."),
    ),
    request_body(content = serde_json::Value, content_type = "application/json"),
    responses(
        (status = 200, description = "What the gateway answered."),
        Reading,
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The body is too large."),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "Others are under way."),
        (status = 502, body = Problem, content_type = "application/problem+json",
            description = "The gateway does not answer, or none is set."),
    ))]
async fn send(
    State(state): State<ApiState>,
    Extension(turns): Extension<Turns>,
    caller: Caller,
    Path(operation): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let path = operations::path(&operation)
        .ok_or_else(|| Problem::new(Code::NotFound, "the gateway has no such operation with a body"))?;
    let key = app_key(&headers)?;
    let gateway = state.gateway.ok_or_else(|| {
        Problem::new(Code::GatewayUnreachable, "no gateway is set: start the control plane with WEIR_GATEWAY_URL")
    })?;
    let turn = turns
        .take(caller.actor.scope().tenant())
        .ok_or_else(|| Problem::too_many_requests("other requests are under way at the moment", 1))?;
    let answer = gateway
        .client
        .post(format!("{}{path}", gateway.url))
        .header(header::CONTENT_TYPE, "application/json")
        .bearer_auth(key.expose_secret())
        .body(body)
        .send()
        .await
        .map_err(unreachable)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = kept(answer.headers());
    // A stream that the gateway breaks off is broken off here, too.
    let pieces = stream::unfold((answer.bytes_stream(), turn), |(mut pieces, turn)| async {
        pieces.next().await.map(|piece| (piece, (pieces, turn)))
    });
    *response.body_mut() = Body::from_stream(pieces);
    Ok(response)
}

/// The key that is to be sent, if it can be one.
fn app_key(headers: &HeaderMap) -> Result<SecretString, Problem> {
    let wrong = |reason| Problem::field(Code::InvalidHeader, "X-Weir-App-Key", reason);
    let key = headers.get(KEY).ok_or_else(|| wrong("must hold the app's API key"))?;
    let key = key.to_str().map(str::trim).ok().filter(|key| (1..=512).contains(&key.len()));
    key.map(SecretString::from).ok_or_else(|| wrong("must have 1 to 512 visible ASCII characters"))
}

/// What a client of the gateway reads of its headers.
fn kept(headers: &HeaderMap) -> HeaderMap<HeaderValue> {
    let is_kept =
        |name: &HeaderName| KEPT.contains(name) || KEPT_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    headers.iter().filter(|(name, _)| is_kept(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// In words that name no address but the one that is set; the error's own text would repeat the URL.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreachable(error: reqwest::Error) -> Problem {
    let detail = if error.is_timeout() {
        "the gateway has not answered in time"
    } else if error.is_connect() {
        "nothing answers at WEIR_GATEWAY_URL"
    } else {
        "the gateway broke off before it answered"
    };
    Problem::new(Code::GatewayUnreachable, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_a_host_and_nothing_more() {
        for url in ["http://127.0.0.1:18080", "http://gateway.example/", "https://gateway.example"] {
            assert!(Gateway::at(url).is_ok(), "{url}");
        }
        for url in
            ["", "gateway.example", "http://user:secret@gateway.example", "http://gateway.example/v1", "http://a?b"]
        {
            assert!(Gateway::at(url).is_err(), "{url}");
        }
    }
}
