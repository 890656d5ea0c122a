//! Models: the names that clients ask for.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::resource::Stored;
use weir_core::routing::ModelSettings;

use crate::ApiState;
use crate::caller::Caller;
use crate::etag::IfMatch;
use crate::extract::{Body, Creation, Id, Query};
use crate::problem::{Problem, Reading, Writing};
use crate::resource::{Deleted, List, ListQuery, Meta, created, deleted, found};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// A name that clients ask for, and the pool that serves it.
#[derive(Serialize, ToSchema)]
struct Model {
    #[serde(flatten)]
    meta: Meta,
    /// Null: the platform's, for all tenants that have none of that name.
    tenant_id: Option<Uuid>,
    /// The name that clients ask for.
    name: String,
    /// The pool that serves it.
    pool_id: Uuid,
}

impl From<Stored<ModelSettings>> for Model {
    fn from(stored: Stored<ModelSettings>) -> Self {
        let meta = Meta::from(&stored);
        Self { meta, tenant_id: stored.tenant_id, name: stored.value.name, pool_id: stored.value.pool_id }
    }
}

/// A model to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewModel {
    /// Absent or null: the platform's.
    tenant_id: Option<Uuid>,
    /// 1 to 200 visible ASCII characters; unique for its owner.
    name: String,
    /// A pool of the model's owner.
    pool_id: Uuid,
}

/// What to change about a model; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ModelPatch {
    /// 1 to 200 visible ASCII characters; unique for its owner.
    name: Option<String>,
    /// A pool of the model's owner.
    pool_id: Option<Uuid>,
}

/// The models in your scope and the platform's, oldest first.
#[utoipa::path(get, path = "/models", operation_id = "list_models", tag = "models", params(ListQuery),
    responses((status = 200, body = List<Model>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Model>>, Problem> {
    let page = state.store.list_models(&caller.actor, query.page()?).await?;
    Ok(List::of(page, Model::from))
}

/// Makes a model.
#[utoipa::path(post, path = "/models", operation_id = "create_model", tag = "models", request_body = NewModel,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key brings the same result for 24 hours.")),
    responses((status = 201, body = Model), Writing))]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Creation { body, idempotency }: Creation<NewModel>,
) -> Result<Response, Problem> {
    let settings = ModelSettings { name: body.name, pool_id: body.pool_id };
    let stored = state.store.create_model(&caller.actor, body.tenant_id, settings, idempotency.as_ref()).await?;
    Ok(created("models", stored.id, stored.revision, Model::from(stored)))
}

/// One model.
#[utoipa::path(get, path = "/models/{id}", operation_id = "get_model", tag = "models", params(("id" = Uuid, Path)),
    responses((status = 200, body = Model), Reading))]
async fn get(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let stored = state.store.get_model(&caller.actor, id).await?;
    Ok(found(stored.revision, Model::from(stored)))
}

/// Changes a model.
#[utoipa::path(patch, path = "/models/{id}", operation_id = "update_model", tag = "models", request_body = ModelPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Model), Writing))]
async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
    Body(patch): Body<ModelPatch>,
) -> Result<Response, Problem> {
    let before = state.store.get_model(&caller.actor, id).await?.value;
    let settings =
        ModelSettings { name: patch.name.unwrap_or(before.name), pool_id: patch.pool_id.unwrap_or(before.pool_id) };
    let stored = state.store.update_model(&caller.actor, id, expected, settings).await?;
    Ok(found(stored.revision, Model::from(stored)))
}

/// Deletes a model.
#[utoipa::path(delete, path = "/models/{id}", operation_id = "delete_model", tag = "models",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Deleted), Writing))]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    Ok(deleted(id, state.store.delete_model(&caller.actor, id, expected).await?))
}
