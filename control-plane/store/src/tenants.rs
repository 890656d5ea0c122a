//! Tenants.

use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::change::ChangeKind;
use weir_core::page::{Page, PageRequest};
use weir_core::resource::Stored;
use weir_core::tenant::TenantSettings;

use crate::commit::{Committed, Idempotency, Write, authorise, expect_revision};
use crate::row::{Meta, page, require_profile, taken};
use crate::{Store, StoreError};

/// A tenant belongs to itself.
const COLUMNS: &str = "id, id AS tenant_id, created_at, updated_at, revision, name, time_zone, guardrail_profile_id, \
                       keys_may_loosen_guardrails";

impl Store {
    /// All tenants, in the order in which they were made. Only for the platform.
    pub async fn list_tenants(
        &self,
        actor: &Actor,
        request: PageRequest,
    ) -> Result<Page<Stored<TenantSettings>>, StoreError> {
        authorise(actor, None)?;
        let rows: Vec<TenantRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM tenants
             WHERE ($1::uuid IS NULL OR id = $1) AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"
        )))
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(i64::from(request.limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        page(rows, request.limit, TenantRow::into_stored)
    }

    /// One tenant. Only for the platform.
    pub async fn get_tenant(&self, actor: &Actor, id: Uuid) -> Result<Stored<TenantSettings>, StoreError> {
        authorise(actor, None)?;
        let row: Option<TenantRow> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM tenants WHERE id = $1")))
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        row.ok_or(StoreError::NotFound)?.into_stored()
    }

    /// Makes a tenant.
    pub async fn create_tenant(
        &self,
        actor: &Actor,
        settings: TenantSettings,
        idempotency: Option<&Idempotency>,
    ) -> Result<Stored<TenantSettings>, StoreError> {
        authorise(actor, None)?;
        settings.check()?;
        let mut write = self.begin(actor).await?;
        if let Some(earlier) = self.replay(&mut write, idempotency).await? {
            return Ok(earlier);
        }
        let id = Uuid::now_v7();
        require_profile(write.connection(), id, settings.guardrail_profile_id).await?;
        let revision = write.revision();
        let row: TenantRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "INSERT INTO tenants (id, name, time_zone, guardrail_profile_id, keys_may_loosen_guardrails, revision)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(settings.name)
        .bind(settings.time_zone)
        .bind(settings.guardrail_profile_id)
        .bind(settings.keys_may_loosen_guardrails)
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        let stored = row.into_stored()?;
        self.remember(&mut write, idempotency, &stored).await?;
        write.commit(committed("tenant.create", id)).await?;
        Ok(stored)
    }

    /// Replaces what is decided about a tenant.
    pub async fn update_tenant(
        &self,
        actor: &Actor,
        id: Uuid,
        expected_revision: u64,
        settings: TenantSettings,
    ) -> Result<Stored<TenantSettings>, StoreError> {
        authorise(actor, None)?;
        settings.check()?;
        let mut write = self.begin(actor).await?;
        current(&mut write, id, expected_revision).await?;
        require_profile(write.connection(), id, settings.guardrail_profile_id).await?;
        let revision = write.revision();
        let row: TenantRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "UPDATE tenants SET name = $2, time_zone = $3, guardrail_profile_id = $4,
                    keys_may_loosen_guardrails = $5, revision = $6, updated_at = now()
             WHERE id = $1 RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(settings.name)
        .bind(settings.time_zone)
        .bind(settings.guardrail_profile_id)
        .bind(settings.keys_may_loosen_guardrails)
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        write.commit(committed("tenant.update", id)).await?;
        row.into_stored()
    }

    /// Deletes a tenant that has nothing any more. Its usage stays in the ledger. Gives the revision.
    pub async fn delete_tenant(&self, actor: &Actor, id: Uuid, expected_revision: u64) -> Result<u64, StoreError> {
        authorise(actor, None)?;
        let mut write = self.begin(actor).await?;
        current(&mut write, id, expected_revision).await?;
        let user: Option<(String,)> = sqlx::query_as(
            "SELECT 'user ' || email FROM users WHERE tenant_id = $1
             UNION ALL SELECT 'API key ' || name FROM api_keys WHERE tenant_id = $1 AND deleted_at IS NULL
             UNION ALL SELECT 'model ' || name FROM models WHERE tenant_id = $1
             UNION ALL SELECT 'pool ' || name FROM pools WHERE tenant_id = $1
             UNION ALL SELECT 'provider ' || name FROM providers WHERE tenant_id = $1
             UNION ALL SELECT 'guardrail profile ' || name FROM guardrail_profiles WHERE tenant_id = $1
             UNION ALL SELECT 'gateway ' || name FROM gateways WHERE tenant_id = $1
             LIMIT 1",
        )
        .bind(id)
        .fetch_optional(write.connection())
        .await?;
        if let Some((by,)) = user {
            return Err(StoreError::InUse { by });
        }
        // What is left are keys that nobody sees any more.
        sqlx::query("DELETE FROM api_keys WHERE tenant_id = $1").bind(id).execute(write.connection()).await?;
        sqlx::query("DELETE FROM tenants WHERE id = $1").bind(id).execute(write.connection()).await?;
        write.commit(committed("tenant.delete", id)).await
    }
}

async fn current(write: &mut Write<'_>, id: Uuid, expected_revision: u64) -> Result<(), StoreError> {
    let row: Option<(i64,)> = sqlx::query_as("SELECT revision FROM tenants WHERE id = $1")
        .bind(id)
        .fetch_optional(write.connection())
        .await?;
    expect_revision(row.ok_or(StoreError::NotFound)?.0, expected_revision)
}

fn committed(action: &'static str, id: Uuid) -> Committed {
    Committed {
        action,
        resource_type: "tenant",
        resource_id: id,
        tenant_id: Some(id),
        kind: ChangeKind::Tenant { tenant_id: id },
        affects_configuration: false,
    }
}

#[derive(sqlx::FromRow)]
struct TenantRow {
    #[sqlx(flatten)]
    meta: Meta,
    name: String,
    time_zone: String,
    guardrail_profile_id: Option<Uuid>,
    keys_may_loosen_guardrails: bool,
}

impl TenantRow {
    fn into_stored(self) -> Result<Stored<TenantSettings>, StoreError> {
        self.meta.with(TenantSettings {
            name: self.name,
            time_zone: self.time_zone,
            guardrail_profile_id: self.guardrail_profile_id,
            keys_may_loosen_guardrails: self.keys_may_loosen_guardrails,
        })
    }
}
