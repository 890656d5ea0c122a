//! Reading resources of any kind.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::field::FieldError;
use weir_core::json::Object;
use weir_core::page::{After, AfterValue, Filter, ListPage, ListRequest, SortKey};
use weir_core::resource::{Origin, OriginKind, Stored};

use crate::authorisation::{authorise, condition};
use crate::resource::kind::{Kind, Owner, Secret};
use crate::resource::kind_named;
use crate::resource::reference::tenant_named;
use crate::row::unsigned;
use crate::{Store, StoreError};

/// The status that tells whether there is a secret which people give.
pub(crate) const HAS_SECRET: &str = "_has_secret";

impl Store {
    /// The resources of a kind in the actor's scope.
    pub async fn list(
        &self,
        kind: &dyn Kind,
        actor: &Actor,
        request: ListRequest,
    ) -> Result<ListPage<Stored>, StoreError> {
        if kind.is_platforms_alone() {
            authorise(actor, kind.reading(), None)?;
        }
        let state = match &request.state {
            None => "true",
            Some(state) => condition_of(kind, state)?,
        };
        let filters = narrowed(kind, &request.filters)?;
        let (tenant, key) = (tenant_of(kind), kind.natural_key());
        let (direction, beyond) = if request.order.descending { ("DESC", "<") } else { ("ASC", ">") };
        // Ids are in the order of making.
        let sorted = match request.order.by {
            SortKey::CreatedAt => "t.id".to_owned(),
            SortKey::Name => format!("t.{key}, t.id"),
            SortKey::UpdatedAt => "t.updated_at, t.id".to_owned(),
        };
        let after = match request.order.by {
            SortKey::CreatedAt => format!("t.id {beyond} $3"),
            SortKey::Name => format!("(t.{key}, t.id) {beyond} ($7::text, $3)"),
            SortKey::UpdatedAt => format!("(t.updated_at, t.id) {beyond} ($8::timestamptz, $3)"),
        };
        let order: Vec<String> = sorted.split(", ").map(|column| format!("{column} {direction}")).collect();
        let (id, name, at) = match &request.after {
            None => (None, None, None),
            Some(After { id, value: AfterValue::Id }) => (Some(*id), None, None),
            Some(After { id, value: AfterValue::Name(name) }) => (Some(*id), Some(name.clone()), None),
            Some(After { id, value: AfterValue::UpdatedAt(at) }) => (Some(*id), None, Some(*at)),
        };
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(format!(
            "{} WHERE {} AND {} AND {state}{filters} AND {} AND ($2::uuid IS NULL OR {tenant} = $2) AND ($3::uuid IS NULL OR {after})
               AND (NOT $10 OR {tenant} IS NULL)
               AND ($4::text IS NULL OR t.{key} = $4) AND ($5::text IS NULL OR position(lower($5) in lower(t.{key})) > 0)
               AND ($7::text IS NULL OR true) AND ($8::timestamptz IS NULL OR true) AND ($9::jsonb IS NULL OR true)
             ORDER BY {} LIMIT $6",
            select(kind),
            scope(kind),
            kind.condition(),
            condition(kind, &actor.sees(kind.reading())),
            order.join(", "),
        )))
        .bind(actor.scope().tenant())
        .bind(request.tenant_id)
        .bind(id)
        .bind(request.name)
        .bind(request.part_of_name)
        .bind(i64::from(request.limit) + 1)
        .bind(name)
        .bind(at)
        .bind(Json(request.filters.iter().map(value_of).collect::<Vec<_>>()))
        .bind(request.platforms_alone)
        .fetch_all(&self.admin)
        .await?;
        let mut items: Vec<Stored> = rows.into_iter().map(|row| row.into_stored(kind)).collect::<Result<_, _>>()?;
        items.iter_mut().for_each(|stored| hide_names(kind, actor, stored));
        let limit = request.limit as usize;
        let is_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| is_more).map(|last| After {
            id: last.id,
            value: match request.order.by {
                SortKey::CreatedAt => AfterValue::Id,
                SortKey::Name => AfterValue::Name(last.text(key).to_owned()),
                SortKey::UpdatedAt => AfterValue::UpdatedAt(last.updated_at),
            },
        });
        Ok(ListPage { items, next })
    }

    /// The id of what a path names: by its id, or by its name, that of a tenant's (by name or id) if one is said. A tenant's users have
    /// their own before the platform's.
    pub async fn id_of(
        &self,
        kind: &dyn Kind,
        actor: &Actor,
        id_or_name: &str,
        tenant: Option<&str>,
    ) -> Result<Uuid, StoreError> {
        if kind.is_platforms_alone() {
            authorise(actor, kind.reading(), None)?;
        }
        if let Some(id) = Some(id_or_name).filter(|text| text.len() == 36).and_then(|text| text.parse().ok()) {
            return Ok(id);
        }
        // Nothing is called so, and Postgres knows no text with NUL.
        if id_or_name.contains('\0') {
            return Err(StoreError::NotFound);
        }
        let mut connection = self.admin.acquire().await?;
        let of = match tenant {
            None => None,
            Some(tenant) => Some(tenant_named(&mut connection, actor, tenant).await?.ok_or(StoreError::NotFound)?.0),
        };
        let owner = tenant_of(kind);
        let found: Vec<(Uuid, Option<Uuid>)> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT t.id, {owner} FROM {} t
             WHERE t.{} = $2 AND {} AND {} AND {} AND ($3::uuid IS NULL OR {owner} = $3)
             ORDER BY {owner} NULLS LAST, t.id LIMIT 2",
            kind.table(),
            kind.natural_key(),
            scope(kind),
            kind.condition(),
            condition(kind, &actor.sees(kind.reading())),
        )))
        .bind(actor.scope().tenant())
        .bind(id_or_name)
        .bind(of)
        .fetch_all(&mut *connection)
        .await?;
        match found[..] {
            [] => Err(StoreError::NotFound),
            [(id, _)] => Ok(id),
            [(id, owner), ..] if owner.is_some() && owner == actor.scope().tenant() => Ok(id),
            _ => Err(StoreError::Ambiguous),
        }
    }

    /// One resource.
    pub async fn get(&self, kind: &dyn Kind, actor: &Actor, id: Uuid) -> Result<Stored, StoreError> {
        let mut connection = self.admin.acquire().await?;
        let mut stored = get(&mut connection, kind, actor, id).await?;
        hide_names(kind, actor, &mut stored);
        Ok(stored)
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
        authorise(actor, kind.reading(), None)?;
    }
    let row: Option<Row> = sqlx::query_as(AssertSqlSafe(format!(
        "{} WHERE t.id = $2 AND {} AND {} AND {}",
        select(kind),
        scope(kind),
        kind.condition(),
        condition(kind, &actor.sees(kind.reading()))
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

/// Those of one owner, or of every owner that the actor may see; at most so many.
pub(crate) async fn all(
    connection: &mut PgConnection,
    kind: &dyn Kind,
    actor: &Actor,
    tenant_id: Option<Uuid>,
    most: usize,
) -> Result<Vec<Stored>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(format!(
        "{} WHERE ($1::uuid IS NULL OR {} = $1) AND {} AND {} ORDER BY t.id LIMIT $2",
        select(kind),
        tenant_of(kind),
        kind.condition(),
        condition(kind, &actor.sees(kind.reading()))
    )))
    .bind(tenant_id)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| row.into_stored(kind)).collect()
}

/// Takes away the names of what the reader may not see: the platform's, of kinds of which a tenant's users see their own only.
fn hide_names(kind: &dyn Kind, actor: &Actor, stored: &mut Stored) {
    if actor.scope().tenant().is_none() || stored.tenant_id.is_some() {
        return;
    }
    for reference in kind.references().iter().filter(|reference| reference.is_plain()) {
        if kind_named(reference.kind).is_some_and(|target| !target.shows_platforms()) {
            stored.status.insert(reference.name_field(), Value::Null);
        }
    }
}

fn condition_of(kind: &dyn Kind, state: &str) -> Result<&'static str, StoreError> {
    let known = kind.states();
    let found = known.iter().find(|(name, _)| *name == state).map(|(_, condition)| *condition);
    found.ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let reason = if names.is_empty() {
            "is not known of this kind".into()
        } else {
            format!("must be one of {}", names.join(", "))
        };
        StoreError::WrongFilter(FieldError::new("state", reason))
    })
}

/// Whether a list of this kind can be narrowed so.
pub fn takes_filter(kind: &dyn Kind, name: &str) -> bool {
    let has = |column| kind.columns().contains(&column);
    match name {
        "department_id" => kind.department().is_some_and(|department| department != "t.id"),
        "label" => has("labels"),
        "unused_for_days" => kind.unused().is_some(),
        name => has(name),
    }
}

/// What holds of what is listed, with values in the list $9.
fn narrowed(kind: &dyn Kind, filters: &[Filter]) -> Result<String, StoreError> {
    let mut conditions = String::new();
    for (index, filter) in filters.iter().enumerate() {
        let name = filter.name();
        if !takes_filter(kind, name) {
            return Err(StoreError::WrongFilter(FieldError::new(name, "is not known of this kind")));
        }
        let condition = match filter {
            Filter::Department(_) => {
                let department = kind.department().unwrap_or("NULL::uuid");
                format!("{department} IN (SELECT departments_beneath(($9->>{index})::uuid))")
            }
            Filter::Parent(_) | Filter::User(_) | Filter::ServiceAccount(_) => {
                format!("t.{name} = ($9->>{index})::uuid")
            }
            Filter::Environment(_) => format!("t.{name} = $9->>{index}"),
            Filter::Label(_, None) => format!("t.labels ? ($9->>{index})"),
            Filter::Label(_, Some(_)) => format!("t.labels @> ($9->{index})"),
            Filter::UnusedForDays(_) => {
                kind.unused().unwrap_or("true").replace("{days}", &format!("($9->>{index})::integer"))
            }
        };
        conditions.push_str(" AND ");
        conditions.push_str(&condition);
    }
    Ok(conditions)
}

fn value_of(filter: &Filter) -> Value {
    match filter {
        Filter::Department(id) | Filter::Parent(id) | Filter::User(id) | Filter::ServiceAccount(id) => {
            id.to_string().into()
        }
        Filter::Environment(environment) => environment.name().into(),
        Filter::Label(name, None) => name.clone().into(),
        Filter::UnusedForDays(days) => days.to_string().into(),
        Filter::Label(name, Some(value)) => serde_json::json!({ name: value }),
    }
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
    let mut of_all = Vec::new();
    if let Secret::Given { column, .. } = kind.secret() {
        of_all.push(format!("'{HAS_SECRET}', t.{column} IS NOT NULL"));
    }
    if kind.owner() != Owner::Itself {
        of_all.push("'tenant_name', (SELECT n.name FROM tenants n WHERE n.id = t.tenant_id)".into());
    }
    for reference in kind.references().iter().filter(|reference| reference.list.is_none()) {
        let Some(target) = kind_named(reference.kind) else { continue };
        of_all.push(format!(
            "'{}', (SELECT n.{} FROM {} n WHERE n.id = t.{})",
            reference.name_field(),
            target.natural_key(),
            target.table(),
            reference.field
        ));
    }
    format!(
        "SELECT t.id, {} AS tenant_id, t.created_at, t.updated_at, t.revision, t.origin_kind, t.origin_ref,
                jsonb_build_object({}) AS fields, jsonb_build_object({}) AS of_all
         FROM {} t",
        tenant_of(kind),
        fields.join(", "),
        of_all.join(", "),
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
    /// What is read of every kind besides.
    of_all: Json<Object>,
}

impl Row {
    fn into_stored(self, kind: &dyn Kind) -> Result<Stored, StoreError> {
        let (spec, mut status) = kind.read(self.fields.0)?;
        status.extend(self.of_all.0);
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
