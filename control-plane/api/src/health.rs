//! Whether the control plane lives, whether it can work, and what it counts.

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::ApiState;
use crate::problem::{Code, Problem};

/// `/health`, `/ready` and `/metrics`, for machines: without a session, and not in the OpenAPI document.
pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/health", get(|| async { "ok\n" })).route("/ready", get(ready)).route("/metrics", get(metrics))
}

/// Ready: the database answers.
async fn ready(State(state): State<ApiState>) -> Result<&'static str, Problem> {
    match state.store.ping().await {
        Ok(()) => Ok("ready\n"),
        Err(_) => Err(Problem::new(Code::Unavailable, "the database does not answer")),
    }
}

async fn metrics(State(state): State<ApiState>) -> Response {
    match &state.metrics {
        Some(render) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()).into_response()
        }
        None => Problem::new(Code::NotFound, "there are no metrics here").into_response(),
    }
}
