//! The one door for writes.
//!
//! [`Store::begin`] takes the next revision; its row lock makes writers take turns. All that a write does happens on the
//! [`Write`] it gets, which knows each object that was changed, with what was and what is; dropped, it undoes everything, the
//! revision included. So no write can forget its revision, its change, its audit row or its notification.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, PgTransaction};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::change::{ChangeKind, Streams};
use weir_core::encryption::Purpose;
use weir_core::json::{Difference, Object};
use weir_core::resource::{Origin, OriginKind, Stored, WithSecret};
use weir_core::role::UserGrant;
use weir_core::secret::sha256;

use crate::audit::{HIDDEN, is_secret, sanitise};
use crate::authorisation::{authorise_kind, grants};
use crate::changes::CHANNEL;
use crate::resource::{Kind, Secret};

use crate::row::unsigned;
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

/// A [`WithSecret`] that this version or another one has kept: what is not known is left out, what is not there has its default.
#[derive(Deserialize)]
struct Earlier {
    stored: EarlierStored,
    #[serde(default)]
    secret: String,
}

#[derive(Deserialize)]
struct EarlierStored {
    id: Uuid,
    #[serde(default)]
    tenant_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    revision: u64,
    #[serde(default)]
    origin: EarlierOrigin,
    #[serde(default)]
    spec: Object,
    #[serde(default)]
    status: Object,
}

#[derive(Default, Deserialize)]
struct EarlierOrigin {
    #[serde(default)]
    kind: String,
    #[serde(default, rename = "ref")]
    reference: Option<String>,
}

impl From<Earlier> for WithSecret {
    fn from(earlier: Earlier) -> Self {
        let EarlierStored { id, tenant_id, created_at, updated_at, revision, origin, spec, status } = earlier.stored;
        let origin =
            Origin { kind: OriginKind::from_name(&origin.kind).unwrap_or_default(), reference: origin.reference };
        let stored = Stored { id, tenant_id, created_at, updated_at, revision, origin, spec, status };
        Self { stored, secret: earlier.secret }
    }
}

/// A write under way.
pub(crate) struct Write<'a> {
    transaction: PgTransaction<'a>,
    actor: &'a Actor,
    revision: i64,
    items: Vec<Item>,
    streams: Streams,
    /// Dropped after the transaction, so that the next writer does not wait for this one's connection.
    _turn: OwnedSemaphorePermit,
}

/// One object that a write has changed.
struct Item {
    /// For example `api_key.create`.
    action: String,
    kind: &'static str,
    /// Its natural key.
    name: String,
    resource_id: Uuid,
    /// Its tenant; `None`: the platform's.
    tenant_id: Option<Uuid>,
    origin: Origin,
    changes: Vec<Difference>,
    /// Whose copies are out of date.
    outdates: ChangeKind,
    /// Whether Envoy's configuration has changed.
    affects_configuration: bool,
}

impl Store {
    /// Begins a write and takes the next revision, once all who asked before have theirs.
    pub(crate) async fn begin<'a>(&self, actor: &'a Actor) -> Result<Write<'a>, StoreError> {
        let turn = self.writers.turn().await?;
        let mut transaction = begin(&self.admin, WRITING).await?;
        let (revision,): (i64,) =
            sqlx::query_as("UPDATE policy_revision SET revision = revision + 1 RETURNING revision")
                .fetch_one(&mut *transaction)
                .await?;
        require_actor(&mut transaction, actor).await?;
        Ok(Write { transaction, actor, revision, items: Vec::new(), streams: Streams::Finish, _turn: turn })
    }

    /// Begins a write to a resource once the actor is known to be allowed it, so that whoever is not cannot hold up other
    /// writers. The resource may change until the write has begun: the write itself must check again.
    pub(crate) async fn begin_on<'a>(
        &self,
        kind: &dyn Kind,
        actor: &'a Actor,
        id: Uuid,
    ) -> Result<Write<'a>, StoreError> {
        let stored = self.get(kind, actor, id).await?;
        authorise_kind(actor, kind, stored.tenant_id)?;
        self.begin(actor).await
    }

    /// What an earlier request with the same key has made, if there is one. The secret of what is gone is not shown again.
    pub(crate) async fn replay(
        &self,
        write: &mut Write<'_>,
        idempotency: Option<&Idempotency>,
        kind: &dyn Kind,
    ) -> Result<Option<WithSecret>, StoreError> {
        let Some(earlier) = self.earlier::<Earlier>(write, idempotency).await? else { return Ok(None) };
        let earlier = WithSecret::from(earlier);
        if !earlier.secret.is_empty() {
            write.current(kind, earlier.stored.id).await?;
        }
        Ok(Some(earlier))
    }

    /// The result of an earlier request with the same key, if there is one. As writers take turns, a repeat that comes
    /// while the first is under way waits for it here.
    pub(crate) async fn earlier<T: DeserializeOwned>(
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
        let json = self.encryption.decrypt(Purpose::StoredResult, write.actor.user_id, &encrypted)?;
        let unreadable = |_| StoreError::Corrupt("the stored result of an earlier request");
        let remembered: Remembered<serde_json::Value> =
            serde_json::from_str(json.expose_secret()).map_err(unreadable)?;
        if remembered.request_sha256 != idempotency.request_sha256 {
            return Err(StoreError::IdempotencyKeyReused);
        }
        serde_json::from_value(remembered.result).map(Some).map_err(unreadable)
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
        let encrypted =
            self.encryption.encrypt(Purpose::StoredResult, write.actor.user_id, &SecretString::from(json))?;
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

impl<'a> Write<'a> {
    /// The revision that this write will have, as Postgres keeps it.
    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    /// Where to write.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// What becomes of streams under way of keys that this write changes.
    pub(crate) fn streams(&mut self, streams: Streams) {
        self.streams = streams;
    }

    /// On whose behalf.
    pub(crate) fn actor(&self) -> &'a Actor {
        self.actor
    }

    /// Whether nothing was changed so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Notes a change of an object.
    pub(crate) fn note(&mut self, kind: &dyn Kind, verb: &str, stored: &Stored, mut changes: Vec<Difference>) {
        for change in &mut changes {
            hide_secrets(kind, change);
        }
        let is_felt = kind.felt_by_callers().is_none_or(|fields| {
            verb == "update" && changes.iter().any(|change| fields.contains(&change.path.as_str()))
        });
        self.items.push(Item {
            action: format!("{}.{verb}", kind.name()),
            kind: kind.name(),
            name: stored.text(kind.natural_key()).to_owned(),
            resource_id: stored.id,
            tenant_id: stored.tenant_id,
            // What is managed here is changed by way of the console or the API.
            origin: if stored.origin.is_here() { self.actor.origin() } else { stored.origin.clone() },
            changes,
            outdates: if is_felt { kind.outdates(stored) } else { ChangeKind::Administration },
            affects_configuration: kind.affects_configuration(),
        });
    }

    /// What the last change of an object was.
    pub(crate) fn last_changes(&self) -> Vec<Difference> {
        self.items.last().map(|item| item.changes.clone()).unwrap_or_default()
    }

    /// Commits all changes under one revision, with all that belongs to them.
    pub(crate) async fn commit(mut self) -> Result<u64, StoreError> {
        let mut changes: Vec<(ChangeRow, Uuid)> = Vec::new();
        for item in &self.items {
            let row = ChangeRow::of(item, self.streams);
            if changes.iter().all(|(known, _)| *known != row) {
                changes.push((row, item.resource_id));
            }
        }
        // What concerns callers is told before what waits for Envoy's routes.
        changes.sort_by_key(|(row, _)| row.kind == "catalog");
        for (position, (row, resource_id)) in changes.into_iter().enumerate() {
            sqlx::query(
                "INSERT INTO changes (revision, position, kind, tenant_id, key_sha256, resource_id, affects_configuration,
                     ends_streams)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(self.revision)
            .bind(position as i32)
            .bind(row.kind)
            .bind(row.tenant_id)
            .bind(row.key_sha256)
            .bind(resource_id)
            .bind(row.affects_configuration)
            .bind(row.ends_streams)
            .execute(&mut *self.transaction)
            .await?;
        }
        for item in &self.items {
            sqlx::query(
                "INSERT INTO audit (id, actor_id, actor_email, actor_tenant_id, action, resource_type, resource_id,
                     resource_name, tenant_id, origin_kind, origin_ref, changes, revision, actor_kind, request_id,
                     client_address)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            )
            .bind(Uuid::now_v7())
            .bind(self.actor.user_id)
            .bind(&self.actor.email)
            .bind(self.actor.tenant_id)
            .bind(&item.action)
            .bind(item.kind)
            .bind(item.resource_id)
            .bind(&item.name)
            .bind(item.tenant_id)
            .bind(item.origin.kind.name())
            .bind(&item.origin.reference)
            .bind(Json(&item.changes))
            .bind(self.revision)
            .bind(self.actor.kind())
            .bind(&self.actor.via.request_id)
            .bind(self.actor.via.address.map(|address| address.to_string()))
            .execute(&mut *self.transaction)
            .await?;
        }
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(self.revision.to_string())
            .execute(&mut *self.transaction)
            .await?;
        self.transaction.commit().await?;
        unsigned(self.revision)
    }
}

/// Hides what an object holds that should be a secret and is none to its kind, whose own are never told in any case.
fn hide_secrets(kind: &dyn Kind, change: &mut Difference) {
    if matches!(kind.secret(), Secret::Given { field, .. } if field == change.path) {
        return;
    }
    let is_secret = is_secret(&change.path);
    for value in [&mut change.before, &mut change.after] {
        match value {
            Value::String(_) if is_secret => *value = HIDDEN.into(),
            value => sanitise(value),
        }
    }
}

/// A change as its row says it. Two that say the same are one.
#[derive(PartialEq)]
struct ChangeRow {
    kind: &'static str,
    tenant_id: Option<Uuid>,
    key_sha256: Option<Vec<u8>>,
    affects_configuration: bool,
    ends_streams: bool,
    /// Set where the row is about this resource alone.
    gateway_id: Option<Uuid>,
}

impl ChangeRow {
    fn of(item: &Item, streams: Streams) -> Self {
        let (kind, tenant_id, key_sha256, gateway_id) = match &item.outdates {
            ChangeKind::Key { sha256, tenant_id } => ("key", Some(*tenant_id), Some(sha256.clone()), None),
            ChangeKind::Tenant { tenant_id } => ("tenant", Some(*tenant_id), None, None),
            ChangeKind::Everyone => ("everyone", None, None, None),
            ChangeKind::Catalog { tenant_id } => ("catalog", *tenant_id, None, None),
            ChangeKind::Gateway { gateway_id } => ("gateway", item.tenant_id, None, Some(*gateway_id)),
            ChangeKind::Configuration => ("configuration", item.tenant_id, None, None),
            ChangeKind::Administration => ("administration", item.tenant_id, None, None),
            // No kind of resource outdates what is not known; if one did, all would be told.
            ChangeKind::Unknown => ("everyone", None, None, None),
        };
        let ends_streams = matches!(kind, "key" | "tenant") && streams == Streams::End;
        Self {
            kind,
            tenant_id,
            key_sha256,
            affects_configuration: item.affects_configuration,
            ends_streams,
            gateway_id,
        }
    }
}

/// Reads the actor again: since the request came in, another may have taken the account or its rights away.
pub(crate) async fn require_actor(connection: &mut PgConnection, actor: &Actor) -> Result<(), StoreError> {
    // The control plane itself is no user.
    if actor.user_id.is_nil() {
        return Ok(());
    }
    let query = if actor.via.service_token {
        "SELECT role, tenant_id, '[]'::jsonb FROM service_tokens
         WHERE id = $1 AND revoked_at IS NULL AND expires_at > now()"
    } else {
        "SELECT role, tenant_id, grants FROM users WHERE id = $1 AND NOT disabled"
    };
    let now: Option<(String, Option<Uuid>, Json<Vec<UserGrant>>)> =
        sqlx::query_as(query).bind(actor.user_id).fetch_optional(&mut *connection).await?;
    let is_same = match now {
        Some((role, tenant_id, Json(given))) => {
            role == actor.role.name()
                && tenant_id == actor.tenant_id
                && grants(connection, tenant_id, &given).await? == actor.grants
        }
        None => false,
    };
    match is_same {
        true => Ok(()),
        false if actor.via.service_token => Err(StoreError::Forbidden("this token was revoked or changed meanwhile")),
        false => Err(StoreError::Forbidden("your account was changed meanwhile; sign in again")),
    }
}

/// Refuses a write that was made for another revision than the current one.
pub(crate) fn expect_revision(current: &Stored, expected: u64) -> Result<(), StoreError> {
    if current.revision == expected { Ok(()) } else { Err(StoreError::Stale { current: current.revision }) }
}
