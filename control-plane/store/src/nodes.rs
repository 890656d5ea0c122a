//! Connected Envoys.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::actor::{Actor, Scope};
use weir_core::node::{NodeEvent, NodeReport};

use crate::row::{signed, unsigned};
use crate::{Store, StoreError};

/// Characters of an Envoy's id, which an index of Postgres must hold.
const LONGEST_ID: usize = 256;
/// Characters of whatever else an Envoy says.
const LONGEST_TEXT: usize = 2000;

/// An Envoy that has connected at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Envoy's `node.id`.
    pub node_id: String,
    /// Its gateway's id.
    pub gateway_id: Uuid,
    /// Its gateway's name.
    pub gateway: String,
    /// Whether its configuration stream is open, and it was seen lately: a control plane that is killed cannot say that one
    /// has ended.
    pub connected: bool,
    /// As Envoy says it.
    pub envoy_version: String,
    /// Everything up to this revision was sent to it.
    pub sent_revision: u64,
    /// Everything up to this revision holds in it: it acknowledged the configuration and its VMs forgot what is old.
    pub applied_revision: u64,
    /// What it refused and has not accepted since.
    pub refused: Option<Refusal>,
    /// When it last said anything.
    pub last_seen_at: DateTime<Utc>,
}

/// A configuration that an Envoy refused; its last good one goes on serving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The revision that it came with.
    pub revision: u64,
    /// Names of the resources.
    pub resource: String,
    /// As Envoy says it.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Store {
    /// Notes what an Envoy did. Reports may come late and from several control planes: an older end of a stream does not
    /// close a newer one, and revisions only grow while a stream is open.
    pub async fn report_node(&self, report: NodeReport) -> Result<(), StoreError> {
        let NodeReport { gateway_id, node_id, at, event } = report;
        let node_id = shown(&node_id, LONGEST_ID);
        sqlx::query(
            "INSERT INTO nodes (gateway_id, node_id, last_seen_at)
             SELECT id, $2, $3 FROM gateways WHERE id = $1
             ON CONFLICT (gateway_id, node_id) DO UPDATE SET last_seen_at = greatest(nodes.last_seen_at, excluded.last_seen_at)",
        )
        .bind(gateway_id)
        .bind(&node_id)
        .bind(at)
        .execute(&self.pool)
        .await?;
        let update = match &event {
            NodeEvent::Seen => return Ok(()),
            NodeEvent::Connected { envoy_version } => sqlx::query(
                "UPDATE nodes SET connected = true, connected_at = $3, envoy_version = $4, sent_revision = 0,
                        acknowledged_revision = 0
                 WHERE gateway_id = $1 AND node_id = $2 AND coalesce(connected_at <= $3, true)",
            )
            .bind(gateway_id)
            .bind(&node_id)
            .bind(at)
            .bind(shown(envoy_version, LONGEST_TEXT)),
            NodeEvent::Disconnected => sqlx::query(
                "UPDATE nodes SET connected = false
                 WHERE gateway_id = $1 AND node_id = $2 AND coalesce(connected_at <= $3, true)",
            )
            .bind(gateway_id)
            .bind(&node_id)
            .bind(at),
            NodeEvent::Sent { revision } => sqlx::query(
                "UPDATE nodes SET sent_revision = greatest(sent_revision, $3) WHERE gateway_id = $1 AND node_id = $2",
            )
            .bind(gateway_id)
            .bind(&node_id)
            .bind(signed(*revision)),
            NodeEvent::Applied { revision } => sqlx::query(
                "UPDATE nodes SET acknowledged_revision = greatest(acknowledged_revision, $3),
                        refused_revision = CASE WHEN refused_revision > $3 THEN refused_revision END
                 WHERE gateway_id = $1 AND node_id = $2",
            )
            .bind(gateway_id)
            .bind(&node_id)
            .bind(signed(*revision)),
            NodeEvent::Refused { revision, resource, reason } => sqlx::query(
                "UPDATE nodes SET refused_revision = $4, refused_resource = $5, refused_reason = $6, refused_at = $3
                 WHERE gateway_id = $1 AND node_id = $2",
            )
            .bind(gateway_id)
            .bind(&node_id)
            .bind(at)
            .bind(signed(*revision))
            .bind(shown(resource, LONGEST_TEXT))
            .bind(shown(reason, LONGEST_TEXT)),
            // Not only growing: a restarted Envoy's VMs begin anew.
            NodeEvent::Forgot { revision } => {
                sqlx::query("UPDATE nodes SET forgotten_revision = $3 WHERE gateway_id = $1 AND node_id = $2")
                    .bind(gateway_id)
                    .bind(&node_id)
                    .bind(signed(*revision))
            }
        };
        update.execute(&self.pool).await?;
        Ok(())
    }

    /// All Envoys, in the order of their gateways' names and their own.
    pub async fn list_nodes(&self, actor: &Actor) -> Result<Vec<Node>, StoreError> {
        if actor.scope() != Scope::Everything {
            return Err(StoreError::NotFound);
        }
        let rows: Vec<NodeRow> = sqlx::query_as(
            "SELECT node.*, gateway.name AS gateway,
                    node.connected AND node.last_seen_at > now() - interval '1 minute' AS is_connected
             FROM nodes node JOIN gateways gateway ON gateway.id = node.gateway_id
             ORDER BY gateway.name, node.node_id LIMIT 1000",
        )
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(NodeRow::into_node).collect()
    }
}

/// What an Envoy says, as it is kept: its token must not be enough to fill the disk, and Postgres knows no text with NUL.
fn shown(text: &str, longest: usize) -> String {
    text.chars().take(longest).map(|character| if character == '\0' { '\u{fffd}' } else { character }).collect()
}

#[derive(sqlx::FromRow)]
struct NodeRow {
    gateway_id: Uuid,
    gateway: String,
    node_id: String,
    is_connected: bool,
    envoy_version: String,
    sent_revision: i64,
    acknowledged_revision: i64,
    forgotten_revision: i64,
    refused_revision: Option<i64>,
    refused_resource: Option<String>,
    refused_reason: Option<String>,
    refused_at: Option<DateTime<Utc>>,
    last_seen_at: DateTime<Utc>,
}

impl NodeRow {
    fn into_node(self) -> Result<Node, StoreError> {
        let refused = match (self.refused_revision, self.refused_at) {
            (Some(revision), Some(at)) => Some(Refusal {
                revision: unsigned(revision)?,
                resource: self.refused_resource.unwrap_or_default(),
                reason: self.refused_reason.unwrap_or_default(),
                at,
            }),
            _ => None,
        };
        Ok(Node {
            node_id: self.node_id,
            gateway_id: self.gateway_id,
            gateway: self.gateway,
            connected: self.is_connected,
            envoy_version: self.envoy_version,
            sent_revision: unsigned(self.sent_revision)?,
            applied_revision: unsigned(self.acknowledged_revision.min(self.forgotten_revision))?,
            refused,
            last_seen_at: self.last_seen_at,
        })
    }
}
