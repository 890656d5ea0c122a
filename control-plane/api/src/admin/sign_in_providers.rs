//! Identity providers by which people sign in.

use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use weir_core::sign_in::SignInProviderSettings;

use crate::ApiState;
use crate::resource::{Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::SIGN_IN_PROVIDER,
    path: "sign-in-providers",
    tag: "sign-in-providers",
    singular: "sign_in_provider",
    plural: "sign_in_providers",
    schema: "SignInProvider",
    about: "An identity provider (OpenID Connect) by which people sign in. Its client's redirect URI is \
            `…/api/v1/admin/auth/oidc/{id}/callback` at the console's origin.",
    listed: "The identity providers in your scope, oldest first.",
    deletable: "Deletes an identity provider. Whoever has signed in by it is signed out, and nobody signs in by it any more.",
    secret: "What this installation shows to the issuer, 1 to 8192 visible ASCII characters. Kept encrypted, never shown. \
             Null: a public client.",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<SignInProviderSettings, Status>())
}

/// What is only read of an identity provider.
#[derive(ToSchema)]
#[allow(dead_code, reason = "documentation only")]
struct Status {
    /// Whether there is a secret.
    has_client_secret: bool,
}
