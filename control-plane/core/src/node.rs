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
    Seen {
        /// How many streams stay open under its id, for longer than one can that is dead. More than one: so many Envoys have this id.
        streams: u32,
    },
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
    /// Every one of its filter VMs that has its watch here has forgotten what changed up to this revision.
    Forgot {
        /// The revision.
        revision: u64,
    },
    /// None of its filter VMs has its watch here any more.
    Unwatched,
    /// So many usage records wait in its filter VMs that have their watch here.
    Waiting {
        /// Not acknowledged yet; `None`: one of the VMs, of an older gateway, does not tell.
        records: Option<u64>,
    },
}

/// All that one control plane was reported about one Envoy, put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Its gateway.
    pub gateway_id: Uuid,
    /// Envoy's `node.id`.
    pub node_id: String,
    /// Whether its configuration stream is open here.
    pub connected: bool,
    /// Since when, or since when it was last; `None`: never.
    pub connected_at: Option<DateTime<Utc>>,
    /// Streams that stay open here under its id: more than one if so many Envoys have it.
    pub streams: u32,
    /// As Envoy says it; empty: it said nothing yet.
    pub envoy_version: String,
    /// Everything up to this revision was sent to it.
    pub sent_revision: u64,
    /// It acknowledged everything up to a revision; `None`: nothing yet on this stream.
    pub acknowledged: Option<Reached>,
    /// Whether a VM of it has its watch here.
    pub watched: bool,
    /// What its VMs have forgotten, or had before the last watch ended.
    pub forgotten: Option<Reached>,
    /// Usage records that wait in its VMs that have their watch here; `None`: not known.
    pub waiting_records: Option<u64>,
    /// What it refused and has not accepted since.
    pub refused: Option<Refusal>,
    /// When it last said anything.
    pub last_seen_at: DateTime<Utc>,
}

/// A revision, and when it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The revision.
    pub revision: u64,
    /// When.
    pub at: DateTime<Utc>,
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

impl NodeState {
    /// Of an Envoy of which nothing is known yet.
    pub fn new(gateway_id: Uuid, node_id: String, at: DateTime<Utc>) -> Self {
        Self {
            gateway_id,
            node_id,
            connected: false,
            connected_at: None,
            streams: 1,
            envoy_version: String::new(),
            sent_revision: 0,
            acknowledged: None,
            watched: false,
            forgotten: None,
            waiting_records: None,
            refused: None,
            last_seen_at: at,
        }
    }

    /// Whether anything of it is open here, so that there will be more reports.
    pub fn is_open(&self) -> bool {
        self.connected || self.watched
    }

    /// Takes a report in. The end of an older stream does not close a newer one.
    pub fn observe(&mut self, event: NodeEvent, at: DateTime<Utc>) {
        self.last_seen_at = self.last_seen_at.max(at);
        match event {
            NodeEvent::Seen { streams } => self.streams = streams,
            NodeEvent::Connected { envoy_version } => {
                self.connected = true;
                self.connected_at = Some(at);
                self.envoy_version = envoy_version;
                self.sent_revision = 0;
                self.acknowledged = None;
            }
            NodeEvent::Disconnected => {
                if self.connected_at.is_none_or(|connected_at| connected_at <= at) {
                    self.connected = false;
                    self.streams = 1;
                }
            }
            NodeEvent::Sent { revision } => self.sent_revision = self.sent_revision.max(revision),
            NodeEvent::Applied { revision } => {
                if self.acknowledged.is_none_or(|before| before.revision < revision) {
                    self.acknowledged = Some(Reached { revision, at });
                }
                self.refused.take_if(|refused| refused.revision <= revision);
            }
            NodeEvent::Refused { revision, resource, reason } => {
                self.refused = Some(Refusal { revision, resource, reason, at });
            }
            // Not only growing: a restarted Envoy's VMs begin anew.
            NodeEvent::Forgot { revision } => {
                self.watched = true;
                if self.forgotten.is_none_or(|before| before.revision != revision) {
                    self.forgotten = Some(Reached { revision, at });
                }
            }
            NodeEvent::Unwatched => {
                self.watched = false;
                self.waiting_records = None;
            }
            NodeEvent::Waiting { records } => self.waiting_records = records,
        }
    }
}
