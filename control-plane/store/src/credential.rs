//! Who is calling.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;
use weir_config::{FindingType, Limit};
use weir_core::finding_key::Week;
use weir_core::gateway::{
    Catalog, CatalogModel, Counter, CredentialStatus, DearestPrices, Gateway, KnownCatalog, Principal,
    PrincipalProfile, Resolved,
};
use weir_core::guardrails::strictest_of_all;
use weir_core::ways_in::{Way, WayMode, WaysIn};

use crate::effective::ProfileRow;
use crate::limit::HeldLimit;
use crate::row::{signed, unsigned};
use crate::{PROFILE_ALL, Store, StoreError};

/// One statement, so that it is one round trip and of one revision: whether the key may be used (its owner is not disabled either), what
/// holds for it, and the models of its tenant, the tenant's own before the platform's of the same name. $2: the only tenant that the gateway
/// serves, $3 and $4: a tenant whose catalog the caller has, and of which revision.
macro_rules! resolve {
    ($which:literal) => {
        concat!(
            "
WITH key AS (
    SELECT key.id, key.tenant_id, tenant.name AS tenant_name, key.allowed_models, key.requests_per_minute, key.expires_at,
        key.allowed_operations, key.source_cidrs, key.disabled, key.way, tenant.ways_in,
        (key.revoked_at IS NOT NULL OR coalesce(person.disabled, machine.disabled, false)) AS revoked,
        coalesce(key.expires_at <= now(), false) AS expired,
        guardrails.profiles AS profiles,
        greatest(own.revision, everybodys.revision) AS catalog_revision,
        held.limits AS limits
    FROM api_keys key JOIN tenants tenant ON tenant.id = key.tenant_id
    LEFT JOIN users person ON person.id = key.user_id
    LEFT JOIN service_accounts machine ON machine.id = key.service_account_id
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('id', profile.id, 'name', profile.name, 'rules', profile.rules,
            'uninspectable', profile.uninspectable) ORDER BY source.rank, profile.id) AS profiles
        FROM (
            SELECT profile_id, rank FROM guardrail_sources(key.tenant_id,
                coalesce(key.department_id, person.department_id, machine.department_id), key.user_id, key.service_account_id,
                key.guardrail_profile_id IS NOT NULL)
            UNION ALL SELECT key.guardrail_profile_id, 2000000 WHERE key.guardrail_profile_id IS NOT NULL
        ) source JOIN guardrail_profiles profile ON profile.id = source.profile_id
    ) guardrails ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('id', held.id, 'generation', held.generation, 'name', held.name, 'member', of_key.member, 'subject', of_key.subject,
            'model', of_key.model, 'each_model', of_key.each_model, 'unit', held.unit, 'window', held.time_window,
            'told', held.tenant_id IS NOT NULL OR held.subject_kind IN ('tenant', 'department', 'user', 'service_account', 'api_key'),
            'amount', limit_amount(held.id, of_key.member, held.amount, now()), 'action', held.action, 'fall_over_pool_id', held.fall_over_pool_id,
            'time_zone', CASE WHEN held.tenant_id IS NULL THEN 'UTC' ELSE tenant.time_zone END) ORDER BY held.id, of_key.member) AS limits
        FROM limits_of(key.tenant_id, coalesce(key.department_id, person.department_id, machine.department_id), key.user_id,
            key.service_account_id, key.id, key.labels) of_key JOIN limits held ON held.id = of_key.limit_id
    ) held ON true
    LEFT JOIN catalog_revisions own ON own.owner_id = key.tenant_id
    LEFT JOIN catalog_revisions everybodys ON everybodys.owner_id = '00000000-0000-0000-0000-000000000000'
    WHERE (",
            $which,
            ") AND key.deleted_at IS NULL AND ($2::uuid IS NULL OR key.tenant_id = $2)
)
SELECT policy_revision.revision, now() AS at, key.*, catalog.models
FROM policy_revision LEFT JOIN key ON true LEFT JOIN LATERAL (
    SELECT jsonb_agg(model) AS models FROM (
        SELECT DISTINCT ON (model.name) model.name, model.pool_id, model.created_at, model.ways_in,
            model.default_max_tokens, model.max_tokens_cap,
            CASE WHEN model.tenant_id IS NULL THEN 'platform' ELSE key.tenant_name END AS owner,
            dearest.input AS dearest_input, dearest.output AS dearest_output, dearest.request AS dearest_request
        FROM models model LEFT JOIN LATERAL (
            SELECT CASE WHEN bool_and(member.price_version IS NOT NULL) THEN max(greatest(
                    member.input_microusd_per_million, member.cached_input_microusd_per_million,
                    coalesce(member.cache_write_microusd_per_million, (member.input_microusd_per_million * 5 + 3) / 4),
                    coalesce(member.cache_write_1h_microusd_per_million, member.input_microusd_per_million * 2),
                    dearest_input(member.price_details), dearest_input(member.next_prices))) END AS input,
                CASE WHEN bool_and(member.price_version IS NOT NULL) THEN max(greatest(
                    member.output_microusd_per_million, member.reasoning_microusd_per_million,
                    dearest_output(member.price_details), dearest_output(member.next_prices))) END AS output,
                max(coalesce(greatest(dearest_request(member.price_details), dearest_request(member.next_prices)), 0) * 1000000) AS request
            FROM deployments member WHERE member.pool_id = model.pool_id
        ) dearest ON true
        WHERE model.owner_id IN (key.tenant_id, '00000000-0000-0000-0000-000000000000')
        ORDER BY model.name, model.tenant_id NULLS LAST
    ) model
) catalog ON NOT key.revoked AND NOT key.expired AND NOT key.disabled AND NOT coalesce(key.tenant_id = $3 AND key.catalog_revision <= $4, false)"
        )
    };
}

/// Of a key by $1, its digests under the master keys, or $5, its plain one, by which a key is found that a control plane of the version before
/// has made.
pub const RESOLVE_CREDENTIAL: &str = resolve!("key.key_hmac = ANY($1) OR key.key_hmac IS NULL AND key.key_sha256 = $5");
/// Of the row of somebody who comes without a key by $1, its id.
const RESOLVE_WITHOUT_KEY: &str = resolve!("key.id = $1 AND key.way <> 'key'");

impl Store {
    /// Turns an API key's digest into a principal and the models that its tenant has, unless `known` is the catalog that holds. A key
    /// outside the gateway's scope is unknown.
    pub async fn resolve_credential(
        &self,
        gateway: &Gateway,
        sha256: &[u8],
        known: Option<KnownCatalog>,
        finds: &[FindingType],
    ) -> Result<Resolved, StoreError> {
        self.unless_away()?;
        let row: Row = sqlx::query_as(RESOLVE_CREDENTIAL)
            .bind(self.encryption.lookup_digests(sha256))
            .bind(gateway.tenant_id)
            .bind(known.map(|known| known.tenant_id))
            .bind(known.map(|known| signed(known.revision)))
            .bind(sha256)
            .fetch_one(&self.pool)
            .await?;
        row.resolved(self, gateway, known, finds)
    }

    /// The same of the row of somebody who comes without a key.
    pub(crate) async fn resolve_without_key(
        &self,
        gateway: &Gateway,
        id: Uuid,
        known: Option<KnownCatalog>,
        finds: &[FindingType],
    ) -> Result<Resolved, StoreError> {
        let row: Row = sqlx::query_as(RESOLVE_WITHOUT_KEY)
            .bind(id)
            .bind(gateway.tenant_id)
            .bind(known.map(|known| known.tenant_id))
            .bind(known.map(|known| signed(known.revision)))
            .fetch_one(&self.pool)
            .await?;
        row.resolved(self, gateway, known, finds)
    }
}

/// One that may not be used.
pub(crate) fn refused(status: CredentialStatus, revision: u64) -> Resolved {
    Resolved { status, principal: None, catalog: None, revision }
}

#[derive(sqlx::FromRow)]
struct Row {
    revision: i64,
    at: DateTime<Utc>,
    catalog_revision: Option<i64>,
    models: Option<Json<Vec<ModelRow>>>,
    #[sqlx(flatten)]
    key: MaybeKey,
}

impl Row {
    fn resolved(
        self,
        store: &Store,
        gateway: &Gateway,
        known: Option<KnownCatalog>,
        finds: &[FindingType],
    ) -> Result<Resolved, StoreError> {
        let revision = unsigned(self.revision)?;
        let refused = |status| refused(status, revision);
        Ok(match self.key.into_key() {
            None => refused(CredentialStatus::Unknown),
            Some(key) if key.revoked => refused(CredentialStatus::Revoked),
            Some(key) if key.disabled => refused(CredentialStatus::Disabled),
            Some(key) if key.expired => refused(CredentialStatus::Expired),
            Some(key) if key.ways_in(gateway).mode(key.way()?) == WayMode::Refused => {
                refused(CredentialStatus::WayRefused)
            }
            Some(key) => {
                // What was there before revisions of catalogs were noted has that of this answer.
                let of_catalog = self.catalog_revision.map(unsigned).transpose()?.unwrap_or(revision);
                let is_known =
                    known.is_some_and(|known| known.tenant_id == key.tenant_id && of_catalog <= known.revision);
                let models = self.models.map(|Json(models)| models).unwrap_or_default();
                let catalog = Catalog {
                    tenant_id: key.tenant_id,
                    revision: of_catalog,
                    models: (!is_known).then(|| models.into_iter().map(CatalogModel::from).collect()),
                };
                Resolved {
                    status: CredentialStatus::Active,
                    catalog: Some(catalog),
                    principal: Some(key.into_principal(store, gateway, finds, self.at)?),
                    revision,
                }
            }
        })
    }
}

/// As Postgres writes it into JSON.
#[derive(Deserialize)]
struct ModelRow {
    name: String,
    pool_id: Uuid,
    created_at: DateTime<Utc>,
    owner: String,
    dearest_input: Option<u64>,
    dearest_output: Option<u64>,
    dearest_request: Option<u64>,
    ways_in: WaysIn,
    default_max_tokens: Option<u64>,
    max_tokens_cap: Option<u64>,
}

impl From<ModelRow> for CatalogModel {
    fn from(row: ModelRow) -> Self {
        let ModelRow {
            name, pool_id, created_at, owner, dearest_input, dearest_output, dearest_request, ways_in, ..
        } = row;
        let prices = |(input, output)| DearestPrices { input, output, request: dearest_request.unwrap_or(0) };
        Self {
            name,
            pool_id,
            created_at,
            owner,
            dearest: dearest_input.zip(dearest_output).map(prices),
            default_max_tokens: row.default_max_tokens,
            max_tokens_cap: row.max_tokens_cap,
            ways_in,
        }
    }
}

/// A key's columns, or nothing but nulls.
#[derive(sqlx::FromRow)]
struct MaybeKey {
    id: Option<Uuid>,
    tenant_id: Option<Uuid>,
    revoked: Option<bool>,
    expired: Option<bool>,
    disabled: Option<bool>,
    #[sqlx(flatten)]
    rest: KeyColumns,
}

#[derive(sqlx::FromRow)]
struct KeyColumns {
    allowed_operations: Option<Vec<String>>,
    source_cidrs: Option<Vec<String>>,
    allowed_models: Option<Vec<String>>,
    requests_per_minute: Option<i64>,
    expires_at: Option<DateTime<Utc>>,
    profiles: Option<Json<Vec<ProfileRow>>>,
    limits: Option<Json<Vec<HeldLimit>>>,
    way: Option<String>,
    ways_in: Option<Json<WaysIn>>,
}

struct Key {
    id: Uuid,
    tenant_id: Uuid,
    revoked: bool,
    expired: bool,
    disabled: bool,
    columns: KeyColumns,
}

impl MaybeKey {
    fn into_key(self) -> Option<Key> {
        let Self { id, tenant_id, revoked, expired, disabled, rest: columns } = self;
        Some(Key { id: id?, tenant_id: tenant_id?, revoked: revoked?, expired: expired?, disabled: disabled?, columns })
    }
}

impl Key {
    fn way(&self) -> Result<Way, StoreError> {
        self.columns.way.as_deref().and_then(Way::from_name).ok_or(StoreError::Corrupt("a key's way in"))
    }

    /// What holds for its tenant at this gateway.
    fn ways_in(&self, gateway: &Gateway) -> WaysIn {
        let of_tenant = self.columns.ways_in.as_ref().map(|Json(ways_in)| *ways_in);
        gateway.ways_in.and(of_tenant.unwrap_or_default())
    }

    fn into_principal(
        self,
        store: &Store,
        gateway: &Gateway,
        finds: &[FindingType],
        at: DateTime<Utc>,
    ) -> Result<Principal, StoreError> {
        let (way_in, ways_in) = (self.way()?, self.ways_in(gateway));
        let is_required = |way: &Way| ways_in.mode(*way) == WayMode::Required;
        let required_ways_in = [Way::Key, Way::Token, Way::Workload].into_iter().filter(is_required).collect();
        let columns = self.columns;
        let counter = Counter::KeyRequestsPerMinute { key_id: self.id };
        let mut limits: Vec<Limit> = columns
            .requests_per_minute
            .map(unsigned)
            .transpose()?
            .map(|amount| counter.limit(amount))
            .into_iter()
            .collect();
        limits.extend(columns.limits.into_iter().flat_map(|Json(held)| held).map(|held| held.limit(at)));
        let profiles = columns.profiles.map(|Json(profiles)| profiles).unwrap_or_default();
        let profiles: Vec<PrincipalProfile> = profiles
            .into_iter()
            .map(|profile| Ok(found_by(profile.read()?, finds)))
            .collect::<Result<_, StoreError>>()?;
        let guardrail_profile = strictest_of_all(profiles);
        let finding_keys = match &guardrail_profile {
            Some(_) => {
                Week::told_at(at).filter_map(|week| store.encryption.finding_key(self.tenant_id, week)).collect()
            }
            None => Vec::new(),
        };
        Ok(Principal {
            tenant_id: self.tenant_id,
            key_id: self.id,
            allowed_models: columns.allowed_models,
            allowed_operations: columns.allowed_operations,
            source_cidrs: columns.source_cidrs.unwrap_or_default(),
            trusted_hops: gateway.trusted_hops,
            guardrail_profile,
            limits,
            expires_at: columns.expires_at,
            way_in,
            required_ways_in,
            finding_keys,
        })
    }
}

/// The profile `all` is every detector that a caller has; of what an administrator wrote nothing is left out.
fn found_by(mut profile: PrincipalProfile, finds: &[FindingType]) -> PrincipalProfile {
    if profile.id == PROFILE_ALL {
        profile.profile.rules.retain(|rule| finds.contains(&rule.finding));
    }
    profile
}
