//! Service tokens of machines that administer.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_core::service_token::ServiceTokenSettings;

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Named;
use crate::problem::{Problem, Writing};
use crate::resource::{Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::SERVICE_TOKEN,
    path: "service-tokens",
    tag: "service-tokens",
    singular: "service_token",
    plural: "service_tokens",
    schema: "ServiceToken",
    about: "What a machine that administers shows as a bearer token in the place of a session's. Service tokens do not write service tokens.",
    listed: "The service tokens in your scope, oldest first.",
    deletable: "Deletes a service token: it is refused from now on.",
    secret: "The token itself. It is shown this once.",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<ServiceTokenSettings, Status>()).routes(routes!(revoke))
}

/// What is only read of a service token.
#[derive(ToSchema)]
#[allow(dead_code, reason = "documentation only")]
struct Status {
    /// Its first 12 characters.
    prefix: String,
    /// Since when it is refused; null: it is not revoked.
    revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to a minute; null: never.
    last_used_at: Option<DateTime<Utc>>,
}

/// Revokes a service token for good. One that is revoked already stays as it is.
#[utoipa::path(post, path = "/service-tokens/{id}/revoke", operation_id = "revoke_service_token", tag = "service-tokens",
    params(Named),
    responses((status = 200, body = ref("#/components/schemas/ServiceToken")), Writing))]
async fn revoke(State(state): State<ApiState>, caller: Caller, named: Named) -> Result<Response, Problem> {
    RESOURCE.revoke(state, caller, named).await
}
