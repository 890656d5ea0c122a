//! What a committed change means for those who hold copies of the policy.

use chrono::{DateTime, Utc};
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
    /// Whether what Envoy is configured from ([`crate::snapshot::Snapshot`]) has changed.
    pub affects_configuration: bool,
}

/// Whose cached principals or catalogs a change makes out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// One key's principal.
    Key {
        /// SHA-256 of the key.
        sha256: Vec<u8>,
        /// Its tenant.
        tenant_id: Uuid,
    },
    /// All principals of one tenant, and its catalog.
    Tenant {
        /// The tenant.
        tenant_id: Uuid,
    },
    /// The catalogs of all tenants: a model of the platform has changed.
    Everyone,
    /// A gateway, and with it which token is valid for what.
    Gateway {
        /// The gateway.
        gateway_id: Uuid,
    },
    /// Nothing but Envoy's configuration.
    Configuration,
    /// Nothing in the data plane, for example a user.
    Administration,
}
