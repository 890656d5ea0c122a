//! Connected Envoys. Only for the platform.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::node::Reached;

use crate::ApiState;
use crate::caller::Caller;
use crate::problem::{Problem, Reading};

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
    /// Usage records that wait in its filters and are not in the ledger yet, as they said a moment ago; null: not known, since it is away
    /// or one of its filters is of a version that does not tell.
    #[schema(required)]
    waiting_records: Option<u64>,
    /// When `applied_revision` came to hold in it, at the latest; null: nothing holds in it yet.
    #[schema(required)]
    applied_at: Option<DateTime<Utc>>,
    /// The control planes that were heard of in the last minute and have its configuration stream or a watch of its filters. Two that
    /// have its stream: two Envoys have this id, or the end of an old stream has not been noticed yet. See also their `streams`.
    replicas: Vec<NodeReplica>,
    /// When it last said anything.
    last_seen_at: DateTime<Utc>,
}

/// What one control plane says of an Envoy.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct NodeReplica {
    /// The process; another one after each start.
    id: Uuid,
    /// Whether it has the Envoy's configuration stream.
    connected: bool,
    /// Whether filters of the Envoy hear of changes there.
    watched: bool,
    /// The Envoy acknowledged everything up to this revision there.
    acknowledged_revision: u64,
    /// The filters that hear of changes there have forgotten what is older than this revision.
    forgotten_revision: u64,
    /// Configuration streams that stay open there under this id. More than one: so many Envoys have the id, and what is said of it is
    /// true of none of them.
    streams: u32,
    /// Usage records that wait in the filters that hear of changes there; null: not known.
    #[schema(required)]
    waiting_records: Option<u64>,
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

/// All Envoys.
#[derive(Serialize, ToSchema)]
struct Nodes {
    /// By gateway and id; at most 1,000.
    items: Vec<Node>,
    /// Null: this is all.
    next_cursor: Option<String>,
    /// What holds in every connected Envoy, those beyond the 1,000 included; null: none is connected.
    #[schema(required)]
    everywhere: Option<Everywhere>,
}

/// A revision that holds everywhere.
#[derive(Serialize, ToSchema)]
struct Everywhere {
    /// Everything up to this revision holds in every connected Envoy.
    revision: u64,
    /// When the last of them had come so far, at the latest.
    since: DateTime<Utc>,
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
            waiting_records: node.waiting_records,
            applied_at: node.applied_at,
            replicas: node.replicas.into_iter().map(NodeReplica::from).collect(),
            last_seen_at: node.last_seen_at,
        }
    }
}

impl From<weir_store::NodeReplica> for NodeReplica {
    fn from(replica: weir_store::NodeReplica) -> Self {
        let weir_store::NodeReplica {
            id,
            connected,
            watched,
            acknowledged_revision,
            forgotten_revision,
            streams,
            waiting_records,
        } = replica;
        Self { id, connected, watched, acknowledged_revision, forgotten_revision, streams, waiting_records }
    }
}

/// All Envoys, in one part, and which revision holds in every connected one.
#[utoipa::path(get, path = "/nodes", operation_id = "list_nodes", tag = "nodes",
    responses((status = 200, body = Nodes), Reading))]
async fn list(State(state): State<ApiState>, caller: Caller) -> Result<Json<Nodes>, Problem> {
    let nodes = state.store.list_nodes(&caller.actor).await?;
    Ok(Json(Nodes {
        items: nodes.items.into_iter().map(Node::from).collect(),
        next_cursor: None,
        everywhere: nodes.everywhere.map(|Reached { revision, at }| Everywhere { revision, since: at }),
    }))
}
