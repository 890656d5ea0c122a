//! Guardrail profiles.

use sqlx::types::Json;
use uuid::Uuid;
use weir_config::{GuardrailProfile, GuardrailRule, Uninspectable};
use weir_core::actor::Actor;
use weir_core::change::ChangeKind;
use weir_core::page::{Page, PageRequest};
use weir_core::resource::Stored;
use weir_core::routing::check_profile;

use crate::commit::{Committed, Idempotency, Write, authorise, expect_revision};
use crate::row::{Meta, page, require_tenant, taken};
use crate::{Store, StoreError};

const OWNER: &str = "SELECT tenant_id FROM guardrail_profiles WHERE id = $1";

/// The platform's profile `all`: every detector, redacting. It always exists and cannot be changed.
pub const PROFILE_ALL: Uuid = Uuid::from_u128(0x00000000_0000_7000_8000_000000000a11);

const COLUMNS: &str = "id, tenant_id, created_at, updated_at, revision, name, rules, uninspectable";

impl Store {
    /// The profiles in the actor's scope and those of the platform, in the order in which they were made.
    pub async fn list_profiles(
        &self,
        actor: &Actor,
        request: PageRequest,
    ) -> Result<Page<Stored<GuardrailProfile>>, StoreError> {
        let rows: Vec<ProfileRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM guardrail_profiles
             WHERE ($1::uuid IS NULL OR tenant_id = $1 OR tenant_id IS NULL) AND ($2::uuid IS NULL OR tenant_id = $2)
               AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4"
        )))
        .bind(actor.scope().tenant())
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(i64::from(request.limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        page(rows, request.limit, ProfileRow::into_stored)
    }

    /// One profile.
    pub async fn get_profile(&self, actor: &Actor, id: Uuid) -> Result<Stored<GuardrailProfile>, StoreError> {
        let row: Option<ProfileRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM guardrail_profiles
             WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2 OR tenant_id IS NULL)"
        )))
        .bind(id)
        .bind(actor.scope().tenant())
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or(StoreError::NotFound)?.into_stored()
    }

    /// One profile by its name: the actor's tenant's, or else the platform's.
    pub async fn get_profile_by_name(&self, actor: &Actor, name: &str) -> Result<Stored<GuardrailProfile>, StoreError> {
        let row: Option<ProfileRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM guardrail_profiles
             WHERE name = $1 AND (tenant_id = $2 OR tenant_id IS NULL) ORDER BY tenant_id NULLS LAST LIMIT 1"
        )))
        .bind(name)
        .bind(actor.scope().tenant())
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or(StoreError::NotFound)?.into_stored()
    }

    /// Makes a profile.
    pub async fn create_profile(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        profile: GuardrailProfile,
        idempotency: Option<&Idempotency>,
    ) -> Result<Stored<GuardrailProfile>, StoreError> {
        authorise(actor, tenant_id)?;
        check_profile(&profile)?;
        let mut write = self.begin(actor).await?;
        if let Some(earlier) = self.replay(&mut write, idempotency).await? {
            return Ok(earlier);
        }
        require_tenant(write.connection(), tenant_id).await?;
        let id = Uuid::now_v7();
        let revision = write.revision();
        let row: ProfileRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "INSERT INTO guardrail_profiles (id, tenant_id, name, rules, uninspectable, revision)
             VALUES ($1, $2, $3, $4, $5, $6)
             RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(tenant_id)
        .bind(profile.name)
        .bind(Json(profile.rules))
        .bind(profile.uninspectable.name())
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        let stored = row.into_stored()?;
        self.remember(&mut write, idempotency, &stored).await?;
        write.commit(committed("guardrail_profile.create", id, tenant_id)).await?;
        Ok(stored)
    }

    /// Replaces what is decided about a profile.
    pub async fn update_profile(
        &self,
        actor: &Actor,
        id: Uuid,
        expected_revision: u64,
        profile: GuardrailProfile,
    ) -> Result<Stored<GuardrailProfile>, StoreError> {
        check_profile(&profile)?;
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let tenant_id = current(&mut write, actor, id, expected_revision).await?;
        let revision = write.revision();
        let row: ProfileRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "UPDATE guardrail_profiles SET name = $2, rules = $3, uninspectable = $4, revision = $5, updated_at = now() WHERE id = $1
             RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(profile.name)
        .bind(Json(profile.rules))
        .bind(profile.uninspectable.name())
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        write.commit(committed("guardrail_profile.update", id, tenant_id)).await?;
        row.into_stored()
    }

    /// Deletes a profile that no key and no tenant uses. Gives the revision.
    pub async fn delete_profile(&self, actor: &Actor, id: Uuid, expected_revision: u64) -> Result<u64, StoreError> {
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let tenant_id = current(&mut write, actor, id, expected_revision).await?;
        let user: Option<(String,)> = sqlx::query_as(
            "SELECT 'API key ' || name FROM api_keys WHERE guardrail_profile_id = $1
             UNION ALL SELECT 'tenant ' || name FROM tenants WHERE guardrail_profile_id = $1 LIMIT 1",
        )
        .bind(id)
        .fetch_optional(write.connection())
        .await?;
        if let Some((by,)) = user {
            return Err(StoreError::InUse { by });
        }
        sqlx::query("DELETE FROM guardrail_profiles WHERE id = $1").bind(id).execute(write.connection()).await?;
        write.commit(committed("guardrail_profile.delete", id, tenant_id)).await
    }
}

async fn current(
    write: &mut Write<'_>,
    actor: &Actor,
    id: Uuid,
    expected_revision: u64,
) -> Result<Option<Uuid>, StoreError> {
    let row: Option<(i64, Option<Uuid>)> = sqlx::query_as(
        "SELECT revision, tenant_id FROM guardrail_profiles
         WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2 OR tenant_id IS NULL)",
    )
    .bind(id)
    .bind(actor.scope().tenant())
    .fetch_optional(write.connection())
    .await?;
    let (revision, tenant_id) = row.ok_or(StoreError::NotFound)?;
    write.authorise(tenant_id)?;
    if id == PROFILE_ALL {
        return Err(StoreError::Forbidden("the profile `all` cannot be changed"));
    }
    expect_revision(revision, expected_revision)?;
    Ok(tenant_id)
}

fn committed(action: &'static str, id: Uuid, tenant_id: Option<Uuid>) -> Committed {
    Committed {
        action,
        resource_type: "guardrail_profile",
        resource_id: id,
        tenant_id,
        // It travels with the principals for whom it holds.
        kind: tenant_id.map_or(ChangeKind::Everyone, |tenant_id| ChangeKind::Tenant { tenant_id }),
        affects_configuration: false,
    }
}

#[derive(sqlx::FromRow)]
struct ProfileRow {
    #[sqlx(flatten)]
    meta: Meta,
    name: String,
    rules: Json<Vec<GuardrailRule>>,
    uninspectable: String,
}

impl ProfileRow {
    fn into_stored(self) -> Result<Stored<GuardrailProfile>, StoreError> {
        self.meta.with(GuardrailProfile {
            name: self.name,
            rules: self.rules.0,
            uninspectable: Uninspectable::of_name(&self.uninspectable)
                .ok_or(StoreError::Corrupt("a profile's word for what is not read"))?,
        })
    }
}
