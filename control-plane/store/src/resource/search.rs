//! Searching for resources of all kinds at once.

use std::collections::HashSet;

use sqlx::AssertSqlSafe;
use uuid::Uuid;
use weir_core::actor::Actor;

use crate::authorisation::condition;
use crate::resource::KINDS;
use crate::resource::kind::{Kind, Owner};
use crate::resource::read::scope;
use crate::{Store, StoreError};

/// Characters from which on parts of names are looked for, not beginnings alone: those of fewer are in nearly every name.
const PART: usize = 3;
/// Characters of a key that are kept in clear.
const KEY_PREFIX: usize = 12;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Found {
    /// Its kind: `tenant`, `api_key`, …
    pub kind: String,
    /// It.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// Whose it is; `None`: the platform's.
    pub tenant_id: Option<Uuid>,
    /// What of it was looked for: `id`, `name` or `key`.
    pub matched: String,
}

impl Store {
    /// What has this in its name, whatever its case, has this id, or is a key that begins so; at most `limit` of each kind, those that
    /// fit best first. Only what is in the actor's scope.
    pub async fn search(&self, actor: &Actor, text: &str, limit: u32) -> Result<Vec<Found>, StoreError> {
        let id = text.parse::<Uuid>().ok();
        // Letters are folded by the database's own rule, as those of the names are.
        let pattern = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let beginning = format!("{pattern}%");
        let part = Some(format!("%{pattern}%")).filter(|_| text.chars().count() >= PART);
        let key: String = text.chars().take(KEY_PREFIX).collect();
        let mut found = Vec::new();
        for kind in KINDS {
            if kind.is_platforms_alone() && actor.scope().tenant().is_some() {
                continue;
            }
            let rows: Vec<Found> = sqlx::query_as(AssertSqlSafe(statement(kind, actor)))
                .bind(actor.scope().tenant())
                .bind(id)
                .bind(&beginning)
                .bind(&part)
                .bind(i64::from(limit))
                .bind(&key)
                .fetch_all(&self.admin)
                .await?;
            let mut seen = HashSet::new();
            found.extend(rows.into_iter().filter(|row| seen.insert(row.id)).take(limit as usize));
        }
        let rank = |found: &Found| match (found.matched.as_str(), found.name.to_lowercase() == text.to_lowercase()) {
            ("id" | "key", _) => 0,
            (_, true) => 1,
            _ => 2,
        };
        found.sort_by_key(rank);
        Ok(found)
    }
}

/// By id, by the beginning of a key, by the beginning of the name, by a part of it: each from an index of its own.
fn statement(kind: &dyn Kind, actor: &Actor) -> String {
    let (table, name) = (kind.table(), kind.natural_key());
    let tenant = if kind.owner() == Owner::Itself { "t.id" } else { "t.tenant_id" };
    let seen = condition(kind, &actor.sees(kind.reading()));
    let rest = format!("{} AND {} AND {seen}", scope(kind), kind.condition());
    let one = |matched: &str, condition: &str, order: &str| {
        format!(
            "(SELECT '{}' AS kind, t.id, t.{name} AS name, {tenant} AS tenant_id, '{matched}' AS matched FROM {table} t
              WHERE {condition} AND {rest} {order} LIMIT $5)",
            kind.name()
        )
    };
    let mut parts = vec![one("id", "t.id = $2", "")];
    // Whole keys are pasted, too; of them only the beginning is known here.
    let key = "length($6) >= 6 AND t.prefix LIKE replace(replace($6, '\\', '\\\\'), '_', '\\_') || '%'";
    parts.push(match kind.name() {
        "api_key" => one("key", key, ""),
        _ => one("key", "false AND $6::text IS NOT NULL", ""),
    });
    parts.push(one("name", &format!("lower(t.{name}) LIKE lower($3)"), &format!("ORDER BY lower(t.{name}) USING ~<~")));
    parts.push(one("name", &format!("lower(t.{name}) LIKE lower($4)"), ""));
    parts.join(" UNION ALL ")
}
