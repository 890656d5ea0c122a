//! How much of their limits is left to a caller, for the caller.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::calendar::CalendarPeriod;
use weir_core::gateway::Counter;
use weir_core::limit::{LimitUnit, LimitWindow};

use super::LimitState;
use crate::row::unsigned;
use crate::{Store, StoreError};

/// Limits that are told of.
const MOST_LIMITS: i64 = 100;
/// Seconds of the window of a key's own `requests_per_minute`.
const MINUTE_S: i64 = 60;

/// A limit that holds for a caller, and how much of it is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLimit {
    /// What it is called, as in refusals.
    pub name: String,
    /// What it is on, as in refusals: `tenant`, `department Research`.
    pub subject: String,
    /// For requests for this model only.
    pub model: Option<String>,
    /// What it counts.
    pub unit: LimitUnit,
    /// In which time; `None`: at the same time.
    pub window: Option<LimitWindow>,
    /// How much is used.
    pub state: LimitState,
}

#[derive(sqlx::FromRow)]
struct HeldRow {
    limit_id: Uuid,
    member: String,
    subject: String,
    model: Option<String>,
    each_model: bool,
    time_window: Option<Json<LimitWindow>>,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    allowed_models: Option<Vec<String>>,
    requests_per_minute: Option<i64>,
    used: i64,
    spent: i64,
}

impl Store {
    /// The limits that hold for a caller, by the row among the keys, but for those that count other tenants' requests as well and for
    /// models that the caller may not ask for. At most 100, and so many models of each limit that counts each model.
    pub async fn own_limits(
        &self,
        tenant_id: Uuid,
        key_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Vec<OwnLimit>, StoreError> {
        self.unless_away()?;
        let start_s = now.timestamp() - now.timestamp().rem_euclid(MINUTE_S);
        let start = DateTime::from_timestamp(start_s, 0).ok_or(StoreError::Corrupt("a clock"))?;
        let key: Option<KeyRow> = sqlx::query_as(
            "SELECT key.allowed_models, key.requests_per_minute::bigint AS requests_per_minute,
                 coalesce((SELECT used FROM quota_windows w
                     WHERE w.tenant_id = $2 AND w.counter = $3 AND w.window_start = $4), 0) AS used,
                 coalesce((SELECT sum(spent) FROM quota_leases l
                     WHERE l.tenant_id = $2 AND l.counter = $3 AND l.window_start = $4), 0)::bigint AS spent
             FROM api_keys key WHERE key.id = $1 AND key.tenant_id = $2 AND key.deleted_at IS NULL",
        )
        .bind(key_id)
        .bind(tenant_id)
        .bind(Counter::KeyRequestsPerMinute { key_id }.name())
        .bind(start)
        .fetch_optional(&self.pool)
        .await?;
        let key = key.ok_or(StoreError::NotFound)?;
        let held: Vec<HeldRow> = sqlx::query_as(
            "SELECT of_key.limit_id, of_key.member, of_key.subject, of_key.model, of_key.each_model, held.time_window
             FROM api_keys key LEFT JOIN users person ON person.id = key.user_id
             LEFT JOIN service_accounts machine ON machine.id = key.service_account_id
             CROSS JOIN LATERAL limits_of(key.tenant_id, coalesce(key.department_id, person.department_id, machine.department_id),
                 key.user_id, key.service_account_id, key.id, key.labels) of_key
             JOIN limits held ON held.id = of_key.limit_id
             WHERE key.id = $1 AND key.tenant_id = $2 AND key.deleted_at IS NULL
               AND (held.tenant_id = $2 OR held.subject_kind IN ('tenant', 'department', 'user', 'service_account', 'api_key'))
             ORDER BY held.id, of_key.member LIMIT $3",
        )
        .bind(key_id)
        .bind(tenant_id)
        .bind(MOST_LIMITS)
        .fetch_all(&self.pool)
        .await?;
        let may_ask = |model: &Option<String>| match (model, &key.allowed_models) {
            (Some(model), Some(allowed)) => allowed.contains(model),
            (None, _) | (_, None) => true,
        };
        let mut limits: Vec<OwnLimit> = Vec::new();
        for row in held {
            let member = Some(row.member.as_str()).filter(|_| !row.each_model);
            for found in self.states_of_limit(row.limit_id, member, now).await? {
                let model = if row.each_model { Some(found.member) } else { row.model.clone() };
                if may_ask(&model) {
                    limits.push(OwnLimit {
                        name: found.name,
                        subject: row.subject.clone(),
                        model,
                        unit: found.unit,
                        window: row.time_window.as_ref().map(|Json(window)| window.clone()),
                        state: found.state,
                    });
                }
            }
        }
        if let Some(amount) = key.requests_per_minute {
            let (amount, used, spent) = (unsigned(amount)?, unsigned(key.used.max(0))?, unsigned(key.spent.max(0))?);
            limits.push(OwnLimit {
                name: "requests_per_minute".into(),
                subject: "API key".into(),
                model: None,
                unit: LimitUnit::Requests,
                window: Some(LimitWindow::Calendar {
                    period: CalendarPeriod::Minute,
                    time_zone: None,
                    start_day: None,
                }),
                state: LimitState {
                    amount,
                    spent: spent.min(used),
                    reserved: used.saturating_sub(spent),
                    unreconciled: 0,
                    remaining: amount.saturating_sub(used),
                    began_at: Some(start),
                    resets_at: Some(start + TimeDelta::seconds(MINUTE_S)),
                    exhausted_at: None,
                    raise: None,
                },
            });
        }
        Ok(limits)
    }
}
