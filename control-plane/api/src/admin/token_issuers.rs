//! Issuers of tokens by which apps show who they are.

use utoipa_axum::router::OpenApiRouter;
use weir_core::identity::TokenIssuerSettings;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

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
    RESOURCE.router(Schemas::of::<TokenIssuerSettings, NoStatus>())
}
