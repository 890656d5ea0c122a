use std::sync::Arc;

use uuid::Uuid;
use weir_core::encryption::EncryptionError;
use weir_core::field::FieldError;
use weir_core::resource::Origin;
use weir_core::secret::NoRandomness;

use crate::resource::Irrevertible;
use crate::sign_in::SignInRefusal;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing, or the actor may not know of it.
    #[error("not found")]
    NotFound,
    /// The actor may see it, but not do this.
    #[error("not allowed: {0}")]
    Forbidden(&'static str),
    /// Something was written meanwhile: the caller's revision is not the current one.
    #[error("the resource is at revision {current}")]
    Stale {
        /// The current revision.
        current: u64,
    },
    /// Fields that break a rule which only the store can check.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// A value that must be unique is taken.
    #[error("{field} is taken")]
    Taken {
        /// The field.
        field: &'static str,
    },
    /// Others refer to what should be deleted.
    #[error("in use")]
    InUse {
        /// What refers to it; at least one.
        users: Vec<User>,
    },
    /// Something else would write it again.
    #[error("managed by {0}")]
    ManagedElsewhere(Origin),
    /// More would be deleted than the caller expects.
    #[error("{count} objects would be deleted, more than {most}")]
    TooManyDeletions {
        /// How many.
        count: usize,
        /// How many may be.
        most: usize,
    },
    /// More than can be told at once.
    #[error("there are more than {most} objects")]
    TooManyObjects {
        /// How many may be.
        most: usize,
    },
    /// A list that is narrowed in a way that its kind does not know.
    #[error("{0}")]
    WrongFilter(FieldError),
    /// Several are called so.
    #[error("several are called so")]
    Ambiguous,
    /// A revision that cannot be undone.
    #[error("cannot be undone")]
    Irrevertible(Vec<Irrevertible>),
    /// One of several objects.
    #[error("object {index}")]
    Object {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: Box<StoreError>,
    },
    /// The idempotency key came with another request before.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// What is stored is not what the schema allows.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(&'static str),
    /// A credential or stored result.
    #[error("encryption failed")]
    Encryption(#[from] EncryptionError),
    /// What the database holds was encrypted with another one.
    #[error("the master key is not the one that this database was written with")]
    MasterKey(#[source] EncryptionError),
    /// No secret could be made.
    #[error("no secret could be made")]
    Secret(#[from] NoRandomness),
    /// There is an administrator already.
    #[error("there is an administrator already")]
    SetUp,
    /// No such token, or its time is over.
    #[error("the set-up token does not hold")]
    SetupToken,
    /// Somebody whom an identity provider knows is not let in.
    #[error("{0}")]
    SignIn(#[from] SignInRefusal),
    /// No such link, or its time is over, or it was used.
    #[error("the link does not hold")]
    PasswordLink,
    /// Others write, and it would take too long to wait for them.
    #[error("too many write at once")]
    Busy,
    /// The schema lacks what this version needs.
    #[error("the database's schema lacks migration {needed}; run `weir migrate` first")]
    SchemaOutdated {
        /// The first migration that is not there.
        needed: i64,
    },
    /// Postgres is known to be away, so it was not asked.
    #[error("the database is away")]
    Away,
    /// Postgres refused or is away.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// What was to be stored shared a transaction with others that failed.
    #[error("the transaction failed")]
    Group(#[source] Arc<StoreError>),
    /// The schema could not be brought up to date.
    #[error("migration failed")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// What refers to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its kind, for machines.
    pub kind: &'static str,
    /// Its kind, for people.
    pub title: &'static str,
    /// `None`: the caller.
    pub id: Option<Uuid>,
    /// What it is called.
    pub name: String,
}

impl std::fmt::Display for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.title, self.name)
    }
}

impl StoreError {
    /// In use by one that needs no name.
    pub(crate) fn in_use_by(name: &str) -> Self {
        Self::InUse { users: vec![User { kind: "user", title: "user", id: None, name: name.into() }] }
    }

    /// Whether Postgres is away, so that waiting may help. Anything else stays as it is.
    pub fn is_away(&self) -> bool {
        let error = match self {
            Self::Away => return true,
            Self::Database(error) | Self::Migration(sqlx::migrate::MigrateError::Execute(error)) => error,
            Self::Group(error) => return error.is_away(),
            Self::Object { source, .. } => return source.is_away(),
            _ => return false,
        };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            // Connection lost, out of resources, shutting down or starting up: classes 08, 53 and 57 of SQLSTATE.
            sqlx::Error::Database(error) => {
                error.code().is_some_and(|code| ["08", "53", "57"].iter().any(|class| code.starts_with(class)))
            }
            _ => false,
        }
    }

    /// Whether others hold what this waited for, so that a later try may go well. Nothing was done.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Busy => true,
            Self::Object { source, .. } => source.is_busy(),
            // `lock_not_available`, which `lock_timeout` brings.
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| code == "55P03"),
            _ => false,
        }
    }

    /// One field that breaks a rule.
    pub(crate) fn invalid(field: impl Into<String>, reason: &str) -> Self {
        Self::Invalid(vec![FieldError::new(field, reason)])
    }
}

impl From<Vec<FieldError>> for StoreError {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::Invalid(errors)
    }
}
