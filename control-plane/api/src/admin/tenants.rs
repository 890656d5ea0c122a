//! Tenants. Only for the platform.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::resource::Stored;
use weir_core::tenant::TenantSettings;

use crate::ApiState;
use crate::caller::Caller;
use crate::etag::IfMatch;
use crate::extract::{Body, Creation, Id, Query, present};
use crate::problem::{Problem, Reading, Writing};
use crate::resource::{Deleted, List, ListQuery, Meta, created, deleted, found};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// A customer, a department or a team: what it has, nobody else sees.
#[derive(Serialize, ToSchema)]
struct Tenant {
    #[serde(flatten)]
    meta: Meta,
    /// For people; unique.
    name: String,
    /// IANA name.
    time_zone: String,
    /// Holds for all keys; where one has a profile of its own, the stricter of both holds for each type of finding.
    guardrail_profile_id: Option<Uuid>,
    /// Whether a key's own profile takes the place of the tenant's. Where not, the stricter of both holds for each type of finding.
    keys_may_loosen_guardrails: bool,
}

impl From<Stored<TenantSettings>> for Tenant {
    fn from(stored: Stored<TenantSettings>) -> Self {
        let meta = Meta::from(&stored);
        let TenantSettings { name, time_zone, guardrail_profile_id, keys_may_loosen_guardrails } = stored.value;
        Self { meta, name, time_zone, guardrail_profile_id, keys_may_loosen_guardrails }
    }
}

/// A tenant to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    /// 1 to 100 characters; unique.
    name: String,
    /// IANA name, for example `Europe/Berlin`. Default `UTC`.
    time_zone: Option<String>,
    /// A profile of the platform.
    guardrail_profile_id: Option<Uuid>,
    /// Whether a key's own profile takes the place of the tenant's. Default false: the stricter of both holds for each type of finding.
    keys_may_loosen_guardrails: Option<bool>,
}

/// What to change about a tenant; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantPatch {
    /// 1 to 100 characters; unique.
    name: Option<String>,
    /// IANA name.
    time_zone: Option<String>,
    /// A profile of the tenant or of the platform; null: none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Uuid>)]
    guardrail_profile_id: Option<Option<Uuid>>,
    /// Whether a key's own profile takes the place of the tenant's.
    keys_may_loosen_guardrails: Option<bool>,
}

/// All tenants, oldest first.
#[utoipa::path(get, path = "/tenants", operation_id = "list_tenants", tag = "tenants", params(ListQuery),
    responses((status = 200, body = List<Tenant>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Tenant>>, Problem> {
    let page = state.store.list_tenants(&caller.actor, query.page()?).await?;
    Ok(List::of(page, Tenant::from))
}

/// Makes a tenant.
#[utoipa::path(post, path = "/tenants", operation_id = "create_tenant", tag = "tenants", request_body = NewTenant,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key brings the same result for 24 hours.")),
    responses((status = 201, body = Tenant), Writing))]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Creation { body, idempotency }: Creation<NewTenant>,
) -> Result<Response, Problem> {
    let settings = TenantSettings {
        name: body.name,
        time_zone: body.time_zone.unwrap_or_else(|| "UTC".into()),
        guardrail_profile_id: body.guardrail_profile_id,
        keys_may_loosen_guardrails: body.keys_may_loosen_guardrails.unwrap_or(false),
    };
    let stored = state.store.create_tenant(&caller.actor, settings, idempotency.as_ref()).await?;
    Ok(created("tenants", stored.id, stored.revision, Tenant::from(stored)))
}

/// One tenant.
#[utoipa::path(get, path = "/tenants/{id}", operation_id = "get_tenant", tag = "tenants", params(("id" = Uuid, Path)),
    responses((status = 200, body = Tenant), Reading))]
async fn get(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let stored = state.store.get_tenant(&caller.actor, id).await?;
    Ok(found(stored.revision, Tenant::from(stored)))
}

/// Changes a tenant.
#[utoipa::path(patch, path = "/tenants/{id}", operation_id = "update_tenant", tag = "tenants", request_body = TenantPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Tenant), Writing))]
async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
    Body(patch): Body<TenantPatch>,
) -> Result<Response, Problem> {
    let before = state.store.get_tenant(&caller.actor, id).await?.value;
    let settings = TenantSettings {
        name: patch.name.unwrap_or(before.name),
        time_zone: patch.time_zone.unwrap_or(before.time_zone),
        guardrail_profile_id: patch.guardrail_profile_id.unwrap_or(before.guardrail_profile_id),
        keys_may_loosen_guardrails: patch.keys_may_loosen_guardrails.unwrap_or(before.keys_may_loosen_guardrails),
    };
    let stored = state.store.update_tenant(&caller.actor, id, expected, settings).await?;
    Ok(found(stored.revision, Tenant::from(stored)))
}

/// Deletes a tenant that has nothing any more. Its usage stays in the ledger.
#[utoipa::path(delete, path = "/tenants/{id}", operation_id = "delete_tenant", tag = "tenants",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Deleted), Writing))]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    Ok(deleted(id, state.store.delete_tenant(&caller.actor, id, expected).await?))
}
