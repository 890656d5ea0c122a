//! What is known about connected Envoys.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Something that an Envoy did. xDS and the data-plane service report it, the runtime stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// The gateway (fleet) whose token the Envoy showed.
    pub gateway_id: Uuid,
    /// Envoy's `node.id`.
    pub node_id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub event: NodeEvent,
}

/// Kinds of [`NodeReport`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// It opened its configuration stream.
    Connected {
        /// As Envoy says it: `1.40.0`.
        envoy_version: String,
    },
    /// Its configuration stream is still open, and the connection under it answers pings.
    Seen,
    /// Its configuration stream ended.
    Disconnected,
    /// Everything up to this revision was sent to it.
    Sent {
        /// The revision.
        revision: u64,
    },
    /// It acknowledged everything up to this revision.
    Applied {
        /// The revision.
        revision: u64,
    },
    /// It refused a resource; the last good one goes on serving.
    Refused {
        /// The revision that the resource came with.
        revision: u64,
        /// Names of the resources sent.
        resource: String,
        /// As Envoy says it.
        reason: String,
    },
    /// Every one of its filter VMs has forgotten what changed up to this revision.
    Forgot {
        /// The revision.
        revision: u64,
    },
}
