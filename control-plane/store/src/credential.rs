//! Who is calling.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;
use weir_config::{GuardrailProfile, GuardrailRule, Uninspectable};
use weir_core::gateway::{
    Catalog, CatalogModel, Counter, CredentialStatus, Gateway, Principal, PrincipalProfile, RateLimit, Resolved,
};
use weir_core::guardrails::strictest;

use crate::row::unsigned;
use crate::transaction::{READING, begin};
use crate::{Store, StoreError};

impl Store {
    /// Turns an API key's digest into a principal and the models that its tenant has. A key outside the gateway's scope
    /// is unknown.
    pub async fn resolve_credential(&self, gateway: &Gateway, sha256: &[u8]) -> Result<Resolved, StoreError> {
        self.unless_away()?;
        let mut reading = begin(&self.pool, READING).await?;
        let (revision,): (i64,) =
            sqlx::query_as("SELECT revision FROM policy_revision").fetch_one(&mut *reading).await?;
        let revision = unsigned(revision)?;
        let key: Option<KeyRow> = sqlx::query_as(
            "SELECT key.id, key.tenant_id, key.allowed_models, key.requests_per_minute, key.expires_at,
                    profile.id AS profile_id, profile.name AS profile_name, profile.rules AS profile_rules,
                    profile.uninspectable AS profile_uninspectable,
                    general.id AS general_id, general.name AS general_name, general.rules AS general_rules,
                    general.uninspectable AS general_uninspectable,
                    key.revoked_at IS NOT NULL AS revoked,
                    coalesce(key.expires_at <= now(), false) AS expired
             FROM api_keys key JOIN tenants tenant ON tenant.id = key.tenant_id
             LEFT JOIN guardrail_profiles profile ON profile.id = key.guardrail_profile_id
             LEFT JOIN guardrail_profiles general ON general.id = tenant.guardrail_profile_id
               AND NOT (tenant.keys_may_loosen_guardrails AND key.guardrail_profile_id IS NOT NULL)
             WHERE key.key_sha256 = $1 AND key.deleted_at IS NULL AND ($2::uuid IS NULL OR key.tenant_id = $2)",
        )
        .bind(sha256)
        .bind(gateway.tenant_id)
        .fetch_optional(&mut *reading)
        .await?;
        let refused = |status| Resolved { status, principal: None, catalog: None, revision };
        let resolved = match key {
            None => refused(CredentialStatus::Unknown),
            Some(key) if key.revoked => refused(CredentialStatus::Revoked),
            Some(key) if key.expired => refused(CredentialStatus::Expired),
            Some(key) => Resolved {
                status: CredentialStatus::Active,
                catalog: Some(catalog(&mut reading, key.tenant_id, revision).await?),
                principal: Some(key.into_principal()?),
                revision,
            },
        };
        reading.commit().await?;
        Ok(resolved)
    }
}

/// The tenant's own models and the platform's; of two with one name the tenant's.
async fn catalog(reading: &mut PgConnection, tenant_id: Uuid, revision: u64) -> Result<Catalog, StoreError> {
    let rows: Vec<(String, Uuid, DateTime<Utc>, String)> = sqlx::query_as(
        "SELECT DISTINCT ON (model.name) model.name, model.pool_id, model.created_at, coalesce(tenant.name, 'platform')
         FROM models model LEFT JOIN tenants tenant ON tenant.id = model.tenant_id
         WHERE model.tenant_id = $1 OR model.tenant_id IS NULL
         ORDER BY model.name, model.tenant_id NULLS LAST",
    )
    .bind(tenant_id)
    .fetch_all(reading)
    .await?;
    let models = rows
        .into_iter()
        .map(|(name, pool_id, created_at, owner)| CatalogModel { name, pool_id, created_at, owner })
        .collect();
    Ok(Catalog { tenant_id, revision, models })
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    id: Uuid,
    tenant_id: Uuid,
    allowed_models: Option<Vec<String>>,
    requests_per_minute: Option<i64>,
    expires_at: Option<DateTime<Utc>>,
    profile_id: Option<Uuid>,
    profile_name: Option<String>,
    profile_rules: Option<Json<Vec<GuardrailRule>>>,
    profile_uninspectable: Option<String>,
    general_id: Option<Uuid>,
    general_name: Option<String>,
    general_rules: Option<Json<Vec<GuardrailRule>>>,
    general_uninspectable: Option<String>,
    revoked: bool,
    expired: bool,
}

impl KeyRow {
    fn into_principal(self) -> Result<Principal, StoreError> {
        let counter = Counter::KeyRequestsPerMinute { key_id: self.id };
        let rate_limits = match self.requests_per_minute {
            None => Vec::new(),
            Some(limit) => vec![RateLimit {
                counter: counter.name(),
                limit: unsigned(limit)?,
                window_seconds: counter.window_seconds(),
            }],
        };
        let of_key = profile(self.profile_id, self.profile_name, self.profile_rules, self.profile_uninspectable)?;
        let of_tenant = profile(self.general_id, self.general_name, self.general_rules, self.general_uninspectable)?;
        let guardrail_profile = match (of_tenant, of_key) {
            (Some(general), Some(own)) if general != own => {
                Some(PrincipalProfile { id: own.id, profile: strictest(&general.profile, &own.profile) })
            }
            (general, own) => own.or(general),
        };
        Ok(Principal {
            tenant_id: self.tenant_id,
            key_id: self.id,
            allowed_models: self.allowed_models,
            guardrail_profile,
            rate_limits,
            expires_at: self.expires_at,
        })
    }
}

fn profile(
    id: Option<Uuid>,
    name: Option<String>,
    rules: Option<Json<Vec<GuardrailRule>>>,
    uninspectable: Option<String>,
) -> Result<Option<PrincipalProfile>, StoreError> {
    let Some(((id, name), (Json(rules), uninspectable))) = id.zip(name).zip(rules.zip(uninspectable)) else {
        return Ok(None);
    };
    let uninspectable =
        Uninspectable::of_name(&uninspectable).ok_or(StoreError::Corrupt("a profile's word for what is not read"))?;
    Ok(Some(PrincipalProfile { id, profile: GuardrailProfile { name, rules, uninspectable } }))
}
