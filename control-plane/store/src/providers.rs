//! Providers and their credentials.

use secrecy::{ExposeSecret, SecretString};
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::capabilities::CapabilityOverrides;
use weir_core::change::ChangeKind;
use weir_core::page::{Page, PageRequest};
use weir_core::resource::Stored;
use weir_core::routing::{Authentication, ProviderSettings, ProviderView, check_credential};

use crate::commit::{Committed, Idempotency, Write, authorise, expect_revision};
use crate::row::{Meta, page, require_tenant, taken};
use crate::{Store, StoreError};

const OWNER: &str = "SELECT tenant_id FROM providers WHERE id = $1";
const COLUMNS: &str = "id, tenant_id, created_at, updated_at, revision, name, schema, base_url, preset, capabilities, \
                       auth_header, auth_prefix, query, also_speaks, credential_encrypted IS NOT NULL AS has_credential";

/// What happens to a provider's credential.
#[derive(Clone, Debug)]
pub enum CredentialChange {
    /// It stays as it is; a new provider has none.
    Keep,
    /// It is replaced.
    Set(SecretString),
    /// The provider is shown none any more.
    Remove,
}

impl Store {
    /// The providers in the actor's scope, in the order in which they were made.
    pub async fn list_providers(
        &self,
        actor: &Actor,
        request: PageRequest,
    ) -> Result<Page<Stored<ProviderView>>, StoreError> {
        let rows: Vec<ProviderRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM providers
             WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR tenant_id = $2)
               AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4"
        )))
        .bind(actor.scope().tenant())
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(i64::from(request.limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        page(rows, request.limit, ProviderRow::into_stored)
    }

    /// One provider.
    pub async fn get_provider(&self, actor: &Actor, id: Uuid) -> Result<Stored<ProviderView>, StoreError> {
        let row: Option<ProviderRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM providers WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)"
        )))
        .bind(id)
        .bind(actor.scope().tenant())
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or(StoreError::NotFound)?.into_stored()
    }

    /// Makes a provider. Its credential is stored encrypted and never read by an administrator again.
    pub async fn create_provider(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        settings: ProviderSettings,
        credential: CredentialChange,
        idempotency: Option<&Idempotency>,
    ) -> Result<Stored<ProviderView>, StoreError> {
        authorise(actor, tenant_id)?;
        let settings = settings.check()?;
        settings.check_destination(actor, tenant_id, &self.allowed_hosts)?;
        let id = Uuid::now_v7();
        let encrypted = self.encrypted(id, &credential)?;
        let mut write = self.begin(actor).await?;
        if let Some(earlier) = self.replay(&mut write, idempotency).await? {
            return Ok(earlier);
        }
        require_tenant(write.connection(), tenant_id).await?;
        let revision = write.revision();
        let row: ProviderRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "INSERT INTO providers (id, tenant_id, credential_encrypted, revision, name, schema, base_url, preset, capabilities,
                 auth_header, auth_prefix, query, also_speaks)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(tenant_id)
        .bind(encrypted)
        .bind(revision)
        .bind(settings.name)
        .bind(settings.schema)
        .bind(settings.base_url)
        .bind(settings.preset)
        .bind(Json(settings.capabilities))
        .bind(settings.authentication.as_ref().map(|authentication| &authentication.header))
        .bind(settings.authentication.as_ref().map(|authentication| &authentication.prefix))
        .bind(settings.query)
        .bind(settings.also_speaks)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        let stored = row.into_stored()?;
        self.remember(&mut write, idempotency, &stored).await?;
        write.commit(committed("provider.create", id, tenant_id)).await?;
        Ok(stored)
    }

    /// Replaces what is decided about a provider.
    pub async fn update_provider(
        &self,
        actor: &Actor,
        id: Uuid,
        expected_revision: u64,
        settings: ProviderSettings,
        credential: CredentialChange,
    ) -> Result<Stored<ProviderView>, StoreError> {
        let settings = settings.check()?;
        let encrypted = self.encrypted(id, &credential)?;
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let (tenant_id, base_url) = current(&mut write, actor, id, expected_revision).await?;
        // What a platform admin has set may stay.
        if settings.base_url != base_url {
            settings.check_destination(actor, tenant_id, &self.allowed_hosts)?;
        }
        let revision = write.revision();
        let row: ProviderRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "UPDATE providers SET credential_encrypted = CASE WHEN $2 THEN credential_encrypted ELSE $3 END,
                    revision = $4, updated_at = now(), name = $5, schema = $6, base_url = $7, preset = $8, capabilities = $9,
                    auth_header = $10, auth_prefix = $11, query = $12, also_speaks = $13
             WHERE id = $1 RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(matches!(credential, CredentialChange::Keep))
        .bind(encrypted)
        .bind(revision)
        .bind(settings.name)
        .bind(settings.schema)
        .bind(settings.base_url)
        .bind(settings.preset)
        .bind(Json(settings.capabilities))
        .bind(settings.authentication.as_ref().map(|authentication| &authentication.header))
        .bind(settings.authentication.as_ref().map(|authentication| &authentication.prefix))
        .bind(settings.query)
        .bind(settings.also_speaks)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        write.commit(committed("provider.update", id, tenant_id)).await?;
        row.into_stored()
    }

    /// Deletes a provider that no pool uses. Gives the revision.
    pub async fn delete_provider(&self, actor: &Actor, id: Uuid, expected_revision: u64) -> Result<u64, StoreError> {
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let (tenant_id, _) = current(&mut write, actor, id, expected_revision).await?;
        let pool: Option<(String,)> = sqlx::query_as(
            "SELECT 'pool ' || pool.name FROM deployments d JOIN pools pool ON pool.id = d.pool_id
             WHERE d.provider_id = $1 LIMIT 1",
        )
        .bind(id)
        .fetch_optional(write.connection())
        .await?;
        if let Some((by,)) = pool {
            return Err(StoreError::InUse { by });
        }
        sqlx::query("DELETE FROM providers WHERE id = $1").bind(id).execute(write.connection()).await?;
        write.commit(committed("provider.delete", id, tenant_id)).await
    }

    fn encrypted(&self, id: Uuid, credential: &CredentialChange) -> Result<Option<Vec<u8>>, StoreError> {
        match credential {
            CredentialChange::Keep | CredentialChange::Remove => Ok(None),
            CredentialChange::Set(credential) => {
                check_credential(credential.expose_secret())?;
                Ok(Some(self.encryption.encrypt(id, credential)?))
            }
        }
    }
}

/// The owner and the base URL.
async fn current(
    write: &mut Write<'_>,
    actor: &Actor,
    id: Uuid,
    expected_revision: u64,
) -> Result<(Option<Uuid>, String), StoreError> {
    let row: Option<(i64, Option<Uuid>, String)> = sqlx::query_as(
        "SELECT revision, tenant_id, base_url FROM providers WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)",
    )
    .bind(id)
    .bind(actor.scope().tenant())
    .fetch_optional(write.connection())
    .await?;
    let (revision, tenant_id, base_url) = row.ok_or(StoreError::NotFound)?;
    write.authorise(tenant_id)?;
    expect_revision(revision, expected_revision)?;
    Ok((tenant_id, base_url))
}

fn committed(action: &'static str, id: Uuid, tenant_id: Option<Uuid>) -> Committed {
    Committed {
        action,
        resource_type: "provider",
        resource_id: id,
        tenant_id,
        kind: ChangeKind::Configuration,
        affects_configuration: true,
    }
}

#[derive(sqlx::FromRow)]
struct ProviderRow {
    #[sqlx(flatten)]
    meta: Meta,
    name: String,
    schema: String,
    base_url: String,
    preset: Option<String>,
    capabilities: Json<Said>,
    auth_header: Option<String>,
    auth_prefix: Option<String>,
    query: String,
    also_speaks: Vec<String>,
    has_credential: bool,
}

impl ProviderRow {
    fn into_stored(self) -> Result<Stored<ProviderView>, StoreError> {
        let settings = ProviderSettings {
            name: self.name,
            schema: self.schema,
            base_url: self.base_url,
            preset: self.preset,
            capabilities: capabilities(self.capabilities),
            authentication: authentication(self.auth_header, self.auth_prefix),
            query: self.query,
            also_speaks: self.also_speaks,
        };
        self.meta.with(ProviderView { settings, has_credential: self.has_credential })
    }
}

/// What is said about capabilities, as it is stored.
pub(crate) type Said = serde_json::Map<String, serde_json::Value>;

/// Reads what is stored. A field or value that only a newer control plane knows is left aside, as a module leaves it aside.
pub(crate) fn capabilities(Json(mut said): Json<Said>) -> CapabilityOverrides {
    let read = |said: Said| serde_json::from_value::<CapabilityOverrides>(said.into());
    said.retain(|field, value| read(Said::from_iter([(field.clone(), value.clone())])).is_ok());
    read(said).unwrap_or_default()
}

/// The schema holds that both are there or none.
pub(crate) fn authentication(header: Option<String>, prefix: Option<String>) -> Option<Authentication> {
    header.zip(prefix).map(|(header, prefix)| Authentication { header, prefix })
}
