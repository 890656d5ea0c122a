//! The control plane's memory: everything that is in Postgres, and the only crate that speaks SQL.
//!
//! - Administrators' reads and writes take an [`Actor`](weir_core::actor::Actor) and see only what is in its scope.
//! - A write goes through one door ([`commit`]): it takes the next revision, and can be committed only together with its
//!   change, its audit row, its stored result (if the request had an idempotency key) and the notification.
//! - The data plane's calls take a [`Gateway`](weir_core::gateway::Gateway), found by its token.
//!
//! Knows no HTTP, no gRPC and no Envoy.

mod access;
mod audit;
mod authorisation;
mod browser_sessions;
mod caller;
mod changes;
mod commit;
mod credential;
mod discovered;
mod effective;
mod effective_limits;
mod ended_streams;
mod error;
mod feed;
mod gateways;
mod identities;
mod issuer_keys;
mod key_digest;
mod ledger;
mod limit;
mod logins;
mod maintenance;
mod members;
mod nodes;
mod own_usage;
mod password_links;
mod price_history;
mod provisioned;
mod quota;
mod rekey;
mod resource;
mod row;
mod sessions;
mod setup;
mod sign_in;
mod snapshot;
mod transaction;
mod usage_detail;
mod usage_list;
mod usage_scope;
mod usage_summary;
mod writers;

pub use access::{Access, AccessScope, AccessScopeKind, HeldRole};
pub use audit::{AuditCheck, AuditEntry, AuditFault, AuditFaultKind, AuditFilter};
pub use browser_sessions::{BrowserSession, SessionView};
pub use caller::{Caller, Identified};
pub use commit::Idempotency;
pub use credential::RESOLVE_CREDENTIAL;
pub use discovered::{DiscoveredCaller, Refused};
pub use effective::{EffectiveGuardrails, GuardrailSource};
pub use effective_limits::EffectiveLimit;
pub use ended_streams::{Ended, EndedStreams};
pub use error::{StoreError, User};
pub use feed::{ChangedObject, TenantUsage};
pub use gateways::GatewayToken;
pub use identities::{ConnectedIdentity, Connecting};
pub use issuer_keys::IssuerToRead;
pub use ledger::Imported;
pub use limit::{
    HeldRaise, LimitAdjustment, LimitEvent, LimitEventKind, LimitEventQuestion, LimitQuestion, LimitRaise, LimitState,
    LimitSubjectState, LimitTrial, OwnLimit, TriedSubject,
};
pub use logins::{LoginAdmission, LoginAttempt};
pub use maintenance::Retention;
pub use nodes::{Node, NodeReplica, Nodes};
pub use password_links::PasswordLink;
pub use price_history::PriceVersion;
pub use rekey::Rekeyed;
pub use resource::*;
pub use sessions::Login;
pub use sign_in::{SignInProvider, SignInRefusal};
pub use usage_detail::UsageDetail;
pub use usage_list::{LedgerEntry, UsageFilter};

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};
use uuid::Uuid;
use weir_core::destination::AllowedHosts;
use weir_core::encryption::{Encryption, Purpose};

/// A later version's migrations in the database are no fault: its schema serves this one, too.
fn migrations() -> sqlx::migrate::Migrator {
    let mut migrations = sqlx::migrate!("../../migrations");
    migrations.set_ignore_missing(true);
    migrations
}

/// How many connections one control plane holds at most for Envoys and for what follows the changes.
const MOST_CONNECTIONS: u32 = 12;
/// And for administrators: whatever these do, look-ups, leases and the ledger have theirs.
const MOST_ADMIN_CONNECTIONS: u32 = 8;
/// How long a caller waits for a free connection, or for a new one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// What is encrypted to know the master key by; the text says nothing.
const CHECK_TEXT: &str = "weir";
const CHECK_OWNER: uuid::Uuid = uuid::Uuid::nil();

/// Connections to Postgres; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    /// For the data plane, and for what follows the changes.
    pool: PgPool,
    /// For administrators' reads and writes.
    admin: PgPool,
    writers: writers::Writers,
    encryption: Encryption,
    away: Arc<AtomicBool>,
    keys: ledger::KnownKeys,
    ledger: ledger::Queue,
    allowed_hosts: Arc<AllowedHosts>,
    retention: Retention,
}

impl Store {
    /// Connects. `encryption` keeps provider credentials and stored results.
    pub async fn connect(database_url: &str, encryption: Encryption) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(database_url)?.application_name("weir").options([
            ("timezone", "UTC"),
            ("lock_timeout", "10s"),
            ("statement_timeout", "30s"),
        ]);
        let connections =
            |most| PgPoolOptions::new().max_connections(most).min_connections(0).acquire_timeout(ACQUIRE_TIMEOUT);
        let pool = connections(MOST_CONNECTIONS).connect_with(options.clone()).await?;
        let admin = connections(MOST_ADMIN_CONNECTIONS).connect_lazy_with(options);
        let writers = writers::Writers::default();
        let ledger = ledger::Queue::new(&pool);
        let keys = ledger::KnownKeys::default();
        Ok(Self {
            pool,
            admin,
            writers,
            encryption,
            away: Arc::default(),
            keys,
            ledger,
            allowed_hosts: Arc::default(),
            retention: Retention::default(),
        })
    }

    /// The same, but a tenant's own admins may name these hosts as providers although they are inside the operator's network.
    #[must_use]
    pub fn with_allowed_hosts(self, hosts: AllowedHosts) -> Self {
        Self { allowed_hosts: Arc::new(hosts), ..self }
    }

    /// The same, but what is kept for long is kept for another time.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Brings the schema up to date, checks that the master key is the one it was made with, and makes the ledger's partitions of
    /// the coming days. Several control planes may do this at once: an advisory lock makes them take turns.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        // On a connection of its own: a change of a large table, or waiting for one, may take longer than a request may.
        let mut connection = self.pool.acquire().await?.detach();
        sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0").execute(&mut connection).await?;
        migrations().run(&mut connection).await?;
        connection.close().await?;
        self.check_master_key().await?;
        self.keep_key_digests().await?;
        self.ensure_partitions().await
    }

    /// Refuses a schema that lacks what this version needs, and a master key other than that of the database. Changes nothing of the
    /// schema: for a role that may not.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let (is_there,): (bool,) =
            sqlx::query_as("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&self.pool).await?;
        let applied: Vec<(i64,)> = if is_there {
            sqlx::query_as("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(&self.pool).await?
        } else {
            Vec::new()
        };
        let lacking = migrations().iter().map(|one| one.version).find(|version| !applied.contains(&(*version,)));
        match lacking {
            Some(needed) => Err(StoreError::SchemaOutdated { needed }),
            None => {
                self.check_master_key().await?;
                self.keep_key_digests().await
            }
        }
    }

    /// Refuses a master key other than that which this database was first written with. All credentials would be unreadable
    /// under it, and all Envoys be told to forget them.
    async fn check_master_key(&self) -> Result<(), StoreError> {
        if sqlx::query("SELECT 1 FROM encryption_check").fetch_optional(&self.pool).await?.is_none() {
            self.check_with_credentials().await?;
            let encrypted = self.encryption.encrypt(Purpose::Check, CHECK_OWNER, &CHECK_TEXT.into())?;
            sqlx::query("INSERT INTO encryption_check (text_encrypted) VALUES ($1) ON CONFLICT DO NOTHING")
                .bind(encrypted)
                .execute(&self.pool)
                .await?;
        }
        let (stored,): (Vec<u8>,) =
            sqlx::query_as("SELECT text_encrypted FROM encryption_check").fetch_one(&self.pool).await?;
        self.encryption.decrypt(Purpose::Check, CHECK_OWNER, &stored).map(drop).map_err(StoreError::MasterKey)
    }

    /// The same for a database that was written before it had anything to check with: a key that reads none of its credentials is
    /// not the one they were written with.
    async fn check_with_credentials(&self) -> Result<(), StoreError> {
        let written: Vec<(Uuid, Vec<u8>)> =
            sqlx::query_as("SELECT id, credential_encrypted FROM providers WHERE credential_encrypted IS NOT NULL")
                .fetch_all(&self.pool)
                .await?;
        let read = written
            .iter()
            .map(|(id, credential)| self.encryption.decrypt(Purpose::ProviderCredential, *id, credential).map(drop));
        match read.reduce(Result::or) {
            Some(Err(error)) => Err(StoreError::MasterKey(error)),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// Says whether the database answers, as whoever looks at it all the time has found. While it does not, the data plane's
    /// calls fail at once, so that no request waits for a connection that is not to be had.
    pub fn note_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Whether the database was away when [`Store::note_away`] last told.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// For the data plane's calls to begin with.
    pub(crate) fn unless_away(&self) -> Result<(), StoreError> {
        if self.is_away() { Err(StoreError::Away) } else { Ok(()) }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes all connections, once those in use are given back.
    pub async fn close(&self) {
        self.admin.close().await;
        self.pool.close().await;
    }
}
