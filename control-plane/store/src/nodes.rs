//! Connected Envoys.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::{Actor, Sees};
use weir_core::node::{NodeState, Reached, Refusal};
use weir_core::permission::Permission;

use crate::row::{signed, unsigned};
use crate::{Store, StoreError};

/// Characters of an Envoy's id, which an index of Postgres must hold.
pub(crate) const LONGEST_ID: usize = 256;
/// Characters of whatever else an Envoy says.
const LONGEST_TEXT: usize = 2000;
/// Envoys that one statement writes: each has some kilobytes of texts at most.
const MOST_AT_A_TIME: usize = 500;

/// An Envoy that has connected at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Envoy's `node.id`.
    pub node_id: String,
    /// Its gateway's id.
    pub gateway_id: Uuid,
    /// Its gateway's name.
    pub gateway: String,
    /// Whether its configuration stream is open at a control plane that was heard of lately: one that is killed cannot say that it
    /// has ended.
    pub connected: bool,
    /// As Envoy says it.
    pub envoy_version: String,
    /// Everything up to this revision was sent to it.
    pub sent_revision: u64,
    /// Everything up to this revision holds in it: it acknowledged the configuration and its VMs, wherever they have their watches,
    /// forgot what is old.
    pub applied_revision: u64,
    /// What it refused and has not accepted since.
    pub refused: Option<Refusal>,
    /// Usage records that wait in its VMs, wherever these have their watches; `None`: not known.
    pub waiting_records: Option<u64>,
    /// When it had come so far, at the latest; `None`: nothing holds in it yet.
    pub applied_at: Option<DateTime<Utc>>,
    /// The control planes that were heard of lately and have its stream or a watch of its VMs, in the order of their ids.
    pub replicas: Vec<NodeReplica>,
    /// When it last said anything.
    pub last_seen_at: DateTime<Utc>,
}

/// What one control plane says of one Envoy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeReplica {
    /// The process; another one after each start.
    pub id: Uuid,
    /// Whether it has the Envoy's configuration stream.
    pub connected: bool,
    /// Whether a VM of the Envoy has its watch there.
    pub watched: bool,
    /// The Envoy acknowledged everything up to this revision there.
    pub acknowledged_revision: u64,
    /// The VMs that have their watch there have forgotten what changed up to this revision.
    pub forgotten_revision: u64,
    /// Configuration streams that stay open there under this id: more than one if so many Envoys have it.
    pub streams: u32,
    /// Usage records that wait in the VMs that have their watch there; `None`: not known.
    pub waiting_records: Option<u64>,
}

/// All Envoys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// In the order of their gateways' names and their own; 1,000 at most.
    pub items: Vec<Node>,
    /// The revision that holds in every connected Envoy, and when the last of them had reached it at the latest; `None`: none is
    /// connected.
    pub everywhere: Option<Reached>,
}

impl Store {
    /// Notes what this process of the control plane knows of these Envoys, in the place of what it knew before. Those of gateways that are
    /// gone are left out.
    pub async fn write_nodes(&self, replica_id: Uuid, nodes: &[NodeState]) -> Result<(), StoreError> {
        for nodes in nodes.chunks(MOST_AT_A_TIME) {
            self.write_some_nodes(replica_id, nodes).await?;
        }
        Ok(())
    }

    async fn write_some_nodes(&self, replica_id: Uuid, nodes: &[NodeState]) -> Result<(), StoreError> {
        fn column<T>(nodes: &[NodeState], value: impl Fn(&NodeState) -> T) -> Vec<T> {
            nodes.iter().map(value).collect()
        }
        let revision = |reached: Option<Reached>| signed(reached.map_or(0, |reached| reached.revision));
        let refused = |node: &NodeState, text: fn(&Refusal) -> &str| {
            node.refused.as_ref().map(|refused| shown(text(refused), LONGEST_TEXT))
        };
        sqlx::query(
            "INSERT INTO node_streams (gateway_id, node_id, replica_id, connected, connected_at, envoy_version, sent_revision,
                 acknowledged_revision, acknowledged_at, watched, forgotten_revision, forgotten_at, refused_revision,
                 refused_resource, refused_reason, refused_at, last_seen_at, streams, waiting_records)
             SELECT DISTINCT ON (gateway.id, node.id) gateway.id, node.id, $1, connected, connected_at, envoy_version, sent,
                 acknowledged, acknowledged_at, watched, forgotten, forgotten_at, refused, refused_resource, refused_reason,
                 refused_at, last_seen_at, streams, waiting
             FROM unnest($2::uuid[], $3::text[], $4::bool[], $5::timestamptz[], $6::text[], $7::bigint[], $8::bigint[],
                     $9::timestamptz[], $10::bool[], $11::bigint[], $12::timestamptz[], $13::bigint[], $14::text[], $15::text[],
                     $16::timestamptz[], $17::timestamptz[], $18::integer[], $19::bigint[])
                 AS node (gateway_id, id, connected, connected_at, envoy_version, sent, acknowledged, acknowledged_at, watched,
                     forgotten, forgotten_at, refused, refused_resource, refused_reason, refused_at, last_seen_at, streams,
                     waiting)
             JOIN gateways gateway ON gateway.id = node.gateway_id
             ORDER BY gateway.id, node.id, connected_at DESC NULLS LAST
             ON CONFLICT (gateway_id, node_id, replica_id) DO UPDATE SET connected = excluded.connected,
                 connected_at = excluded.connected_at, envoy_version = excluded.envoy_version,
                 sent_revision = excluded.sent_revision, acknowledged_revision = excluded.acknowledged_revision,
                 acknowledged_at = excluded.acknowledged_at, watched = excluded.watched,
                 forgotten_revision = excluded.forgotten_revision, forgotten_at = excluded.forgotten_at,
                 refused_revision = excluded.refused_revision, refused_resource = excluded.refused_resource,
                 refused_reason = excluded.refused_reason, refused_at = excluded.refused_at,
                 last_seen_at = excluded.last_seen_at, streams = excluded.streams,
                 waiting_records = excluded.waiting_records, heard_at = now()",
        )
        .bind(replica_id)
        .bind(column(nodes, |node| node.gateway_id))
        .bind(column(nodes, |node| shown(&node.node_id, LONGEST_ID)))
        .bind(column(nodes, |node| node.connected))
        .bind(column(nodes, |node| node.connected_at))
        .bind(column(nodes, |node| shown(&node.envoy_version, LONGEST_TEXT)))
        .bind(column(nodes, |node| signed(node.sent_revision)))
        .bind(column(nodes, |node| revision(node.acknowledged)))
        .bind(column(nodes, |node| node.acknowledged.map(|reached| reached.at)))
        .bind(column(nodes, |node| node.watched))
        .bind(column(nodes, |node| revision(node.forgotten)))
        .bind(column(nodes, |node| node.forgotten.map(|reached| reached.at)))
        .bind(column(nodes, |node| node.refused.as_ref().map(|refused| signed(refused.revision))))
        .bind(column(nodes, |node| refused(node, |refused| &refused.resource)))
        .bind(column(nodes, |node| refused(node, |refused| &refused.reason)))
        .bind(column(nodes, |node| node.refused.as_ref().map(|refused| refused.at)))
        .bind(column(nodes, |node| node.last_seen_at))
        .bind(column(nodes, |node| i32::try_from(node.streams).unwrap_or(i32::MAX)))
        .bind(column(nodes, |node| node.waiting_records.map(signed)))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// All Envoys.
    pub async fn list_nodes(&self, actor: &Actor) -> Result<Nodes, StoreError> {
        if actor.sees(Permission::NodesRead) != Sees::Everything {
            return Err(StoreError::NotFound);
        }
        // What an Envoy has acknowledged is said by the one replica that has its stream, or had it last; what its VMs have forgotten is
        // the least that any replica says which has a watch of them. One that is killed cannot say that its watches have ended: if
        // the Envoy has opened its stream elsewhere since it was last heard of, it does not count until it is heard of again.
        let rows: Vec<NodeRow> = sqlx::query_as(
            "WITH stream AS (
                 SELECT *, connected AND heard_at > now() - interval '1 minute' AS is_connected,
                     watched AND heard_at > now() - interval '1 minute' AND NOT EXISTS (
                         SELECT 1 FROM node_streams other WHERE other.gateway_id = node_streams.gateway_id
                             AND other.node_id = node_streams.node_id AND other.replica_id <> node_streams.replica_id
                             AND other.connected AND other.watched
                             AND other.connected_at > node_streams.heard_at) AS is_watched
                 FROM node_streams
             ), configured AS (
                 SELECT DISTINCT ON (gateway_id, node_id) * FROM stream
                 ORDER BY gateway_id, node_id, is_connected DESC, connected_at DESC NULLS LAST, last_seen_at DESC
             ), memory AS (
                 SELECT gateway_id, node_id, min(forgotten_revision) FILTER (WHERE is_watched) AS watched_revision,
                     max(forgotten_at) FILTER (WHERE is_watched) AS forgotten_at,
                     CASE WHEN bool_and(waiting_records IS NOT NULL) FILTER (WHERE is_watched)
                         THEN sum(waiting_records) FILTER (WHERE is_watched)::bigint END AS waiting_records,
                     max(forgotten_revision) AS last_revision, max(last_seen_at) AS last_seen_at,
                     coalesce(jsonb_agg(jsonb_build_object('id', replica_id, 'connected', is_connected, 'watched', is_watched,
                         'acknowledged_revision', acknowledged_revision, 'forgotten_revision', forgotten_revision,
                         'streams', streams, 'waiting_records', CASE WHEN is_watched THEN waiting_records END)
                         ORDER BY replica_id) FILTER (WHERE is_connected OR is_watched), '[]') AS replicas
                 FROM stream GROUP BY gateway_id, node_id
             ), node AS (
                 SELECT gateway_id, node_id, is_connected, envoy_version, sent_revision, refused_revision, refused_resource,
                     refused_reason, refused_at, memory.last_seen_at, memory.waiting_records,
                     memory.replicas,
                     least(acknowledged_revision, CASE WHEN is_connected THEN coalesce(watched_revision, 0)
                         ELSE last_revision END) AS applied_revision,
                     greatest(acknowledged_at, memory.forgotten_at) AS applied_at
                 FROM configured JOIN memory USING (gateway_id, node_id)
             )
             SELECT node.*, gateway.name AS gateway,
                 min(applied_revision) FILTER (WHERE is_connected) OVER () AS everywhere_revision,
                 max(applied_at) FILTER (WHERE is_connected) OVER () AS everywhere_at
             FROM node JOIN gateways gateway ON gateway.id = node.gateway_id
             ORDER BY gateway.name, node.node_id LIMIT 1000",
        )
        .fetch_all(&self.admin)
        .await?;
        let everywhere = rows.first().and_then(|row| row.everywhere_revision.zip(row.everywhere_at));
        let everywhere =
            everywhere.map(|(revision, at)| Ok::<_, StoreError>(Reached { revision: unsigned(revision)?, at }));
        Ok(Nodes {
            everywhere: everywhere.transpose()?,
            items: rows.into_iter().map(NodeRow::into_node).collect::<Result<_, _>>()?,
        })
    }

    /// Forgets what replicas that are gone knew of Envoys: at once where another replica knows better, else after a week.
    pub(crate) async fn forget_old_nodes(&self) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM node_streams old WHERE heard_at <= now() - interval '7 days'
                OR (heard_at <= now() - interval '10 minutes' AND EXISTS (
                    SELECT 1 FROM node_streams new WHERE new.gateway_id = old.gateway_id AND new.node_id = old.node_id
                        AND new.heard_at > old.heard_at AND new.replica_id <> old.replica_id))",
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// What an Envoy says, as it is kept: its token must not be enough to fill the disk, and Postgres knows no text with NUL.
pub(crate) fn shown(text: &str, longest: usize) -> String {
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
    applied_revision: i64,
    refused_revision: Option<i64>,
    refused_resource: Option<String>,
    refused_reason: Option<String>,
    refused_at: Option<DateTime<Utc>>,
    last_seen_at: DateTime<Utc>,
    waiting_records: Option<i64>,
    replicas: Json<Vec<NodeReplica>>,
    applied_at: Option<DateTime<Utc>>,
    everywhere_revision: Option<i64>,
    everywhere_at: Option<DateTime<Utc>>,
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
            applied_revision: unsigned(self.applied_revision)?,
            refused,
            waiting_records: self.waiting_records.map(unsigned).transpose()?,
            applied_at: self.applied_at.filter(|_| self.applied_revision > 0),
            replicas: self.replicas.0,
            last_seen_at: self.last_seen_at,
        })
    }
}
