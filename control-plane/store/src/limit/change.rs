//! What administrators do about a limit without writing another one: a larger amount for a time, and what counts as spent.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::json::{Difference, read};
use weir_core::limit::{LimitSettings, LimitUnit, MOST_AMOUNT, MOST_CONCURRENT, SubjectKind};
use weir_core::resource::Stored;

use super::state::named_member;
use super::{Counted, LimitRow, whole};
use crate::commit::Write;
use crate::row::signed;
use crate::{Idempotency, LIMIT, Store, StoreError};

/// The longest raise: what holds for longer is another amount.
const LONGEST_RAISE: TimeDelta = TimeDelta::days(366);

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// A larger amount until then.
#[derive(Clone, Debug)]
pub struct LimitRaise {
    /// For which one, where each of a kind has a counter of its own; `None`: for all of them.
    pub member: Option<String>,
    /// Units, more than the limit's own amount.
    pub amount: u64,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

/// What is added to what was spent.
#[derive(Clone, Debug)]
pub struct LimitAdjustment {
    /// Of which one, where each of a kind has a counter of its own, which must be named then.
    pub member: Option<String>,
    /// Units that are added; with a minus taken off, at most as many as were spent.
    pub units: i64,
    /// Why.
    pub reason: String,
}

/// A write of a limit, with what it found.
struct Found<'a> {
    write: Write<'a>,
    stored: Stored,
    settings: LimitSettings,
}

impl Store {
    /// Has a larger amount hold until then; one that holds already is replaced.
    pub async fn raise_limit(
        &self,
        actor: &Actor,
        id: Uuid,
        raise: &LimitRaise,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Found { mut write, stored, settings } = self.begin_on_limit(actor, id).await?;
        expect_reason(&raise.reason)?;
        if raise.until <= now {
            return Err(StoreError::invalid("until", "must lie in the future"));
        }
        if raise.until > now + LONGEST_RAISE {
            return Err(StoreError::invalid(
                "until",
                "must be within 366 days: what holds for longer is another amount",
            ));
        }
        let most = if settings.unit == LimitUnit::ConcurrentRequests { MOST_CONCURRENT } else { MOST_AMOUNT };
        if raise.amount <= settings.amount || raise.amount > most {
            let reason = format!("must be more than the limit's own amount, {}, and at most {most}", settings.amount);
            return Err(StoreError::invalid("amount", &reason));
        }
        if raise.member.is_some() && settings.subject.kind == SubjectKind::Model {
            return Err(StoreError::invalid("subject_id", "of a limit on each model only all are raised"));
        }
        let member = match &raise.member {
            None => String::new(),
            named => named_member(write.connection(), &settings.subject, named.as_deref()).await?,
        };
        let query = "SELECT amount, ends_at FROM limit_raises WHERE limit_id = $1 AND member = $2 AND ends_at > $3";
        let before: Option<(i64, DateTime<Utc>)> =
            sqlx::query_as(query).bind(id).bind(&member).bind(now).fetch_optional(write.connection()).await?;
        sqlx::query(
            "INSERT INTO limit_raises (limit_id, member, amount, ends_at, reason) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (limit_id, member) DO UPDATE
                 SET amount = excluded.amount, ends_at = excluded.ends_at, reason = excluded.reason",
        )
        .bind(id)
        .bind(&member)
        .bind(signed(raise.amount))
        .bind(raise.until)
        .bind(&raise.reason)
        .execute(write.connection())
        .await?;
        let (amount_before, until_before) = before.unzip();
        let changes = vec![
            difference("raise.amount", amount_before.into(), raise.amount.into()),
            difference("raise.until", time(until_before), time(Some(raise.until))),
            difference("raise.subject_id", Value::Null, of_member(&member)),
            difference("reason", Value::Null, raise.reason.clone().into()),
        ];
        write.note(LIMIT, "raise", &stored, without_the_same(changes));
        write.commit().await?;
        Ok(())
    }

    /// Ends a raise before its time. Without one nothing is committed.
    pub async fn end_raise_of_limit(&self, actor: &Actor, id: Uuid, member: Option<&str>) -> Result<(), StoreError> {
        let Found { mut write, stored, settings } = self.begin_on_limit(actor, id).await?;
        let member = match member {
            None => String::new(),
            named => named_member(write.connection(), &settings.subject, named).await?,
        };
        let ended: Option<(i64, DateTime<Utc>)> =
            sqlx::query_as("DELETE FROM limit_raises WHERE limit_id = $1 AND member = $2 RETURNING amount, ends_at")
                .bind(id)
                .bind(&member)
                .fetch_optional(write.connection())
                .await?;
        let Some((amount, until)) = ended else { return Ok(()) };
        let changes = vec![
            difference("raise.amount", amount.into(), Value::Null),
            difference("raise.until", time(Some(until)), Value::Null),
            difference("raise.subject_id", of_member(&member), Value::Null),
        ];
        write.note(LIMIT, "end_raise", &stored, without_the_same(changes));
        write.commit().await?;
        Ok(())
    }

    /// Has nothing count as spent in the window at hand; `member`: of which one, else of all. What requests under way hold stays theirs.
    pub async fn reset_limit(
        &self,
        actor: &Actor,
        id: Uuid,
        member: Option<&str>,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let stored = self.get(LIMIT, actor, id).await?;
        let is_each = stored.spec.get("subject").and_then(|subject| subject.get("each")) == Some(&Value::Bool(true));
        let before = match member.is_some() || !is_each {
            true => Some(self.limit_state(actor, id, member, now).await?.spent),
            false => None,
        };
        let Found { mut write, stored, settings } = self.begin_on_limit(actor, id).await?;
        expect_reason(reason)?;
        expect_to_spend(&settings)?;
        let window = self.window_of(id, now, &mut write).await?;
        let first = window.start - TimeDelta::seconds(window.covers_s.into());
        let members = match member {
            Some(_) => vec![(named_member(write.connection(), &settings.subject, member).await?,)],
            None => members(&mut write, id, first, window.start).await?,
        };
        for (member,) in &members {
            sqlx::query("SELECT reset_limit($1, $2, $3, $4, $5)")
                .bind(id)
                .bind(member)
                .bind(first)
                .bind(window.start)
                .bind(now)
                .execute(write.connection())
                .await?;
        }
        // What was told is told again.
        sqlx::query("UPDATE limit_events SET once = id::text WHERE limit_id = $1 AND subject_id = ANY($2)")
            .bind(id)
            .bind(members.into_iter().map(|(member,)| member).collect::<Vec<_>>())
            .execute(write.connection())
            .await?;
        let changes = vec![
            difference("spent", before.into(), 0.into()),
            difference("subject_id", Value::Null, member.into()),
            difference("reason", Value::Null, reason.into()),
        ];
        write.note(LIMIT, "reset", &stored, without_the_same(changes));
        write.commit().await?;
        Ok(())
    }

    /// Makes available again what Envoys held in the window at hand that are heard of no longer, and had not accounted for; `member`: of
    /// which one, else of all. Without any nothing is committed.
    pub async fn release_limit(
        &self,
        actor: &Actor,
        id: Uuid,
        member: Option<&str>,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Found { mut write, stored, settings } = self.begin_on_limit(actor, id).await?;
        expect_reason(reason)?;
        expect_to_spend(&settings)?;
        let window = self.window_of(id, now, &mut write).await?;
        let first = window.start - TimeDelta::seconds(window.covers_s.into());
        let members = match member {
            Some(_) => vec![(named_member(write.connection(), &settings.subject, member).await?,)],
            None => members(&mut write, id, first, window.start).await?,
        };
        let mut released = 0_u128;
        for (member,) in &members {
            let (units,): (String,) = sqlx::query_as("SELECT release_limit($1, $2, $3, $4, $5)::text")
                .bind(id)
                .bind(member)
                .bind(first)
                .bind(window.start)
                .bind(now)
                .fetch_one(write.connection())
                .await?;
            released += units.parse::<u128>().map_err(|_| StoreError::Corrupt("what a limit released"))?;
        }
        if released == 0 {
            return Ok(());
        }
        let units = u64::try_from(released / whole(settings.unit, 1)).unwrap_or(u64::MAX);
        let changes = vec![
            difference("unreconciled", units.into(), 0.into()),
            difference("subject_id", Value::Null, member.into()),
            difference("reason", Value::Null, reason.into()),
        ];
        write.note(LIMIT, "release", &stored, without_the_same(changes));
        write.commit().await?;
        Ok(())
    }

    /// Adds to what was spent in the window at hand, or takes off it.
    pub async fn adjust_limit(
        &self,
        actor: &Actor,
        id: Uuid,
        adjustment: &LimitAdjustment,
        idempotency: Option<&Idempotency>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let LimitAdjustment { member, units, reason } = adjustment;
        let (member, units) = (member.as_deref(), *units);
        let Found { mut write, stored, settings } = self.begin_on_limit(actor, id).await?;
        if self.earlier::<()>(&mut write, idempotency).await?.is_some() {
            return Ok(());
        }
        expect_reason(reason)?;
        if units == 0 || units.unsigned_abs() > MOST_AMOUNT {
            return Err(StoreError::invalid("units", "must be between -10^15 and 10^15, and not 0"));
        }
        expect_to_spend(&settings)?;
        let counter = named_member(write.connection(), &settings.subject, member).await?;
        let window = self.window_of(id, now, &mut write).await?;
        let exact = i128::try_from(whole(settings.unit, units.unsigned_abs())).unwrap_or(i128::MAX);
        let (spent,): (Option<String>,) =
            sqlx::query_as("SELECT adjust_limit($1, $2, $3, coalesce($4, 'infinity'), $5::text::numeric)::text")
                .bind(id)
                .bind(&counter)
                .bind(window.start)
                .bind(window.ends)
                .bind((exact * i128::from(units.signum())).to_string())
                .fetch_one(write.connection())
                .await?;
        if spent.is_none() {
            return Err(StoreError::invalid("units", "must not take off more than was spent; more room is a raise"));
        }
        let changes = vec![
            difference("adjusted", Value::Null, units.into()),
            difference("subject_id", Value::Null, member.into()),
            difference("reason", Value::Null, reason.clone().into()),
        ];
        write.note(LIMIT, "adjust", &stored, without_the_same(changes));
        self.remember(&mut write, idempotency, &()).await?;
        write.commit().await?;
        Ok(())
    }

    async fn begin_on_limit<'a>(&self, actor: &'a Actor, id: Uuid) -> Result<Found<'a>, StoreError> {
        let mut write = self.begin_on(LIMIT, actor, id).await?;
        let stored = write.current(LIMIT, id).await?;
        write.expect_within(LIMIT, id).await?;
        let settings = read(stored.spec.clone().into()).map_err(|_| StoreError::Corrupt("a limit"))?;
        Ok(Found { write, stored, settings })
    }

    async fn window_of(&self, id: Uuid, now: DateTime<Utc>, write: &mut Write<'_>) -> Result<Counted, StoreError> {
        let row: LimitRow = sqlx::query_as(
            "SELECT to_jsonb(held.unit) AS unit, held.time_window, held.amount, to_jsonb(held.action) AS action,
                 held.unreconciled_release_after_s, coalesce(tenant.time_zone, 'UTC') AS time_zone
             FROM limits held LEFT JOIN tenants tenant ON tenant.id = held.tenant_id WHERE held.id = $1",
        )
        .bind(id)
        .fetch_one(write.connection())
        .await?;
        row.window_at(now).ok_or(StoreError::Corrupt("a limit's window"))
    }
}

/// Those of whom anything was counted in these windows.
async fn members(
    write: &mut Write<'_>,
    id: Uuid,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
) -> Result<Vec<(String,)>, StoreError> {
    let query =
        "SELECT DISTINCT member FROM limit_windows WHERE limit_id = $1 AND window_start BETWEEN $2 AND $3 ORDER BY 1";
    Ok(sqlx::query_as(query).bind(id).bind(first).bind(last).fetch_all(write.connection()).await?)
}

fn expect_reason(reason: &str) -> Result<(), StoreError> {
    if reason.chars().count() > LONGEST_REASON || reason.contains('\0') {
        return Err(StoreError::invalid("reason", "must have at most 500 characters"));
    }
    Ok(())
}

fn expect_to_spend(settings: &LimitSettings) -> Result<(), StoreError> {
    if settings.unit == LimitUnit::ConcurrentRequests {
        return Err(StoreError::invalid("unit", "counts what is under way: nothing of it is spent"));
    }
    Ok(())
}

fn difference(path: &str, before: Value, after: Value) -> Difference {
    Difference { path: path.to_owned(), before, after }
}

fn without_the_same(mut changes: Vec<Difference>) -> Vec<Difference> {
    changes.retain(|change| change.before != change.after);
    changes
}

fn time(at: Option<DateTime<Utc>>) -> Value {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).into()
}

fn of_member(member: &str) -> Value {
    if member.is_empty() { Value::Null } else { member.into() }
}
