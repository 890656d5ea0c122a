//! What the provider answers, whatever the connection is.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::api::{self, Api, Refusal, is_served};
use super::deliver;
use super::scenario::{Behaviour, Ending, NewScenario, Scenarios, VERSION};
use super::{embeddings, gemini, moderations};

/// As large as the gateway's own limit, with room for the translation.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Listed by `GET /v1/models`.
const MODELS: [&str; 5] = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-5", "gemini-3-flash", "text-embedding-3-small"];

pub(super) fn router() -> Router {
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
    request: Parts,
    body: Bytes,
) -> Response {
    let Some((behaviour, version, ending)) = scenarios.begin(&id, &request, &body) else {
        return (StatusCode::NOT_FOUND, "no such scenario").into_response();
    };
    let path = format!("/{path}");
    answer(&request.method, path.strip_prefix(&version), &request.headers, &body, behaviour, ending).await
}

async fn as_usual(method: Method, uri: Uri, headers: HeaderMap, request: Request) -> Response {
    let Ok(body) = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = below_version(uri.path());
    answer(&method, path, &headers, &body, Behaviour::default(), Ending::default()).await
}

/// Answers one request without a connection, with this behaviour: for tests that have no socket. `None`: the connection ends
/// without an answer.
pub async fn answer_unconnected(request: http::Request<Bytes>, behaviour: Behaviour) -> Option<Response> {
    let (parts, body) = request.into_parts();
    let path = below_version(parts.uri.path());
    let response = answer(&parts.method, path, &parts.headers, &body, behaviour, Ending::default()).await;
    response.extensions().get::<deliver::EndConnection>().is_none().then_some(response)
}

/// What follows the version in a path; Gemini's is a name of its own.
fn below_version(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(VERSION)?;
    Some(rest.strip_prefix("beta").unwrap_or(rest))
}

/// `path` is what follows the version; without it there is nothing here.
async fn answer(
    method: &Method,
    path: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
    behaviour: Behaviour,
    ending: Ending,
) -> Response {
    let path = path.unwrap_or_default();
    let api = api::of(path, headers);
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

fn task(api: &dyn Api, method: &Method, path: &str, body: &[u8]) -> Result<Task, Refusal> {
    let json = || serde_json::from_slice(body).map_err(|error| Refusal::invalid("body", format!("not JSON: {error}")));
    match (method.as_str(), path) {
        ("POST", path) if api.is_at(path) => Ok(Task::Chat(Box::new(api.read(path, &json()?)?))),
        ("POST", path) if api.counts_at(path) => Ok(Task::Document(api.count(path, &json()?)?)),
        ("POST", path) if gemini::embeds_at(path) => Ok(Task::Document(gemini::embed(path, &json()?)?)),
        ("POST", "/moderations") => Ok(Task::Document(moderations::answer(&json()?)?)),
        ("POST", "/embeddings") => Ok(Task::Document(embeddings::answer(&json()?)?)),
        ("GET", "/models") => Ok(Task::Document(api.models(&MODELS))),
        ("GET", path) if path.starts_with("/models/") => match path.trim_start_matches("/models/") {
            model if is_served(model) => Ok(Task::Document(api.model(model))),
            model => Err(Refusal::unknown_model(model)),
        },
        _ => Err(Refusal { status: 404, message: format!("Unknown request URL: {method} {path}"), param: None }),
    }
}
