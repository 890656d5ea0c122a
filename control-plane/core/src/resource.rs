//! What all resources have in common.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A resource as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored<T> {
    /// UUIDv7, immutable.
    pub id: Uuid,
    /// To whom it belongs; `None`: to the platform. Immutable. A tenant belongs to itself.
    pub tenant_id: Option<Uuid>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
    /// The committed change that last wrote it.
    pub revision: u64,
    /// The rest.
    pub value: T,
}

/// What was made, with a secret that is shown this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct WithSecret<T> {
    /// What was made.
    pub stored: Stored<T>,
    /// The key or token.
    pub secret: String,
}

impl<T> std::fmt::Debug for WithSecret<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WithSecret").field("id", &self.stored.id).finish_non_exhaustive()
    }
}
