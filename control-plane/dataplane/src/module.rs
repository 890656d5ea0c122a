use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use crate::failure::chain;
use crate::gateways::{Gateways, bearer};

/// The filters' code.
#[derive(Clone, Debug)]
pub struct Module {
    bytes: Bytes,
    sha256: String,
}

impl Module {
    /// The module with these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let sha256 = weir_core::secret::sha256_bytes(&bytes).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Self { bytes: bytes.into(), sha256 }
    }

    /// Its digest in lower-case hexadecimal digits: its name, and what Envoy checks it against.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// Serves `GET /dataplane/v1/modules/<sha256>.wasm` to whoever shows a gateway's token.
pub fn router(module: Module, gateways: Gateways) -> Router {
    Router::new().route("/dataplane/v1/modules/{file}", get(module_file)).with_state((Arc::new(module), gateways))
}

async fn module_file(
    State((module, gateways)): State<(Arc<Module>, Gateways)>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(token) = bearer(headers.get(header::AUTHORIZATION).map(|value| value.as_bytes())) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    match gateways.authenticate(token).await {
        Err(error) => {
            tracing::error!(error = chain(&error), "a gateway's token could not be checked");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Ok(None) => StatusCode::UNAUTHORIZED.into_response(),
        Ok(Some(_)) if file.strip_suffix(".wasm") == Some(module.sha256()) => {
            ([(header::CONTENT_TYPE, "application/wasm")], module.bytes.clone()).into_response()
        }
        Ok(Some(_)) => StatusCode::NOT_FOUND.into_response(),
    }
}
