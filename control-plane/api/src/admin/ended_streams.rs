//! Which streams of a key were ended, and when.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Id;
use crate::problem::{Problem, Reading};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(ended))
}

/// The streams under way of a key that were ended when the key was last revoked, disabled or changed with `streams=end`.
#[derive(Serialize, ToSchema)]
struct EndedStreams {
    /// How many in all.
    streams: u64,
    /// When the last byte of the last of them went; null: none was under way, or no Envoy has said so yet.
    #[schema(required)]
    last_byte_at: Option<DateTime<Utc>>,
    /// What each Envoy ended, the latest first; at most 1,000. One that had no stream of the key is not among them.
    envoys: Vec<EndedByEnvoy>,
}

/// What one Envoy ended.
#[derive(Serialize, ToSchema)]
struct EndedByEnvoy {
    /// Its gateway's name; null for those who may not see Envoys (`nodes.read`).
    #[schema(required)]
    gateway: Option<String>,
    /// Its `node.id`; null as the gateway.
    #[schema(required)]
    node: Option<String>,
    /// How many streams.
    streams: u64,
    /// When the last byte of them went.
    last_byte_at: DateTime<Utc>,
}

/// The streams under way of a key that were ended, by which Envoys, and when their last byte went: within a second of the change, where the
/// Envoy hears of changes. It is kept for 30 days.
#[utoipa::path(get, path = "/api-keys/{id}/ended-streams", operation_id = "get_ended_streams_of_api_key", tag = "api-keys",
    params(("id" = Uuid, Path)), responses((status = 200, body = EndedStreams), Reading))]
async fn ended(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Json<EndedStreams>, Problem> {
    let ended = state.store.ended_streams(&caller.actor, id).await?;
    let envoys = ended.into_iter().map(|one| {
        let (gateway, node) = one.envoy.unzip();
        EndedByEnvoy { gateway, node, streams: one.streams, last_byte_at: one.last_byte_at }
    });
    let envoys: Vec<EndedByEnvoy> = envoys.collect();
    let streams = envoys.iter().map(|envoy| envoy.streams).fold(0, u64::saturating_add);
    Ok(Json(EndedStreams { streams, last_byte_at: envoys.first().map(|envoy| envoy.last_byte_at), envoys }))
}
