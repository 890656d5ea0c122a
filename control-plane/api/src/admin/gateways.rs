//! Gateways: fleets of Envoys with one token each. Only for the platform.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::resource::Stored;
use weir_core::tenant::GatewaySettings;

use crate::ApiState;
use crate::caller::Caller;
use crate::etag::IfMatch;
use crate::extract::{Body, Creation, Id, Query};
use crate::problem::{Problem, Reading, Writing};
use crate::resource::{Deleted, List, ListQuery, Meta, created, deleted, found};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// A fleet of Envoys with one token.
#[derive(Serialize, ToSchema)]
struct Gateway {
    #[serde(flatten)]
    meta: Meta,
    /// Null: it serves all tenants.
    tenant_id: Option<Uuid>,
    /// For people; unique.
    name: String,
}

impl From<Stored<GatewaySettings>> for Gateway {
    fn from(stored: Stored<GatewaySettings>) -> Self {
        let meta = Meta::from(&stored);
        Self { meta, tenant_id: stored.tenant_id, name: stored.value.name }
    }
}

/// A new gateway.
#[derive(Serialize, ToSchema)]
struct CreatedGateway {
    #[serde(flatten)]
    gateway: Gateway,
    /// What its Envoys show to the control plane. It is shown this once.
    token: String,
}

/// A gateway to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGateway {
    /// Absent or null: it serves all tenants.
    tenant_id: Option<Uuid>,
    /// 1 to 100 characters; unique.
    name: String,
}

/// What to change about a gateway; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GatewayPatch {
    /// 1 to 100 characters; unique.
    name: Option<String>,
}

/// All gateways, oldest first.
#[utoipa::path(get, path = "/gateways", operation_id = "list_gateways", tag = "gateways", params(ListQuery),
    responses((status = 200, body = List<Gateway>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Gateway>>, Problem> {
    let page = state.store.list_gateways(&caller.actor, query.page()?).await?;
    Ok(List::of(page, Gateway::from))
}

/// Makes a gateway. The answer is the only one that shows its token.
#[utoipa::path(post, path = "/gateways", operation_id = "create_gateway", tag = "gateways", request_body = NewGateway,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key brings the same result for 24 hours.")),
    responses((status = 201, body = CreatedGateway), Writing))]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Creation { body, idempotency }: Creation<NewGateway>,
) -> Result<Response, Problem> {
    let settings = GatewaySettings { name: body.name };
    let made = state.store.create_gateway(&caller.actor, body.tenant_id, settings, idempotency.as_ref()).await?;
    let (id, revision) = (made.stored.id, made.stored.revision);
    Ok(created("gateways", id, revision, CreatedGateway { gateway: Gateway::from(made.stored), token: made.secret }))
}

/// One gateway.
#[utoipa::path(get, path = "/gateways/{id}", operation_id = "get_gateway", tag = "gateways", params(("id" = Uuid, Path)),
    responses((status = 200, body = Gateway), Reading))]
async fn get(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let stored = state.store.get_gateway(&caller.actor, id).await?;
    Ok(found(stored.revision, Gateway::from(stored)))
}

/// Changes a gateway.
#[utoipa::path(patch, path = "/gateways/{id}", operation_id = "update_gateway", tag = "gateways", request_body = GatewayPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Gateway), Writing))]
async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
    Body(patch): Body<GatewayPatch>,
) -> Result<Response, Problem> {
    let before = state.store.get_gateway(&caller.actor, id).await?.value;
    let settings = GatewaySettings { name: patch.name.unwrap_or(before.name) };
    let stored = state.store.update_gateway(&caller.actor, id, expected, settings).await?;
    Ok(found(stored.revision, Gateway::from(stored)))
}

/// Deletes a gateway: its token is refused from now on.
#[utoipa::path(delete, path = "/gateways/{id}", operation_id = "delete_gateway", tag = "gateways",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Deleted), Writing))]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    Ok(deleted(id, state.store.delete_gateway(&caller.actor, id, expected).await?))
}
