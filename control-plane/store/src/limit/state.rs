//! How much of limits is used.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::limit::{LimitAction, LimitSubject, LimitUnit, SubjectKind};
use weir_core::permission::Permission;

use super::{LimitRow, whole};
use crate::authorisation::condition;
use crate::row::unsigned;
use crate::{LIMIT, Store, StoreError};

/// How long a window must have run until its rate says something.
const SHORTEST_RATED: TimeDelta = TimeDelta::minutes(1);

/// The longest name of a counter that may be changed, in bytes: longer than any that is counted.
const LONGEST_MEMBER: usize = 800;

/// Limits whose counters are looked for at once.
const LIMITS_AT_ONCE: i64 = 200;

/// How much of a limit is used: of a counter's window at hand, in whole units; money in micro-dollars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitState {
    /// What may be used in the window, raised or not.
    pub amount: u64,
    /// What requests took that are over, rounded up, and what an administrator added or took off.
    pub spent: u64,
    /// What Envoys hold that are heard of, for requests under way and to come, rounded up.
    pub reserved: u64,
    /// What Envoys held that are heard of no longer, rounded up: it may be spent.
    pub unreconciled: u64,
    /// What nobody has.
    pub remaining: u64,
    /// When the window began; `None`: it has always been, or is the time before now.
    pub began_at: Option<DateTime<Utc>>,
    /// When the window begins anew; `None`: it never does, or all the time.
    pub resets_at: Option<DateTime<Utc>>,
    /// When all of it is spent at the rate of the window so far; `None`: not in this window, or nobody can say.
    pub exhausted_at: Option<DateTime<Utc>>,
    /// The raise that holds.
    pub raise: Option<HeldRaise>,
}

/// A larger amount for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRaise {
    /// Units.
    pub amount: u64,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Why, in the words of who made it.
    pub reason: String,
}

/// How much of one of a limit's counters is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSubjectState {
    /// Which limit.
    pub limit_id: Uuid,
    /// Whose it is; `None`: the platform's.
    pub tenant_id: Option<Uuid>,
    /// What it is called.
    pub name: String,
    /// What the counter is of.
    pub kind: SubjectKind,
    /// Which one of a kind, where each has a counter of its own; empty: the limit has one.
    pub member: String,
    /// What the subject is called, as far as it is known still.
    pub subject_name: Option<String>,
    /// What it counts.
    pub unit: LimitUnit,
    /// What becomes of a request for which there is no room.
    pub action: LimitAction,
    /// At how many percent of the amount somebody is told.
    pub thresholds: Vec<u16>,
    /// How much is used.
    pub state: LimitState,
    /// Stands for the window in which somebody is told once.
    pub(super) telling: i64,
}

/// Which counters are asked for.
#[derive(Clone, Debug, Default)]
pub struct LimitQuestion {
    /// Of this tenant's limits.
    pub tenant_id: Option<Uuid>,
    /// Of this limit.
    pub limit_id: Option<Uuid>,
    /// Of limits on this kind.
    pub kind: Option<SubjectKind>,
    /// Of limits of this unit.
    pub unit: Option<LimitUnit>,
    /// Of this one of each of a kind.
    pub member: Option<String>,
    /// Counters at most.
    pub limit: u32,
    /// The last one of the page before.
    pub after: Option<(Uuid, String)>,
    /// Of which Envoys said something since then, or were no longer heard of.
    pub used_since: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct AskedRow {
    id: Uuid,
    tenant_id: Option<Uuid>,
    name: String,
    subject: Json<LimitSubject>,
    created_at: DateTime<Utc>,
    thresholds: Json<Vec<u16>>,
    #[sqlx(flatten)]
    limit: LimitRow,
}

#[derive(sqlx::FromRow)]
struct CounterRow {
    limit_id: Uuid,
    member: String,
    spent: String,
    reserved: String,
    unreconciled: String,
    raised_to: Option<i64>,
    raised_until: Option<DateTime<Utc>>,
    raised_for: Option<String>,
}

impl Store {
    /// How much of a limit is used; `member`: of which one, where each of a kind has a counter of its own.
    pub async fn limit_state(
        &self,
        actor: &Actor,
        id: Uuid,
        member: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<LimitState, StoreError> {
        let member = self.limit_member(actor, id, member).await?;
        let asked = self.asked_limits(actor, &LimitQuestion { limit_id: Some(id), ..LimitQuestion::default() }).await?;
        let question = LimitQuestion { member: Some(member), ..LimitQuestion::default() };
        let found = self.counters(&asked, &question, true, 1, now).await?;
        let (asked, counter) = asked.first().zip(found.first()).ok_or(StoreError::NotFound)?;
        asked.state(counter, now)
    }

    /// How much of each of the actor's limits is used, and of each that they hold for of which anything was counted in the window at hand;
    /// and the last one where there are more. In the order of limits.
    pub async fn limit_states(
        &self,
        actor: &Actor,
        question: &LimitQuestion,
        now: DateTime<Utc>,
    ) -> Result<(Vec<LimitSubjectState>, Option<(Uuid, String)>), StoreError> {
        let wanted = question.limit as usize;
        let mut question = question.clone();
        let mut states: Vec<LimitSubjectState> = Vec::new();
        loop {
            let asked = self.asked_limits(actor, &question).await?;
            let Some(last) = asked.last().map(|limit| limit.id) else { break };
            let missing = i64::try_from(wanted + 1 - states.len()).unwrap_or(i64::MAX);
            let counters = self.counters(&asked, &question, false, missing, now).await?;
            let names = self.subject_names(&asked, &counters).await?;
            for counter in &counters {
                let Some(limit) = asked.iter().find(|limit| limit.id == counter.limit_id) else { continue };
                match limit.subject_state(counter, &names, now) {
                    Ok(state) => states.push(state),
                    // The others are told all the same.
                    Err(error) => {
                        tracing::error!(limit = %limit.id, %error, "how much of a limit is used cannot be read")
                    }
                }
            }
            let is_whole = (asked.len() as i64) < LIMITS_AT_ONCE;
            if is_whole || states.len() > wanted {
                break;
            }
            // Beyond all counters of the last one: no member is as large.
            question.after = Some((last, "\u{10ffff}".into()));
        }
        let is_more = states.len() > wanted;
        states.truncate(wanted);
        let next = states.last().filter(|_| is_more).map(|last| (last.limit_id, last.member.clone()));
        Ok((states, next))
    }

    /// How much of a limit is used; `member`: of that one, whether anything was counted of it or not, else of all of which anything was.
    pub(super) async fn states_of_limit(
        &self,
        id: Uuid,
        member: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Vec<LimitSubjectState>, StoreError> {
        let member = member.map(str::to_owned);
        let question = LimitQuestion { limit_id: Some(id), member, ..LimitQuestion::default() };
        let asked = self.asked_limits(&Actor::system(), &question).await?;
        let counters = self.counters(&asked, &question, question.member.is_some(), LIMITS_AT_ONCE, now).await?;
        let state = |counter| asked.first().map(|limit| limit.subject_state(counter, &HashMap::new(), now));
        counters.iter().filter_map(state).collect()
    }

    async fn limit_member(&self, actor: &Actor, id: Uuid, member: Option<&str>) -> Result<String, StoreError> {
        let stored = self.get(LIMIT, actor, id).await?;
        let subject: LimitSubject = serde_json::from_value(stored.spec.get("subject").cloned().unwrap_or_default())
            .map_err(|_| StoreError::Corrupt("a limit's subject"))?;
        let mut connection = self.admin.acquire().await?;
        named_member(&mut connection, &subject, member).await
    }

    async fn asked_limits(&self, actor: &Actor, question: &LimitQuestion) -> Result<Vec<AskedRow>, StoreError> {
        let rows = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT t.id, t.tenant_id, t.name, t.subject, t.created_at, t.thresholds, to_jsonb(t.unit) AS unit, t.time_window, t.amount,
                 to_jsonb(t.action) AS action, t.unreconciled_release_after_s, coalesce(tenant.time_zone, 'UTC') AS time_zone
             FROM limits t LEFT JOIN tenants tenant ON tenant.id = t.tenant_id
             WHERE ($1::uuid IS NULL OR t.tenant_id = $1) AND {}
               AND ($2::uuid IS NULL OR t.tenant_id = $2) AND ($3::uuid IS NULL OR t.id = $3)
               AND ($4::text IS NULL OR t.subject_kind = $4) AND ($5::text IS NULL OR t.unit = $5) AND ($6::uuid IS NULL OR t.id >= $6)
             ORDER BY t.id LIMIT {LIMITS_AT_ONCE}",
            condition(LIMIT, &actor.sees(Permission::LimitsRead)),
        )))
        .bind(actor.scope().tenant())
        .bind(question.tenant_id)
        .bind(question.limit_id)
        .bind(question.kind.map(SubjectKind::name))
        .bind(question.unit.map(LimitUnit::name))
        .bind(question.after.as_ref().map(|(id, _)| *id))
        .fetch_all(&self.admin)
        .await?;
        Ok(rows)
    }

    /// The counters of these limits in the windows at hand. `is_known`: there is such a member, whether anything was counted of it or not.
    async fn counters(
        &self,
        asked: &[AskedRow],
        question: &LimitQuestion,
        is_known: bool,
        most: i64,
        now: DateTime<Utc>,
    ) -> Result<Vec<CounterRow>, StoreError> {
        let (mut ids, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        let (mut each, mut concurrent) = (Vec::new(), Vec::new());
        for row in asked {
            let Some(window) = row.limit.window_at(now) else {
                tracing::error!(limit = %row.id, "a limit's window cannot be read");
                continue;
            };
            ids.push(row.id);
            firsts.push(window.start - TimeDelta::seconds(window.covers_s.into()));
            lasts.push(window.start);
            each.push(row.subject.0.each);
            concurrent.push(row.limit.unit.0 == LimitUnit::ConcurrentRequests);
        }
        let (after_id, after_member) = question.after.as_ref().map(|(id, member)| (*id, member.as_str())).unzip();
        let rows = sqlx::query_as(
            "WITH asked AS (
                 SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::bool[], $5::bool[])
                     AS asked (limit_id, first, last, is_each, is_concurrent)
             ), counter AS (
                 SELECT asked.*, '' AS member FROM asked WHERE NOT is_each
                 UNION SELECT asked.*, w.member FROM asked JOIN limit_windows w
                     ON w.limit_id = asked.limit_id AND w.window_start BETWEEN asked.first AND asked.last
                 WHERE is_each
                 UNION SELECT asked.*, $6 FROM asked WHERE is_each AND $7
             ), used AS MATERIALIZED (
                 SELECT DISTINCT limit_id, member FROM limit_leases WHERE expires_at > $12
             )
             SELECT counter.limit_id, counter.member, greatest(lease.spent + corrected.units, 0)::text AS spent,
                 lease.reserved::text AS reserved, lease.unreconciled::text AS unreconciled,
                 raise.amount AS raised_to, raise.ends_at AS raised_until, raise.reason AS raised_for
             FROM counter
             CROSS JOIN LATERAL (
                 SELECT coalesce(sum(l.spent), 0) AS spent,
                     coalesce(sum(l.held) FILTER (WHERE l.expires_at > $8), 0) AS reserved,
                     coalesce(sum(l.held) FILTER (WHERE l.expires_at <= $8 AND NOT counter.is_concurrent), 0) AS unreconciled
                 FROM (SELECT *, greatest(granted - spent - returned, 0) AS held FROM limit_leases
                     WHERE limit_id = counter.limit_id AND member = counter.member
                       AND window_start BETWEEN counter.first AND counter.last) l
             ) lease
             CROSS JOIN LATERAL (
                 SELECT coalesce(sum(w.adjusted), 0) AS units FROM limit_windows w
                 WHERE w.limit_id = counter.limit_id AND w.member = counter.member
                   AND w.window_start BETWEEN counter.first AND counter.last
             ) corrected
             LEFT JOIN LATERAL (
                 SELECT * FROM limit_raises raise
                 WHERE raise.limit_id = counter.limit_id AND raise.member IN ('', counter.member) AND raise.ends_at > $8
                 ORDER BY raise.amount DESC LIMIT 1
             ) raise ON true
             WHERE ($6::text IS NULL OR counter.member = $6)
               AND ($12::timestamptz IS NULL OR (counter.limit_id, counter.member) IN (SELECT used.limit_id, used.member FROM used))
               AND ($9::uuid IS NULL OR (counter.limit_id, counter.member COLLATE \"C\") > ($9, $10 COLLATE \"C\"))
             ORDER BY counter.limit_id, counter.member COLLATE \"C\" LIMIT $11",
        )
        .bind(ids)
        .bind(firsts)
        .bind(lasts)
        .bind(each)
        .bind(concurrent)
        .bind(question.member.as_deref())
        .bind(is_known)
        .bind(now)
        .bind(after_id)
        .bind(after_member)
        .bind(most)
        .bind(question.used_since)
        .fetch_all(&self.admin)
        .await?;
        Ok(rows)
    }

    /// What subjects are called, by their ids.
    async fn subject_names(
        &self,
        asked: &[AskedRow],
        counters: &[CounterRow],
    ) -> Result<HashMap<Uuid, String>, StoreError> {
        let kind_of = |id: Uuid| asked.iter().find(|limit| limit.id == id).map(|limit| limit.subject.0.kind);
        let by_id = |counter: &&CounterRow| kind_of(counter.limit_id).is_some_and(SubjectKind::is_counted_by_id);
        let members = counters.iter().filter(by_id).filter_map(|counter| counter.member.parse::<Uuid>().ok());
        let ids: Vec<Uuid> = asked.iter().filter_map(|limit| limit.subject.0.id).chain(members).collect();
        let rows: Vec<(Uuid, String)> = sqlx::query_as(
            "SELECT id, name FROM tenants WHERE id = ANY($1) UNION ALL SELECT id, name FROM departments WHERE id = ANY($1)
             UNION ALL SELECT id, email FROM users WHERE id = ANY($1) UNION ALL SELECT id, name FROM models WHERE id = ANY($1)
             UNION ALL SELECT id, name FROM service_accounts WHERE id = ANY($1)
             UNION ALL SELECT id, name FROM api_keys WHERE id = ANY($1)",
        )
        .bind(ids)
        .fetch_all(&self.admin)
        .await?;
        Ok(rows.into_iter().collect())
    }
}

/// The counter's part of a limit that somebody named; what models are counted by are the names that clients ask for.
pub(super) async fn named_member(
    connection: &mut PgConnection,
    subject: &LimitSubject,
    member: Option<&str>,
) -> Result<String, StoreError> {
    let member = match (subject.each, member) {
        (true, Some(member)) if (1..=LONGEST_MEMBER).contains(&member.len()) && !member.contains('\0') => member,
        (true, Some(_)) => return Err(StoreError::invalid("subject_id", "there is no such subject")),
        (true, None) => {
            return Err(StoreError::invalid("subject_id", "is required: each has a counter of its own"));
        }
        (false, None) => "",
        (false, Some(_)) => return Err(StoreError::invalid("subject_id", "is for limits on each of a kind only")),
    };
    let named: Option<(String,)> = match member.parse::<Uuid>() {
        Ok(model) if subject.kind == SubjectKind::Model => {
            sqlx::query_as("SELECT name FROM models WHERE id = $1").bind(model).fetch_optional(connection).await?
        }
        _ => None,
    };
    Ok(named.map_or_else(|| member.to_owned(), |(name,)| name))
}

impl AskedRow {
    fn subject_state(
        &self,
        counter: &CounterRow,
        names: &HashMap<Uuid, String>,
        now: DateTime<Utc>,
    ) -> Result<LimitSubjectState, StoreError> {
        let subject = &self.subject.0;
        let id = match subject.each {
            true => counter.member.parse().ok().filter(|_| subject.kind.is_counted_by_id()),
            false => subject.id,
        };
        let named = id.and_then(|id| names.get(&id).cloned());
        // Labels and models are counted by what they are called.
        let text = if subject.each { Some(counter.member.clone()) } else { subject.value.clone() };
        Ok(LimitSubjectState {
            limit_id: self.id,
            tenant_id: self.tenant_id,
            name: self.name.clone(),
            kind: subject.kind,
            member: counter.member.clone(),
            subject_name: named.or(text.filter(|_| id.is_none())),
            unit: self.limit.unit.0,
            action: self.limit.action.0,
            thresholds: self.thresholds.0.clone(),
            telling: self
                .limit
                .telling(&self.limit.window_at(now).ok_or(StoreError::Corrupt("a limit's window"))?, now),
            state: self.state(counter, now)?,
        })
    }

    fn state(&self, counter: &CounterRow, now: DateTime<Utc>) -> Result<LimitState, StoreError> {
        let window = self.limit.window_at(now).ok_or(StoreError::Corrupt("a limit's window"))?;
        let unit = self.limit.unit.0;
        let read = |text: &str| {
            let units = text.parse::<u128>().map_err(|_| StoreError::Corrupt("how much of a limit is used"))?;
            Ok::<u64, StoreError>(u64::try_from(units.div_ceil(whole(unit, 1))).unwrap_or(u64::MAX))
        };
        let (spent, reserved, unreconciled) =
            (read(&counter.spent)?, read(&counter.reserved)?, read(&counter.unreconciled)?);
        let raise = match (counter.raised_to, counter.raised_until, &counter.raised_for) {
            (Some(amount), Some(until), Some(reason)) => {
                Some(HeldRaise { amount: unsigned(amount)?, until, reason: reason.clone() })
            }
            _ => None,
        };
        let own = unsigned(self.limit.amount)?;
        let amount = raise.as_ref().map_or(own, |raise| raise.amount.max(own));
        let gone = spent.saturating_add(unreconciled);
        let began_at = window.resets.map(|_| window.start);
        // A sliding window, and requests at the same time, have no rate that leads to an end.
        let is_total = window.ends.is_none() && unit != LimitUnit::ConcurrentRequests;
        let since = began_at.or(is_total.then_some(self.created_at));
        Ok(LimitState {
            amount,
            spent,
            reserved,
            unreconciled,
            remaining: amount.saturating_sub(gone.saturating_add(reserved)),
            began_at,
            resets_at: window.resets,
            exhausted_at: since.and_then(|since| exhausted_at(amount, gone, since, now, window.resets)),
            raise,
        })
    }
}

/// When an amount is spent of which so much was spent since then, if it goes on like that until the window begins anew.
fn exhausted_at(
    amount: u64,
    spent: u64,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
    resets: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    let elapsed = now - since;
    if spent >= amount {
        return Some(now);
    }
    if spent == 0 || elapsed < SHORTEST_RATED {
        return None;
    }
    let elapsed_s = u128::try_from(elapsed.num_seconds()).ok()?;
    let seconds = u128::from(amount - spent) * elapsed_s / u128::from(spent);
    let at = now.checked_add_signed(TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?)?;
    Some(at).filter(|at| resets.is_none_or(|resets| *at < resets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_goes_on_at_the_rate_of_the_window_so_far() {
        let at = |hour: i64| DateTime::from_timestamp(1_800_000_000 + hour * 3600, 0).unwrap();
        let check = |amount, spent, now, resets, expect: Option<DateTime<Utc>>| {
            assert_eq!(exhausted_at(amount, spent, at(0), now, resets), expect, "{spent} of {amount}");
        };
        check(100, 50, at(6), Some(at(24)), Some(at(12)));
        check(100, 25, at(6), Some(at(24)), None);
        check(100, 25, at(6), None, Some(at(24)));
        check(100, 100, at(6), Some(at(24)), Some(at(6)));
        check(100, 150, at(0), Some(at(24)), Some(at(0)));
        check(100, 0, at(6), None, None);
        // Of a window that has just begun nobody knows, nor before it, where a clock goes back.
        check(100, 99, at(0) + TimeDelta::seconds(59), None, None);
        check(100, 99, at(-1), None, None);
        check(u64::MAX, 1, at(6), None, None);
    }
}
