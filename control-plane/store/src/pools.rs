//! Pools and their members.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::capabilities::CapabilityOverrides;
use weir_core::change::ChangeKind;
use weir_core::field::{FieldError, Fields};
use weir_core::page::{Page, PageRequest};
use weir_core::resource::Stored;
use weir_core::routing::{MemberSettings, PoolSettings, PoolView};

use crate::commit::{Committed, Idempotency, Write, authorise, expect_revision};
use crate::members::{MEMBER_COLUMNS, MemberRow, PriceColumns};
use crate::providers::Said;
use crate::row::{Meta, page, require_tenant, signed, taken, unsigned};
use crate::transaction::{READING, begin};
use crate::{Store, StoreError};

const OWNER: &str = "SELECT tenant_id FROM pools WHERE id = $1";
const COLUMNS: &str = "id, tenant_id, created_at, updated_at, revision, name, first_byte_timeout_ms, idle_timeout_ms, \
                       request_timeout_ms";

impl Store {
    /// The pools in the actor's scope, in the order in which they were made.
    pub async fn list_pools(&self, actor: &Actor, request: PageRequest) -> Result<Page<Stored<PoolView>>, StoreError> {
        let mut reading = begin(&self.pool, READING).await?;
        let rows: Vec<PoolRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM pools
             WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR tenant_id = $2)
               AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4"
        )))
        .bind(actor.scope().tenant())
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(i64::from(request.limit) + 1)
        .fetch_all(&mut *reading)
        .await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.meta.id).collect();
        let members = members(&mut reading, &ids).await?;
        let with_members = |row: PoolRow| {
            let own = members.get(&row.meta.id).map(Vec::as_slice).unwrap_or_default();
            row.into_stored(own)
        };
        page(rows, request.limit, with_members)
    }

    /// One pool.
    pub async fn get_pool(&self, actor: &Actor, id: Uuid) -> Result<Stored<PoolView>, StoreError> {
        let mut reading = begin(&self.pool, READING).await?;
        let row: Option<PoolRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM pools WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)"
        )))
        .bind(id)
        .bind(actor.scope().tenant())
        .fetch_optional(&mut *reading)
        .await?;
        let row = row.ok_or(StoreError::NotFound)?;
        let members = members(&mut reading, &[id]).await?;
        row.into_stored(members.get(&id).map(Vec::as_slice).unwrap_or_default())
    }

    /// Makes a pool of providers of the same owner.
    pub async fn create_pool(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        settings: PoolSettings,
        idempotency: Option<&Idempotency>,
    ) -> Result<Stored<PoolView>, StoreError> {
        authorise(actor, tenant_id)?;
        settings.check()?;
        let mut write = self.begin(actor).await?;
        if let Some(earlier) = self.replay(&mut write, idempotency).await? {
            return Ok(earlier);
        }
        require_tenant(write.connection(), tenant_id).await?;
        require_providers(write.connection(), tenant_id, &settings.members).await?;
        let id = Uuid::now_v7();
        let revision = write.revision();
        let row: PoolRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "INSERT INTO pools (id, tenant_id, name, first_byte_timeout_ms, idle_timeout_ms, request_timeout_ms, revision)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(tenant_id)
        .bind(&settings.name)
        .bind(signed(settings.first_byte_timeout_ms))
        .bind(signed(settings.idle_timeout_ms))
        .bind(signed(settings.request_timeout_ms))
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        let members = write_members(&mut write, id, tenant_id, &settings.members, Vec::new()).await?;
        let stored = row.into_stored(&members)?;
        self.remember(&mut write, idempotency, &stored).await?;
        write.commit(committed("pool.create", id, tenant_id)).await?;
        Ok(stored)
    }

    /// Replaces what is decided about a pool. A member that was there before (same provider, same model) keeps its
    /// deployment; its price gets a new version only if it changed.
    pub async fn update_pool(
        &self,
        actor: &Actor,
        id: Uuid,
        expected_revision: u64,
        settings: PoolSettings,
    ) -> Result<Stored<PoolView>, StoreError> {
        settings.check()?;
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let tenant_id = current(&mut write, actor, id, expected_revision).await?;
        require_providers(write.connection(), tenant_id, &settings.members).await?;
        let before = members(write.connection(), &[id]).await?.remove(&id).unwrap_or_default();
        let revision = write.revision();
        let row: PoolRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "UPDATE pools SET name = $2, first_byte_timeout_ms = $3, idle_timeout_ms = $4, request_timeout_ms = $5,
                    revision = $6, updated_at = now()
             WHERE id = $1 RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(&settings.name)
        .bind(signed(settings.first_byte_timeout_ms))
        .bind(signed(settings.idle_timeout_ms))
        .bind(signed(settings.request_timeout_ms))
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("name"))?;
        sqlx::query("DELETE FROM deployments WHERE pool_id = $1").bind(id).execute(write.connection()).await?;
        let members = write_members(&mut write, id, tenant_id, &settings.members, before).await?;
        write.commit(committed("pool.update", id, tenant_id)).await?;
        row.into_stored(&members)
    }

    /// Deletes a pool that no model leads to. Gives the revision.
    pub async fn delete_pool(&self, actor: &Actor, id: Uuid, expected_revision: u64) -> Result<u64, StoreError> {
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let tenant_id = current(&mut write, actor, id, expected_revision).await?;
        let model: Option<(String,)> = sqlx::query_as("SELECT 'model ' || name FROM models WHERE pool_id = $1 LIMIT 1")
            .bind(id)
            .fetch_optional(write.connection())
            .await?;
        if let Some((by,)) = model {
            return Err(StoreError::InUse { by });
        }
        sqlx::query("DELETE FROM deployments WHERE pool_id = $1").bind(id).execute(write.connection()).await?;
        sqlx::query("DELETE FROM pools WHERE id = $1").bind(id).execute(write.connection()).await?;
        write.commit(committed("pool.delete", id, tenant_id)).await
    }
}

/// Refuses members whose provider is not the owner's.
async fn require_providers(
    connection: &mut PgConnection,
    tenant_id: Option<Uuid>,
    members: &[MemberSettings],
) -> Result<(), StoreError> {
    let asked: Vec<Uuid> = members.iter().map(|member| member.provider_id).collect();
    let found: Vec<(Uuid,)> = sqlx::query_as("SELECT id FROM providers WHERE id = ANY($1) AND owner_id = $2")
        .bind(asked)
        .bind(tenant_id.unwrap_or_default())
        .fetch_all(connection)
        .await?;
    let mut fields = Fields::default();
    for (index, member) in members.iter().enumerate() {
        fields.require(
            found.contains(&(member.provider_id,)),
            format!("members[{index}].provider_id"),
            "there is no such provider of the pool's owner",
        );
    }
    fields.finish().map_err(|errors: Vec<FieldError>| errors.into())
}

async fn members(connection: &mut PgConnection, pools: &[Uuid]) -> Result<HashMap<Uuid, Vec<MemberRow>>, StoreError> {
    let rows: Vec<MemberRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {MEMBER_COLUMNS} FROM deployments WHERE pool_id = ANY($1) ORDER BY pool_id, position"
    )))
    .bind(pools)
    .fetch_all(connection)
    .await?;
    let mut members: HashMap<Uuid, Vec<MemberRow>> = HashMap::new();
    for row in rows {
        members.entry(row.pool_id).or_default().push(row);
    }
    Ok(members)
}

/// Writes the members of a pool that has none any more; `before` are those that it had.
async fn write_members(
    write: &mut Write<'_>,
    pool_id: Uuid,
    tenant_id: Option<Uuid>,
    members: &[MemberSettings],
    mut before: Vec<MemberRow>,
) -> Result<Vec<MemberRow>, StoreError> {
    let mut written = Vec::with_capacity(members.len());
    for (position, member) in members.iter().enumerate() {
        let same = before.iter().position(|old| old.provider_id == member.provider_id && old.model == member.model);
        let same = same.map(|index| before.remove(index));
        let price = member.price;
        let price_version = match &same {
            Some(old) if old.price.read()? == price => old.price_version.clone(),
            _ => price.map(|_| format!("r{}", write.revision())),
        };
        let row = MemberRow {
            id: same.map_or_else(Uuid::now_v7, |old| old.id),
            pool_id,
            provider_id: member.provider_id,
            model: member.model.clone(),
            capabilities: Json(said(member.capabilities)),
            price: PriceColumns::of(price),
            price_version,
        };
        sqlx::query(
            "INSERT INTO deployments (id, owner_id, pool_id, position, provider_id, model, capabilities, price_version,
                 input_microusd_per_million, cached_input_microusd_per_million, cache_write_microusd_per_million,
                 cache_write_1h_microusd_per_million, output_microusd_per_million, reasoning_microusd_per_million)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(row.id)
        .bind(tenant_id.unwrap_or_default())
        .bind(pool_id)
        .bind(position as i16)
        .bind(row.provider_id)
        .bind(&row.model)
        .bind(&row.capabilities)
        .bind(&row.price_version)
        .bind(row.price.input_microusd_per_million)
        .bind(row.price.cached_input_microusd_per_million)
        .bind(row.price.cache_write_microusd_per_million)
        .bind(row.price.cache_write_1h_microusd_per_million)
        .bind(row.price.output_microusd_per_million)
        .bind(row.price.reasoning_microusd_per_million)
        .execute(write.connection())
        .await?;
        written.push(row);
    }
    Ok(written)
}

/// As it is stored.
fn said(capabilities: CapabilityOverrides) -> Said {
    match serde_json::to_value(capabilities) {
        Ok(serde_json::Value::Object(said)) => said,
        _ => Said::new(),
    }
}

async fn current(
    write: &mut Write<'_>,
    actor: &Actor,
    id: Uuid,
    expected_revision: u64,
) -> Result<Option<Uuid>, StoreError> {
    let row: Option<(i64, Option<Uuid>)> =
        sqlx::query_as("SELECT revision, tenant_id FROM pools WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)")
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
        resource_type: "pool",
        resource_id: id,
        tenant_id,
        kind: ChangeKind::Configuration,
        affects_configuration: true,
    }
}

#[derive(sqlx::FromRow)]
struct PoolRow {
    #[sqlx(flatten)]
    meta: Meta,
    name: String,
    first_byte_timeout_ms: i64,
    idle_timeout_ms: i64,
    request_timeout_ms: i64,
}

impl PoolRow {
    fn into_stored(self, members: &[MemberRow]) -> Result<Stored<PoolView>, StoreError> {
        let deployment_ids = members.iter().map(|member| member.id).collect();
        let members = members.iter().map(MemberRow::settings).collect::<Result<_, StoreError>>()?;
        let settings = PoolSettings {
            name: self.name,
            members,
            first_byte_timeout_ms: unsigned(self.first_byte_timeout_ms)?,
            idle_timeout_ms: unsigned(self.idle_timeout_ms)?,
            request_timeout_ms: unsigned(self.request_timeout_ms)?,
        };
        self.meta.with(PoolView { settings, deployment_ids })
    }
}
