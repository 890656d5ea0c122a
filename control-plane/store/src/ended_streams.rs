//! Streams under way that a change ended: which Envoy ended how many of a key's, and when their last byte went.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::actor::{Actor, Sees};
use weir_core::gateway::Gateway;
use weir_core::permission::Permission;

use crate::nodes::{LONGEST_ID, shown};
use crate::resource::API_KEY;
use crate::row::unsigned;
use crate::{Store, StoreError};

/// What one VM of an Envoy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whose streams.
    pub key_id: Uuid,
    /// How many.
    pub streams: u32,
    /// When the last byte of them went.
    pub last_byte_at: DateTime<Utc>,
}

/// What one Envoy ended of a key's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedStreams {
    /// Its gateway's name and its `node.id`; `None`: the reader may not know.
    pub envoy: Option<(String, String)>,
    /// How many.
    pub streams: u64,
    /// When the last byte of them went.
    pub last_byte_at: DateTime<Utc>,
}

impl Store {
    /// Keeps what an Envoy's VM said that it has ended. VMs of one Envoy add up; what is an hour later is of another change. Of keys whose
    /// tenant the gateway does not serve nothing is kept.
    pub async fn note_ended_streams(
        &self,
        gateway: &Gateway,
        node_id: &str,
        ended: &[Ended],
    ) -> Result<(), StoreError> {
        for one in ended {
            sqlx::query(
                "INSERT INTO ended_streams AS known (key_id, gateway_id, node_id, streams, last_byte_at)
                 SELECT key.id, gateway.id, $3, $4, least($5, now()) FROM api_keys key JOIN gateways gateway ON gateway.id = $2
                 WHERE key.id = $1 AND ($6::uuid IS NULL OR key.tenant_id = $6)
                 ON CONFLICT (key_id, gateway_id, node_id) DO UPDATE SET heard_at = now(),
                     streams = excluded.streams
                         + CASE WHEN known.heard_at > now() - interval '1 hour' THEN known.streams ELSE 0 END,
                     last_byte_at = greatest(excluded.last_byte_at, known.last_byte_at)",
            )
            .bind(one.key_id)
            .bind(gateway.id)
            .bind(shown(node_id, LONGEST_ID))
            .bind(i64::from(one.streams))
            .bind(one.last_byte_at)
            .bind(gateway.tenant_id)
            .execute(&self.pool)
            .await?;
        }
        Ok(())
    }

    /// What each Envoy ended of a key's streams when it was last told to, the latest first; at most 1,000. Which Envoy it was learns who
    /// may see them.
    pub async fn ended_streams(&self, actor: &Actor, key_id: Uuid) -> Result<Vec<EndedStreams>, StoreError> {
        self.get(API_KEY, actor, key_id).await?;
        let rows: Vec<(String, String, i64, DateTime<Utc>)> = sqlx::query_as(
            "SELECT gateway.name, ended.node_id, ended.streams, ended.last_byte_at
             FROM ended_streams ended JOIN gateways gateway ON gateway.id = ended.gateway_id
             WHERE ended.key_id = $1 ORDER BY ended.last_byte_at DESC, gateway.name, ended.node_id LIMIT 1000",
        )
        .bind(key_id)
        .fetch_all(&self.admin)
        .await?;
        let is_told = actor.sees(Permission::NodesRead) == Sees::Everything;
        let read = |(gateway, node, streams, last_byte_at): (String, String, i64, DateTime<Utc>)| {
            Ok(EndedStreams { envoy: is_told.then_some((gateway, node)), streams: unsigned(streams)?, last_byte_at })
        };
        rows.into_iter().map(read).collect()
    }
}
