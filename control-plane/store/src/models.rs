//! Models: the names that clients ask for.

use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::change::ChangeKind;
use weir_core::page::{Page, PageRequest};
use weir_core::resource::Stored;
use weir_core::routing::ModelSettings;

use crate::commit::{Committed, Idempotency, Write, authorise, expect_revision};
use crate::row::{Meta, page, require_tenant, taken};
use crate::{Store, StoreError};

const OWNER: &str = "SELECT tenant_id FROM models WHERE id = $1";
const COLUMNS: &str = "id, tenant_id, created_at, updated_at, revision, name, pool_id";

impl Store {
    /// The models in the actor's scope and those of the platform, in the order in which they were made.
    pub async fn list_models(
        &self,
        actor: &Actor,
        request: PageRequest,
    ) -> Result<Page<Stored<ModelSettings>>, StoreError> {
        let rows: Vec<ModelRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM models
             WHERE ($1::uuid IS NULL OR tenant_id = $1 OR tenant_id IS NULL) AND ($2::uuid IS NULL OR tenant_id = $2)
               AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4"
        )))
        .bind(actor.scope().tenant())
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(i64::from(request.limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        page(rows, request.limit, ModelRow::into_stored)
    }

    /// One model.
    pub async fn get_model(&self, actor: &Actor, id: Uuid) -> Result<Stored<ModelSettings>, StoreError> {
        let row: Option<ModelRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM models WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2 OR tenant_id IS NULL)"
        )))
        .bind(id)
        .bind(actor.scope().tenant())
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or(StoreError::NotFound)?.into_stored()
    }

    /// Makes a model that leads to a pool of the same owner.
    pub async fn create_model(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        settings: ModelSettings,
        idempotency: Option<&Idempotency>,
    ) -> Result<Stored<ModelSettings>, StoreError> {
        authorise(actor, tenant_id)?;
        settings.check()?;
        let mut write = self.begin(actor).await?;
        if let Some(earlier) = self.replay(&mut write, idempotency).await? {
            return Ok(earlier);
        }
        require_tenant(write.connection(), tenant_id).await?;
        require_pool(&mut write, tenant_id, settings.pool_id).await?;
        let id = Uuid::now_v7();
        let revision = write.revision();
        let row: ModelRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "INSERT INTO models (id, tenant_id, name, pool_id, revision) VALUES ($1, $2, $3, $4, $5) RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(tenant_id)
        .bind(settings.name)
        .bind(settings.pool_id)
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        let stored = row.into_stored()?;
        self.remember(&mut write, idempotency, &stored).await?;
        write.commit(committed("model.create", id, tenant_id)).await?;
        Ok(stored)
    }

    /// Replaces what is decided about a model.
    pub async fn update_model(
        &self,
        actor: &Actor,
        id: Uuid,
        expected_revision: u64,
        settings: ModelSettings,
    ) -> Result<Stored<ModelSettings>, StoreError> {
        settings.check()?;
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let tenant_id = current(&mut write, actor, id, expected_revision).await?;
        require_pool(&mut write, tenant_id, settings.pool_id).await?;
        let revision = write.revision();
        let row: ModelRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "UPDATE models SET name = $2, pool_id = $3, revision = $4, updated_at = now() WHERE id = $1 RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(settings.name)
        .bind(settings.pool_id)
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        write.commit(committed("model.update", id, tenant_id)).await?;
        row.into_stored()
    }

    /// Deletes a model. Gives the revision.
    pub async fn delete_model(&self, actor: &Actor, id: Uuid, expected_revision: u64) -> Result<u64, StoreError> {
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let tenant_id = current(&mut write, actor, id, expected_revision).await?;
        sqlx::query("DELETE FROM models WHERE id = $1").bind(id).execute(write.connection()).await?;
        write.commit(committed("model.delete", id, tenant_id)).await
    }
}

async fn require_pool(write: &mut Write<'_>, tenant_id: Option<Uuid>, pool_id: Uuid) -> Result<(), StoreError> {
    let found: Option<(i32,)> = sqlx::query_as("SELECT 1 FROM pools WHERE id = $1 AND owner_id = $2")
        .bind(pool_id)
        .bind(tenant_id.unwrap_or_default())
        .fetch_optional(write.connection())
        .await?;
    found.map(|_| ()).ok_or_else(|| StoreError::invalid("pool_id", "there is no such pool of the model's owner"))
}

async fn current(
    write: &mut Write<'_>,
    actor: &Actor,
    id: Uuid,
    expected_revision: u64,
) -> Result<Option<Uuid>, StoreError> {
    let row: Option<(i64, Option<Uuid>)> = sqlx::query_as(
        "SELECT revision, tenant_id FROM models
         WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2 OR tenant_id IS NULL)",
    )
    .bind(id)
    .bind(actor.scope().tenant())
    .fetch_optional(write.connection())
    .await?;
    let (revision, tenant_id) = row.ok_or(StoreError::NotFound)?;
    write.authorise(tenant_id)?;
    expect_revision(revision, expected_revision)?;
    Ok(tenant_id)
}

fn committed(action: &'static str, id: Uuid, tenant_id: Option<Uuid>) -> Committed {
    Committed {
        action,
        resource_type: "model",
        resource_id: id,
        tenant_id,
        kind: ChangeKind::Catalog { tenant_id },
        affects_configuration: false,
    }
}

#[derive(sqlx::FromRow)]
struct ModelRow {
    #[sqlx(flatten)]
    meta: Meta,
    name: String,
    pool_id: Uuid,
}

impl ModelRow {
    fn into_stored(self) -> Result<Stored<ModelSettings>, StoreError> {
        self.meta.with(ModelSettings { name: self.name, pool_id: self.pool_id })
    }
}
