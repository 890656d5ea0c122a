//! What resources refer to: by id, or by name.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::field::FieldError;
use weir_core::json::Object;

use crate::StoreError;
use crate::error::User;
use crate::resource::kind::{Kind, Owner};
use crate::resource::{KINDS, kind_named};

/// How many users of a thing are named.
const MOST_USERS: i64 = 20;

/// A field that holds the id of another resource.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// The list of objects that the field stands in, or the one object, which then says of which kind it is; `None`: it is the
    /// specification's own.
    pub(crate) list: Option<&'static str>,
    /// Its name, which ends with `_id`: without that end it may hold a name as well. Of `id` that is `name`.
    pub(crate) field: &'static str,
    /// The kind that it refers to.
    pub(crate) kind: &'static str,
    /// Whose it may be.
    pub(crate) within: Within,
    /// Whether a row refers to the id $1.
    pub(crate) uses: &'static str,
}

/// Whose resources may be referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// Those of the same owner.
    Owner,
    /// Those of the same owner, or else the platform's.
    OwnerOrPlatform,
}

/// Of those who are of a department.
pub(crate) const DEPARTMENT_OF_OWNER: Reference = Reference {
    list: None,
    field: "department_id",
    kind: "department",
    within: Within::Owner,
    uses: "t.department_id = $1",
};

/// Of tenants, keys, and all in between.
pub(crate) const PROFILE_OF_OWNER_OR_PLATFORM: Reference = Reference {
    list: None,
    field: "guardrail_profile_id",
    kind: "guardrail_profile",
    within: Within::OwnerOrPlatform,
    uses: "t.guardrail_profile_id = $1",
};

impl Reference {
    /// The field that may hold a name.
    pub(crate) fn short(&self) -> &'static str {
        if self.field == "id" { "name" } else { self.field.strip_suffix("_id").unwrap_or(self.field) }
    }

    /// The field of an answer that holds the name beside the id.
    pub fn name_field(&self) -> String {
        format!("{}_name", self.short())
    }

    /// Whether it stands in the specification itself, and not in a list within.
    pub fn is_plain(&self) -> bool {
        self.list.is_none()
    }

    /// The objects that the field may stand in, with their paths.
    pub(crate) fn places<'a>(&self, spec: &'a mut Object) -> Vec<(String, &'a mut Object)> {
        match self.list {
            None => vec![(String::new(), spec)],
            Some(list) => match spec.get_mut(list) {
                Some(Value::Array(items)) => items
                    .iter_mut()
                    .enumerate()
                    .filter_map(|(index, item)| Some((format!("{list}[{index}]."), item.as_object_mut()?)))
                    .collect(),
                Some(Value::Object(one)) if one.get("kind").and_then(Value::as_str) == Some(self.kind) => {
                    vec![(format!("{list}."), one)]
                }
                _ => Vec::new(),
            },
        }
    }

    fn refusal(&self, kind: &dyn Kind) -> String {
        match self.within {
            Within::OwnerOrPlatform if self.kind == "guardrail_profile" => "there is no such profile".into(),
            Within::OwnerOrPlatform => format!("there is no such {}", self.kind),
            Within::Owner => format!("there is no such {} of the {}'s owner", self.kind, kind.name()),
        }
    }
}

/// Turns names into ids, and refuses what does not exist for this owner. What is not even text is left for the kind to refuse.
pub(crate) async fn resolve(
    connection: &mut PgConnection,
    kind: &dyn Kind,
    tenant_id: Option<Uuid>,
    spec: &mut Object,
) -> Result<(), StoreError> {
    let mut errors = Vec::new();
    for reference in kind.references() {
        let Some(target) = kind_named(reference.kind) else { continue };
        for (path, place) in reference.places(spec) {
            let (field, value) = match (place.get(reference.field), place.get(reference.short())) {
                (Some(Value::String(id)), None) => (reference.field, id.clone()),
                (None, Some(Value::String(name))) => (reference.short(), name.clone()),
                (Some(_), Some(_)) => {
                    errors
                        .push(FieldError::new(format!("{path}{}", reference.short()), "is said twice, also by its id"));
                    continue;
                }
                (Some(_), None) | (None, Some(_)) | (None, None) => continue,
            };
            let id = value.parse::<Uuid>().ok();
            // What should be an id and is none is refused by the kind.
            if id.is_none() && field == reference.field {
                continue;
            }
            match find(connection, target, tenant_id, reference.within, id, &value).await? {
                Some(id) => {
                    place.remove(reference.short());
                    place.insert(reference.field.into(), id.to_string().into());
                }
                None => errors.push(FieldError::new(format!("{path}{field}"), reference.refusal(kind))),
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.into()) }
}

/// A tenant that the actor may see, by name or id, and its name.
pub(crate) async fn tenant_named(
    connection: &mut PgConnection,
    actor: &Actor,
    tenant: &str,
) -> Result<Option<(Uuid, String)>, StoreError> {
    // Nothing is called so, and Postgres knows no text with NUL.
    if tenant.contains('\0') {
        return Ok(None);
    }
    let found = sqlx::query_as(
        "SELECT id, name FROM tenants WHERE (name = $1 OR id = $2) AND ($3::uuid IS NULL OR id = $3)
         ORDER BY name = $1 DESC LIMIT 1",
    )
    .bind(tenant)
    .bind(tenant.parse::<Uuid>().ok())
    .bind(actor.scope().tenant())
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

async fn find(
    connection: &mut PgConnection,
    target: &dyn Kind,
    tenant_id: Option<Uuid>,
    within: Within,
    id: Option<Uuid>,
    name: &str,
) -> Result<Option<Uuid>, StoreError> {
    // Nothing is called so, and Postgres knows no text with NUL.
    if name.contains('\0') {
        return Ok(None);
    }
    let found: Option<(Uuid,)> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT t.id FROM {} t
         WHERE (t.id = $1::uuid OR ($1::uuid IS NULL AND t.{} = $2)) AND {}
           AND (t.tenant_id IS NOT DISTINCT FROM $3::uuid OR ($4 AND t.tenant_id IS NULL))
         ORDER BY t.tenant_id NULLS LAST LIMIT 1",
        target.table(),
        target.natural_key(),
        target.condition(),
    )))
    .bind(id)
    .bind(name)
    .bind(tenant_id)
    .bind(within == Within::OwnerOrPlatform)
    .fetch_optional(connection)
    .await?;
    Ok(found.map(|(id,)| id))
}

/// Who refers to a resource, or belongs to it.
pub(crate) async fn users(connection: &mut PgConnection, kind: &dyn Kind, id: Uuid) -> Result<Vec<User>, StoreError> {
    let mut users = Vec::new();
    // Those first that nothing else refers to.
    for user in KINDS.iter().rev() {
        let mut conditions: Vec<&str> = user
            .references()
            .iter()
            .filter(|reference| reference.kind == kind.name() && kind.owner() != Owner::Itself)
            .map(|reference| reference.uses)
            .collect();
        conditions.extend(user.mentions().iter().filter(|(named, _)| *named == kind.name()).map(|(_, names)| *names));
        if kind.owner() == Owner::Itself && user.owner() != Owner::Itself {
            conditions.push("t.tenant_id = $1");
        }
        if conditions.is_empty() {
            continue;
        }
        let rows: Vec<(Uuid, String)> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT t.id, t.{} FROM {} t WHERE ({}) AND {} ORDER BY t.id LIMIT {MOST_USERS}",
            user.natural_key(),
            user.table(),
            conditions.join(" OR "),
            user.condition(),
        )))
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
        users.extend(rows.into_iter().map(|(id, name)| User {
            kind: user.name(),
            title: user.title(),
            id: Some(id),
            name,
        }));
    }
    users.truncate(MOST_USERS as usize);
    Ok(users)
}
