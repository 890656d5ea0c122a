//! What a limit would have done that is not written yet.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::{Actor, Sees};
use weir_core::limit::{LimitSettings, LimitUnit, SubjectKind};
use weir_core::permission::Permission;

use super::{Counted, LimitRow, whole};
use crate::authorisation::authorise_kind;
use crate::row::{signed, unsigned};
use crate::transaction::{READING, begin};
use crate::{LIMIT, Store, StoreError};

/// Records that are looked at: the latest ones.
const MOST_RECORDS: i64 = 200_000;
/// Subjects that are told apart.
const MOST_SUBJECTS: usize = 20;

/// What a limit would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitTrial {
    /// Since when requests were looked at: later than was asked where there are too many.
    pub from: DateTime<Utc>,
    /// Until when.
    pub to: DateTime<Utc>,
    /// Requests that the limit would have counted.
    pub requests: u64,
    /// Of these, those that it would have had no room for.
    pub without_room: u64,
    /// When it would have had none first.
    pub first_without_room_at: Option<DateTime<Utc>>,
    /// Requests in the same time that were refused before they reached a provider: nobody knows what they would have taken.
    pub refused_then: u64,
    /// Of limits of money: requests whose price is unknown, which count as nothing here.
    pub unpriced: u64,
    /// Whether there are more requests than were looked at.
    pub is_truncated: bool,
    /// Of a limit on each of a kind: those for whom there would have been no room most often.
    pub subjects: Vec<TriedSubject>,
}

/// What a limit would have done to one of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TriedSubject {
    /// Which one: its id; of labels the value, of models the name.
    pub member: String,
    /// Requests of theirs.
    pub requests: u64,
    /// Of these, those without room.
    pub without_room: u64,
}

#[derive(sqlx::FromRow)]
struct Record {
    started_at: DateTime<Utc>,
    latency_us: i64,
    tenant_id: Uuid,
    key_id: Uuid,
    user_id: Option<Uuid>,
    service_account_id: Option<Uuid>,
    department_id: Option<Uuid>,
    labels: Vec<String>,
    model: String,
    input_tokens: i64,
    output_tokens: i64,
    cost_microusd: i64,
    cost_rest_picousd: i64,
    price_version: String,
    has_reached: bool,
}

/// How much of one counter is used while the requests pass.
#[derive(Default)]
struct Passing {
    /// By the beginnings of windows, of sliding ones of their parts; the oldest first.
    windows: VecDeque<(i64, u128)>,
    /// When those end that are under way.
    under_way: BinaryHeap<Reverse<DateTime<Utc>>>,
    tried: TriedSubject,
}

impl Store {
    /// What a limit would have done to the requests since then, by what these took in the end: of those that come at the same time a gateway
    /// reserves more, so that it may have room for fewer.
    pub async fn try_limit(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        settings: &LimitSettings,
        from: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<LimitTrial, StoreError> {
        authorise_kind(actor, LIMIT, tenant_id)?;
        if matches!(actor.sees(Permission::LimitsWrite), Sees::Part { .. }) {
            return Err(StoreError::Forbidden("only who writes all limits of the tenant tries one"));
        }
        settings.check(tenant_id)?;
        let mut reading = begin(&self.admin, READING).await?;
        sqlx::query("SET LOCAL statement_timeout = '10s'").execute(&mut *reading).await?;
        let time_zone: Option<(String,)> = sqlx::query_as("SELECT time_zone FROM tenants WHERE id = $1")
            .bind(tenant_id)
            .fetch_optional(&mut *reading)
            .await?;
        if tenant_id.is_some() && time_zone.is_none() {
            return Err(StoreError::invalid("tenant_id", "there is no such tenant"));
        }
        let subject = &settings.subject;
        let named: Option<(String,)> = match (subject.kind, subject.id) {
            (SubjectKind::Model, Some(id)) => {
                let query = "SELECT name FROM models WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2 OR tenant_id IS NULL)";
                let found: Option<(String,)> =
                    sqlx::query_as(query).bind(id).bind(tenant_id).fetch_optional(&mut *reading).await?;
                Some(found.ok_or_else(|| StoreError::invalid("subject.id", "there is no such model"))?)
            }
            _ => None,
        };
        let of_tenant = match subject.kind {
            SubjectKind::Tenant => tenant_id.or(subject.id),
            _ => tenant_id,
        };
        let id_of = |kind| subject.id.filter(|_| subject.kind == kind);
        let mut records: Vec<Record> = sqlx::query_as(
            "SELECT started_at, latency_us, tenant_id, key_id, user_id, service_account_id, department_id, labels, model,
                 input_tokens, output_tokens, cost_microusd, cost_rest_picousd, price_version, attempts > 0 AS has_reached
             FROM usage_records
             WHERE started_on >= ($1 AT TIME ZONE 'UTC')::date AND started_at >= $1 AND started_at < $2
               AND ($3::uuid IS NULL OR tenant_id = $3) AND ($4::uuid IS NULL OR user_id = $4)
               AND ($5::uuid IS NULL OR service_account_id = $5) AND ($6::uuid IS NULL OR key_id = $6)
               AND ($7::uuid IS NULL OR department_id IN (SELECT departments_beneath($7)))
               AND ($8::text IS NULL OR model = $8) AND ($9::text IS NULL OR $9 = ANY(labels))
             ORDER BY started_at DESC, request_id DESC LIMIT $10",
        )
        .bind(from)
        .bind(now)
        .bind(of_tenant)
        .bind(id_of(SubjectKind::User))
        .bind(id_of(SubjectKind::ServiceAccount))
        .bind(id_of(SubjectKind::ApiKey))
        .bind(id_of(SubjectKind::Department))
        .bind(named.map(|(name,)| name))
        .bind(subject.value.as_ref().filter(|_| subject.kind == SubjectKind::Label && !subject.each))
        .bind(MOST_RECORDS + 1)
        .fetch_all(&mut *reading)
        .await?;
        let above: Vec<(Uuid, Option<Uuid>)> = match (subject.kind, subject.each) {
            (SubjectKind::Department, true) => {
                sqlx::query_as("SELECT id, parent_id FROM departments WHERE $1::uuid IS NULL OR tenant_id = $1")
                    .bind(tenant_id)
                    .fetch_all(&mut *reading)
                    .await?
            }
            _ => Vec::new(),
        };
        reading.commit().await?;
        let is_truncated = records.len() as i64 > MOST_RECORDS;
        records.truncate(MOST_RECORDS as usize);
        records.reverse();
        let row = LimitRow {
            unit: Json(settings.unit),
            time_window: settings.window.clone().map(Json),
            amount: signed(settings.amount),
            action: Json(settings.action),
            unreconciled_release_after_s: None,
            time_zone: time_zone.map_or_else(|| "UTC".into(), |(zone,)| zone),
        };
        let from = records.first().filter(|_| is_truncated).map_or(from, |record| record.started_at);
        let trial = LimitTrial { from, to: now, is_truncated, ..LimitTrial::default() };
        pass(records, settings, &row, &above.into_iter().collect(), trial)
    }
}

/// Has the requests pass the limit, one after the other.
fn pass(
    records: Vec<Record>,
    settings: &LimitSettings,
    row: &LimitRow,
    parents: &HashMap<Uuid, Option<Uuid>>,
    mut trial: LimitTrial,
) -> Result<LimitTrial, StoreError> {
    let most = whole(settings.unit, settings.amount);
    let mut counters: HashMap<String, Passing> = HashMap::new();
    for record in records {
        if !record.has_reached {
            trial.refused_then += 1;
            continue;
        }
        let members = members(&record, settings, parents);
        if members.is_empty() {
            continue;
        }
        trial.requests += 1;
        if settings.unit == LimitUnit::CostMicrousd && record.price_version.is_empty() {
            trial.unpriced += 1;
        }
        let units = taken(&record, settings.unit)?;
        let window = row.window_at(record.started_at).ok_or(StoreError::Corrupt("a limit's window"))?;
        let mut has_room = true;
        for member in &members {
            let passing = counters.entry(member.clone()).or_default();
            passing.tried.requests += 1;
            if !passing.has_room(units, most, &record, &window, settings.unit) {
                passing.tried.without_room += 1;
                has_room = false;
            }
        }
        if !has_room {
            trial.without_room += 1;
            trial.first_without_room_at = trial.first_without_room_at.or(Some(record.started_at));
            continue;
        }
        let ends = record.started_at + TimeDelta::microseconds(record.latency_us.max(0));
        for member in &members {
            let Some(passing) = counters.get_mut(member) else { continue };
            match settings.unit {
                LimitUnit::ConcurrentRequests => passing.under_way.push(Reverse(ends)),
                LimitUnit::Requests
                | LimitUnit::InputTokens
                | LimitUnit::OutputTokens
                | LimitUnit::TotalTokens
                | LimitUnit::CostMicrousd => passing.take(units, &window),
            }
        }
    }
    if settings.subject.each {
        let tried = counters.into_iter().map(|(member, passing)| TriedSubject { member, ..passing.tried });
        let mut tried: Vec<TriedSubject> = tried.filter(|subject| subject.without_room > 0).collect();
        tried.sort_by(|one, other| (other.without_room, &one.member).cmp(&(one.without_room, &other.member)));
        tried.truncate(MOST_SUBJECTS);
        trial.subjects = tried;
    }
    Ok(trial)
}

impl Passing {
    fn has_room(&mut self, units: u128, most: u128, record: &Record, window: &Counted, unit: LimitUnit) -> bool {
        if unit == LimitUnit::ConcurrentRequests {
            while self.under_way.peek().is_some_and(|Reverse(ends)| *ends <= record.started_at) {
                self.under_way.pop();
            }
            return (self.under_way.len() as u128) < most;
        }
        let first = window.start.timestamp() - i64::from(window.covers_s);
        while self.windows.front().is_some_and(|(start, _)| *start < first) {
            self.windows.pop_front();
        }
        let used: u128 = self.windows.iter().map(|(_, used)| used).sum();
        used + units <= most
    }

    fn take(&mut self, units: u128, window: &Counted) {
        let start = window.start.timestamp();
        match self.windows.back_mut().filter(|(last, _)| *last == start) {
            Some((_, used)) => *used += units,
            None => self.windows.push_back((start, units)),
        }
    }
}

/// What a request took of a unit.
fn taken(record: &Record, unit: LimitUnit) -> Result<u128, StoreError> {
    let number = |value: i64| unsigned(value).map(u128::from);
    Ok(match unit {
        LimitUnit::Requests | LimitUnit::ConcurrentRequests => 1,
        LimitUnit::InputTokens => number(record.input_tokens)?,
        LimitUnit::OutputTokens => number(record.output_tokens)?,
        LimitUnit::TotalTokens => number(record.input_tokens)? + number(record.output_tokens)?,
        LimitUnit::CostMicrousd => whole(unit, unsigned(record.cost_microusd)?) + number(record.cost_rest_picousd)?,
    })
}

/// The counters in which a request counts.
fn members(record: &Record, settings: &LimitSettings, parents: &HashMap<Uuid, Option<Uuid>>) -> Vec<String> {
    let subject = &settings.subject;
    if !subject.each {
        return vec![String::new()];
    }
    let one = |id: Option<Uuid>| id.map(|id| id.to_string()).into_iter().collect();
    match subject.kind {
        SubjectKind::Tenant => one(Some(record.tenant_id)),
        SubjectKind::User => one(record.user_id),
        SubjectKind::ServiceAccount => one(record.service_account_id),
        SubjectKind::ApiKey => one(Some(record.key_id)),
        SubjectKind::Model => vec![record.model.clone()],
        SubjectKind::Department => {
            let mut above = Vec::new();
            let mut next = record.department_id;
            while let Some(id) = next {
                // No tree is as high, and none is round.
                if above.len() > parents.len() {
                    break;
                }
                above.push(id.to_string());
                next = parents.get(&id).copied().flatten();
            }
            above
        }
        SubjectKind::Label => {
            let name = subject.value.as_deref().unwrap_or_default();
            let value = |label: &String| Some(label.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            record.labels.iter().filter_map(value).collect()
        }
        SubjectKind::Platform | SubjectKind::Route => Vec::new(),
    }
}
