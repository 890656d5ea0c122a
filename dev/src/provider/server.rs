//! The provider's HTTP server.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::{HeaderMap, Method, StatusCode, Uri};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::api::{Api, Refusal, is_served};
use super::deliver::{self, EndConnection, ToldToReset};
use super::scenario::{Behaviour, Ending, NewScenario, Scenarios};
use super::{anthropic, embeddings, openai};

/// As large as the gateway's own limit, with room for the translation.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Listed by `GET /v1/models`.
const MODELS: [&str; 4] = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-5", "text-embedding-3-small"];

/// Binds `address` and serves until the process ends.
pub async fn serve(address: SocketAddr) -> io::Result<Infallible> {
    accept(TcpListener::bind(address).await?).await
}

/// Serves each connection of `listener`.
pub async fn accept(listener: TcpListener) -> io::Result<Infallible> {
    let router = router();
    loop {
        let (stream, _) = listener.accept().await?;
        // Small writes must not wait for each other: a test looks at when each of them arrives.
        stream.set_nodelay(true)?;
        let router = router.clone();
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let router = router.clone();
            async move {
                let response = router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {});
                match response.extensions().get::<EndConnection>() {
                    Some(EndConnection { reset: true }) => Err(io::Error::other(ToldToReset)),
                    Some(EndConnection { reset: false }) => Err(io::Error::other("told to close the connection")),
                    None => Ok(response),
                }
            }
        });
        tokio::spawn(async move {
            let mut connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            // An error here is a broken connection: told to, or the client's doing. Both are in the records.
            if let Err(error) = (&mut connection).await
                && is_told_to_reset(&error)
            {
                // Without waiting for what was not sent yet, a close is a reset.
                let _ = connection.into_parts().io.into_inner().set_zero_linger();
            }
        });
    }
}

/// Whether a reset is at the root of it: the server wraps what a handler or a body fails with.
fn is_told_to_reset(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    chain.any(|error| {
        error.is::<ToldToReset>()
            || error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.get_ref().is_some_and(|it| it.is::<ToldToReset>()))
    })
}

fn router() -> Router {
    Router::new()
        .route("/_control/scenarios", post(add_scenario))
        .route("/_control/scenarios/{id}/requests", get(received))
        .route("/s/{id}/{*path}", any(in_scenario))
        .fallback(as_usual)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Scenarios::default())
}

async fn add_scenario(State(scenarios): State<Scenarios>, Json(scenario): Json<NewScenario>) -> Response {
    (StatusCode::CREATED, Json(json!({"id": scenarios.add(scenario)}))).into_response()
}

async fn received(State(scenarios): State<Scenarios>, Path(id): Path<String>) -> Response {
    match scenarios.received(&id) {
        Some(received) => Json(received).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn in_scenario(
    State(scenarios): State<Scenarios>,
    Path((id, path)): Path<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((behaviour, ending)) = scenarios.begin(&id, &method, &uri, &headers, &body) else {
        return (StatusCode::NOT_FOUND, "no such scenario").into_response();
    };
    answer(&method, &format!("/{path}"), &headers, &body, behaviour, ending).await
}

async fn as_usual(method: Method, uri: Uri, headers: HeaderMap, request: Request) -> Response {
    let Ok(body) = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    answer(&method, uri.path(), &headers, &body, Behaviour::default(), Ending::default()).await
}

async fn answer(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
    behaviour: Behaviour,
    ending: Ending,
) -> Response {
    let api = Api::of(path, headers);
    let (behaviour, ending) = match deliver::blunt(api, behaviour, ending).await {
        Ok(response) => return response,
        Err(rest) => rest,
    };
    let checked = api.authorize(headers).and_then(|()| task(api, method, path, body));
    match checked {
        Err(refused) => deliver::refusal(api, &refused, ending),
        Ok(Task::Chat(ask)) => deliver::chat(api, &ask, behaviour, ending).await,
        Ok(Task::Document(document)) => deliver::document(api, &document, behaviour, ending).await,
    }
}

enum Task {
    Chat(Box<super::answer::Ask>),
    Document(Value),
}

fn task(api: Api, method: &Method, path: &str, body: &[u8]) -> Result<Task, Refusal> {
    let json = || serde_json::from_slice(body).map_err(|error| Refusal::invalid("body", format!("not JSON: {error}")));
    match (method.as_str(), path) {
        ("POST", "/v1/chat/completions" | "/v1/messages") => Ok(Task::Chat(Box::new(api.read(&json()?)?))),
        ("POST", "/v1/embeddings") => Ok(Task::Document(embeddings::answer(&json()?)?)),
        ("GET", "/v1/models") => Ok(Task::Document(match api {
            Api::OpenAi => openai::models(&MODELS),
            Api::Anthropic => anthropic::models(&MODELS),
        })),
        ("GET", path) if path.starts_with("/v1/models/") => {
            let model = path.trim_start_matches("/v1/models/");
            match api {
                _ if !is_served(model) => Err(Refusal::unknown_model(model)),
                Api::OpenAi => Ok(Task::Document(openai::model(model))),
                Api::Anthropic => Ok(Task::Document(anthropic::model(model))),
            }
        }
        _ => Err(Refusal { status: 404, message: format!("Unknown request URL: {method} {path}"), param: None }),
    }
}
