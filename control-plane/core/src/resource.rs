//! What all resources have in common.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::json::Object;

/// A resource as it is stored: what was decided about it, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
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
    /// Where it is managed.
    pub origin: Origin,
    /// What people write.
    pub spec: Object,
    /// What they only read.
    pub status: Object,
}

impl Stored {
    /// A text of what was decided; empty if there is none.
    pub fn text(&self, field: &str) -> &str {
        self.spec.get(field).and_then(|value| value.as_str()).unwrap_or_default()
    }
}

/// Fields of specifications that hold a secret which people give, by kinds.
pub const SECRET_FIELDS: [(&str, &str); 3] =
    [("provider", "credential"), ("user", "password"), ("sign_in_provider", "client_secret")];

/// What was made, with a secret that is shown this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct WithSecret {
    /// What was made.
    pub stored: Stored,
    /// The key or token; empty: the kind has none.
    pub secret: String,
}

impl std::fmt::Debug for WithSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WithSecret").field("id", &self.stored.id).finish_non_exhaustive()
    }
}

/// Where a resource is managed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// By what.
    pub kind: OriginKind,
    /// Where there: a file, a namespace.
    #[serde(default, rename = "ref")]
    pub reference: Option<String>,
}

impl Origin {
    /// Whether it is managed here, in the console or by the API, and not by something that would write it again.
    pub fn is_here(&self) -> bool {
        match self.kind {
            OriginKind::Console | OriginKind::Api => self.reference.is_none(),
            OriginKind::File | OriginKind::Kubernetes => false,
        }
    }

    /// Whether what is of this origin may be written on behalf of the other.
    pub fn may_be_written_by(&self, other: &Self) -> bool {
        self == other || (self.is_here() && other.is_here())
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.kind.name())?;
        self.reference.iter().try_for_each(|reference| write!(formatter, " {reference}"))
    }
}

/// By what a resource is managed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// By people in the console.
    Console,
    /// By requests to the API.
    #[default]
    Api,
    /// By files.
    File,
    /// By objects in Kubernetes.
    Kubernetes,
}

impl OriginKind {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Api => "api",
            Self::File => "file",
            Self::Kubernetes => "kubernetes",
        }
    }

    /// Reads the fixed name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Console, Self::Api, Self::File, Self::Kubernetes].into_iter().find(|kind| kind.name() == name)
    }
}
