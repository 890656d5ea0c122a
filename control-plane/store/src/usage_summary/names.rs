//! Between the ids of groups and their names.

use std::collections::HashMap;

use uuid::Uuid;
use weir_core::actor::Actor;

use super::{Dimension, GroupValue, SumRow};
use crate::{Store, StoreError};

/// What the values of groups are called.
pub(super) struct Names {
    /// By their ids; of models also by their names.
    names: HashMap<Uuid, String>,
    models: HashMap<String, Uuid>,
}

/// The table of a dimension whose values are ids, and the column with their names.
fn table(dimension: &Dimension) -> Option<(&'static str, &'static str)> {
    match dimension {
        Dimension::Tenant => Some(("tenants", "name")),
        Dimension::Department => Some(("departments", "name")),
        Dimension::User => Some(("users", "email")),
        Dimension::ServiceAccount => Some(("service_accounts", "name")),
        Dimension::ApiKey => Some(("api_keys", "name")),
        Dimension::Provider => Some(("providers", "name")),
        Dimension::Pool => Some(("pools", "name")),
        Dimension::Model | Dimension::Outcome | Dimension::Label(_) => None,
    }
}

impl Store {
    /// The ids of this name in the actor's scope.
    pub(super) async fn ids_of_name(
        &self,
        actor: &Actor,
        dimension: &Dimension,
        name: &str,
    ) -> Result<Vec<Uuid>, StoreError> {
        let Some((table, column)) = table(dimension) else { return Ok(Vec::new()) };
        let owner = if *dimension == Dimension::Tenant { "id" } else { "tenant_id" };
        let ids: Vec<(Uuid,)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT id FROM {table} WHERE {column} = $1 AND ($2::uuid IS NULL OR {owner} = $2) LIMIT 1000"
        )))
        .bind(name)
        .bind(actor.scope().tenant())
        .fetch_all(&self.admin)
        .await?;
        Ok(ids.into_iter().map(|(id,)| id).collect())
    }

    /// The name that is meant by a model's name or id.
    pub(super) async fn model_names(&self, actor: &Actor, value: &str) -> Result<Vec<String>, StoreError> {
        let Ok(id) = value.parse::<Uuid>() else { return Ok(vec![value.to_owned()]) };
        let names: Vec<(String,)> = sqlx::query_as(
            "SELECT name FROM models WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id IS NULL OR tenant_id = $2)",
        )
        .bind(id)
        .bind(actor.scope().tenant())
        .fetch_all(&self.admin)
        .await?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    /// What the values of these rows are called, as far as the actor may know: a tenant's reader knows no pool of the platform's.
    pub(super) async fn group_names(
        &self,
        actor: &Actor,
        group_by: &[Dimension],
        rows: &[SumRow],
    ) -> Result<Names, StoreError> {
        let mut found = Names { names: HashMap::new(), models: HashMap::new() };
        for (number, dimension) in group_by.iter().enumerate() {
            let mut values: Vec<&str> =
                rows.iter().map(|row| if number == 0 { row.one.as_str() } else { row.other.as_str() }).collect();
            values.sort_unstable();
            values.dedup();
            if *dimension == Dimension::Model {
                // Of two tenants' models of one name, neither is meant.
                let models: Vec<(Uuid, String)> = sqlx::query_as(
                    "SELECT (array_agg(id))[1], name FROM models
                     WHERE name = ANY($1) AND ($2::uuid IS NULL OR tenant_id IS NULL OR tenant_id = $2)
                     GROUP BY name HAVING count(*) = 1",
                )
                .bind(&values)
                .bind(actor.scope().tenant())
                .fetch_all(&self.admin)
                .await?;
                found.models.extend(models.into_iter().map(|(id, name)| (name, id)));
            }
            let Some((table, column)) = table(dimension) else { continue };
            // Clients are told who answered, so the names of providers are no secret.
            let scope = match dimension {
                Dimension::Provider => "true OR $2::uuid IS NULL",
                Dimension::Tenant => "$2::uuid IS NULL OR id = $2",
                _ => "$2::uuid IS NULL OR tenant_id = $2",
            };
            let ids: Vec<Uuid> = values.iter().filter_map(|value| value.parse().ok()).collect();
            let names: Vec<(Uuid, String)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
                "SELECT id, {column} FROM {table} WHERE id = ANY($1) AND ({scope})"
            )))
            .bind(ids)
            .bind(actor.scope().tenant())
            .fetch_all(&self.admin)
            .await?;
            found.names.extend(names);
        }
        Ok(found)
    }
}

impl Names {
    /// A group's value as a reader sees it.
    pub(super) fn value(&self, dimension: &Dimension, value: &str) -> GroupValue {
        let dimension = dimension.clone();
        let name = Some(value.to_owned()).filter(|value| !value.is_empty());
        match dimension {
            Dimension::Outcome | Dimension::Label(_) => GroupValue { dimension, id: None, name },
            Dimension::Model => GroupValue { dimension, id: self.models.get(value).copied(), name },
            Dimension::Tenant
            | Dimension::Department
            | Dimension::User
            | Dimension::ServiceAccount
            | Dimension::ApiKey
            | Dimension::Provider
            | Dimension::Pool => {
                let id = value.parse().ok().filter(|id: &Uuid| !id.is_nil());
                GroupValue { dimension, id, name: id.and_then(|id| self.names.get(&id).cloned()) }
            }
        }
    }
}
