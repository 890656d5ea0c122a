//! Whether the control plane lives, whether it can work, and what it counts.

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::problem::{Code, Problem};
use crate::{ApiState, RenderMetrics};

/// `/health`, `/ready` and `/metrics`, for machines: without a session, and not in the OpenAPI document.
pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/health", get(|| async { "ok\n" })).route("/ready", get(ready)).route("/metrics", get(metrics))
}

/// `/metrics` alone, for a port of its own.
pub fn metrics_router(render: RenderMetrics) -> Router {
    Router::new().route("/metrics", get(move || async move { text(&render) }))
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
        Some(render) => text(render),
        None => Problem::new(Code::NotFound, "there are no metrics here").into_response(),
    }
}

fn text(render: &RenderMetrics) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()).into_response()
}
