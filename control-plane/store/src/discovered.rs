//! Who comes with a good token or certificate, and no rule knows.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::gateway::{CredentialStatus, Gateway};
use weir_core::json::{Object, write};
use weir_core::page::{Page, PageRequest};
use weir_core::permission::Permission;
use weir_core::resource::Stored;

use crate::authorisation::{authorise, authorise_kind};
use crate::caller::{Caller, Identified};
use crate::resource::{IDENTITY_RULE, SecretChange};
use crate::row::signed;
use crate::{Store, StoreError};

/// Callers that are kept for each tenant, and for the platform.
const MOST_CALLERS: i64 = 1000;
/// Models that are kept of each.
const MOST_MODELS: i64 = 20;
/// Bytes of a model's name at most: four for each of 256 characters.
const LONGEST_MODEL: usize = 1024;
/// Characters of a subject that are kept.
const LONGEST_SUBJECT: usize = 2048;

/// Requests of somebody whom no rule knows that a gateway has refused without asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub requests: u64,
    /// Some of the models that they asked for.
    pub models: Vec<String>,
}

/// Somebody whom no rule knows.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DiscoveredCaller {
    /// Immutable.
    pub id: Uuid,
    /// `token` or `workload`.
    pub way: String,
    /// By whose issuer or gateway they came; `None`: the platform's.
    pub tenant_id: Option<Uuid>,
    /// The issuer of the token; `None`: a workload.
    pub token_issuer_id: Option<Uuid>,
    /// The same, as the token says it; empty: a workload.
    pub issuer: String,
    /// The claim `sub`, or the SPIFFE id.
    pub subject: String,
    /// `no_rule`, or `no_user`: a rule names a user who is not there.
    pub reason: String,
    /// Requests that were refused, at least.
    pub requests: i64,
    /// Some of the models that they asked for, each once.
    pub models: Vec<String>,
    /// When they came first.
    pub first_seen_at: DateTime<Utc>,
    /// When they came last.
    pub last_seen_at: DateTime<Utc>,
}

const COLUMNS: &str =
    "id, way, tenant_id, token_issuer_id, issuer, subject, reason, requests, models, first_seen_at, last_seen_at";

impl Store {
    /// Keeps who it was that no rule knows, with so many requests beside this one, and what those asked for.
    pub async fn note_discovered(
        &self,
        gateway: &Gateway,
        identified: &Identified,
        refused: &Refused,
    ) -> Result<(), StoreError> {
        let reason = match identified.resolved.status {
            CredentialStatus::NoRule => "no_rule",
            CredentialStatus::NoUser => "no_user",
            _ => return Ok(()),
        };
        let (way, tenant_id, issuer_id, issuer, subject) = match &identified.caller {
            Some(Caller::Token { issuer_id, tenant_id, issuer, subject }) => {
                ("token", *tenant_id, Some(*issuer_id), issuer.as_str(), subject.as_str())
            }
            Some(Caller::Workload(id)) => ("workload", gateway.tenant_id, None, "", id.as_str()),
            None => return Ok(()),
        };
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT || subject.contains('\0') {
            return Ok(());
        }
        let models: Vec<&String> =
            refused.models.iter().filter(|model| model.len() <= LONGEST_MODEL && !model.contains('\0')).collect();
        let is_new = sqlx::query_as::<_, (bool,)>(
            "INSERT INTO discovered_callers (id, way, tenant_id, token_issuer_id, issuer, subject, reason, requests, models)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 1 + $8, $9)
             ON CONFLICT (owner_id, issuer, subject) DO UPDATE SET requests = discovered_callers.requests + excluded.requests,
                 reason = excluded.reason, last_seen_at = now(), models = (
                     SELECT coalesce(array_agg(model ORDER BY first), '{}') FROM (
                         SELECT model, min(place) AS first
                         FROM unnest(discovered_callers.models || excluded.models) WITH ORDINALITY AS asked (model, place)
                         GROUP BY model ORDER BY first LIMIT $10
                     ) kept)
             RETURNING first_seen_at = last_seen_at",
        )
        .bind(Uuid::now_v7())
        .bind(way)
        .bind(tenant_id)
        .bind(issuer_id)
        .bind(issuer)
        .bind(subject)
        .bind(reason)
        .bind(signed(refused.requests))
        .bind(models)
        .bind(MOST_MODELS)
        .fetch_one(&self.pool)
        .await?;
        if is_new.0 {
            sqlx::query(
                "DELETE FROM discovered_callers WHERE id IN (
                     SELECT id FROM discovered_callers WHERE owner_id = $1 ORDER BY last_seen_at DESC, id DESC OFFSET $2)",
            )
            .bind(tenant_id.unwrap_or_default())
            .bind(MOST_CALLERS)
            .execute(&self.pool)
            .await?;
        }
        Ok(())
    }

    /// Who is not known, of the actor's scope, whoever came first last.
    pub async fn list_discovered(
        &self,
        actor: &Actor,
        request: PageRequest,
    ) -> Result<Page<DiscoveredCaller>, StoreError> {
        authorise(actor, Permission::IdentityRead, actor.scope().tenant())?;
        let rows: Vec<DiscoveredCaller> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM discovered_callers
             WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR tenant_id = $2) AND ($3::uuid IS NULL OR id < $3)
             ORDER BY id DESC LIMIT $4"
        )))
        .bind(actor.scope().tenant())
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(i64::from(request.limit) + 1)
        .fetch_all(&self.admin)
        .await?;
        Ok(Page::from_rows(rows, request.limit, |caller: &DiscoveredCaller| caller.id))
    }

    /// Makes the rule that knows one of them, with what `spec` says beside whom it matches: before all rules that might know them otherwise, unless
    /// it has a `position`. `tenant_id`: where it leads, for one of the platform's.
    pub async fn assign_discovered(
        &self,
        actor: &Actor,
        id: Uuid,
        tenant_id: Option<Uuid>,
        mut spec: Object,
    ) -> Result<Stored, StoreError> {
        authorise(actor, Permission::IdentityWrite, actor.scope().tenant())?;
        let found: Option<DiscoveredCaller> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM discovered_callers WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)"
        )))
        .bind(id)
        .bind(actor.scope().tenant())
        .fetch_optional(&self.admin)
        .await?;
        let caller = found.ok_or(StoreError::NotFound)?;
        let tenant_id = match (caller.tenant_id, tenant_id) {
            (Some(own), Some(other)) if own != other => {
                return Err(StoreError::invalid("tenant_id", "must be that by whose issuer or gateway they came"));
            }
            (own, said) => own.or(said),
        };
        let tenant_id = tenant_id.ok_or_else(|| StoreError::invalid("tenant_id", "is required"))?;
        authorise_kind(actor, IDENTITY_RULE, Some(tenant_id))?;
        let matched = match caller.token_issuer_id {
            Some(issuer) => serde_json::json!({"token_issuer_id": issuer,
                "claims": [{"path": "sub", "equals": caller.subject}]}),
            None => serde_json::json!({"workload": {"spiffe_id": caller.subject}}),
        };
        spec.extend(write(&matched));
        let mut writing = self.begin(actor).await?;
        if spec.get("position").is_none_or(serde_json::Value::is_null) {
            spec.remove("position");
            let (first,): (Option<i32>,) = sqlx::query_as(
                "SELECT min(position) FROM identity_rules
                 WHERE CASE WHEN $1::uuid IS NULL THEN workload IS NOT NULL ELSE token_issuer_id = $1 END",
            )
            .bind(caller.token_issuer_id)
            .fetch_one(writing.connection())
            .await?;
            match first {
                Some(0) => return Err(StoreError::invalid("position", "is required, as another rule is at 0")),
                Some(first) => _ = spec.insert("position".into(), (first - 1).into()),
                None => {}
            }
        }
        let spec = crate::resource::tidied(spec);
        let made =
            writing.create(self, IDENTITY_RULE, Some(tenant_id), spec, SecretChange::Keep, &actor.origin()).await?;
        sqlx::query("DELETE FROM discovered_callers WHERE id = $1").bind(id).execute(writing.connection()).await?;
        writing.commit().await?;
        Ok(made.stored)
    }
}
