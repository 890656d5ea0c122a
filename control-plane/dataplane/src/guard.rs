use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use tonic::Status;

use crate::failure::chain;
use crate::gateways::{Gateways, bearer};

/// Puts everything on the gateways' port behind a gateway's token: each service, the module, and whatever is added later.
/// Whoever has none learns not even what is there, and nothing that it sends is read.
pub fn guarded(router: Router, gateways: Gateways) -> Router {
    router.layer(from_fn_with_state(gateways, admit))
}

async fn admit(State(gateways): State<Gateways>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_grpc = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|media_type| media_type.starts_with("application/grpc"));
    let refuse = |status: Status, plain: StatusCode| {
        if is_grpc { status.into_http::<axum::body::Body>().into_response() } else { plain.into_response() }
    };
    let Some(token) = bearer(headers.get(header::AUTHORIZATION).map(|value| value.as_bytes())) else {
        return refuse(Status::unauthenticated("a gateway's token is required"), StatusCode::UNAUTHORIZED);
    };
    match gateways.authenticate(token).await {
        Ok(Some(_)) => next.run(request).await,
        Ok(None) => refuse(Status::unauthenticated("the gateway's token is not valid"), StatusCode::UNAUTHORIZED),
        Err(error) => {
            tracing::error!(error = chain(&error), "a gateway's token could not be checked");
            let status = Status::unavailable("the control plane's database does not answer");
            refuse(status, StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}
