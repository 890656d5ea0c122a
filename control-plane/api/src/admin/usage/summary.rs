//! Sums over the ledger.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::currency::is_code;
use weir_core::field::Fields;
use weir_core::ledger::decimal_usd;
use weir_core::sketch::Sketch;
use weir_core::usage_summary::{Bucket, Dimension, LABEL, Order, Summary, SummaryItem, SummaryRequest, Sums};

use crate::ApiState;
use crate::caller::Caller;
use crate::cursor;
use crate::extract::Query;
use crate::problem::{Code, Problem, Reading};

/// The longest time that is summed at once.
const LONGEST: TimeDelta = TimeDelta::days(1100);
/// Sums of one answer, unless fewer are asked for, and at most.
const MOST: u32 = 1000;
/// Dimensions that records will have, and do not have yet.
const TO_COME: [&str; 1] = ["route"];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(summary))
}

/// Which sums are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SummaryQuery {
    /// Requests that started at this time or later (RFC 3339). Default: a day before `to`.
    from: Option<DateTime<Utc>>,
    /// Requests that started before this time (RFC 3339), at most 1,100 days after `from`. Default: the end of the present
    /// quarter-hour.
    to: Option<DateTime<Utc>>,
    /// At most two of `tenant`, `department`, `user`, `service_account`, `api_key`, `model`, `provider`, `pool`, `outcome` and
    /// `label:NAME`, with a comma between them or given twice. `label:NAME=value` limits as the others do.
    group_by: Option<String>,
    /// The pieces of time: `none`, `quarter_hour`, `hour`, `day`, `week` (from Monday) or `month`. Default `none`.
    #[param(value_type = Option<String>)]
    bucket: Option<BucketName>,
    /// The IANA time zone of hours, days, weeks and months. Default `UTC`.
    time_zone: Option<String>,
    /// `bucket` (the earliest first), `requests`, `cost`, `tokens` or `errors` (the most first). Default `bucket`.
    #[param(value_type = Option<String>)]
    order: Option<OrderName>,
    /// Only this tenant's: its id or name.
    tenant: Option<String>,
    /// Only this department's and those beneath it: its id or name.
    department: Option<String>,
    /// Only this user's keys': the user's id or e-mail address.
    user: Option<String>,
    /// Only this service account's keys': its id or name.
    service_account: Option<String>,
    /// Only this key's: its id or name.
    api_key: Option<String>,
    /// Only those that asked for this model: its id or name.
    model: Option<String>,
    /// Only those that this provider answered: its id or name.
    provider: Option<String>,
    /// Only those whose model led to this pool: its id or name.
    pool: Option<String>,
    /// Only those that came out so: `complete`, `refused`, `failed`, `client_disconnect`, `upstream_broken` or `ended_by_policy`.
    outcome: Option<String>,
    /// Tell costs in this currency as well, by its ISO 4217 code, as `EUR`.
    currency: Option<String>,
    /// Items at most, 1 to 1000. Default 1000.
    limit: Option<u32>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
}

/// Pieces of time by their names.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BucketName {
    None,
    QuarterHour,
    Hour,
    Day,
    Week,
    Month,
}

/// Orders by their names.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OrderName {
    Bucket,
    Requests,
    Cost,
    Tokens,
    Errors,
}

/// Sums over the ledger.
#[derive(Serialize, ToSchema)]
struct UsageSummary {
    /// In their order. Where there were no requests there is no item.
    items: Vec<UsageSummaryItem>,
    /// Of all that the filters let through, whatever part this is.
    totals: UsageSums,
    /// Send it as `cursor` for the next part; null at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The sum of one group in one piece of time.
#[derive(Serialize, ToSchema)]
struct UsageSummaryItem {
    /// When the piece of time begins; never before `from`.
    bucket_start: DateTime<Utc>,
    /// For each dimension of `group_by` its value: `{"id", "name"}`, null where there is none. Outcomes have no id; a model's is null
    /// where several tenants have one of this name, or none.
    #[schema(value_type = Object)]
    group: Map<String, Value>,
    /// The sums.
    #[serde(flatten)]
    sums: UsageSums,
}

/// What requests came to.
#[derive(Serialize, ToSchema)]
pub(super) struct UsageSums {
    /// Requests.
    requests: u64,
    /// Those that were refused, failed, or were broken off by a provider. One whose client left is none.
    errors: u64,
    /// Those in which guardrails found something.
    requests_with_findings: u64,
    /// Tokens of the prompts, those of caches included.
    input_tokens: u64,
    /// Of them those that were read from a cache.
    cached_input_tokens: u64,
    /// Of them those that were written to a cache.
    cache_write_tokens: u64,
    /// Tokens of the answers, those of reasoning included.
    output_tokens: u64,
    /// Of them those of reasoning.
    reasoning_tokens: u64,
    /// Dollars, as a decimal.
    cost_usd: String,
    /// The same in the `currency` that was asked for, each request's by the rate of its UTC day, as a decimal with at most twelve
    /// decimals; null: none was asked for, or a day with costs has no rate.
    #[schema(required)]
    cost_in_currency: Option<String>,
    /// From a request's arrival to its end.
    latency_ms: UsagePercentiles,
    /// From a request's arrival to the first content, of those that came so far.
    time_to_first_token_ms: UsagePercentiles,
    /// When the last of them started; null: there was none.
    #[schema(required)]
    last_request_at: Option<DateTime<Utc>>,
}

/// Times that so many of a hundred requests did not exceed, in milliseconds, off by at most 3.1 %; null: there was no request.
#[derive(Serialize, ToSchema)]
struct UsagePercentiles {
    /// 50 of a hundred.
    #[schema(required)]
    p50: Option<f64>,
    /// 95 of a hundred.
    #[schema(required)]
    p95: Option<f64>,
    /// 99 of a hundred.
    #[schema(required)]
    p99: Option<f64>,
}

/// Sums over the records in your scope, exact whatever the times are, and quick where they are whole quarter-hours. Of the time before
/// the single records that are kept there are whole UTC days only.
///
/// A model counts as such if the gateway knew it: requests for names that nobody has are summed under the model null.
#[utoipa::path(get, path = "/usage/summary", operation_id = "summarize_usage", tag = "usage", params(SummaryQuery),
    responses((status = 200, body = UsageSummary), Reading))]
async fn summary(State(state): State<ApiState>, caller: Caller, uri: Uri) -> Result<Json<UsageSummary>, Problem> {
    let request = read(&uri)?;
    let summary = state.store.usage_summary(&caller.actor, &request).await?;
    Ok(Json(answer(summary, &request)))
}

fn answer(summary: Summary, request: &SummaryRequest) -> UsageSummary {
    let next = request.offset.saturating_add(request.limit);
    UsageSummary {
        items: summary.items.into_iter().map(UsageSummaryItem::from).collect(),
        totals: summary.totals.into(),
        next_cursor: summary.more.then(|| cursor::write_offset(next)),
    }
}

fn read(uri: &Uri) -> Result<SummaryRequest, Problem> {
    let (uri, labels) = labels(uri)?;
    let Query(query) = Query::<SummaryQuery>::of(&joined(&uri))?;
    let invalid = |field: &str, reason: &str| Problem::field(Code::InvalidQuery, field, reason);
    // What lies between quarter-hours is read from the records themselves, which may be many: the present quarter-hour counts whole.
    let to = query.to.unwrap_or_else(|| next_quarter(Utc::now()));
    let from = query.from.unwrap_or_else(|| to - TimeDelta::days(1));
    if from >= to {
        return Err(invalid("from", "must be before to"));
    }
    if to - from > LONGEST {
        return Err(invalid("from", "must be at most 1,100 days before to"));
    }
    let time_zone = query.time_zone.unwrap_or_else(|| "UTC".into());
    let mut fields = Fields::default();
    fields.time_zone("time_zone", &time_zone);
    let is_currency = query.currency.as_deref().is_none_or(is_code);
    fields.require(is_currency, "currency", "must be three capital letters, as in ISO 4217");
    fields.finish().map_err(|errors| Problem::fields(Code::InvalidQuery, errors))?;
    let filters = [
        (Dimension::Tenant, query.tenant),
        (Dimension::Department, query.department),
        (Dimension::User, query.user),
        (Dimension::ServiceAccount, query.service_account),
        (Dimension::ApiKey, query.api_key),
        (Dimension::Model, query.model),
        (Dimension::Provider, query.provider),
        (Dimension::Pool, query.pool),
        (Dimension::Outcome, query.outcome),
    ];
    Ok(SummaryRequest {
        from,
        to,
        group_by: read_group_by(query.group_by.as_deref().unwrap_or_default())?,
        filters: filters.into_iter().filter_map(|(dimension, value)| Some((dimension, value?))).chain(labels).collect(),
        bucket: match query.bucket.unwrap_or(BucketName::None) {
            BucketName::None => Bucket::None,
            BucketName::QuarterHour => Bucket::QuarterHour,
            BucketName::Hour => Bucket::Hour,
            BucketName::Day => Bucket::Day,
            BucketName::Week => Bucket::Week,
            BucketName::Month => Bucket::Month,
        },
        time_zone,
        order: match query.order.unwrap_or(OrderName::Bucket) {
            OrderName::Bucket => Order::Bucket,
            OrderName::Requests => Order::Requests,
            OrderName::Cost => Order::Cost,
            OrderName::Tokens => Order::Tokens,
            OrderName::Errors => Order::Errors,
        },
        limit: match query.limit.unwrap_or(MOST) {
            limit @ 1..=MOST => limit,
            _ => return Err(invalid("limit", "must be between 1 and 1000")),
        },
        currency: query.currency.filter(|currency| currency != "USD"),
        offset: query.cursor.as_deref().map(cursor::read_offset).transpose()?.unwrap_or(0),
    })
}

/// The labels that are asked for, and the query without them.
fn labels(uri: &Uri) -> Result<(Uri, Vec<(Dimension, String)>), Problem> {
    let is_label = |pair: &&str| {
        pair.starts_with(LABEL) || pair.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("label%3a"))
    };
    let (asked, rest): (Vec<&str>, Vec<&str>) = uri.query().unwrap_or_default().split('&').partition(is_label);
    if asked.is_empty() {
        return Ok((uri.clone(), Vec::new()));
    }
    let invalid = |reason: &str| Problem::field(Code::InvalidQuery, "label", reason);
    let of_labels: Uri = format!("/?{}", asked.join("&")).parse().map_err(|_| invalid("cannot be read"))?;
    let Query(pairs) = Query::<Vec<(String, String)>>::of(&of_labels)?;
    let filters = pairs.into_iter().map(|(name, value)| {
        let dimension = Dimension::from_name(&name).ok_or_else(|| invalid("is no label's name"))?;
        Ok((dimension, value))
    });
    let filters = filters.collect::<Result<_, Problem>>()?;
    let others = format!("{}?{}", uri.path(), rest.join("&")).parse().unwrap_or_else(|_| uri.clone());
    Ok((others, filters))
}

/// The same with one `group_by`, where it is given more than once.
fn joined(uri: &Uri) -> Uri {
    let (groups, mut rest): (Vec<&str>, Vec<&str>) =
        uri.query().unwrap_or_default().split('&').partition(|pair| pair.starts_with("group_by="));
    if groups.len() < 2 {
        return uri.clone();
    }
    let values: Vec<&str> = groups.iter().filter_map(|pair| pair.split_once('=')).map(|(_, value)| value).collect();
    let joined = format!("group_by={}", values.join(","));
    rest.push(&joined);
    format!("{}?{}", uri.path(), rest.join("&")).parse().unwrap_or_else(|_| uri.clone())
}

fn next_quarter(now: DateTime<Utc>) -> DateTime<Utc> {
    let quarter = TimeDelta::minutes(15);
    now.duration_trunc(quarter).unwrap_or(now) + quarter
}

fn read_group_by(names: &str) -> Result<Vec<Dimension>, Problem> {
    let invalid = |reason: String| Problem::field(Code::InvalidQuery, "group_by", reason);
    let mut dimensions = Vec::new();
    for name in names.split(',').filter(|name| !name.is_empty()) {
        let dimension = Dimension::from_name(name).ok_or_else(|| {
            let shown: String = name.chars().take(50).collect();
            if name.starts_with(LABEL) {
                return invalid(format!(
                    "`{shown}` is no label's name: 1 to 63 letters, digits, `.`, `_`, `-` and `/`"
                ));
            }
            if TO_COME.contains(&name) {
                return invalid(format!("`{shown}` does not exist yet: records do not have it"));
            }
            let known: Vec<_> = Dimension::ALL.iter().map(Dimension::name).collect();
            invalid(format!("`{shown}` is not one of {}", known.join(", ")))
        })?;
        if dimensions.contains(&dimension) {
            return Err(invalid(format!("`{name}` is given twice")));
        }
        dimensions.push(dimension);
    }
    match dimensions.len() {
        ..=2 => Ok(dimensions),
        _ => Err(invalid("must have at most two dimensions".into())),
    }
}

impl From<SummaryItem> for UsageSummaryItem {
    fn from(item: SummaryItem) -> Self {
        let group = item.group.into_iter().map(|value| {
            let of: [(&str, Option<String>); 2] =
                [("id", value.id.as_ref().map(Uuid::to_string)), ("name", value.name)];
            let of: Map<String, Value> = of.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            (value.dimension.name().into_owned(), of.into())
        });
        Self { bucket_start: item.bucket_start, group: group.collect(), sums: item.sums.into() }
    }
}

impl From<Sums> for UsageSums {
    fn from(sums: Sums) -> Self {
        Self {
            requests: sums.requests,
            errors: sums.errors,
            requests_with_findings: sums.with_findings,
            input_tokens: sums.input_tokens,
            cached_input_tokens: sums.cached_input_tokens,
            cache_write_tokens: sums.cache_write_tokens,
            output_tokens: sums.output_tokens,
            reasoning_tokens: sums.reasoning_tokens,
            cost_usd: decimal_usd(sums.cost_picousd),
            cost_in_currency: sums.cost_in_currency,
            latency_ms: percentiles(&sums.latency),
            time_to_first_token_ms: percentiles(&sums.time_to_first_token),
            last_request_at: sums.last_at,
        }
    }
}

fn percentiles(sketch: &Sketch) -> UsagePercentiles {
    let of = |share| sketch.quantile(share).map(|us| us as f64 / 1000.0);
    UsagePercentiles { p50: of(0.5), p95: of(0.95), p99: of(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(query: &str) -> Value {
        let problem = read(&format!("/usage/summary?{query}").parse().unwrap()).unwrap_err();
        serde_json::to_value(problem).unwrap()
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, field) in [
            ("group_by=route", "group_by"),
            ("group_by=label:", "group_by"),
            ("group_by=label:it's", "group_by"),
            ("label:it's=1", "label"),
            ("group_by=model,colour", "group_by"),
            ("group_by=model,model", "group_by"),
            ("group_by=model&group_by=model", "group_by"),
            ("group_by=model,provider,tenant", "group_by"),
            ("bucket=year", "bucket"),
            ("order=name", "order"),
            ("time_zone=Mars/Base", "time_zone"),
            ("from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z", "from"),
            ("from=2016-01-02T00:00:00Z&to=2026-01-02T00:00:00Z", "from"),
            ("from=yesterday", "from"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("cursor=x", "cursor"),
            ("currency=eur", "currency"),
            ("mood=x", "mood"),
        ] {
            let problem = problem(query);
            assert_eq!((&problem["errors"][0]["field"], &problem["status"]), (&field.into(), &400.into()), "{query}");
        }
        let reason = problem("group_by=route")["errors"][0]["reason"].clone();
        assert!(reason.as_str().unwrap().contains("`route` does not exist yet"), "{reason}");
    }

    #[test]
    fn two_dimensions_are_given_in_one_or_in_two() {
        for query in
            ["group_by=model,provider", "group_by=model&limit=7&group_by=provider", "group_by=model%2Cprovider"]
        {
            let request = read(&format!("/usage/summary?{query}").parse().unwrap()).unwrap();
            assert_eq!(request.group_by, [Dimension::Model, Dimension::Provider], "{query}");
            assert_eq!(request.limit, if query.contains("limit") { 7 } else { 1000 });
        }
    }
}
