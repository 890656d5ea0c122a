//! What open pages are told as it happens: which objects were changed, and what was used lately.
//!
//! Read once for all readers of a process; who may learn of what is decided for each ([`ChangedObject::is_shown_to`]).

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_core::actor::{Actor, Scope, Sees};

use crate::resource::{Kind, kind_named};
use crate::row::{signed, unsigned};
use crate::{Store, StoreError};

/// An object that a committed change has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedObject {
    /// The change.
    pub revision: u64,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// For example `api_key.create`.
    pub action: String,
    /// For example `api_key`.
    pub kind: String,
    /// The object.
    pub id: Uuid,
    /// What it was called then; `None`: not known.
    pub name: Option<String>,
    /// To whom it belongs; `None`: to the platform.
    pub tenant_id: Option<Uuid>,
}

impl ChangedObject {
    /// Whether this actor may know of it, as it may read it. Who sees a part of a kind is told of none: which part one is of, only its
    /// row says, and that may be gone.
    pub fn is_shown_to(&self, actor: &Actor) -> bool {
        let is_seen = |kind: &dyn Kind| matches!(actor.sees(kind.reading()), Sees::Everything | Sees::Tenant(_));
        if !kind_named(&self.kind).is_none_or(is_seen) {
            return false;
        }
        match (actor.scope(), self.tenant_id) {
            (Scope::Everything, _) => true,
            (Scope::Tenant(own), Some(tenant_id)) => own == tenant_id,
            (Scope::Tenant(_), None) => kind_named(&self.kind).is_some_and(|kind| kind.shows_platforms()),
        }
    }
}

/// What one tenant has used within a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct TenantUsage {
    /// The tenant.
    pub tenant_id: Uuid,
    /// Requests that ended.
    pub requests: i64,
    /// Of them those that did not succeed.
    pub errors: i64,
    /// Tokens of prompts.
    pub input_tokens: i64,
    /// Tokens of answers.
    pub output_tokens: i64,
    /// Micro-dollars of the cost.
    pub cost_microusd: i64,
    /// Pico-dollars beyond them, which may come to more than a micro-dollar.
    pub cost_rest_picousd: i64,
}

impl Store {
    /// The objects that were changed after a revision, in the order of the changes. At most about `most`, but whole changes, so ask
    /// again from the last one.
    pub async fn changed_objects(&self, revision: u64, most: u32) -> Result<Vec<ChangedObject>, StoreError> {
        let rows: Vec<ObjectRow> = sqlx::query_as(
            "SELECT revision, at, action, resource_type, resource_id, resource_name, tenant_id
             FROM audit WHERE revision > $1 ORDER BY revision FETCH FIRST $2 ROWS WITH TIES",
        )
        .bind(signed(revision))
        .bind(i64::from(most))
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(ObjectRow::into_object).collect()
    }

    /// What each tenant has used by the records that were written between two moments, of requests that began not more than a day
    /// before.
    pub async fn usage_recorded(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<TenantUsage>, StoreError> {
        let usage = sqlx::query_as(
            "SELECT tenant_id, count(*) AS requests, count(*) FILTER (WHERE error_code <> '') AS errors,
                    sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
                    sum(cost_microusd)::bigint AS cost_microusd,
                    sum(cost_rest_picousd)::bigint AS cost_rest_picousd
             FROM usage_records WHERE recorded_at >= $1 AND recorded_at < $2 AND started_on >= $3 GROUP BY tenant_id",
        )
        .bind(from)
        .bind(to)
        .bind((from - TimeDelta::days(1)).date_naive())
        .fetch_all(&self.admin)
        .await?;
        Ok(usage)
    }
}

#[derive(sqlx::FromRow)]
struct ObjectRow {
    revision: i64,
    at: DateTime<Utc>,
    action: String,
    resource_type: String,
    resource_id: Uuid,
    resource_name: Option<String>,
    tenant_id: Option<Uuid>,
}

impl ObjectRow {
    fn into_object(self) -> Result<ChangedObject, StoreError> {
        Ok(ChangedObject {
            revision: unsigned(self.revision)?,
            at: self.at,
            action: self.action,
            kind: self.resource_type,
            id: self.resource_id,
            name: self.resource_name,
            tenant_id: self.tenant_id,
        })
    }
}
