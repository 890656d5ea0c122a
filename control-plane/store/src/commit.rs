//! The one door for writes.
//!
//! [`Store::begin`] takes the next revision; its row lock makes writers take turns. All that a write does happens on the
//! [`Write`] it gets, which can be committed only by saying what the change is; dropped, it undoes everything, the
//! revision included. So no write can forget its revision, its change, its audit row or its notification.

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgTransaction};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::change::ChangeKind;
use weir_core::resource::WithSecret;
use weir_core::secret::sha256;

use crate::changes::CHANNEL;
use crate::row::{signed, unsigned};
use crate::transaction::{WRITING, begin};
use crate::{Store, StoreError};

/// A request that may be repeated: the same key brings the same result for 24 hours.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// As the client sent it.
    pub key: String,
    /// SHA-256 of what was asked: the same key with something else is refused.
    pub request_sha256: [u8; 32],
}

/// What is kept for repeats. Encrypted as a whole: the digest of a request that holds a password would let one search for
/// the password, and the result of making a key holds the key.
#[derive(Serialize, Deserialize)]
struct Remembered<T> {
    request_sha256: [u8; 32],
    result: T,
}

/// A write under way.
pub(crate) struct Write<'a> {
    transaction: PgTransaction<'a>,
    actor: &'a Actor,
    revision: i64,
}

/// What a write was, for the audit log and for those who hold copies.
pub(crate) struct Committed {
    /// For example `api_key.create`.
    pub(crate) action: &'static str,
    /// For example `api_key`.
    pub(crate) resource_type: &'static str,
    /// The resource.
    pub(crate) resource_id: Uuid,
    /// Its tenant; `None`: the platform's.
    pub(crate) tenant_id: Option<Uuid>,
    /// Whose copies are out of date.
    pub(crate) kind: ChangeKind,
    /// Whether Envoy's configuration has changed.
    pub(crate) affects_configuration: bool,
}

impl Store {
    /// Begins a write and takes the next revision.
    pub(crate) async fn begin<'a>(&self, actor: &'a Actor) -> Result<Write<'a>, StoreError> {
        let mut transaction = begin(&self.pool, WRITING).await?;
        let (revision,): (i64,) =
            sqlx::query_as("UPDATE policy_revision SET revision = revision + 1 RETURNING revision")
                .fetch_one(&mut *transaction)
                .await?;
        Ok(Write { transaction, actor, revision })
    }

    /// Begins a write to a resource once the actor is known to be allowed it, so that whoever is not cannot hold up other
    /// writers. The resource may change until the write has begun: the write itself must check again.
    pub(crate) async fn begin_on<'a>(
        &self,
        actor: &'a Actor,
        owner: &'static str,
        id: Uuid,
    ) -> Result<Write<'a>, StoreError> {
        let row: Option<(Option<Uuid>,)> = sqlx::query_as(owner).bind(id).fetch_optional(&self.pool).await?;
        let (tenant_id,) = row.ok_or(StoreError::NotFound)?;
        authorise(actor, tenant_id)?;
        self.begin(actor).await
    }

    /// The result of an earlier request with the same key, if there is one. As writers take turns, a repeat that comes
    /// while the first is under way waits for it here.
    pub(crate) async fn replay<T: DeserializeOwned>(
        &self,
        write: &mut Write<'_>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<T>, StoreError> {
        let Some(idempotency) = idempotency else { return Ok(None) };
        let stored: Option<(Vec<u8>,)> = sqlx::query_as(
            "SELECT result_encrypted FROM idempotency_keys
             WHERE actor_id = $1 AND key_sha256 = $2 AND created_at > now() - interval '24 hours'",
        )
        .bind(write.actor.user_id)
        .bind(sha256(&idempotency.key))
        .fetch_optional(&mut *write.transaction)
        .await?;
        let Some((encrypted,)) = stored else { return Ok(None) };
        let json = self.encryption.decrypt(write.actor.user_id, &encrypted)?;
        let unreadable = |_| StoreError::Corrupt("the stored result of an earlier request");
        let remembered: Remembered<serde_json::Value> =
            serde_json::from_str(json.expose_secret()).map_err(unreadable)?;
        if remembered.request_sha256 != idempotency.request_sha256 {
            return Err(StoreError::IdempotencyKeyReused);
        }
        serde_json::from_value(remembered.result).map(Some).map_err(unreadable)
    }

    /// The same for what came with a secret. `there` finds what was made, by its id: the secret of what is gone is not shown again.
    pub(crate) async fn replay_secret<T: DeserializeOwned>(
        &self,
        write: &mut Write<'_>,
        idempotency: Option<&Idempotency>,
        there: &'static str,
    ) -> Result<Option<WithSecret<T>>, StoreError> {
        let Some(earlier) = self.replay::<WithSecret<T>>(write, idempotency).await? else { return Ok(None) };
        let found = sqlx::query(there).bind(earlier.stored.id).fetch_optional(write.connection()).await?;
        found.map(|_| Some(earlier)).ok_or(StoreError::NotFound)
    }

    /// Stores the result for repeats, in the same transaction.
    pub(crate) async fn remember<T: Serialize>(
        &self,
        write: &mut Write<'_>,
        idempotency: Option<&Idempotency>,
        result: &T,
    ) -> Result<(), StoreError> {
        let Some(idempotency) = idempotency else { return Ok(()) };
        let remembered = Remembered { request_sha256: idempotency.request_sha256, result };
        let json = serde_json::to_string(&remembered).map_err(|_| StoreError::Corrupt("a result that is not JSON"))?;
        let encrypted = self.encryption.encrypt(write.actor.user_id, &SecretString::from(json))?;
        sqlx::query(
            "INSERT INTO idempotency_keys (actor_id, key_sha256, result_encrypted) VALUES ($1, $2, $3)
             ON CONFLICT (actor_id, key_sha256)
             DO UPDATE SET result_encrypted = excluded.result_encrypted, created_at = now()",
        )
        .bind(write.actor.user_id)
        .bind(sha256(&idempotency.key))
        .bind(encrypted)
        .execute(&mut *write.transaction)
        .await?;
        Ok(())
    }
}

impl Write<'_> {
    /// The revision that this write will have, as Postgres keeps it.
    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    /// Where to write.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Refuses unless the actor may write what belongs to this tenant (`None`: to the platform). What the actor may not
    /// even see is not found.
    pub(crate) fn authorise(&self, tenant_id: Option<Uuid>) -> Result<(), StoreError> {
        authorise(self.actor, tenant_id)
    }

    /// Commits, with all that belongs to a change.
    pub(crate) async fn commit(mut self, committed: Committed) -> Result<u64, StoreError> {
        let (kind, tenant_id, key_sha256) = match committed.kind {
            ChangeKind::Key { sha256, tenant_id } => ("key", Some(tenant_id), Some(sha256)),
            ChangeKind::Tenant { tenant_id } => ("tenant", Some(tenant_id), None),
            ChangeKind::Everyone => ("everyone", None, None),
            ChangeKind::Catalog { tenant_id } => ("catalog", tenant_id, None),
            ChangeKind::Gateway { .. } => ("gateway", committed.tenant_id, None),
            ChangeKind::Configuration => ("configuration", committed.tenant_id, None),
            ChangeKind::Administration => ("administration", committed.tenant_id, None),
        };
        sqlx::query(
            "INSERT INTO changes (revision, kind, tenant_id, key_sha256, resource_id, affects_configuration)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(self.revision)
        .bind(kind)
        .bind(tenant_id)
        .bind(key_sha256)
        .bind(committed.resource_id)
        .bind(committed.affects_configuration)
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query(
            "INSERT INTO audit (id, actor_id, actor_email, actor_tenant_id, action, resource_type, resource_id, tenant_id,
                 revision)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(Uuid::now_v7())
        .bind(self.actor.user_id)
        .bind(&self.actor.email)
        .bind(self.actor.tenant_id)
        .bind(committed.action)
        .bind(committed.resource_type)
        .bind(committed.resource_id)
        .bind(committed.tenant_id)
        .bind(self.revision)
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(self.revision.to_string())
            .execute(&mut *self.transaction)
            .await?;
        self.transaction.commit().await?;
        unsigned(self.revision)
    }
}

/// See [`Write::authorise`].
pub(crate) fn authorise(actor: &Actor, tenant_id: Option<Uuid>) -> Result<(), StoreError> {
    if actor.may_write(tenant_id) {
        return Ok(());
    }
    match actor.scope().tenant() {
        Some(own) if tenant_id != Some(own) => Err(StoreError::NotFound),
        _ => Err(StoreError::Forbidden("this role only reads")),
    }
}

/// Refuses a write that was made for another revision than the current one.
pub(crate) fn expect_revision(current: i64, expected: u64) -> Result<(), StoreError> {
    if current == signed(expected) { Ok(()) } else { Err(StoreError::Stale { current: unsigned(current)? }) }
}
