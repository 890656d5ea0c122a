//! Following committed changes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::Stream;
use sqlx::postgres::PgListener;
use uuid::Uuid;
use weir_core::change::{Affected, Change, ChangeKind};
use weir_core::encryption::Encryption;

use crate::key_digest::sha256_of;
use crate::row::{signed, unsigned};
use crate::{Store, StoreError};

/// The channel on which each change's revision is sent.
pub(crate) const CHANNEL: &str = "weir_changes";

/// How many changes [`Store::changes_since`] gives at a time.
const MOST_CHANGES: i64 = 10_000;

/// How long to wait before listening again after an error.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

impl Store {
    /// The number of committed changes.
    pub async fn revision(&self) -> Result<u64, StoreError> {
        let (revision,): (i64,) = sqlx::query_as("SELECT revision FROM policy_revision").fetch_one(&self.pool).await?;
        unsigned(revision)
    }

    /// The changes after a revision, in their order and without gaps; at most about 10,000, so ask again from the last one. Where some
    /// are no longer kept, or the database is an older one than whoever asks has seen, all of them are one of [`ChangeKind::Unknown`],
    /// whose revision is the database's.
    pub async fn changes_since(&self, revision: u64) -> Result<Vec<Change>, StoreError> {
        let rows: Vec<FollowedRow> = sqlx::query_as(
            "SELECT policy_revision.revision AS current, clock_timestamp() AS now, change.*,
                 (SELECT array_agg(key.id) FROM api_keys key WHERE change.ends_streams AND change.resource_id
                      IN (key.id, key.user_id, key.service_account_id, key.identity_rule_id)) AS ends_streams_of
             FROM policy_revision LEFT JOIN (
                 SELECT revision, at, kind, tenant_id, key_sha256, resource_id, affects_configuration, ends_streams, position
                 FROM changes WHERE revision > $1 ORDER BY revision, position FETCH FIRST $2 ROWS WITH TIES
             ) change ON true ORDER BY change.revision, change.position",
        )
        .bind(signed(revision))
        .bind(MOST_CHANGES)
        .fetch_all(&self.pool)
        .await?;
        let Some(first) = rows.first() else { return Err(StoreError::Corrupt("there is no revision")) };
        let current = unsigned(first.current)?;
        let next = first.change.revision.map(unsigned).transpose()?;
        if current == revision {
            return Ok(Vec::new());
        }
        if next != Some(revision.saturating_add(1)) {
            return Ok(vec![Change::unknown(current, first.now)]);
        }
        let rows = rows.into_iter().filter_map(|row| row.change.into_row());
        rows.map(|row| row.into_change(&self.encryption)).collect()
    }

    /// Keys whose streams under way were to be ended within the last ten minutes, and that are still refused: whatever streams they have
    /// began before. At most 1,000, the latest. `tenant_id`: only this tenant's.
    pub async fn ended_keys(&self, tenant_id: Option<Uuid>) -> Result<Vec<Uuid>, StoreError> {
        let keys: Vec<(Uuid,)> = sqlx::query_as(
            "SELECT key.id FROM changes change JOIN api_keys key ON key.tenant_id = change.tenant_id
                 AND change.resource_id IN (key.id, key.user_id, key.service_account_id, key.identity_rule_id)
             WHERE change.ends_streams AND change.at > now() - interval '10 minutes'
               AND ($1::uuid IS NULL OR change.tenant_id = $1)
               AND (key.deleted_at IS NOT NULL OR key.revoked_at IS NOT NULL OR key.disabled OR key.expires_at <= now()
                    OR EXISTS (SELECT 1 FROM users owner WHERE owner.id = key.user_id AND owner.disabled)
                    OR EXISTS (SELECT 1 FROM service_accounts owner WHERE owner.id = key.service_account_id AND owner.disabled))
             GROUP BY key.id ORDER BY max(change.at) DESC LIMIT 1000",
        )
        .bind(tenant_id)
        .fetch_all(&self.pool)
        .await?;
        Ok(keys.into_iter().map(|(id,)| id).collect())
    }

    /// Yields once at the start, at each hint that something was committed, and after each reconnection, since hints may
    /// have been missed. Hints can be lost, so also poll [`Store::revision`]. Never ends.
    pub fn listen(&self) -> impl Stream<Item = ()> + Send + 'static {
        let pool = self.pool.clone();
        futures::stream::unfold(None, move |listener: Option<PgListener>| {
            let pool = pool.clone();
            async move {
                if let Some(mut listener) = listener {
                    match listener.try_recv().await {
                        Ok(Some(_)) => return Some(((), Some(listener))),
                        // The connection broke; the listener opens another one at its next use.
                        Ok(None) => return Some(((), Some(listener))),
                        Err(error) => tracing::warn!(%error, "listening for changes failed; connecting again"),
                    }
                }
                loop {
                    match connect(&pool).await {
                        Ok(listener) => return Some(((), Some(listener))),
                        Err(error) => tracing::warn!(%error, "cannot listen for changes; trying again"),
                    }
                    tokio::time::sleep(RECONNECT_AFTER).await;
                }
            }
        })
    }
}

async fn connect(pool: &sqlx::PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

#[derive(sqlx::FromRow)]
struct FollowedRow {
    current: i64,
    now: DateTime<Utc>,
    #[sqlx(flatten)]
    change: MaybeChange,
}

/// A change's columns, or nothing but nulls.
#[derive(sqlx::FromRow)]
struct MaybeChange {
    revision: Option<i64>,
    at: Option<DateTime<Utc>>,
    kind: Option<String>,
    tenant_id: Option<Uuid>,
    key_sha256: Option<Vec<u8>>,
    resource_id: Option<Uuid>,
    affects_configuration: Option<bool>,
    ends_streams_of: Option<Vec<Uuid>>,
}

struct ChangeRow {
    revision: i64,
    at: DateTime<Utc>,
    kind: String,
    tenant_id: Option<Uuid>,
    key_sha256: Option<Vec<u8>>,
    resource_id: Uuid,
    affects_configuration: bool,
    ends_streams_of: Vec<Uuid>,
}

impl MaybeChange {
    fn into_row(self) -> Option<ChangeRow> {
        let Self { revision, at, kind, tenant_id, key_sha256, resource_id, affects_configuration, ends_streams_of } =
            self;
        Some(ChangeRow {
            revision: revision?,
            at: at?,
            kind: kind?,
            tenant_id,
            key_sha256,
            resource_id: resource_id?,
            affects_configuration: affects_configuration?,
            ends_streams_of: ends_streams_of.unwrap_or_default(),
        })
    }
}

impl ChangeRow {
    fn into_change(self, encryption: &Encryption) -> Result<Change, StoreError> {
        let tenant = self.tenant_id.ok_or(StoreError::Corrupt("a change without its tenant"));
        let kind = match self.kind.as_str() {
            "key" => {
                let (tenant_id, kept) = (tenant?, self.key_sha256);
                let kept = kept.ok_or(StoreError::Corrupt("a change without its key"))?;
                // One that was encrypted with a former master key may be any of the tenant's.
                match sha256_of(encryption, self.resource_id, kept) {
                    Some(sha256) => ChangeKind::Key { sha256, tenant_id },
                    None => ChangeKind::Tenant { tenant_id },
                }
            }
            "tenant" => ChangeKind::Tenant { tenant_id: tenant? },
            "everyone" => ChangeKind::Everyone,
            "catalog" => ChangeKind::Catalog { tenant_id: self.tenant_id },
            "gateway" => ChangeKind::Gateway { gateway_id: self.resource_id },
            "configuration" => ChangeKind::Configuration,
            "administration" => ChangeKind::Administration,
            // A newer control plane writes it. What it concerns is not known, so it may be anything.
            _ => return Ok(Change::unknown(unsigned(self.revision)?, self.at)),
        };
        Ok(Change {
            revision: unsigned(self.revision)?,
            at: self.at,
            kind,
            ends_streams_of: self.ends_streams_of,
            configuration: if self.affects_configuration { Affected::Owner(self.tenant_id) } else { Affected::Nothing },
        })
    }
}
