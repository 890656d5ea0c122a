//! What somebody may want to be told of limits: each once in a window, however many control planes look.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::AssertSqlSafe;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::limit::{LimitAction, LimitUnit};
use weir_core::page::{Page, PageRequest};
use weir_core::permission::Permission;

use super::state::LimitQuestion;
use super::{CLOCKS_APART_S, Counted, LimitRow};
use crate::authorisation::condition;
use crate::row::{signed, unsigned};
use crate::{LIMIT, Store, StoreError};

/// How often what is not of a calendar is told again.
const AGAIN_S: i64 = 3600;
/// Counters that are looked at at once.
const COUNTERS_AT_ONCE: u32 = 1000;
/// A quarter-hour has a spike with so many times what is usual of the day before, and so many units at least; it is usual only if there were
/// so many quarter-hours with requests.
const SPIKE_TIMES: i64 = 4;
const SPIKE_LEAST_REQUESTS: i64 = 100;
const SPIKE_LEAST_MICROUSD: i64 = 1_000_000;
const SPIKE_LEAST_PERIODS: i64 = 4;
/// How long after its end a quarter-hour is looked at: by then its records are summed.
const SUMMED_AFTER: TimeDelta = TimeDelta::minutes(2);
const QUARTER_HOUR_S: i64 = 900;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitEventKind {
    /// A request was refused for it, or all of it is spent.
    LimitReached,
    /// So many percent of it are spent.
    Threshold,
    /// Somebody used several times as much as is usual for them.
    Spike,
}

impl LimitEventKind {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LimitReached => "limit_reached",
            Self::Threshold => "threshold",
            Self::Spike => "spike",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LimitEvent {
    /// Immutable.
    pub id: Uuid,
    /// When it was noticed.
    pub at: DateTime<Utc>,
    /// `limit_reached`, `threshold` or `spike`.
    pub kind: String,
    /// Whose it is; `None`: the platform's.
    pub tenant_id: Option<Uuid>,
    /// The limit; `None`: a spike.
    pub limit_id: Option<Uuid>,
    /// What the limit is called.
    pub limit_name: Option<String>,
    /// What it is on.
    pub subject_kind: String,
    /// Which one of a kind; empty: the limit has one counter.
    pub subject_id: String,
    /// What was counted.
    pub unit: String,
    /// Of a threshold.
    pub percent: Option<i16>,
    /// Units that were used.
    pub used: i64,
    /// The amount; of a spike what is usual in the same time.
    pub amount: i64,
    /// The beginning of the window, or of the quarter-hour.
    pub window_start: DateTime<Utc>,
}

/// Which events are wanted.
#[derive(Clone, Debug)]
pub struct LimitEventQuestion {
    /// Which part.
    pub page: PageRequest,
    /// Of this kind.
    pub kind: Option<LimitEventKind>,
    /// Of this limit.
    pub limit_id: Option<Uuid>,
    /// Noticed then or later.
    pub since: Option<DateTime<Utc>>,
}

/// What is to be written.
struct New<'a> {
    kind: LimitEventKind,
    limit_id: Uuid,
    member: &'a str,
    percent: Option<u16>,
    used: u64,
    amount: u64,
    window_start: DateTime<Utc>,
    /// When it may be told again.
    again: i64,
}

impl LimitRow {
    /// Stands for a window in which things are told once.
    pub(super) fn telling(&self, window: &Counted, now: DateTime<Utc>) -> i64 {
        let is_of_time = window.covers_s > 0 || self.unit.0 == LimitUnit::ConcurrentRequests;
        if is_of_time {
            now.timestamp().div_euclid(AGAIN_S.max(window.covers_s.into()))
        } else {
            window.start.timestamp()
        }
    }
}

impl Store {
    /// Notes which thresholds were passed and which limits are spent, and once a quarter-hour who used several times as much as usual. Call
    /// it every few seconds. `used_since`: only counters are looked at of which Envoys said something since then; `None`: all, as a limit may
    /// have changed and not what is used of it. What cannot be noted is logged, and the others are noted.
    pub async fn note_limit_events(
        &self,
        used_since: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let actor = Actor::system();
        let used_since = used_since.map(|since| since - TimeDelta::seconds(CLOCKS_APART_S));
        let mut question = LimitQuestion { limit: COUNTERS_AT_ONCE, used_since, ..LimitQuestion::default() };
        loop {
            let (states, next) = self.limit_states(&actor, &question, now).await?;
            for found in states {
                let state = &found.state;
                let used = state.spent.saturating_add(state.unreconciled);
                if used == 0 || found.unit == LimitUnit::ConcurrentRequests {
                    continue;
                }
                let percent = u128::from(used) * 100 / u128::from(state.amount.max(1));
                let passed = found.thresholds.iter().filter(|threshold| u128::from(**threshold) <= percent);
                let passed = passed.map(|threshold| (LimitEventKind::Threshold, Some(*threshold)));
                let reached = (used >= state.amount).then_some((LimitEventKind::LimitReached, None));
                for (kind, percent) in passed.chain(reached) {
                    let (limit_id, member) = (found.limit_id, found.member.as_str());
                    let window_start = state.began_at.unwrap_or(DateTime::UNIX_EPOCH);
                    let (amount, again) = (state.amount, found.telling);
                    let event = New { kind, limit_id, member, percent, used, amount, window_start, again };
                    match self.note_limit_event(&event, now).await {
                        Err(error) if !error.is_away() => {
                            tracing::error!(limit = %limit_id, %error, "what became of a limit is not noted");
                        }
                        noted => noted?,
                    }
                }
            }
            match next {
                Some(after) => question.after = Some(after),
                None => break,
            }
        }
        self.note_spikes(now).await
    }

    /// Notes that a request was refused for a limit.
    pub(super) async fn note_refusal(
        &self,
        limit_id: Uuid,
        member: &str,
        row: &LimitRow,
        window: &Counted,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if row.action.0 == LimitAction::Warn {
            return Ok(());
        }
        let amount = unsigned(row.amount)?;
        let event = New {
            kind: LimitEventKind::LimitReached,
            limit_id,
            member,
            percent: None,
            used: amount,
            amount,
            window_start: window.start,
            again: row.telling(window, now),
        };
        self.note_limit_event(&event, now).await
    }

    async fn note_limit_event(&self, event: &New<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO limit_events (id, at, kind, tenant_id, limit_id, subject_kind, subject_id, unit, percent, used, amount,
                 window_start, once)
             SELECT $1, $2, $3, held.tenant_id, held.id, held.subject_kind, $5, held.unit, $6, $7, $8, $9,
                 concat_ws('/', held.id, held.generation, $10::bigint, $3, $6, $5)
             FROM limits held WHERE held.id = $4
             ON CONFLICT (once) DO NOTHING",
        )
        .bind(Uuid::now_v7())
        .bind(now)
        .bind(event.kind.name())
        .bind(event.limit_id)
        .bind(event.member)
        .bind(event.percent.map(|percent| i16::try_from(percent).unwrap_or(i16::MAX)))
        .bind(signed(event.used))
        .bind(signed(event.amount))
        .bind(event.window_start)
        .bind(event.again)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Of the last quarter-hour that is summed: who used several times as much as in the quarter-hours of the day before in which they used
    /// anything.
    async fn note_spikes(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let ended = (now - SUMMED_AFTER).timestamp();
        let to_s = ended - ended.rem_euclid(QUARTER_HOUR_S);
        let from = DateTime::from_timestamp(to_s - QUARTER_HOUR_S, 0).ok_or(StoreError::Corrupt("a clock"))?;
        let mut noting = self.pool.begin().await?;
        let progress = sqlx::query("UPDATE limit_event_progress SET spikes_until = $1 WHERE spikes_until < $1")
            .bind(from)
            .execute(&mut *noting)
            .await?;
        if progress.rows_affected() == 0 {
            return Ok(());
        }
        sqlx::query(
            "WITH period AS (
                 SELECT period_start, tenant_id,
                     CASE WHEN GROUPING(key_id) = 0 THEN 'api_key' WHEN GROUPING(user_id) = 0 THEN 'user'
                         WHEN GROUPING(service_account_id) = 0 THEN 'service_account' ELSE 'tenant' END AS kind,
                     CASE WHEN GROUPING(key_id) = 0 THEN key_id WHEN GROUPING(user_id) = 0 THEN user_id
                         WHEN GROUPING(service_account_id) = 0 THEN service_account_id ELSE tenant_id END AS subject,
                     sum(requests) AS requests, sum(cost_microusd) AS cost
                 FROM usage_rollups
                 WHERE slice = 5 AND period_start > $1 - interval '1 day' AND period_start <= $1
                 GROUP BY GROUPING SETS ((period_start, tenant_id), (period_start, tenant_id, key_id),
                     (period_start, tenant_id, user_id), (period_start, tenant_id, service_account_id))
             ), measured AS (
                 SELECT period.tenant_id, kind, subject, unit, period_start, units FROM period
                 CROSS JOIN LATERAL (VALUES ('requests', requests), ('cost_microusd', cost)) measure (unit, units)
                 WHERE subject IS NOT NULL
             ), usual AS (
                 SELECT tenant_id, kind, subject, unit, sum(units) FILTER (WHERE period_start = $1) AS now,
                     avg(units) FILTER (WHERE period_start < $1) AS before,
                     count(*) FILTER (WHERE period_start < $1) AS periods
                 FROM measured WHERE units > 0 GROUP BY 1, 2, 3, 4
             )
             INSERT INTO limit_events (id, at, kind, tenant_id, subject_kind, subject_id, unit, used, amount, window_start, once)
             SELECT gen_random_uuid(), $2, 'spike', usual.tenant_id, usual.kind, usual.subject::text, usual.unit,
                 least(usual.now, 9223372036854775807)::bigint, least(ceil(usual.before), 9223372036854775807)::bigint, $1,
                 concat_ws('/', 'spike', usual.kind, usual.subject, usual.unit, extract(epoch FROM $1)::bigint)
             FROM usual JOIN tenants tenant ON tenant.id = usual.tenant_id
             WHERE usual.periods >= $3 AND usual.now >= $4 * usual.before
               AND usual.now >= CASE usual.unit WHEN 'requests' THEN $5 ELSE $6 END
             ON CONFLICT (once) DO NOTHING",
        )
        .bind(from)
        .bind(now)
        .bind(SPIKE_LEAST_PERIODS)
        .bind(SPIKE_TIMES)
        .bind(SPIKE_LEAST_REQUESTS)
        .bind(SPIKE_LEAST_MICROUSD)
        .execute(&mut *noting)
        .await?;
        noting.commit().await?;
        Ok(())
    }

    /// What happened in the actor's scope, the latest first. Spikes see those who see all limits of the tenant.
    pub async fn limit_events(
        &self,
        actor: &Actor,
        question: &LimitEventQuestion,
    ) -> Result<Page<LimitEvent>, StoreError> {
        let limits = condition(LIMIT, &actor.sees(Permission::LimitsRead));
        let page = &question.page;
        let rows: Vec<LimitEvent> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT event.id, event.at, event.kind, event.tenant_id, event.limit_id, t.name AS limit_name, event.subject_kind,
                 event.subject_id, event.unit, event.percent, event.used, event.amount, event.window_start
             FROM limit_events event LEFT JOIN limits t ON t.id = event.limit_id
             WHERE ($1::uuid IS NULL OR event.tenant_id = $1) AND {limits} AND ($2::uuid IS NULL OR event.tenant_id = $2)
               AND ($3::uuid IS NULL OR (event.at, event.id) < (SELECT last.at, last.id FROM limit_events last WHERE last.id = $3))
               AND ($4::text IS NULL OR event.kind = $4) AND ($5::uuid IS NULL OR event.limit_id = $5)
               AND ($6::timestamptz IS NULL OR event.at >= $6)
             ORDER BY event.at DESC, event.id DESC LIMIT $7"
        )))
        .bind(actor.scope().tenant())
        .bind(page.tenant_id)
        .bind(page.after)
        .bind(question.kind.map(LimitEventKind::name))
        .bind(question.limit_id)
        .bind(question.since)
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&self.admin)
        .await?;
        Ok(Page::from_rows(rows, page.limit, |event: &LimitEvent| event.id))
    }
}
