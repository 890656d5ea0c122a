//! Reading resources of any kind.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::json::Object;
use weir_core::page::{Page, PageRequest};
use weir_core::resource::{Origin, OriginKind, Stored};

use crate::commit::authorise;
use crate::resource::kind::{Kind, Owner};
use crate::row::unsigned;
use crate::{Store, StoreError};

impl Store {
    /// The resources of a kind in the actor's scope, in the order in which they were made.
    pub async fn list(&self, kind: &dyn Kind, actor: &Actor, request: PageRequest) -> Result<Page<Stored>, StoreError> {
        if kind.is_platforms_alone() {
            authorise(actor, None)?;
        }
        let (tenant, key) = (tenant_of(kind), kind.natural_key());
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(format!(
            "{} WHERE {} AND {} AND ($2::uuid IS NULL OR {tenant} = $2) AND ($3::uuid IS NULL OR t.id > $3)
               AND ($4::text IS NULL OR t.{key} = $4) AND ($5::text IS NULL OR position(lower($5) in lower(t.{key})) > 0)
             ORDER BY t.id LIMIT $6",
            select(kind),
            scope(kind),
            kind.condition(),
        )))
        .bind(actor.scope().tenant())
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(request.name)
        .bind(request.part_of_name)
        .bind(i64::from(request.limit) + 1)
        .fetch_all(&self.admin)
        .await?;
        let items = rows.into_iter().map(|row| row.into_stored(kind)).collect::<Result<_, _>>()?;
        Ok(Page::from_rows(items, request.limit, |item: &Stored| item.id))
    }

    /// One resource.
    pub async fn get(&self, kind: &dyn Kind, actor: &Actor, id: Uuid) -> Result<Stored, StoreError> {
        let mut connection = self.pool.acquire().await?;
        get(&mut connection, kind, actor, id).await
    }

    /// One resource by its name: the actor's tenant's, or else the platform's.
    pub async fn get_by_name(&self, kind: &dyn Kind, actor: &Actor, name: &str) -> Result<Stored, StoreError> {
        let row: Option<Row> = sqlx::query_as(AssertSqlSafe(format!(
            "{} WHERE t.{} = $2 AND (t.tenant_id = $1::uuid OR t.tenant_id IS NULL) AND {}
             ORDER BY t.tenant_id NULLS LAST LIMIT 1",
            select(kind),
            kind.natural_key(),
            kind.condition(),
        )))
        .bind(actor.scope().tenant())
        .bind(name)
        .fetch_optional(&self.admin)
        .await?;
        row.ok_or(StoreError::NotFound)?.into_stored(kind)
    }
}

/// One resource, within a transaction.
pub(crate) async fn get(
    connection: &mut PgConnection,
    kind: &dyn Kind,
    actor: &Actor,
    id: Uuid,
) -> Result<Stored, StoreError> {
    if kind.is_platforms_alone() {
        authorise(actor, None)?;
    }
    let row: Option<Row> = sqlx::query_as(AssertSqlSafe(format!(
        "{} WHERE t.id = $2 AND {} AND {}",
        select(kind),
        scope(kind),
        kind.condition()
    )))
    .bind(actor.scope().tenant())
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.ok_or(StoreError::NotFound)?.into_stored(kind)
}

/// Those of one owner that are called so: at most two, for a name that should name one.
pub(crate) async fn of_name(
    connection: &mut PgConnection,
    kind: &dyn Kind,
    tenant_id: Option<Uuid>,
    name: &str,
) -> Result<Vec<Stored>, StoreError> {
    // Nothing is called so, and Postgres knows no text with NUL.
    if name.contains('\0') {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(format!(
        "{} WHERE t.{} = $2 AND {} AND {} ORDER BY t.id LIMIT 2",
        select(kind),
        kind.natural_key(),
        owned(kind),
        kind.condition()
    )))
    .bind(tenant_id)
    .bind(name)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| row.into_stored(kind)).collect()
}

/// Those of one owner that are managed in one place.
pub(crate) async fn of_origin(
    connection: &mut PgConnection,
    kind: &dyn Kind,
    tenant_id: Option<Uuid>,
    origin: &Origin,
) -> Result<Vec<Stored>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(format!(
        "{} WHERE t.origin_kind = $2 AND t.origin_ref IS NOT DISTINCT FROM $3 AND {} AND {} ORDER BY t.id",
        select(kind),
        owned(kind),
        kind.condition()
    )))
    .bind(tenant_id)
    .bind(origin.kind.name())
    .bind(&origin.reference)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| row.into_stored(kind)).collect()
}

fn tenant_of(kind: &dyn Kind) -> &'static str {
    if kind.owner() == Owner::Itself { "t.id" } else { "t.tenant_id" }
}

/// Of the owner $1. The name of a tenant is nobody's: there it is not asked.
fn owned(kind: &dyn Kind) -> &'static str {
    if kind.owner() == Owner::Itself { "$1::uuid IS NULL" } else { "t.tenant_id IS NOT DISTINCT FROM $1::uuid" }
}

/// What a scope of the tenant $1 shows; null: everything.
pub(crate) fn scope(kind: &dyn Kind) -> String {
    let tenant = tenant_of(kind);
    let platforms = if kind.shows_platforms() { format!(" OR {tenant} IS NULL") } else { String::new() };
    format!("($1::uuid IS NULL OR {tenant} = $1{platforms})")
}

fn select(kind: &dyn Kind) -> String {
    let columns = kind.columns().iter().map(|column| format!("'{column}', t.{column}"));
    let expressions = kind.expressions().iter().map(|(name, sql)| format!("'{name}', {sql}"));
    let fields: Vec<String> = columns.chain(expressions).collect();
    format!(
        "SELECT t.id, {} AS tenant_id, t.created_at, t.updated_at, t.revision, t.origin_kind, t.origin_ref,
                jsonb_build_object({}) AS fields
         FROM {} t",
        tenant_of(kind),
        fields.join(", "),
        kind.table()
    )
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    tenant_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    revision: i64,
    origin_kind: String,
    origin_ref: Option<String>,
    fields: Json<Object>,
}

impl Row {
    fn into_stored(self, kind: &dyn Kind) -> Result<Stored, StoreError> {
        let (spec, status) = kind.read(self.fields.0)?;
        let origin_kind = OriginKind::from_name(&self.origin_kind).ok_or(StoreError::Corrupt("an unknown origin"))?;
        Ok(Stored {
            id: self.id,
            tenant_id: self.tenant_id,
            created_at: self.created_at,
            updated_at: self.updated_at,
            revision: unsigned(self.revision)?,
            origin: Origin { kind: origin_kind, reference: self.origin_ref },
            spec,
            status,
        })
    }
}
