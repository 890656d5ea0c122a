//! API keys.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::api_key::{ApiKey, ApiKeySettings};
use weir_core::change::ChangeKind;
use weir_core::page::{Page, PageRequest};
use weir_core::resource::{Stored, WithSecret};
use weir_core::secret::{SecretKind, generate, sha256, shown_prefix};

use crate::commit::{Committed, Idempotency, Write, authorise, expect_revision};
use crate::row::{Meta, page, require_profile, require_tenant, signed, unsigned};
use crate::{Store, StoreError};

const OWNER: &str = "SELECT tenant_id FROM api_keys WHERE id = $1";
const THERE: &str = "SELECT 1 FROM api_keys WHERE id = $1 AND deleted_at IS NULL";
const COLUMNS: &str = "id, tenant_id, created_at, updated_at, revision, name, prefix, allowed_models, \
                       requests_per_minute, guardrail_profile_id, expires_at, revoked_at, key_sha256";

impl Store {
    /// The keys in the actor's scope, in the order in which they were made.
    pub async fn list_api_keys(&self, actor: &Actor, request: PageRequest) -> Result<Page<Stored<ApiKey>>, StoreError> {
        let rows: Vec<KeyRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM api_keys
             WHERE deleted_at IS NULL AND ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR tenant_id = $2)
               AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4"
        )))
        .bind(actor.scope().tenant())
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(i64::from(request.limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        page(rows, request.limit, KeyRow::into_stored)
    }

    /// One key.
    pub async fn get_api_key(&self, actor: &Actor, id: Uuid) -> Result<Stored<ApiKey>, StoreError> {
        let row: Option<KeyRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM api_keys WHERE id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR tenant_id = $2)"
        )))
        .bind(id)
        .bind(actor.scope().tenant())
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or(StoreError::NotFound)?.into_stored()
    }

    /// Makes a key, which is shown this once.
    pub async fn create_api_key(
        &self,
        actor: &Actor,
        tenant_id: Uuid,
        settings: ApiKeySettings,
        idempotency: Option<&Idempotency>,
    ) -> Result<WithSecret<ApiKey>, StoreError> {
        authorise(actor, Some(tenant_id))?;
        settings.check()?;
        let mut write = self.begin(actor).await?;
        if let Some(earlier) = self.replay_secret(&mut write, idempotency, THERE).await? {
            return Ok(earlier);
        }
        require_tenant(write.connection(), Some(tenant_id)).await?;
        require_profile(write.connection(), tenant_id, settings.guardrail_profile_id).await?;
        let id = Uuid::now_v7();
        let key = generate(SecretKind::ApiKey)?;
        let revision = write.revision();
        let row: KeyRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "INSERT INTO api_keys (id, tenant_id, name, key_sha256, prefix, allowed_models, requests_per_minute,
                 guardrail_profile_id, expires_at, revision)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(tenant_id)
        .bind(settings.name)
        .bind(sha256(key.expose_secret()))
        .bind(shown_prefix(&key))
        .bind(settings.allowed_models)
        .bind(settings.requests_per_minute.map(signed))
        .bind(settings.guardrail_profile_id)
        .bind(settings.expires_at)
        .bind(revision)
        .fetch_one(write.connection())
        .await?;
        let committed = row.committed("api_key.create");
        let created = WithSecret { stored: row.into_stored()?, secret: key.expose_secret().to_owned() };
        self.remember(&mut write, idempotency, &created).await?;
        write.commit(committed).await?;
        Ok(created)
    }

    /// Replaces what is decided about a key.
    pub async fn update_api_key(
        &self,
        actor: &Actor,
        id: Uuid,
        expected_revision: u64,
        settings: ApiKeySettings,
    ) -> Result<Stored<ApiKey>, StoreError> {
        settings.check()?;
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let before = current(&mut write, actor, id).await?;
        expect_revision(before.meta.revision, expected_revision)?;
        require_profile(write.connection(), before.tenant()?, settings.guardrail_profile_id).await?;
        let revision = write.revision();
        let row: KeyRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "UPDATE api_keys SET name = $2, allowed_models = $3, requests_per_minute = $4, guardrail_profile_id = $5,
                    expires_at = $6, revision = $7, updated_at = now()
             WHERE id = $1 RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(settings.name)
        .bind(settings.allowed_models)
        .bind(settings.requests_per_minute.map(signed))
        .bind(settings.guardrail_profile_id)
        .bind(settings.expires_at)
        .bind(revision)
        .fetch_one(write.connection())
        .await?;
        write.commit(row.committed("api_key.update")).await?;
        row.into_stored()
    }

    /// Revokes a key for good. A key that is revoked already stays as it is, and nothing is committed.
    pub async fn revoke_api_key(&self, actor: &Actor, id: Uuid) -> Result<Stored<ApiKey>, StoreError> {
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let before = current(&mut write, actor, id).await?;
        if before.revoked_at.is_some() {
            return before.into_stored();
        }
        let revision = write.revision();
        let row: KeyRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "UPDATE api_keys SET revoked_at = now(), revision = $2, updated_at = now() WHERE id = $1 RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(revision)
        .fetch_one(write.connection())
        .await?;
        write.commit(row.committed("api_key.revoke")).await?;
        row.into_stored()
    }

    /// Deletes a key: to gateways it is unknown, and nobody sees it any more. Gives the revision.
    pub async fn delete_api_key(&self, actor: &Actor, id: Uuid, expected_revision: u64) -> Result<u64, StoreError> {
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let before = current(&mut write, actor, id).await?;
        expect_revision(before.meta.revision, expected_revision)?;
        // Its row stays, for usage that is still on its way; it no longer holds a profile in use.
        sqlx::query("UPDATE api_keys SET deleted_at = now(), guardrail_profile_id = NULL WHERE id = $1")
            .bind(id)
            .execute(write.connection())
            .await?;
        write.commit(before.committed("api_key.delete")).await
    }
}

async fn current(write: &mut Write<'_>, actor: &Actor, id: Uuid) -> Result<KeyRow, StoreError> {
    let row: Option<KeyRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM api_keys WHERE id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR tenant_id = $2)"
    )))
    .bind(id)
    .bind(actor.scope().tenant())
    .fetch_optional(write.connection())
    .await?;
    let row = row.ok_or(StoreError::NotFound)?;
    write.authorise(row.meta.tenant_id)?;
    Ok(row)
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    #[sqlx(flatten)]
    meta: Meta,
    name: String,
    prefix: String,
    allowed_models: Option<Vec<String>>,
    requests_per_minute: Option<i64>,
    guardrail_profile_id: Option<Uuid>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    key_sha256: Vec<u8>,
}

impl KeyRow {
    fn tenant(&self) -> Result<Uuid, StoreError> {
        self.meta.tenant_id.ok_or(StoreError::Corrupt("a key without a tenant"))
    }

    fn committed(&self, action: &'static str) -> Committed {
        Committed {
            action,
            resource_type: "api_key",
            resource_id: self.meta.id,
            tenant_id: self.meta.tenant_id,
            kind: ChangeKind::Key {
                sha256: self.key_sha256.clone(),
                tenant_id: self.meta.tenant_id.unwrap_or_default(),
            },
            affects_configuration: false,
        }
    }

    fn into_stored(self) -> Result<Stored<ApiKey>, StoreError> {
        let settings = ApiKeySettings {
            name: self.name,
            allowed_models: self.allowed_models,
            requests_per_minute: self.requests_per_minute.map(unsigned).transpose()?,
            guardrail_profile_id: self.guardrail_profile_id,
            expires_at: self.expires_at,
        };
        self.meta.with(ApiKey { settings, prefix: self.prefix, revoked_at: self.revoked_at })
    }
}
