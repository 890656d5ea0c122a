//! Limits that administrators wrote: what holds for a caller, leases of them, and how much of them is used.

mod change;
mod events;
mod own;
mod state;
mod trial;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;
use weir_config::{Limit, LimitedModels, Period, Unit, Window};
use weir_core::gateway::{Gateway, LeaseTerms, LimitCounter, QuotaDemand, QuotaGrant, QuotaSettlement};
use weir_core::limit::{LimitAction, LimitUnit, LimitWindow};

pub use change::{LimitAdjustment, LimitRaise};
pub use events::{LimitEvent, LimitEventKind, LimitEventQuestion};
pub use own::OwnLimit;
pub use state::{HeldRaise, LimitQuestion, LimitState, LimitSubjectState};
pub use trial::{LimitTrial, TriedSubject};

use crate::quota::{ASK_AGAIN_MS, LONGEST_HOLDER, interval};
use crate::row::{signed, unsigned};
use crate::{Store, StoreError};

/// Pico-dollars of a micro-dollar.
const PICO: u128 = 1_000_000;

/// Periods of a calendar that a gateway is told: the one at hand, and those that may begin before it asks again.
const PERIODS: usize = 3;

/// How far an Envoy's clock may be from ours, in seconds.
const CLOCKS_APART_S: i64 = 120;

/// How long an Envoy does not ask again that was refused while nobody else holds anything: what requests under way do not take comes back.
const ASK_LATER_MS: u32 = 1000;

/// How long a window is kept when it is over.
const KEPT: TimeDelta = TimeDelta::minutes(10);

/// A limit that holds for a caller, as Postgres writes it into JSON.
#[derive(Debug, Deserialize)]
pub(crate) struct HeldLimit {
    id: Uuid,
    generation: u64,
    name: String,
    member: String,
    subject: String,
    model: Option<String>,
    each_model: bool,
    unit: LimitUnit,
    window: Option<LimitWindow>,
    amount: u64,
    action: LimitAction,
    fall_over_pool_id: Option<Uuid>,
    time_zone: String,
    told: bool,
}

impl HeldLimit {
    /// As a gateway holds to it.
    pub(crate) fn limit(self, at: DateTime<Utc>) -> Limit {
        let window = match &self.window {
            None | Some(LimitWindow::Total {}) => Window::Always,
            Some(LimitWindow::Sliding { seconds }) => {
                Window::Sliding { seconds: *seconds, part_seconds: LimitWindow::parts(*seconds).0 }
            }
            Some(window @ LimitWindow::Calendar { period, .. }) => {
                let mut next = at;
                let periods: Arc<[Period]> = std::iter::from_fn(|| {
                    let found = window.calendar(&self.time_zone)?.period_at(next);
                    next = DateTime::from_timestamp(found.end_s, 0)?;
                    Some(found)
                })
                .take(PERIODS)
                .collect();
                Window::Calendar { name: period.name().into(), periods }
            }
        };
        let counter = LimitCounter { limit_id: self.id, generation: self.generation, member: &self.member }.name();
        let amount = u64::try_from(whole(self.unit, self.amount)).unwrap_or(u64::MAX);
        Limit {
            action: match (self.action, self.fall_over_pool_id) {
                (LimitAction::Warn, _) => weir_config::LimitAction::Warn,
                (LimitAction::FallOver, Some(pool_id)) => weir_config::LimitAction::FallOver(pool_id.to_string()),
                (LimitAction::Refuse | LimitAction::FallOver, _) => weir_config::LimitAction::Refuse,
            },
            models: match (self.each_model, self.model) {
                (true, _) => LimitedModels::Each,
                (false, Some(model)) => LimitedModels::One(model),
                (false, None) => LimitedModels::All,
            },
            name: self.name,
            subject: self.subject,
            is_told: self.told,
            ..Limit::new(counter, unit(self.unit), window, amount)
        }
    }
}

fn unit(unit: LimitUnit) -> Unit {
    match unit {
        LimitUnit::Requests => Unit::Requests,
        LimitUnit::InputTokens => Unit::InputTokens,
        LimitUnit::OutputTokens => Unit::OutputTokens,
        LimitUnit::TotalTokens => Unit::TotalTokens,
        LimitUnit::ConcurrentRequests => Unit::ConcurrentRequests,
        LimitUnit::CostMicrousd => Unit::Money,
    }
}

/// An amount in the units that are counted.
fn whole(unit: LimitUnit, amount: u64) -> u128 {
    match unit {
        LimitUnit::CostMicrousd => u128::from(amount) * PICO,
        LimitUnit::Requests
        | LimitUnit::InputTokens
        | LimitUnit::OutputTokens
        | LimitUnit::TotalTokens
        | LimitUnit::ConcurrentRequests => u128::from(amount),
    }
}

/// A demand of a limit's, and who makes it.
pub(crate) struct AskedLimit<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) tenant_id: Uuid,
    pub(crate) counter: LimitCounter<'a>,
    pub(crate) holder: &'a str,
    pub(crate) demand: &'a QuotaDemand,
}

/// What a demand of a limit's is answered.
#[derive(Default)]
pub(crate) struct LimitGrant {
    granted: u64,
    remaining: u64,
    whole: u64,
    pending: bool,
}

impl LimitGrant {
    /// A limit that does not exist, or a counter that is nobody's at the moment, is refused for a while: a user's label may come back.
    pub(crate) fn answer(&self, demand: &QuotaDemand) -> QuotaGrant {
        QuotaGrant {
            counter: demand.counter.clone(),
            window_start_unix_s: demand.window_start_unix_s,
            granted: self.granted,
            remaining: self.remaining,
            limit: self.whole,
            ask_again_ms: match (self.granted, self.whole, self.pending) {
                (1.., ..) => 0,
                (0, 1.., true) => ASK_AGAIN_MS,
                (0, ..) => ASK_LATER_MS,
            },
        }
    }
}

#[derive(sqlx::FromRow)]
struct LimitRow {
    unit: Json<LimitUnit>,
    time_window: Option<Json<LimitWindow>>,
    amount: i64,
    action: Json<LimitAction>,
    unreconciled_release_after_s: Option<i32>,
    time_zone: String,
}

/// A window as it is counted.
struct Counted {
    start: DateTime<Utc>,
    /// When nothing asks for it any more; `None`: never.
    ends: Option<DateTime<Utc>>,
    /// When it begins anew, for people; `None`: never, or all the time.
    resets: Option<DateTime<Utc>>,
    /// Of a sliding one: how far before its last part the first one begins.
    covers_s: u32,
}

impl LimitRow {
    /// The window that begins then, if there can be one now.
    fn window(&self, start_s: i64, now: DateTime<Utc>) -> Option<Counted> {
        let found = self.window_at(DateTime::from_timestamp(start_s, 0)?)?;
        let is_near = found.start - TimeDelta::seconds(CLOCKS_APART_S) <= now
            && found.ends.is_none_or(|ends| now <= ends - KEPT + TimeDelta::seconds(CLOCKS_APART_S));
        (found.start.timestamp() == start_s && is_near).then_some(found)
    }

    /// The window that a moment is in.
    fn window_at(&self, at: DateTime<Utc>) -> Option<Counted> {
        match self.time_window.as_ref().map(|Json(window)| window) {
            None | Some(LimitWindow::Total {}) => {
                Some(Counted { start: DateTime::UNIX_EPOCH, ends: None, resets: None, covers_s: 0 })
            }
            Some(window @ LimitWindow::Calendar { .. }) => {
                let period = window.calendar(&self.time_zone)?.period_at(at);
                let resets = DateTime::from_timestamp(period.end_s, 0)?;
                let start = DateTime::from_timestamp(period.start_s, 0)?;
                Some(Counted { start, ends: Some(resets + KEPT), resets: Some(resets), covers_s: 0 })
            }
            Some(LimitWindow::Sliding { seconds }) => {
                let (part, before) = LimitWindow::parts(*seconds);
                let start_s = at.timestamp() - at.timestamp().rem_euclid(part.into());
                let start = DateTime::from_timestamp(start_s, 0)?;
                let covers_s = part * before;
                let ends = start + TimeDelta::seconds(i64::from(covers_s) + i64::from(part));
                Some(Counted { start, ends: Some(ends + KEPT), resets: None, covers_s })
            }
        }
    }

    fn whole(&self) -> Result<u128, StoreError> {
        Ok(whole(self.unit.0, unsigned(self.amount)?))
    }
}

impl Store {
    /// Grants units of a limit. What is granted is debited at once, so that all grants of a window together never exceed the amount. An
    /// Envoy that does not name itself cannot give anything back.
    pub(crate) async fn lease_limit(
        &self,
        asked: &AskedLimit<'_>,
        terms: LeaseTerms,
        now: DateTime<Utc>,
    ) -> Result<LimitGrant, StoreError> {
        let AskedLimit { gateway, tenant_id, counter, holder, demand } = asked;
        if !gateway.serves(*tenant_id) || holder.len() > LONGEST_HOLDER {
            return Ok(LimitGrant::default());
        }
        let Some(row) = self.limit_row(counter.limit_id, (*tenant_id, *counter), now).await? else {
            return Ok(LimitGrant::default());
        };
        let Some(window) = row.window(demand.window_start_unix_s, now) else { return Ok(LimitGrant::default()) };
        let whole = row.whole()?;
        let nobody = format!("nobody {}", gateway.id);
        let (granted, remaining, pending): (i64, i64, bool) = sqlx::query_as(
            "SELECT granted_units::bigint, least(remaining_units, 9223372036854775807)::bigint, pending
             FROM lease_limit_once($17, $1, $2, $3, coalesce($4, 'infinity'), make_interval(secs => $5), $6::text::numeric, $7, $8,
                 make_interval(secs => $9), $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(counter.limit_id)
        .bind(counter.member)
        .bind(window.start)
        .bind(window.ends)
        .bind(f64::from(window.covers_s))
        .bind(whole.to_string())
        .bind(row.action.0 != LimitAction::Warn)
        .bind(row.unit.0 == LimitUnit::ConcurrentRequests)
        .bind(row.unreconciled_release_after_s.map(f64::from))
        .bind(if holder.is_empty() { nobody.as_str() } else { holder })
        .bind(gateway.id)
        .bind(signed(demand.minimum))
        .bind(signed(demand.waiting))
        .bind(now)
        .bind(interval(terms.lifetime))
        .bind(interval(terms.active_for))
        .bind(if demand.id.len() > LONGEST_HOLDER { "" } else { &demand.id })
        .fetch_one(&self.pool)
        .await?;
        // Of requests at the same time others may always give back: a refusal is one all the same.
        if granted == 0 && demand.minimum > 0 && (!pending || row.unit.0 == LimitUnit::ConcurrentRequests) {
            self.note_refusal(counter.limit_id, counter.member, &row, &window, now).await?;
        }
        Ok(LimitGrant {
            granted: unsigned(granted)?,
            remaining: unsigned(remaining)?,
            whole: u64::try_from(whole).unwrap_or(u64::MAX),
            pending,
        })
    }

    /// Takes what Envoys say of leases of limits. Answers how many of these there are.
    pub(crate) async fn settle_limits(
        &self,
        gateway: &Gateway,
        mut settlements: Vec<QuotaSettlement>,
        terms: LeaseTerms,
        now: DateTime<Utc>,
    ) -> Result<i64, StoreError> {
        settlements.retain(|one| gateway.serves(one.tenant_id) && one.holder.len() <= LONGEST_HOLDER);
        // Two calls lock the same counters in the same order, whoever's tenant asks.
        settlements.sort_by(|one, other| (&one.counter, one).cmp(&(&other.counter, other)));
        let mut settled = 0;
        let named = settlements.iter().filter_map(|one| {
            let start = DateTime::from_timestamp(one.window_start_unix_s, 0)?;
            Some((one, LimitCounter::parse(&one.counter)?, start))
        });
        let (mut tenants, mut limits, mut members, mut starts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut generations, mut holders, mut spent, mut returned) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (one, counter, start) in named {
            tenants.push(one.tenant_id);
            limits.push(counter.limit_id);
            generations.push(signed(counter.generation));
            members.push(counter.member.to_owned());
            starts.push(start);
            holders.push(one.holder.clone());
            spent.push(signed(one.spent));
            returned.push(signed(one.returned));
        }
        if !tenants.is_empty() {
            (settled,) = sqlx::query_as(
                "SELECT count(*) FILTER (WHERE CASE
                     WHEN EXISTS (SELECT FROM limits WHERE id = of_limit AND limits.generation = said.generation)
                     THEN settle_limit(tenant, of_limit, member, start, holder, $8, spent, returned, $9, $10) END)
                 FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::bigint[], $7::bigint[], $11::bigint[])
                      AS said (tenant, of_limit, member, start, holder, spent, returned, generation)",
            )
            .bind(tenants)
            .bind(limits)
            .bind(members)
            .bind(starts)
            .bind(holders)
            .bind(spent)
            .bind(returned)
            .bind(gateway.id)
            .bind(now)
            .bind(interval(terms.lifetime))
            .bind(generations)
            .fetch_one(&self.pool)
            .await?;
        }
        Ok(settled)
    }

    /// A limit, if a tenant's requests may be counted in this counter of it, with the amount that holds for it.
    async fn limit_row(
        &self,
        id: Uuid,
        (tenant_id, counter): (Uuid, LimitCounter<'_>),
        now: DateTime<Utc>,
    ) -> Result<Option<LimitRow>, StoreError> {
        let row = sqlx::query_as(
            "SELECT to_jsonb(held.unit) AS unit, held.time_window, limit_amount(held.id, $3, held.amount, $5) AS amount,
                 to_jsonb(held.action) AS action, held.unreconciled_release_after_s, coalesce(tenant.time_zone, 'UTC') AS time_zone
             FROM limits held LEFT JOIN tenants tenant ON tenant.id = held.tenant_id
             WHERE held.id = $1 AND held.generation = $4 AND is_limit_member($2, $1, $3)",
        )
        .bind(id)
        .bind(tenant_id)
        .bind(counter.member)
        .bind(signed(counter.generation))
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row)
    }
}
