//! Issuers of tokens by which apps show who they are.

use chrono::{DateTime, Utc};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use weir_core::identity::TokenIssuerSettings;

use crate::ApiState;
use crate::resource::{Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::TOKEN_ISSUER,
    path: "token-issuers",
    tag: "identity",
    singular: "token_issuer",
    plural: "token_issuers",
    schema: "TokenIssuer",
    about: "An issuer whose tokens (JWT) Envoy verifies, for apps that show who they are by one. A token leads nowhere before an \
            identity rule says where.",
    listed: "The token issuers in your scope, oldest first.",
    deletable: "Deletes a token issuer that no identity rule refers to any more.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<TokenIssuerSettings, Status>())
}

/// What is only read of an issuer.
#[derive(ToSchema)]
#[allow(dead_code, reason = "documentation only")]
struct Status {
    /// When the control plane last read the keys at `jwks_url`, to know which are gone; null: never yet, or they stand in `jwks`.
    keys_read_at: Option<DateTime<Utc>>,
    /// Why it could not when it last tried, in words. While it cannot, Envoy verifies each token at each request.
    keys_failure: Option<String>,
}
