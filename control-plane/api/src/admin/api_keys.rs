//! API keys of a tenant's apps.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::api_key::{self, ApiKeySettings};
use weir_core::resource::Stored;

use crate::ApiState;
use crate::caller::Caller;
use crate::etag::IfMatch;
use crate::extract::{Body, Creation, Id, Query, present};
use crate::problem::{Problem, Reading, Writing};
use crate::resource::{Deleted, List, ListQuery, Meta, created, deleted, found};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete)).routes(routes!(revoke))
}

/// What an app shows to the gateway.
#[derive(Serialize, ToSchema)]
struct ApiKey {
    #[serde(flatten)]
    meta: Meta,
    /// To whom it belongs.
    tenant_id: Option<Uuid>,
    /// For people.
    name: String,
    /// Its first 12 characters.
    prefix: String,
    /// Names of models; null: every model of the tenant's catalog.
    allowed_models: Option<Vec<String>>,
    /// Requests in one UTC minute; null: no limit.
    requests_per_minute: Option<u64>,
    /// Null: the tenant's.
    guardrail_profile_id: Option<Uuid>,
    /// Null: never.
    expires_at: Option<DateTime<Utc>>,
    /// Since when it is refused; null: it is not revoked.
    revoked_at: Option<DateTime<Utc>>,
}

impl From<Stored<api_key::ApiKey>> for ApiKey {
    fn from(stored: Stored<api_key::ApiKey>) -> Self {
        let meta = Meta::from(&stored);
        let api_key::ApiKey { settings, prefix, revoked_at } = stored.value;
        Self {
            meta,
            tenant_id: stored.tenant_id,
            name: settings.name,
            prefix,
            allowed_models: settings.allowed_models,
            requests_per_minute: settings.requests_per_minute,
            guardrail_profile_id: settings.guardrail_profile_id,
            expires_at: settings.expires_at,
            revoked_at,
        }
    }
}

/// A new key.
#[derive(Serialize, ToSchema)]
struct CreatedApiKey {
    #[serde(flatten)]
    api_key: ApiKey,
    /// The key itself. It is shown this once.
    key: String,
}

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKey {
    /// To whom it belongs.
    tenant_id: Uuid,
    /// 1 to 100 characters.
    name: String,
    /// Names of models; absent or null: every model of the tenant's catalog.
    allowed_models: Option<Vec<String>>,
    /// Requests in one UTC minute, at least 1; absent or null: no limit.
    requests_per_minute: Option<u64>,
    /// A profile of the tenant or of the platform; absent or null: the tenant's.
    guardrail_profile_id: Option<Uuid>,
    /// Absent or null: never.
    expires_at: Option<DateTime<Utc>>,
}

/// What to change about a key; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApiKeyPatch {
    /// 1 to 100 characters.
    name: Option<String>,
    /// Names of models; null: every model of the tenant's catalog.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_models: Option<Option<Vec<String>>>,
    /// Requests in one UTC minute, at least 1; null: no limit.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>)]
    requests_per_minute: Option<Option<u64>>,
    /// A profile of the tenant or of the platform; null: the tenant's.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Uuid>)]
    guardrail_profile_id: Option<Option<Uuid>>,
    /// Null: never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<Option<DateTime<Utc>>>,
}

/// The keys in your scope, oldest first.
#[utoipa::path(get, path = "/api-keys", operation_id = "list_api_keys", tag = "api-keys", params(ListQuery),
    responses((status = 200, body = List<ApiKey>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<ApiKey>>, Problem> {
    let page = state.store.list_api_keys(&caller.actor, query.page()?).await?;
    Ok(List::of(page, ApiKey::from))
}

/// Makes a key. The answer is the only one that shows it.
#[utoipa::path(post, path = "/api-keys", operation_id = "create_api_key", tag = "api-keys", request_body = NewApiKey,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key brings the same result for 24 hours.")),
    responses((status = 201, body = CreatedApiKey), Writing))]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Creation { body, idempotency }: Creation<NewApiKey>,
) -> Result<Response, Problem> {
    let settings = ApiKeySettings {
        name: body.name,
        allowed_models: body.allowed_models,
        requests_per_minute: body.requests_per_minute,
        guardrail_profile_id: body.guardrail_profile_id,
        expires_at: body.expires_at,
    };
    let made = state.store.create_api_key(&caller.actor, body.tenant_id, settings, idempotency.as_ref()).await?;
    let (id, revision) = (made.stored.id, made.stored.revision);
    Ok(created("api-keys", id, revision, CreatedApiKey { api_key: ApiKey::from(made.stored), key: made.secret }))
}

/// One key.
#[utoipa::path(get, path = "/api-keys/{id}", operation_id = "get_api_key", tag = "api-keys", params(("id" = Uuid, Path)),
    responses((status = 200, body = ApiKey), Reading))]
async fn get(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let stored = state.store.get_api_key(&caller.actor, id).await?;
    Ok(found(stored.revision, ApiKey::from(stored)))
}

/// Changes a key.
#[utoipa::path(patch, path = "/api-keys/{id}", operation_id = "update_api_key", tag = "api-keys", request_body = ApiKeyPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = ApiKey), Writing))]
async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
    Body(patch): Body<ApiKeyPatch>,
) -> Result<Response, Problem> {
    let before = state.store.get_api_key(&caller.actor, id).await?.value.settings;
    let settings = ApiKeySettings {
        name: patch.name.unwrap_or(before.name),
        allowed_models: patch.allowed_models.unwrap_or(before.allowed_models),
        requests_per_minute: patch.requests_per_minute.unwrap_or(before.requests_per_minute),
        guardrail_profile_id: patch.guardrail_profile_id.unwrap_or(before.guardrail_profile_id),
        expires_at: patch.expires_at.unwrap_or(before.expires_at),
    };
    let stored = state.store.update_api_key(&caller.actor, id, expected, settings).await?;
    Ok(found(stored.revision, ApiKey::from(stored)))
}

/// Deletes a key. Its usage stays in the ledger.
#[utoipa::path(delete, path = "/api-keys/{id}", operation_id = "delete_api_key", tag = "api-keys",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Deleted), Writing))]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    Ok(deleted(id, state.store.delete_api_key(&caller.actor, id, expected).await?))
}

/// Revokes a key for good. A key that is revoked already stays as it is.
#[utoipa::path(post, path = "/api-keys/{id}/revoke", operation_id = "revoke_api_key", tag = "api-keys",
    params(("id" = Uuid, Path)), responses((status = 200, body = ApiKey), Writing))]
async fn revoke(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let stored = state.store.revoke_api_key(&caller.actor, id).await?;
    Ok(found(stored.revision, ApiKey::from(stored)))
}
