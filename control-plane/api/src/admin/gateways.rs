//! Gateways: fleets of Envoys with one token each. Only for the platform.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_core::tenant::GatewaySettings;

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::{Creation, Id};
use crate::problem::{Problem, Writing};
use crate::resource::{Resource, Schemas, found};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::GATEWAY,
    path: "gateways",
    tag: "gateways",
    singular: "gateway",
    plural: "gateways",
    schema: "Gateway",
    about: "A fleet of Envoys with one token. One of the platform's serves all tenants.",
    listed: "All gateways, oldest first.",
    deletable: "Deletes a gateway: its token is refused from now on.",
    secret: "What its Envoys show to the control plane. It is shown this once.",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<GatewaySettings, Status>()).routes(routes!(rotate))
}

/// What is only read of a gateway.
#[derive(ToSchema)]
#[allow(dead_code, reason = "documentation only")]
struct Status {
    /// Until when a token is accepted that it had before; null: only the present one is.
    #[schema(required)]
    former_tokens_until: Option<DateTime<Utc>>,
}

/// How its token is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// For how long the present token is still accepted beside the new one, in seconds: 0 to 2592000 (30 days). 0 also ends all that it
    /// had before. Default 86400 (a day).
    overlap_seconds: Option<u64>,
}

/// Seconds for which Envoys may go on with the token that they have: a day.
const OVERLAP_SECONDS: u64 = 24 * 60 * 60;

/// Gives a gateway another token. The answer is the only one that shows it; the one before is accepted until the overlap is over.
#[utoipa::path(post, path = "/gateways/{id}/rotate", operation_id = "rotate_gateway", tag = "gateways",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header,
        description = "The same key brings the same result for 24 hours.")),
    request_body = Rotation,
    responses((status = 200, body = ref("#/components/schemas/CreatedGateway")), Writing))]
async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    Creation { body, idempotency }: Creation<Rotation>,
) -> Result<Response, Problem> {
    let overlap = body.overlap_seconds.unwrap_or(OVERLAP_SECONDS);
    let rotated = state.store.rotate_gateway(&caller.actor, id, overlap, idempotency.as_ref()).await?;
    let revision = rotated.stored.revision;
    let mut answer = RESOURCE.answer(rotated.stored);
    answer.insert("token".into(), rotated.secret.into());
    Ok(found(revision, answer))
}
