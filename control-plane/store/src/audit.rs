//! Who changed what, and what was refused and found.
//!
//! Entries are only added, each chained to the one before by a trigger ([`chain`] checks it). What requests would have to wait for is added
//! a minute later ([`seal`]).

mod chain;
mod sanitise;
mod seal;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::page::{Page, PageRequest};
use weir_core::permission::Permission;
use weir_core::resource::{Origin, OriginKind};

pub use chain::{AuditCheck, AuditFault, AuditFaultKind};
pub(crate) use sanitise::{HIDDEN, is_secret, sanitise};

use crate::authorisation::authorise;
use crate::row::unsigned;
use crate::{Store, StoreError};

/// One change and who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// UUIDv7.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who; nil for the control plane itself; `None`: somebody outside the reader's scope.
    pub actor_id: Option<Uuid>,
    /// `user`, `service_token` or `system`.
    pub actor_kind: String,
    /// Their address at that time, or the token's name; `None`: somebody outside the reader's scope.
    pub actor_email: Option<String>,
    /// For example `api_key.create`.
    pub action: String,
    /// For example `api_key`.
    pub resource_type: String,
    /// The resource.
    pub resource_id: Uuid,
    /// To whom the resource belongs; `None`: to the platform.
    pub tenant_id: Option<Uuid>,
    /// What that tenant is called, or was.
    pub tenant_name: Option<String>,
    /// What it was called then; `None`: written by a control plane of the version before.
    pub resource_name: Option<String>,
    /// Where it was managed then.
    pub origin: Origin,
    /// What differed, `[{"path", "before", "after"}]`; never a secret. `None` as the name.
    pub changes: Option<serde_json::Value>,
    /// The revision that the change made.
    pub revision: u64,
    /// The request's id; `None`: none is known, or the actor is outside the reader's scope.
    pub request_id: Option<String>,
    /// The client's address; `None`: none is known, or the actor is outside the reader's scope.
    pub client_address: Option<String>,
}

/// Which changes are wanted. What is `None` excludes nothing.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Has this in the address of who made it, whatever its case. One whom the reader may not know is not found.
    pub actor: Option<String>,
    /// The kind of resource, for example `api_key`.
    pub resource_type: Option<String>,
    /// The resource.
    pub resource_id: Option<Uuid>,
    /// What was done, for example `api_key.create`.
    pub action: Option<String>,
    /// Made by this request, or by others with it.
    pub request_id: Option<String>,
    /// Made then or later.
    pub from: Option<DateTime<Utc>>,
    /// Made before.
    pub to: Option<DateTime<Utc>>,
}

impl Store {
    /// The changes in the actor's scope, newest first. A tenant's users learn of its own users only who they are.
    pub async fn list_audit(
        &self,
        actor: &Actor,
        filter: AuditFilter,
        request: PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError> {
        authorise(actor, Permission::AuditRead, actor.scope().tenant())?;
        let rows: Vec<AuditRow> = sqlx::query_as(
            "SELECT id, at, action, resource_type, resource_id, tenant_id, revision, resource_name, origin_kind, origin_ref, changes,
                    actor_kind,
                    coalesce((SELECT name FROM tenants WHERE tenants.id = audit.tenant_id),
                             (SELECT gone.resource_name FROM audit gone
                              WHERE gone.resource_id = audit.tenant_id AND gone.resource_type = 'tenant'
                              ORDER BY gone.id DESC LIMIT 1)) AS tenant_name,
                    CASE WHEN $1::uuid IS NULL OR actor_tenant_id = $1 THEN request_id END AS request_id,
                    CASE WHEN $1::uuid IS NULL OR actor_tenant_id = $1 THEN client_address END AS client_address,
                    CASE WHEN $1::uuid IS NULL OR actor_tenant_id = $1 THEN actor_id END AS actor_id,
                    CASE WHEN $1::uuid IS NULL OR actor_tenant_id = $1 THEN actor_email END AS actor_email
             FROM audit
             WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR tenant_id = $2)
               AND ($3::uuid IS NULL OR id < $3)
               AND ($5::text IS NULL OR (($1::uuid IS NULL OR actor_tenant_id = $1)
                                         AND strpos(lower(actor_email), lower($5)) > 0))
               AND ($6::text IS NULL OR resource_type = $6) AND ($7::uuid IS NULL OR resource_id = $7)
               AND ($8::timestamptz IS NULL OR at >= $8) AND ($9::timestamptz IS NULL OR at < $9)
               AND ($10::text IS NULL OR action = $10)
               AND ($11::text IS NULL OR (($1::uuid IS NULL OR actor_tenant_id = $1 OR actor_kind = 'system')
                    AND (request_id = $11 OR strpos(changes::text, $11) > 0 AND actor_kind = 'system')))
             ORDER BY id DESC LIMIT $4",
        )
        .bind(actor.scope().tenant())
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(i64::from(request.limit) + 1)
        .bind(filter.actor)
        .bind(filter.resource_type)
        .bind(filter.resource_id)
        .bind(filter.from)
        .bind(filter.to)
        .bind(filter.action)
        .bind(filter.request_id)
        .fetch_all(&self.admin)
        .await?;
        let entries = rows.into_iter().map(AuditRow::into_entry).collect::<Result<_, _>>()?;
        Ok(Page::from_rows(entries, request.limit, |entry: &AuditEntry| entry.id))
    }
}

impl Store {
    /// Notes that somebody took records of the ledger away, with what they asked for.
    pub async fn note_export(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        filters: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let tenant_id = actor.scope().tenant().or(tenant_id);
        self.note(actor, "usage.export", "usage", Uuid::nil(), tenant_id, None, filters).await
    }

    /// Notes that somebody took entries of the audit log away, with what they asked for.
    pub async fn note_audit_export(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        filters: &serde_json::Value,
    ) -> Result<(), StoreError> {
        authorise(actor, Permission::AuditRead, actor.scope().tenant())?;
        let tenant_id = actor.scope().tenant().or(tenant_id);
        self.note(actor, "audit.export", "audit", Uuid::nil(), tenant_id, None, filters).await
    }

    /// Notes that somebody had a provider asked. A draft has no id yet.
    pub async fn note_check(
        &self,
        actor: &Actor,
        provider_id: Option<Uuid>,
        tenant_id: Option<Uuid>,
        name: &str,
        outcome: &str,
    ) -> Result<(), StoreError> {
        let id = provider_id.unwrap_or_default();
        self.note(actor, "provider.check", "provider", id, tenant_id, Some(name), &outcome.into()).await
    }

    /// Notes what changes nothing: at the revision that holds now.
    #[allow(clippy::too_many_arguments, reason = "the columns of a row")]
    pub(crate) async fn note(
        &self,
        actor: &Actor,
        action: &str,
        resource_type: &str,
        resource_id: Uuid,
        tenant_id: Option<Uuid>,
        name: Option<&str>,
        what: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let mut what = what.clone();
        sanitise(&mut what);
        let changes = serde_json::json!([{"path": "", "before": null, "after": what}]);
        sqlx::query(
            "INSERT INTO audit (id, actor_id, actor_email, actor_tenant_id, action, resource_type, resource_id, resource_name,
                 tenant_id, changes, revision, actor_kind, request_id, client_address)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, revision, $11, $12, $13 FROM policy_revision",
        )
        .bind(Uuid::now_v7())
        .bind(actor.user_id)
        .bind(&actor.email)
        .bind(actor.tenant_id)
        .bind(action)
        .bind(resource_type)
        .bind(resource_id)
        .bind(name)
        .bind(tenant_id)
        .bind(sqlx::types::Json(changes))
        .bind(actor.kind())
        .bind(&actor.via.request_id)
        .bind(actor.via.address.map(|address| address.to_string()))
        .execute(&self.admin)
        .await?;
        Ok(())
    }
}

#[derive(sqlx::FromRow)]
struct AuditRow {
    id: Uuid,
    at: DateTime<Utc>,
    actor_id: Option<Uuid>,
    actor_email: Option<String>,
    action: String,
    resource_type: String,
    resource_id: Uuid,
    tenant_id: Option<Uuid>,
    revision: i64,
    resource_name: Option<String>,
    origin_kind: String,
    origin_ref: Option<String>,
    changes: Option<serde_json::Value>,
    actor_kind: String,
    tenant_name: Option<String>,
    request_id: Option<String>,
    client_address: Option<String>,
}

impl AuditRow {
    fn into_entry(self) -> Result<AuditEntry, StoreError> {
        Ok(AuditEntry {
            id: self.id,
            at: self.at,
            actor_id: self.actor_id,
            actor_email: self.actor_email,
            action: self.action,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            tenant_id: self.tenant_id,
            resource_name: self.resource_name,
            origin: Origin {
                kind: OriginKind::from_name(&self.origin_kind).unwrap_or_default(),
                reference: self.origin_ref,
            },
            changes: self.changes,
            revision: unsigned(self.revision)?,
            actor_kind: self.actor_kind,
            tenant_name: self.tenant_name,
            request_id: self.request_id,
            client_address: self.client_address,
        })
    }
}
