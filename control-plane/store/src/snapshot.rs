//! Everything that Envoy is configured from.

use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::destination::AllowedHosts;
use weir_core::encryption::Purpose;
use weir_core::permission::Permission;
use weir_core::snapshot::{Keys, Member, Pool, Provider, Snapshot, TokenIssuer, UnreadableProvider};
use weir_llm::Schema;

use crate::authorisation::authorise;
use crate::members::{MEMBER_COLUMNS, MemberRow};
use crate::resource::{PROVIDER, Said, authentication, capabilities};
use crate::row::unsigned;
use crate::transaction::{READING, begin};
use crate::{Store, StoreError};

impl Store {
    /// The committed policy at one revision, credentials decrypted. A provider that cannot be read is named and left out, with
    /// its members of pools: they are passed over as if they had failed, and nobody else is concerned.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.read_snapshot(None).await
    }

    /// The same of these owners alone; `None` is the platform.
    pub async fn snapshot_of(&self, owners: impl IntoIterator<Item = Option<Uuid>>) -> Result<Snapshot, StoreError> {
        self.read_snapshot(Some(owners.into_iter().map(Option::unwrap_or_default).collect())).await
    }

    /// `owners`: `owner_id` of the rows; `None`: all.
    async fn read_snapshot(&self, owners: Option<Vec<Uuid>>) -> Result<Snapshot, StoreError> {
        let mut reading = begin(&self.pool, READING).await?;
        let (revision,): (i64,) =
            sqlx::query_as("SELECT revision FROM policy_revision").fetch_one(&mut *reading).await?;
        let providers: Vec<ProviderRow> = sqlx::query_as(
            "SELECT id, tenant_id, name, schema, base_url, preset, capabilities, auth_header, auth_prefix, query, also_speaks,
                    credential_encrypted
             FROM providers WHERE $1::uuid[] IS NULL OR owner_id = ANY($1) ORDER BY id",
        )
        .bind(&owners)
        .fetch_all(&mut *reading)
        .await?;
        let pools: Vec<PoolRow> = sqlx::query_as(
            "SELECT id, tenant_id, name, first_byte_timeout_ms, idle_timeout_ms, request_timeout_ms
             FROM pools WHERE $1::uuid[] IS NULL OR owner_id = ANY($1) ORDER BY id",
        )
        .bind(&owners)
        .fetch_all(&mut *reading)
        .await?;
        let members: Vec<MemberRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {MEMBER_COLUMNS} FROM deployments WHERE $1::uuid[] IS NULL OR owner_id = ANY($1) ORDER BY pool_id, position"
        )))
        .bind(&owners)
        .fetch_all(&mut *reading)
        .await?;
        let issuers: Vec<IssuerRow> = sqlx::query_as(
            "SELECT id, tenant_id, issuer, audiences, jwks_url, jwks, header, keys_kept_seconds,
                 CASE WHEN keys.is_watched THEN keys.withdrawals END AS withdrawals
             FROM token_issuers LEFT JOIN token_issuer_keys keys ON keys.token_issuer_id = token_issuers.id
             WHERE $1::uuid[] IS NULL OR owner_id = ANY($1) ORDER BY id",
        )
        .bind(&owners)
        .fetch_all(&mut *reading)
        .await?;
        reading.commit().await?;
        let token_issuers = issuers.into_iter().map(IssuerRow::into_issuer).collect::<Result<_, _>>()?;

        let mut unreadable = Vec::new();
        let mut readable = Vec::with_capacity(providers.len());
        for row in providers {
            let (id, tenant_id) = (row.id, row.tenant_id);
            match self.provider(row) {
                Ok(provider) => readable.push(provider),
                Err(error) => unreadable.push(UnreadableProvider { id, tenant_id, reason: reason(&error) }),
            }
        }
        let mut members = members
            .into_iter()
            .filter(|member| unreadable.iter().all(|provider| provider.id != member.provider_id))
            .peekable();
        let mut served = Vec::with_capacity(pools.len());
        for pool in pools {
            let mut own = Vec::new();
            while let Some(member) = members.next_if(|member| member.pool_id == pool.id) {
                own.push(member.into_member()?);
            }
            // Its requests are answered as those of a pool that Envoy has not heard of yet: 503, and no routes without a use.
            if !own.is_empty() {
                served.push(pool.into_pool(own)?);
            }
        }
        Ok(Snapshot { revision: unsigned(revision)?, providers: readable, pools: served, token_issuers, unreadable })
    }

    /// A provider with its credential, for one who may write it: to ask it whether it answers.
    pub async fn provider_to_check(&self, actor: &Actor, id: Uuid) -> Result<Provider, StoreError> {
        let stored = self.get(PROVIDER, actor, id).await?;
        authorise(actor, Permission::ProvidersWrite, stored.tenant_id)?;
        let row: ProviderRow = sqlx::query_as(
            "SELECT id, tenant_id, name, schema, base_url, preset, capabilities, auth_header, auth_prefix, query, also_speaks,
                    credential_encrypted
             FROM providers WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&self.admin)
        .await?
        .ok_or(StoreError::NotFound)?;
        self.provider(row)
    }

    /// Hosts inside the operator's network that tenants may name.
    pub fn allowed_hosts(&self) -> &AllowedHosts {
        &self.allowed_hosts
    }

    fn provider(&self, row: ProviderRow) -> Result<Provider, StoreError> {
        let credential = match row.credential_encrypted {
            Some(ciphertext) => Some(self.encryption.decrypt(Purpose::ProviderCredential, row.id, &ciphertext)?),
            None => None,
        };
        Ok(Provider {
            id: row.id,
            tenant_id: row.tenant_id,
            name: row.name,
            schema: Schema::named(&row.schema).ok_or(StoreError::Corrupt("a provider's schema"))?,
            base_url: row.base_url.parse().map_err(|_| StoreError::Corrupt("a provider's base URL"))?,
            credential,
            authentication: authentication(row.auth_header, row.auth_prefix),
            query: row.query,
            also_speaks: row.also_speaks,
            preset: row.preset,
            capabilities: capabilities(row.capabilities),
        })
    }
}

fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Encryption(error) => format!("its credential: {error}"),
        error => error.to_string(),
    }
}

#[derive(sqlx::FromRow)]
struct ProviderRow {
    id: Uuid,
    tenant_id: Option<Uuid>,
    name: String,
    schema: String,
    base_url: String,
    preset: Option<String>,
    capabilities: Json<Said>,
    auth_header: Option<String>,
    auth_prefix: Option<String>,
    query: String,
    also_speaks: Vec<String>,
    credential_encrypted: Option<Vec<u8>>,
}

#[derive(sqlx::FromRow)]
struct IssuerRow {
    id: Uuid,
    tenant_id: Option<Uuid>,
    issuer: String,
    audiences: Vec<String>,
    jwks_url: Option<String>,
    jwks: Option<Json<serde_json::Value>>,
    header: String,
    keys_kept_seconds: i32,
    withdrawals: Option<i64>,
}

impl IssuerRow {
    fn into_issuer(self) -> Result<TokenIssuer, StoreError> {
        let corrupt = || StoreError::Corrupt("where a token issuer's keys are");
        let keys = match (self.jwks_url, self.jwks) {
            (Some(url), _) => Keys::At {
                server: url.parse().map_err(|_| corrupt())?,
                url,
                withdrawals: self.withdrawals.map(unsigned).transpose()?,
            },
            (None, Some(Json(keys))) => Keys::Here(keys.to_string()),
            (None, None) => return Err(corrupt()),
        };
        Ok(TokenIssuer {
            id: self.id,
            tenant_id: self.tenant_id,
            issuer: self.issuer,
            audiences: self.audiences,
            keys,
            header: self.header,
            keys_kept_seconds: u32::try_from(self.keys_kept_seconds).unwrap_or_default(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct PoolRow {
    id: Uuid,
    tenant_id: Option<Uuid>,
    name: String,
    first_byte_timeout_ms: i64,
    idle_timeout_ms: i64,
    request_timeout_ms: i64,
}

impl PoolRow {
    fn into_pool(self, members: Vec<Member>) -> Result<Pool, StoreError> {
        Ok(Pool {
            id: self.id,
            tenant_id: self.tenant_id,
            name: self.name,
            members,
            first_byte_timeout_ms: unsigned(self.first_byte_timeout_ms)?,
            idle_timeout_ms: unsigned(self.idle_timeout_ms)?,
            request_timeout_ms: unsigned(self.request_timeout_ms)?,
        })
    }
}
