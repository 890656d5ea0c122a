//! Pools: deployments that serve the same models.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::resource::Stored;
use weir_core::routing::{MemberPrice, MemberSettings, PoolSettings, PoolView};

use crate::ApiState;
use crate::admin::capabilities::Capabilities;
use crate::caller::Caller;
use crate::etag::IfMatch;
use crate::extract::{Body, Creation, Id, Query};
use crate::problem::{Problem, Reading, Writing};
use crate::resource::{Deleted, List, ListQuery, Meta, created, deleted, found};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// Deployments that serve the same models, in the order in which they are tried.
#[derive(Serialize, ToSchema)]
struct Pool {
    #[serde(flatten)]
    meta: Meta,
    /// Null: the platform's.
    tenant_id: Option<Uuid>,
    /// For people.
    name: String,
    /// In the order in which they are tried.
    members: Vec<Member>,
    /// How long each member may take to the first content of a stream; beyond it the next member is tried.
    first_byte_timeout_ms: u64,
    /// How long a stream may be silent.
    idle_timeout_ms: u64,
    /// How long a request may take in all.
    request_timeout_ms: u64,
}

/// One model at one provider.
#[derive(Serialize, ToSchema)]
struct Member {
    /// The deployment's id.
    id: Uuid,
    /// Its provider.
    provider_id: Uuid,
    /// The model's name there.
    model: String,
    /// What its tokens cost; null: unknown.
    price: Option<Price>,
    /// What is said about what the model takes there.
    capabilities: Capabilities,
}

/// What tokens cost.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Price {
    /// Micro-dollars for a million input tokens (so 2.50 $ per million is 2500000).
    input_microusd_per_million: u64,
    /// Micro-dollars for a million input tokens that the provider read from its cache.
    cached_input_microusd_per_million: u64,
    /// Micro-dollars for a million input tokens that the provider wrote to its cache for five minutes, or for a time that it does
    /// not say. Absent or null: 1.25 times the input's price.
    cache_write_microusd_per_million: Option<u64>,
    /// Micro-dollars for a million input tokens that the provider wrote to its cache for an hour. Absent or null: twice the input's
    /// price.
    cache_write_1h_microusd_per_million: Option<u64>,
    /// Micro-dollars for a million output tokens.
    output_microusd_per_million: u64,
    /// Micro-dollars for a million output tokens of reasoning. Absent or null: the output's price.
    reasoning_microusd_per_million: Option<u64>,
}

impl From<MemberPrice> for Price {
    fn from(price: MemberPrice) -> Self {
        Self {
            input_microusd_per_million: price.input_microusd_per_million,
            cached_input_microusd_per_million: price.cached_input_microusd_per_million,
            cache_write_microusd_per_million: price.cache_write_microusd_per_million,
            cache_write_1h_microusd_per_million: price.cache_write_1h_microusd_per_million,
            output_microusd_per_million: price.output_microusd_per_million,
            reasoning_microusd_per_million: price.reasoning_microusd_per_million,
        }
    }
}

impl From<Price> for MemberPrice {
    fn from(price: Price) -> Self {
        Self {
            input_microusd_per_million: price.input_microusd_per_million,
            cached_input_microusd_per_million: price.cached_input_microusd_per_million,
            cache_write_microusd_per_million: price.cache_write_microusd_per_million,
            cache_write_1h_microusd_per_million: price.cache_write_1h_microusd_per_million,
            output_microusd_per_million: price.output_microusd_per_million,
            reasoning_microusd_per_million: price.reasoning_microusd_per_million,
        }
    }
}

impl From<Stored<PoolView>> for Pool {
    fn from(stored: Stored<PoolView>) -> Self {
        let meta = Meta::from(&stored);
        let PoolView { settings, deployment_ids } = stored.value;
        let members = settings.members.into_iter().zip(deployment_ids).map(|(member, id)| Member {
            id,
            provider_id: member.provider_id,
            model: member.model,
            price: member.price.map(Price::from),
            capabilities: member.capabilities.into(),
        });
        Self {
            meta,
            tenant_id: stored.tenant_id,
            name: settings.name,
            members: members.collect(),
            first_byte_timeout_ms: settings.first_byte_timeout_ms,
            idle_timeout_ms: settings.idle_timeout_ms,
            request_timeout_ms: settings.request_timeout_ms,
        }
    }
}

/// A pool to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPool {
    /// Absent or null: the platform's.
    tenant_id: Option<Uuid>,
    /// 1 to 100 characters; unique for its owner.
    name: String,
    /// 1 to 8, in the order in which they are tried.
    members: Vec<NewMember>,
    /// How long each member may take to the first content of a stream. What a provider sends to keep the connection alive does not
    /// count as content. Default 90000: reasoning models think for that long. With several members no more than their share of
    /// `idle_timeout_ms` and of `request_timeout_ms`, so raise those for many slow ones.
    first_byte_timeout_ms: Option<u64>,
    /// How long a stream may be silent. Default 300000.
    idle_timeout_ms: Option<u64>,
    /// How long a request may take in all, all its members and the whole of its answer. Default 600000.
    request_timeout_ms: Option<u64>,
}

/// A member to make. One that the pool has already (same provider, same model) keeps its id.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMember {
    /// The deployment's id, as it was read; it is not looked at, so that what was read can be sent back.
    #[serde(rename = "id")]
    _id: Option<Uuid>,
    /// A provider of the pool's owner.
    provider_id: Uuid,
    /// The model's name there.
    model: String,
    /// What its tokens cost; absent or null: unknown.
    price: Option<Price>,
    /// What the model takes there, where that differs from what is known of it and of its provider. Absent or null: nowhere.
    capabilities: Option<Capabilities>,
}

impl From<NewMember> for MemberSettings {
    fn from(member: NewMember) -> Self {
        Self {
            provider_id: member.provider_id,
            model: member.model,
            price: member.price.map(MemberPrice::from),
            capabilities: member.capabilities.unwrap_or_default().into(),
        }
    }
}

/// What to change about a pool; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PoolPatch {
    /// 1 to 100 characters; unique for its owner.
    name: Option<String>,
    /// All members, 1 to 8.
    members: Option<Vec<NewMember>>,
    /// How long each member may take to the first content of a stream.
    first_byte_timeout_ms: Option<u64>,
    /// How long a stream may be silent.
    idle_timeout_ms: Option<u64>,
    /// How long a request may take in all.
    request_timeout_ms: Option<u64>,
}

/// The pools in your scope, oldest first.
#[utoipa::path(get, path = "/pools", operation_id = "list_pools", tag = "pools", params(ListQuery),
    responses((status = 200, body = List<Pool>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Pool>>, Problem> {
    let page = state.store.list_pools(&caller.actor, query.page()?).await?;
    Ok(List::of(page, Pool::from))
}

/// Makes a pool.
#[utoipa::path(post, path = "/pools", operation_id = "create_pool", tag = "pools", request_body = NewPool,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key brings the same result for 24 hours.")),
    responses((status = 201, body = Pool), Writing))]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Creation { body, idempotency }: Creation<NewPool>,
) -> Result<Response, Problem> {
    let settings = PoolSettings {
        name: body.name,
        members: body.members.into_iter().map(MemberSettings::from).collect(),
        first_byte_timeout_ms: body.first_byte_timeout_ms.unwrap_or(90_000),
        idle_timeout_ms: body.idle_timeout_ms.unwrap_or(300_000),
        request_timeout_ms: body.request_timeout_ms.unwrap_or(600_000),
    };
    let stored = state.store.create_pool(&caller.actor, body.tenant_id, settings, idempotency.as_ref()).await?;
    Ok(created("pools", stored.id, stored.revision, Pool::from(stored)))
}

/// One pool.
#[utoipa::path(get, path = "/pools/{id}", operation_id = "get_pool", tag = "pools", params(("id" = Uuid, Path)),
    responses((status = 200, body = Pool), Reading))]
async fn get(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let stored = state.store.get_pool(&caller.actor, id).await?;
    Ok(found(stored.revision, Pool::from(stored)))
}

/// Changes a pool.
#[utoipa::path(patch, path = "/pools/{id}", operation_id = "update_pool", tag = "pools", request_body = PoolPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Pool), Writing))]
async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
    Body(patch): Body<PoolPatch>,
) -> Result<Response, Problem> {
    let before = state.store.get_pool(&caller.actor, id).await?.value.settings;
    let members = patch.members.map(|members| members.into_iter().map(MemberSettings::from).collect());
    let settings = PoolSettings {
        name: patch.name.unwrap_or(before.name),
        members: members.unwrap_or(before.members),
        first_byte_timeout_ms: patch.first_byte_timeout_ms.unwrap_or(before.first_byte_timeout_ms),
        idle_timeout_ms: patch.idle_timeout_ms.unwrap_or(before.idle_timeout_ms),
        request_timeout_ms: patch.request_timeout_ms.unwrap_or(before.request_timeout_ms),
    };
    let stored = state.store.update_pool(&caller.actor, id, expected, settings).await?;
    Ok(found(stored.revision, Pool::from(stored)))
}

/// Deletes a pool that no model leads to.
#[utoipa::path(delete, path = "/pools/{id}", operation_id = "delete_pool", tag = "pools",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Deleted), Writing))]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    Ok(deleted(id, state.store.delete_pool(&caller.actor, id, expected).await?))
}
