//! Which limits hold for keys, and where each of them comes from.

use sqlx::AssertSqlSafe;
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::limit::{LimitAction, LimitUnit, LimitWindow, SubjectKind};

use crate::resource::Kind;
use crate::row::unsigned;
use crate::{Store, StoreError};

/// A limit that holds for all keys of something, or for one key.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveLimit {
    /// The limit.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// Whose it is; `None`: the platform's.
    pub tenant_id: Option<Uuid>,
    /// What it is on.
    pub kind: SubjectKind,
    /// Of a department, a label or a model: which one, by its name.
    pub subject: Option<String>,
    /// Whether each of the kind has a counter of its own.
    pub each: bool,
    /// Of a limit on each of a kind: whose counter it is, by the id, of labels by the value; `None`: that is not one alone.
    pub member: Option<String>,
    /// What it counts.
    pub unit: LimitUnit,
    /// In which time; `None`: at the same time.
    pub window: Option<LimitWindow>,
    /// Units in one window.
    pub amount: u64,
    /// What becomes of a request for which there is no room.
    pub action: LimitAction,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    tenant_id: Option<Uuid>,
    kind: Json<SubjectKind>,
    subject: Option<String>,
    is_each: bool,
    member: Option<String>,
    unit: Json<LimitUnit>,
    time_window: Option<Json<LimitWindow>>,
    amount: i64,
    action: Json<LimitAction>,
}

impl Store {
    /// The limits of a department, a user, a service account or an API key: all of them must have room for a request. The widest come
    /// first.
    pub async fn effective_limits(
        &self,
        kind: &dyn Kind,
        actor: &Actor,
        id: Uuid,
    ) -> Result<Vec<EffectiveLimit>, StoreError> {
        self.get(kind, actor, id).await?;
        let (user, account, key, labels) = match kind.name() {
            "user" => ("t.id", "NULL::uuid", "NULL::uuid", "'{}'"),
            "service_account" => ("NULL::uuid", "t.id", "NULL::uuid", "'{}'"),
            "api_key" => ("t.user_id", "t.service_account_id", "t.id", "t.labels"),
            _ => ("NULL::uuid", "NULL::uuid", "NULL::uuid", "'{}'"),
        };
        let department = kind.department().unwrap_or("NULL::uuid");
        // `limits_of` tells the kind before the name, for people.
        let query = format!(
            "SELECT held.id, held.name, held.tenant_id, to_jsonb(held.subject_kind) AS kind,
                 CASE held.subject_kind WHEN 'department' THEN substr(of_key.subject, length('department ') + 1)
                     WHEN 'label' THEN substr(of_key.subject, length('label ') + 1) WHEN 'model' THEN of_key.model END AS subject,
                 coalesce((held.subject->>'each')::boolean, false) AS is_each, nullif(of_key.member, '') AS member,
                 to_jsonb(held.unit) AS unit, held.time_window, held.amount, to_jsonb(held.action) AS action
             FROM {} t CROSS JOIN LATERAL limits_of(t.tenant_id, {department}, {user}, {account}, {key}, {labels}) of_key
             JOIN limits held ON held.id = of_key.limit_id
             WHERE t.id = $1
             ORDER BY array_position(ARRAY['platform', 'tenant', 'label', 'department', 'user', 'service_account', 'api_key', 'model'],
                 held.subject_kind), held.name, held.id, of_key.member",
            kind.table()
        );
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(query)).bind(id).fetch_all(&self.admin).await?;
        let read = |row: Row| {
            Ok(EffectiveLimit {
                id: row.id,
                name: row.name,
                tenant_id: row.tenant_id,
                kind: row.kind.0,
                subject: row.subject,
                each: row.is_each,
                member: row.member,
                unit: row.unit.0,
                window: row.time_window.map(|Json(window)| window),
                amount: unsigned(row.amount)?,
                action: row.action.0,
            })
        };
        rows.into_iter().map(read).collect()
    }
}
