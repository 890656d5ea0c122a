//! What a committed change means for those who hold copies of the policy.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// One committed change. Revisions have no gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number, counted from 1.
    pub revision: u64,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Whose copies are out of date.
    pub kind: ChangeKind,
    /// What has changed of that which Envoy is configured from ([`crate::snapshot::Snapshot`]).
    pub configuration: Affected,
    /// Keys whose streams under way are to be ended.
    pub ends_streams_of: Vec<Uuid>,
}

impl Change {
    /// One of which only its revision is known.
    pub fn unknown(revision: u64, at: DateTime<Utc>) -> Self {
        let (kind, configuration) = (ChangeKind::Unknown, Affected::Everything);
        Self { revision, at, kind, configuration, ends_streams_of: Vec::new() }
    }
}

/// What becomes of streams under way of whom a change concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Streams {
    /// They go on to their end.
    #[default]
    Finish,
    /// They are ended within a second: with an error event, or broken off.
    End,
}

/// Whose part of Envoy's configuration a change concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affected {
    /// Nobody's.
    Nothing,
    /// That of a tenant or (`None`) of the platform.
    Owner(Option<Uuid>),
    /// Maybe everybody's ([`ChangeKind::Unknown`]).
    Everything,
}

/// Whose cached principals or catalogs a change makes out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// One key's principal.
    Key {
        /// SHA-256 of the key; while a change is written, as its row keeps it.
        sha256: Vec<u8>,
        /// Its tenant.
        tenant_id: Uuid,
    },
    /// All principals of one tenant, and what holds for them: its settings or one of its guardrail profiles.
    Tenant {
        /// The tenant.
        tenant_id: Uuid,
    },
    /// All principals: a guardrail profile of the platform has changed.
    Everyone,
    /// The models that clients can ask for. It leads to routes, so it is of use only once Envoy has them.
    Catalog {
        /// The tenant; `None`: a model of the platform has changed, and with it the catalogs of all tenants.
        tenant_id: Option<Uuid>,
    },
    /// A gateway, and with it which token is valid for what.
    Gateway {
        /// The gateway.
        gateway_id: Uuid,
    },
    /// Nothing but Envoy's configuration.
    Configuration,
    /// Nothing in the data plane, for example a user.
    Administration,
    /// Maybe all of that, and gateways too: a kind that only a newer control plane knows, or changes that cannot be read any more.
    Unknown,
}
