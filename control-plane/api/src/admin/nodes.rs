//! Connected Envoys. Only for the platform.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ApiState;
use crate::caller::Caller;
use crate::problem::{Problem, Reading};
use crate::resource::List;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// An Envoy that has connected at least once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Node {
    /// Envoy's `node.id`.
    pub(crate) id: String,
    /// Name of its gateway.
    pub(crate) gateway: String,
    /// Whether its configuration stream is open.
    connected: bool,
    /// As Envoy says it.
    envoy_version: String,
    /// Everything up to this revision was sent to it.
    sent_revision: u64,
    /// Everything up to this revision holds in it.
    applied_revision: u64,
    /// What it refused and has not accepted since; its last good configuration goes on serving.
    refused: Option<Refusal>,
    /// When it last said anything.
    last_seen_at: DateTime<Utc>,
}

/// A configuration that an Envoy refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Refusal {
    /// The revision that it came with.
    revision: u64,
    /// Names of the resources.
    resource: String,
    /// As Envoy says it.
    reason: String,
    /// When.
    at: DateTime<Utc>,
}

impl Node {
    /// All of it but when it was seen, which changes all the time.
    pub(crate) fn state(&self) -> serde_json::Value {
        let mut state = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = state.as_object_mut() {
            fields.remove("last_seen_at");
        }
        state
    }
}

impl From<weir_store::Node> for Node {
    fn from(node: weir_store::Node) -> Self {
        Self {
            id: node.node_id,
            gateway: node.gateway,
            connected: node.connected,
            envoy_version: node.envoy_version,
            sent_revision: node.sent_revision,
            applied_revision: node.applied_revision,
            refused: node.refused.map(|refusal| Refusal {
                revision: refusal.revision,
                resource: refusal.resource,
                reason: refusal.reason,
                at: refusal.at,
            }),
            last_seen_at: node.last_seen_at,
        }
    }
}

/// All Envoys, by gateway and id; at most 1,000, so in one part.
#[utoipa::path(get, path = "/nodes", operation_id = "list_nodes", tag = "nodes",
    responses((status = 200, body = List<Node>), Reading))]
async fn list(State(state): State<ApiState>, caller: Caller) -> Result<Json<List<Node>>, Problem> {
    let nodes = state.store.list_nodes(&caller.actor).await?;
    Ok(Json(List { items: nodes.into_iter().map(Node::from).collect(), next_cursor: None }))
}
