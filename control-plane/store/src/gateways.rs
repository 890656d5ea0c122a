//! Gateways: fleets of Envoys with one token each.

use secrecy::ExposeSecret;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::change::ChangeKind;
use weir_core::gateway::Gateway;
use weir_core::page::{Page, PageRequest};
use weir_core::resource::{Stored, WithSecret};
use weir_core::secret::{SecretKind, generate, sha256};
use weir_core::tenant::GatewaySettings;

use crate::commit::{Committed, Idempotency, Write, authorise, expect_revision};
use crate::row::{Meta, page, require_tenant, taken};
use crate::{Store, StoreError};

const THERE: &str = "SELECT 1 FROM gateways WHERE id = $1";
const COLUMNS: &str = "id, tenant_id, created_at, updated_at, revision, name";

impl Store {
    /// The gateway whose token has this digest.
    pub async fn gateway_by_token(&self, token_sha256: &[u8]) -> Result<Option<Gateway>, StoreError> {
        self.unless_away()?;
        let row: Option<(Uuid, String, Option<Uuid>)> =
            sqlx::query_as("SELECT id, name, tenant_id FROM gateways WHERE token_sha256 = $1")
                .bind(token_sha256)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|(id, name, tenant_id)| Gateway { id, name, tenant_id }))
    }

    /// All gateways, in the order in which they were made. Only for the platform.
    pub async fn list_gateways(
        &self,
        actor: &Actor,
        request: PageRequest,
    ) -> Result<Page<Stored<GatewaySettings>>, StoreError> {
        authorise(actor, None)?;
        let rows: Vec<GatewayRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM gateways
             WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"
        )))
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(i64::from(request.limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        page(rows, request.limit, GatewayRow::into_stored)
    }

    /// One gateway. Only for the platform.
    pub async fn get_gateway(&self, actor: &Actor, id: Uuid) -> Result<Stored<GatewaySettings>, StoreError> {
        authorise(actor, None)?;
        let row: Option<GatewayRow> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM gateways WHERE id = $1")))
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        row.ok_or(StoreError::NotFound)?.into_stored()
    }

    /// Makes a gateway with a new token, which is shown this once.
    pub async fn create_gateway(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        settings: GatewaySettings,
        idempotency: Option<&Idempotency>,
    ) -> Result<WithSecret<GatewaySettings>, StoreError> {
        authorise(actor, None)?;
        settings.check()?;
        let mut write = self.begin(actor).await?;
        if let Some(earlier) = self.replay_secret(&mut write, idempotency, THERE).await? {
            return Ok(earlier);
        }
        require_tenant(write.connection(), tenant_id).await?;
        let id = Uuid::now_v7();
        let token = generate(SecretKind::GatewayToken)?;
        let revision = write.revision();
        let row: GatewayRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "INSERT INTO gateways (id, tenant_id, name, token_sha256, revision) VALUES ($1, $2, $3, $4, $5)
             RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(tenant_id)
        .bind(settings.name)
        .bind(sha256(token.expose_secret()))
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        let created = WithSecret { stored: row.into_stored()?, secret: token.expose_secret().to_owned() };
        self.remember(&mut write, idempotency, &created).await?;
        write.commit(committed("gateway.create", id, tenant_id)).await?;
        Ok(created)
    }

    /// Renames a gateway.
    pub async fn update_gateway(
        &self,
        actor: &Actor,
        id: Uuid,
        expected_revision: u64,
        settings: GatewaySettings,
    ) -> Result<Stored<GatewaySettings>, StoreError> {
        authorise(actor, None)?;
        settings.check()?;
        let mut write = self.begin(actor).await?;
        let tenant_id = current(&mut write, id, expected_revision).await?;
        let revision = write.revision();
        let row: GatewayRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "UPDATE gateways SET name = $2, revision = $3, updated_at = now() WHERE id = $1 RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(settings.name)
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        write.commit(committed("gateway.update", id, tenant_id)).await?;
        row.into_stored()
    }

    /// Deletes a gateway: its token is refused from now on. Gives the revision.
    pub async fn delete_gateway(&self, actor: &Actor, id: Uuid, expected_revision: u64) -> Result<u64, StoreError> {
        authorise(actor, None)?;
        let mut write = self.begin(actor).await?;
        let tenant_id = current(&mut write, id, expected_revision).await?;
        sqlx::query("DELETE FROM gateways WHERE id = $1").bind(id).execute(write.connection()).await?;
        write.commit(committed("gateway.delete", id, tenant_id)).await
    }
}

async fn current(write: &mut Write<'_>, id: Uuid, expected_revision: u64) -> Result<Option<Uuid>, StoreError> {
    let row: Option<(i64, Option<Uuid>)> = sqlx::query_as("SELECT revision, tenant_id FROM gateways WHERE id = $1")
        .bind(id)
        .fetch_optional(write.connection())
        .await?;
    let (revision, tenant_id) = row.ok_or(StoreError::NotFound)?;
    expect_revision(revision, expected_revision)?;
    Ok(tenant_id)
}

fn committed(action: &'static str, id: Uuid, tenant_id: Option<Uuid>) -> Committed {
    Committed {
        action,
        resource_type: "gateway",
        resource_id: id,
        tenant_id,
        kind: ChangeKind::Gateway { gateway_id: id },
        affects_configuration: false,
    }
}

#[derive(sqlx::FromRow)]
struct GatewayRow {
    #[sqlx(flatten)]
    meta: Meta,
    name: String,
}

impl GatewayRow {
    fn into_stored(self) -> Result<Stored<GatewaySettings>, StoreError> {
        self.meta.with(GatewaySettings { name: self.name })
    }
}
