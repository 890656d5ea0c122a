//! Everything that is decided, in the form in which `apply` takes it.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::json::Object;
use weir_core::resource::Stored;

use crate::resource::kind::{Kind, Owner, Secret};
use crate::resource::reference::{Reference, Within, tenant_named};
use crate::resource::write::tidied;
use crate::resource::{KINDS, kind_named, read};
use crate::row::unsigned;
use crate::transaction::{READING, begin};
use crate::{Store, StoreError};

/// What is decided, at one revision.
#[derive(Debug)]
pub struct Export {
    /// What is referred to comes before what refers to it; then by tenant, the platform first, and by name.
    pub objects: Vec<ExportedObject>,
    /// The latest change that it shows.
    pub revision: u64,
}

/// An object as `apply` would make it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedObject {
    /// Its kind.
    pub kind: &'static str,
    /// Its natural key.
    pub name: String,
    /// Its tenant's name; `None`: the platform's.
    pub tenant: Option<String>,
    /// Everything else, with names in the place of ids, and without secrets.
    pub spec: Object,
    /// The field of the secret that it has, which is not told.
    pub secret: Option<&'static str>,
}

/// Kinds and ids, with owners and names.
type Names = BTreeMap<(&'static str, Uuid), (Option<Uuid>, String)>;

impl Store {
    /// What the actor may write and see, all of one moment; of one kind, or one tenant, by name or id, if these are said. What is revoked, or cannot be changed, is left out. Refused if there are
    /// more than `most` objects.
    pub async fn export(
        &self,
        actor: &Actor,
        only: Option<&'static dyn Kind>,
        tenant: Option<&str>,
        most: usize,
    ) -> Result<Export, StoreError> {
        let mut transaction = begin(&self.admin, READING).await?;
        let (revision,): (i64,) =
            sqlx::query_as("SELECT revision FROM policy_revision").fetch_one(&mut *transaction).await?;
        let scope = actor.scope().tenant();
        let tenant_id = match tenant {
            None => scope,
            Some(tenant) => {
                let found = tenant_named(&mut transaction, actor, tenant).await?;
                Some(found.ok_or_else(|| StoreError::invalid("tenant", "there is no such tenant"))?.0)
            }
        };
        let mut found = Vec::new();
        for kind in KINDS {
            let is_wanted = only.is_none_or(|only| only.name() == kind.name());
            let is_written =
                !kind.is_written_by_people_alone() && (scope.is_none() || !kind.is_written_by_platform_alone());
            if !is_wanted || !is_written {
                continue;
            }
            let rows = read::all(&mut transaction, kind, actor, tenant_id, most + 1).await?;
            found.extend(rows.into_iter().filter(|stored| is_exported(kind, stored)).map(|stored| (kind, stored)));
            if found.len() > most {
                return Err(StoreError::TooManyObjects { most });
            }
        }
        let names = names(&mut transaction, &found).await?;
        let mut objects: Vec<(usize, ExportedObject)> = Vec::with_capacity(found.len());
        for (kind, stored) in found {
            let place = KINDS.iter().position(|known| known.name() == kind.name()).unwrap_or_default();
            objects.push((place, exported(kind, stored, &names)));
        }
        objects.sort_by(|(one, a), (other, b)| (one, &a.tenant, &a.name).cmp(&(other, &b.tenant, &b.name)));
        let objects = objects.into_iter().map(|(_, object)| object).collect();
        Ok(Export { objects, revision: unsigned(revision)? })
    }
}

/// A revoked key would be made anew, what cannot be changed is there, and who comes without a key comes by its rule.
fn is_exported(kind: &dyn Kind, stored: &Stored) -> bool {
    kind.refuses(stored).is_ok()
        && stored.status.get("revoked_at").is_none_or(Value::is_null)
        && stored.status.get("identity_rule_id").is_none_or(Value::is_null)
}

fn exported(kind: &dyn Kind, stored: Stored, names: &Names) -> ExportedObject {
    let name = stored.text(kind.natural_key()).to_owned();
    let has_secret = stored.status.get(read::HAS_SECRET) == Some(&Value::Bool(true));
    let mut spec = tidied(stored.spec);
    spec.remove(kind.natural_key());
    for reference in kind.references() {
        for (_, place) in reference.places(&mut spec) {
            if let Some(name) = name_of(reference, stored.tenant_id, place, names) {
                place.remove(reference.field);
                place.insert(reference.short().into(), name.into());
            }
        }
    }
    let tenant_id = stored.tenant_id.filter(|_| kind.owner() != Owner::Itself);
    let tenant = tenant_id.and_then(|id| names.get(&("tenant", id))).map(|(_, name)| name.clone());
    let secret = match kind.secret() {
        Secret::Given { field, .. } if has_secret => Some(field),
        Secret::None | Secret::Given { .. } | Secret::Issued { .. } => None,
    };
    ExportedObject { kind: kind.name(), name, tenant, spec: sorted(spec), secret }
}

/// The name that leads to the same thing. One of the platform's that the owner has another of the same name of keeps its id.
fn name_of(reference: &Reference, owner: Option<Uuid>, place: &Object, names: &Names) -> Option<String> {
    let id = place.get(reference.field)?.as_str()?.parse().ok()?;
    let kind = kind_named(reference.kind)?.name();
    let (of, name) = names.get(&(kind, id))?;
    let is_hidden = reference.within == Within::OwnerOrPlatform
        && *of != owner
        && names.iter().any(|((other, _), (of, other_name))| *other == kind && *of == owner && other_name == name);
    (!is_hidden).then(|| name.clone())
}

/// Names of all that is referred to, and of what could be meant in its place.
async fn names(connection: &mut PgConnection, found: &[(&dyn Kind, Stored)]) -> Result<Names, StoreError> {
    let mut names = Names::new();
    for kind in KINDS {
        let is_referred_to = kind.owner() == Owner::Itself
            || found.iter().any(|(user, _)| user.references().iter().any(|reference| reference.kind == kind.name()));
        if !is_referred_to {
            continue;
        }
        let owner = if kind.owner() == Owner::Itself { "NULL::uuid" } else { "t.tenant_id" };
        let owners: Vec<Uuid> = found.iter().filter_map(|(_, stored)| stored.tenant_id).collect();
        let rows: Vec<(Uuid, Option<Uuid>, String)> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT t.id, {owner}, t.{} FROM {} t WHERE {} AND ({owner} IS NULL OR {owner} = ANY($1))",
            kind.natural_key(),
            kind.table(),
            kind.condition(),
        )))
        .bind(owners)
        .fetch_all(&mut *connection)
        .await?;
        names.extend(rows.into_iter().map(|(id, owner, name)| ((kind.name(), id), (owner, name))));
    }
    Ok(names)
}

/// The fields in one order, whatever the order in which they were read.
fn sorted(object: Object) -> Object {
    let mut fields: Vec<(String, Value)> = object.into_iter().collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    let sort = |value| match value {
        Value::Object(inner) => sorted(inner).into(),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::Object(inner) => Value::Object(sorted(inner)),
                item => item,
            })
            .collect(),
        value => value,
    };
    fields.into_iter().map(|(name, value)| (name, sort(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_secrets_are_those_of_the_kinds() {
        let of = |kind: &'static dyn Kind| match kind.secret() {
            Secret::Given { field, .. } => Some((kind.name(), field)),
            Secret::None | Secret::Issued { .. } => None,
        };
        let known: Vec<_> = KINDS.into_iter().filter_map(of).collect();
        assert_eq!(known, weir_core::resource::SECRET_FIELDS);
    }
}
