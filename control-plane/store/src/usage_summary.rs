//! Sums over the ledger: from the rows that were written with the records, and from the records where those do not tell.

mod names;

use chrono::{DateTime, DurationRound, NaiveTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, Postgres, QueryBuilder};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::permission::Permission;
use weir_core::sketch::Sketch;
use weir_core::usage_summary::{Bucket, Dimension, GroupValue, Order, Summary, SummaryItem, SummaryRequest, Sums};

use crate::row::{picousd, unsigned};
use crate::{Store, StoreError, usage_scope};

/// What is summed, as both the rows of sums and the records give it.
const MEASURES: &str = "requests, errors, with_findings, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, \
     reasoning_tokens, cost_microusd, cost_rest_picousd, last_at, latency, time_to_first_token";
const OF_RECORD: &str = "1::bigint, (outcome NOT IN ('complete', 'client_disconnect'))::int::bigint, \
     (cardinality(guardrail_findings) > 0)::int::bigint, input_tokens, cached_input_tokens, \
     cache_write_tokens + cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_microusd, cost_rest_picousd, started_at, \
     usage_sketch(latency_us), usage_sketch(time_to_first_token_us)";
/// Unknown, unless each day with costs has a rate.
const CONVERTED: &str = "CASE WHEN bool_and(rates.rate IS NOT NULL OR parts.cost_microusd = 0 AND parts.cost_rest_picousd = 0)
    THEN trim_scale(round(coalesce(sum((parts.cost_microusd * 1000000::numeric + parts.cost_rest_picousd) * rates.rate), 0) / 1e12, 12))::text END";
const NOBODY: &str = "'00000000-0000-0000-0000-000000000000'::uuid";

/// A dimension of one request, with what it is limited to.
enum Limit {
    Ids(Vec<Uuid>),
    Texts(Vec<String>),
}

impl Store {
    /// Sums in the actor's scope.
    ///
    /// What lies within whole quarter-hours comes from the rows of sums, within whole UTC days from those of days, if the buckets allow
    /// it; the rest, and what is not part of the sums yet, from the records. So it is exact, whatever the times are; percentiles are off
    /// by at most 3.1 %.
    pub async fn usage_summary(&self, actor: &Actor, request: &SummaryRequest) -> Result<Summary, StoreError> {
        let limits = self.limits(actor, request).await?;
        let kept_from = self.records_kept_from(Utc::now()).and_time(NaiveTime::MIN).and_utc();
        let mut query = select(request, &request.group_by, &limits, kept_from);
        let order = match request.order {
            Order::Bucket => "",
            Order::Requests => "requests DESC, ",
            Order::Cost => "sum(parts.cost_microusd) * 1000000 + sum(parts.cost_rest_picousd) DESC, ",
            Order::Tokens => "sum(parts.input_tokens) + sum(parts.output_tokens) DESC, ",
            Order::Errors => "errors DESC, ",
        };
        query.push(format!(" ORDER BY {order}bucket, one, other LIMIT "));
        query.push_bind(i64::from(request.limit) + 1).push(" OFFSET ").push_bind(i64::from(request.offset));
        let mut rows: Vec<SumRow> = query.build_query_as().fetch_all(&self.admin).await?;
        let more = rows.len() > request.limit as usize;
        rows.truncate(request.limit as usize);
        let totals = match (request.bucket, request.group_by.is_empty(), rows.first()) {
            (Bucket::None, true, Some(only)) => only.sums()?,
            (Bucket::None, true, None) => Sums::default(),
            _ => {
                let all = SummaryRequest { bucket: Bucket::None, ..request.clone() };
                let row: Option<SumRow> =
                    select(&all, &[], &limits, kept_from).build_query_as().fetch_optional(&self.admin).await?;
                row.map(|row| row.sums()).transpose()?.unwrap_or_default()
            }
        };
        let names = self.group_names(actor, &request.group_by, &rows).await?;
        let items = rows.iter().map(|row| {
            let group = request.group_by.iter().zip([&row.one, &row.other]);
            Ok(SummaryItem {
                bucket_start: row.bucket.max(request.from),
                group: group.map(|(dimension, value)| names.value(dimension, value)).collect(),
                sums: row.sums()?,
            })
        });
        Ok(Summary { items: items.collect::<Result<_, StoreError>>()?, more, totals })
    }

    /// When a key was last used, by the sums.
    pub async fn key_last_used(&self, key_id: Uuid) -> Result<Option<DateTime<Utc>>, StoreError> {
        let (at,): (Option<DateTime<Utc>>,) =
            sqlx::query_as("SELECT max(last_at) FROM usage_rollups WHERE slice = 4 AND key_id = $1")
                .bind(key_id)
                .fetch_one(&self.admin)
                .await?;
        Ok(at)
    }

    /// These departments and all beneath them.
    async fn with_departments_beneath(&self, ids: Vec<Uuid>) -> Result<Vec<Uuid>, StoreError> {
        let all: Vec<(Uuid,)> = sqlx::query_as(
            "WITH RECURSIVE beneath AS (
                 SELECT unnest($1::uuid[]) AS id
                 UNION SELECT d.id FROM departments d JOIN beneath ON d.parent_id = beneath.id)
             SELECT id FROM beneath",
        )
        .bind(ids)
        .fetch_all(&self.admin)
        .await?;
        Ok(all.into_iter().map(|(id,)| id).collect())
    }

    /// What the dimensions are limited to: the actor's scope, and what was asked.
    async fn limits(&self, actor: &Actor, request: &SummaryRequest) -> Result<Vec<(Dimension, Limit)>, StoreError> {
        let mut limits = Vec::new();
        if let Some(tenant_id) = actor.scope().tenant() {
            limits.push((Dimension::Tenant, Limit::Ids(vec![tenant_id])));
        }
        if let Some(query) = usage_scope::keys(actor, &[Permission::UsageRead]) {
            let keys: Vec<(Uuid,)> = sqlx::query_as(AssertSqlSafe(query)).fetch_all(&self.admin).await?;
            limits.push((Dimension::ApiKey, Limit::Ids(keys.into_iter().map(|(id,)| id).collect())));
        }
        for (dimension, value) in &request.filters {
            let limit = match (dimension, value.parse::<Uuid>()) {
                (Dimension::Outcome | Dimension::Label(_), _) => Limit::Texts(vec![value.clone()]),
                (Dimension::Department, id) => {
                    let named = match id {
                        Ok(id) => vec![id],
                        Err(_) => self.ids_of_name(actor, dimension, value).await?,
                    };
                    Limit::Ids(self.with_departments_beneath(named).await?)
                }
                (Dimension::Model, _) => Limit::Texts(self.model_names(actor, value).await?),
                (_, Ok(id)) => Limit::Ids(vec![id]),
                (_, Err(_)) => Limit::Ids(self.ids_of_name(actor, dimension, value).await?),
            };
            limits.push((dimension.clone(), limit));
        }
        Ok(limits)
    }
}

/// Everything but order and part.
fn select(
    request: &SummaryRequest,
    group_by: &[Dimension],
    limits: &[(Dimension, Limit)],
    kept_from: DateTime<Utc>,
) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new("SELECT ");
    match request.bucket {
        Bucket::None => drop(query.push_bind(request.from).push("::timestamptz")),
        // Zones are off by whole quarter-hours.
        Bucket::QuarterHour => drop(query.push("date_bin('15 minutes', parts.at, 'epoch')")),
        Bucket::Hour | Bucket::Day | Bucket::Week | Bucket::Month => {
            query.push(format!("date_trunc('{}', parts.at, ", unit(request.bucket)));
            query.push_bind(request.time_zone.clone()).push(")");
        }
    }
    query.push(
        " AS bucket, parts.one, parts.other, sum(parts.requests)::bigint AS requests, sum(parts.errors)::bigint AS errors,
          sum(parts.with_findings)::bigint AS with_findings",
    );
    for sum in [
        "input_tokens",
        "cached_input_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "cost_microusd",
        "cost_rest_picousd",
    ] {
        query.push(format!(", least(sum(parts.{sum}), 9223372036854775807)::bigint AS {sum}"));
    }
    query.push(", ").push(match request.currency {
        Some(_) => CONVERTED,
        None => "NULL::text",
    });
    query.push(
        " AS converted, max(parts.last_at) AS last_at, string_agg(parts.latency, '') AS latency,
          string_agg(parts.time_to_first_token, '') AS time_to_first_token FROM (",
    );
    for (number, part) in parts(request, group_by, limits, kept_from).into_iter().enumerate() {
        if number > 0 {
            query.push(" UNION ALL ");
        }
        part.push(&mut query, group_by, limits);
    }
    query.push(format!(") AS parts (at, one, other, {MEASURES})"));
    if let Some(currency) = &request.currency {
        query.push(
            " LEFT JOIN (SELECT day::date AS day, (SELECT rate::numeric FROM currency_rates
                  WHERE valid_from <= day::date AND currency = ",
        );
        query.push_bind(currency.clone());
        query.push(" ORDER BY valid_from DESC, created_at DESC LIMIT 1) AS rate FROM generate_series(");
        query.push_bind(request.from.date_naive()).push("::timestamp, ");
        query.push_bind(request.to.date_naive());
        query.push("::timestamp, '1 day') AS day) AS rates ON rates.day = (parts.at AT TIME ZONE 'UTC')::date");
    }
    query.push(" GROUP BY 1, 2, 3");
    query
}

fn unit(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::None | Bucket::QuarterHour | Bucket::Hour => "hour",
        Bucket::Day => "day",
        Bucket::Week => "week",
        Bucket::Month => "month",
    }
}

/// A stretch of time, and where its sums come from.
struct Part {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    source: Source,
}

enum Source {
    /// Rows of sums.
    Slice(i16),
    /// All records.
    Records,
    /// Records that are not part of the sums.
    Waiting,
}

/// Which stretches are summed from what. There is always one. Before `kept_from` there are sums by UTC day alone.
fn parts(
    request: &SummaryRequest,
    group_by: &[Dimension],
    limits: &[(Dimension, Limit)],
    kept_from: DateTime<Utc>,
) -> Vec<Part> {
    let SummaryRequest { from, to, .. } = *request;
    let mut asked = group_by.iter().chain(limits.iter().map(|(limited, _)| limited));
    let of_a_key = asked.clone().any(Dimension::is_of_a_key);
    let level = match (of_a_key, asked.any(|dimension| *dimension == Dimension::Tenant)) {
        (true, _) => 4,
        (false, true) => 2,
        (false, false) => 0,
    };
    let (days, quarters) = (Source::Slice as fn(i16) -> Source, level);
    let by_day = match request.bucket {
        Bucket::None => true,
        Bucket::QuarterHour | Bucket::Hour => false,
        Bucket::Day | Bucket::Week | Bucket::Month => request.time_zone == "UTC",
    };
    let mut parts = vec![Part { from, to, source: Source::Waiting }];
    let mut add = |from: DateTime<Utc>, to: DateTime<Utc>, source| {
        if from < to {
            parts.push(Part { from, to, source });
        }
    };
    if let Some((morning, midnight)) = whole(from, to.min(kept_from), TimeDelta::days(1)) {
        add(morning, midnight, days(quarters));
    }
    let from = from.max(kept_from);
    let Some((first, last)) = whole(from, to, TimeDelta::minutes(15)) else {
        add(from, to, Source::Records);
        return parts;
    };
    add(from, first, Source::Records);
    add(last, to, Source::Records);
    match whole(first, last, TimeDelta::days(1)).filter(|_| by_day) {
        Some((morning, midnight)) => {
            add(first, morning, days(quarters + 1));
            add(morning, midnight, days(quarters));
            add(midnight, last, days(quarters + 1));
        }
        None => add(first, last, days(quarters + 1)),
    }
    parts
}

/// The whole periods within a stretch of time; `None`: there are none.
fn whole(from: DateTime<Utc>, to: DateTime<Utc>, period: TimeDelta) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let first = (from + period - TimeDelta::microseconds(1)).duration_trunc(period).ok()?;
    let last = to.duration_trunc(period).ok()?;
    (first < last).then_some((first, last))
}

impl Part {
    fn push(&self, query: &mut QueryBuilder<Postgres>, group_by: &[Dimension], limits: &[(Dimension, Limit)]) {
        let is_record = matches!(self.source, Source::Records | Source::Waiting);
        let time = if is_record { "started_at" } else { "period_start" };
        let group = |at: usize| match group_by.get(at) {
            Some(dimension) => format!("{}::text", expression(dimension, is_record)),
            None => "''".to_owned(),
        };
        let (measures, table) = if is_record { (OF_RECORD, "usage_records") } else { (MEASURES, "usage_rollups") };
        query.push(format!("SELECT {time}, {}, {}, {measures} FROM {table} WHERE {time} >= ", group(0), group(1)));
        query.push_bind(self.from).push(format!(" AND {time} < ")).push_bind(self.to);
        match self.source {
            Source::Slice(slice) => drop(query.push(format!(" AND slice = {slice}"))),
            Source::Records | Source::Waiting => {
                query.push(" AND started_on >= ").push_bind(self.from.date_naive());
                query.push(" AND started_on <= ").push_bind(self.to.date_naive());
                // What waits is counted below, whatever its time.
                let waits =
                    if matches!(self.source, Source::Waiting) { " AND NOT rolled_up" } else { " AND rolled_up" };
                query.push(waits);
            }
        }
        for (dimension, limit) in limits {
            query.push(format!(" AND {} = ANY(", expression(dimension, is_record)));
            match limit {
                Limit::Ids(ids) => query.push_bind(ids.clone()),
                Limit::Texts(texts) => query.push_bind(texts.clone()),
            };
            query.push(")");
        }
    }
}

/// A dimension's value in a row.
fn expression(dimension: &Dimension, is_record: bool) -> String {
    match (dimension, is_record) {
        (Dimension::Department, _) => format!("coalesce(department_id, {NOBODY})"),
        (Dimension::User, _) => format!("coalesce(user_id, {NOBODY})"),
        (Dimension::ServiceAccount, _) => format!("coalesce(service_account_id, {NOBODY})"),
        // Its letters are known (`Dimension::from_name`): none of them ends the text.
        (Dimension::Label(name), _) => format!(
            "coalesce((SELECT substr(label, {}) FROM unnest(labels) AS label WHERE starts_with(label, '{name}=') LIMIT 1), '')",
            name.len() + 2
        ),
        (Dimension::Tenant, _) => "tenant_id".to_owned(),
        (Dimension::ApiKey, _) => "key_id".to_owned(),
        (Dimension::Provider, true) => format!("coalesce(provider_id, {NOBODY})"),
        (Dimension::Pool, true) => format!("coalesce(pool_id, {NOBODY})"),
        (Dimension::Provider, false) => "provider_id".to_owned(),
        (Dimension::Pool, false) => "pool_id".to_owned(),
        (Dimension::Model, true) => "CASE WHEN num_nulls(provider_id, pool_id) < 2 THEN model ELSE '' END".to_owned(),
        (Dimension::Model, false) => "model".to_owned(),
        (Dimension::Outcome, _) => "outcome".to_owned(),
    }
}

#[derive(sqlx::FromRow)]
struct SumRow {
    bucket: DateTime<Utc>,
    one: String,
    other: String,
    requests: i64,
    errors: i64,
    with_findings: i64,
    input_tokens: i64,
    cached_input_tokens: i64,
    cache_write_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    cost_microusd: i64,
    cost_rest_picousd: i64,
    converted: Option<String>,
    last_at: Option<DateTime<Utc>>,
    latency: Option<Vec<u8>>,
    time_to_first_token: Option<Vec<u8>>,
}

impl SumRow {
    fn sums(&self) -> Result<Sums, StoreError> {
        Ok(Sums {
            requests: unsigned(self.requests)?,
            errors: unsigned(self.errors)?,
            with_findings: unsigned(self.with_findings)?,
            input_tokens: unsigned(self.input_tokens)?,
            cached_input_tokens: unsigned(self.cached_input_tokens)?,
            cache_write_tokens: unsigned(self.cache_write_tokens)?,
            output_tokens: unsigned(self.output_tokens)?,
            reasoning_tokens: unsigned(self.reasoning_tokens)?,
            cost_picousd: picousd(self.cost_microusd, self.cost_rest_picousd)?,
            cost_in_currency: self.converted.clone(),
            last_at: self.last_at,
            latency: sketch(self.latency.as_deref())?,
            time_to_first_token: sketch(self.time_to_first_token.as_deref())?,
        })
    }
}

fn sketch(bytes: Option<&[u8]>) -> Result<Sketch, StoreError> {
    let mut sketch = Sketch::default();
    sketch.add_bytes(bytes.unwrap_or_default()).ok_or(StoreError::Corrupt("a histogram"))?;
    Ok(sketch)
}
