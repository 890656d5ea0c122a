//! The admin API: REST under `/api/v1/admin`, its OpenAPI document, health, readiness and metrics.
//!
//! A handler reads the request into the domain's types, asks the store on behalf of the caller, and writes the answer; who
//! may do what is the store's to decide ([`weir_core::actor`]). Everything that is refused is a problem document
//! ([`problem`]). Each group of endpoints is one file under `admin/`: its bodies, its handlers, its documentation.
//!
//! Knows no SQL, no gRPC and no Envoy.

mod admin;
mod authorisation;
mod browser;
mod caller;
mod client_address;
mod console;
mod cursor;
mod etag;
mod extract;
mod feed;
mod health;
mod issuer_keys;
mod observe;
mod oidc;
mod openapi;
mod password;
mod probe;
pub mod problem;
mod resource;
mod turns;

use std::fmt;
use std::sync::Arc;

use axum::response::IntoResponse;
use axum::{Extension, Router};
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;
use weir_store::Store;

pub use admin::playground::{Gateway, GatewayError};
pub use authorisation::{Requirement, requirement, requirements, roles};
pub use console::{Console, ConsoleError};
pub use health::metrics_router;
pub use issuer_keys::watch_issuer_keys;
pub use openapi::openapi;
pub use password::{PasswordError, check_password, hash_password};

use crate::problem::{Code, Problem};

/// Writes all metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the handlers need.
#[derive(Clone)]
pub struct ApiState {
    /// The database.
    pub store: Store,
    /// Answers `GET /metrics`; `None`: there are none.
    pub metrics: Option<RenderMetrics>,
    /// How many reverse proxies of the operator's own stand before this API: so many entries at the right of
    /// `x-forwarded-for` are believed.
    pub trusted_proxies: u8,
    /// The console's files.
    pub console: Console,
    /// Turns true when the process ends: event streams end then.
    pub stopping: watch::Receiver<bool>,
    /// Authorities that providers' certificates may come from, in PEM; where there is no such file, those of the public web.
    pub upstream_ca_file: Option<std::path::PathBuf>,
    /// Where the playground sends to; `None`: nowhere.
    pub gateway: Option<Gateway>,
}

/// Marks an answer, as an extension, that goes on until its reader leaves: no limit of a request's time is for it.
#[derive(Clone, Copy, Debug)]
pub struct OpenEnded;

impl fmt::Debug for ApiState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ApiState").finish_non_exhaustive()
    }
}

/// Bodies beyond this many bytes are refused.
const BODY_LIMIT: usize = 1024 * 1024;

/// Everything that is served on the console's port.
pub fn router(state: ApiState) -> Router {
    let feed = feed::Feed::new(state.store.clone());
    let (api, mut document) = documented().split_for_parts();
    openapi::complete(&mut document);
    let docs = SwaggerUi::new("/docs").url("/api/v1/openapi.json", document);
    Router::new()
        .merge(api)
        .merge(health::router())
        .fallback(console::serve)
        .method_not_allowed_fallback(|| async {
            Problem::new(Code::MethodNotAllowed, "this path does not know this method").into_response()
        })
        .with_state(state)
        .layer(Extension(feed))
        .layer(Extension(oidc::Issuers::default()))
        .merge(docs)
        .layer(CatchPanicLayer::custom(|_| {
            Problem::new(Code::Internal, "something went wrong here; the log says what").into_response()
        }))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_LIMIT))
        .layer(axum::middleware::from_fn(observe::observe))
}

/// All operations that the OpenAPI document describes.
fn documented() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(openapi::header()).nest("/api/v1/admin", admin::router())
}
