//! The usage ledger: one record for each request.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::ledger;
use weir_core::ledger::decimal_usd;
use weir_store::{LedgerEntry, UsageFilter};

use crate::ApiState;
use crate::caller::Caller;
use crate::cursor;
use crate::extract::Query;
use crate::problem::{Problem, Reading};
use crate::resource::{List, limit};

mod detail;
mod export;
mod statistics;
mod summary;

pub(crate) use statistics::router as key_statistics;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).merge(summary::router()).merge(export::router()).merge(detail::router())
}

/// Which records are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// Items at most, 1 to 200. Default 50.
    limit: Option<u32>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
    /// Only this tenant's.
    tenant_id: Option<Uuid>,
    /// Only this key's.
    key_id: Option<Uuid>,
    /// Only those that asked for this model.
    model: Option<String>,
    /// Only this one; the response header `x-weir-request-id`.
    request_id: Option<Uuid>,
    /// Only those that started at this time or later (RFC 3339).
    from: Option<DateTime<Utc>>,
    /// Only those that started before this time (RFC 3339).
    to: Option<DateTime<Utc>>,
}

/// One request as it ended.
#[derive(Serialize, ToSchema)]
struct UsageRecord {
    /// UUIDv7, made in the gateway; also the response header `x-weir-request-id`.
    request_id: Uuid,
    /// When the request arrived.
    started_at: DateTime<Utc>,
    /// The gateway that reported it.
    gateway_id: Uuid,
    /// The caller's tenant.
    tenant_id: Uuid,
    /// The caller's key.
    key_id: Uuid,
    /// The client's operation, for example `chat.completions`.
    operation: String,
    /// The model that the client asked for.
    model: String,
    /// The provider that answered; null: none did.
    provider_id: Option<Uuid>,
    /// The deployment that answered; null: none did.
    deployment_id: Option<Uuid>,
    /// The model's name at the provider; empty if none answered.
    upstream_model: String,
    /// Tokens of the prompt, those from the provider's cache included.
    input_tokens: u64,
    /// Of them those that the provider read from its cache.
    cached_input_tokens: u64,
    /// Of them those that the provider wrote to its cache for five minutes, or for a time that is not known.
    cache_write_tokens: u64,
    /// Of them those that the provider wrote to its cache for an hour.
    cache_write_1h_tokens: u64,
    /// Tokens of the answer, those of reasoning included.
    output_tokens: u64,
    /// Of them those of reasoning.
    reasoning_tokens: u64,
    /// Who counted the input.
    input_source: UsageSource,
    /// Who counted what was read from the cache.
    cached_input_source: UsageSource,
    /// Who counted what was written to the cache.
    cache_write_source: UsageSource,
    /// Who counted the output.
    output_source: UsageSource,
    /// Who counted the reasoning.
    reasoning_source: UsageSource,
    /// Micro-dollars, rounded up.
    cost_microusd: u64,
    /// Dollars, exactly, as a decimal.
    cost_usd: String,
    /// Empty if there was no price.
    price_version: String,
    /// From the request's arrival to its end.
    latency_us: u64,
    /// From the request's arrival to the first byte of content; null: there was none.
    time_to_first_token_us: Option<u64>,
    /// HTTP status sent to the client; 0 if it left before one was sent.
    status: u32,
    /// A stable error code, empty on success.
    error_code: String,
    /// `complete`, `refused`, `failed`, `client_disconnect`, `upstream_broken` or `ended_by_policy`.
    outcome: String,
    /// Whether the client asked for a stream.
    streamed: bool,
    /// Attempts made, 0 if nothing was forwarded.
    attempts: u32,
    /// `type:action=count`, for example `CREDIT_CARD:redact=2`.
    guardrail_findings: Vec<String>,
    /// Policy revision under which the request ran.
    revision: u64,
    /// Names of the fields here whose figure was refused because it cannot be true. They hold an estimate or a bound.
    doubtful: Vec<String>,
    /// The pool that the model led to; null: none did, or an older gateway said nothing of it.
    pool_id: Option<Uuid>,
    /// Who decided on the error: `metering`, `auth`, `route`, `quota`, `guardrails`, `attempt` (the request cannot be said to the
    /// provider, or its credential is not there), `provider`, `envoy` or `client` (it left). Empty without an error, and from older
    /// gateways.
    decided_by: String,
    /// What served, where it is not what everybody gets: tier, speed and region as the provider said them, joined by `+`, for example
    /// `priority` or `fast+geo_us`.
    service_tier: String,
    /// Searches of the web that the provider did.
    web_searches: u64,
    /// The trace that the client's `traceparent` named; empty: none, or nothing went on to a provider.
    trace_id: String,
    /// The client's own `x-request-id`; empty as above.
    client_request_id: String,
    /// The user who owned the key.
    user_id: Option<Uuid>,
    /// The service account that owned it.
    service_account_id: Option<Uuid>,
    /// The department that owned it, or to which its owner belonged.
    department_id: Option<Uuid>,
    /// `name=value`: the key's, and those of its owner and its department that it did not have itself.
    labels: Vec<String>,
}

/// One request as it ended, with what a list shows beside its ids.
#[derive(Serialize, ToSchema)]
struct ListedUsageRecord {
    /// The record.
    #[serde(flatten)]
    record: UsageRecord,
    /// What the key is called, also if it was deleted; null: it is not known any more.
    #[schema(required)]
    key_name: Option<String>,
}

/// Who counted tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UsageSource {
    /// The provider reported the figure.
    Provider,
    /// Weir estimated it.
    Estimated,
    /// Nobody counted, for example because nothing reached a provider.
    None,
}

impl From<ledger::UsageSource> for UsageSource {
    fn from(source: ledger::UsageSource) -> Self {
        match source {
            ledger::UsageSource::Provider => Self::Provider,
            ledger::UsageSource::Estimated => Self::Estimated,
            ledger::UsageSource::None => Self::None,
        }
    }
}

/// A field of the ledger's by its name here.
fn shown_field(field: String) -> String {
    if field == "cost_picousd" { "cost_usd".to_owned() } else { field }
}

impl From<LedgerEntry> for UsageRecord {
    fn from(entry: LedgerEntry) -> Self {
        let LedgerEntry { gateway_id, record } = entry;
        let cost_microusd = record.cost_microusd();
        Self {
            request_id: record.request_id,
            started_at: record.started_at,
            gateway_id,
            tenant_id: record.tenant_id,
            key_id: record.key_id,
            operation: record.operation,
            model: record.model,
            provider_id: record.provider_id,
            deployment_id: record.deployment_id,
            upstream_model: record.upstream_model,
            input_tokens: record.input_tokens,
            cached_input_tokens: record.cached_input_tokens,
            cache_write_tokens: record.cache_write_tokens,
            cache_write_1h_tokens: record.cache_write_1h_tokens,
            output_tokens: record.output_tokens,
            reasoning_tokens: record.reasoning_tokens,
            input_source: record.input_source.into(),
            cached_input_source: record.cached_input_source.into(),
            cache_write_source: record.cache_write_source.into(),
            output_source: record.output_source.into(),
            reasoning_source: record.reasoning_source.into(),
            cost_microusd,
            cost_usd: decimal_usd(record.cost_picousd.into()),
            price_version: record.price_version,
            latency_us: record.latency_us,
            time_to_first_token_us: record.time_to_first_token_us,
            status: record.status,
            error_code: record.error_code,
            outcome: record.outcome,
            streamed: record.streamed,
            attempts: record.attempts,
            guardrail_findings: record.guardrail_findings,
            revision: record.revision,
            doubtful: record.doubtful.into_iter().map(shown_field).collect(),
            pool_id: record.pool_id,
            decided_by: record.decided_by,
            service_tier: record.said.service_tier,
            web_searches: record.said.web_searches,
            trace_id: record.said.trace_id,
            client_request_id: record.said.client_request_id,
            user_id: record.subject.user_id,
            service_account_id: record.subject.service_account_id,
            department_id: record.subject.department_id,
            labels: record.subject.labels,
        }
    }
}

/// The records in your scope, newest first.
#[utoipa::path(get, path = "/usage", operation_id = "list_usage", tag = "usage", params(UsageQuery),
    responses((status = 200, body = List<ListedUsageRecord>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<UsageQuery>,
) -> Result<Json<List<ListedUsageRecord>>, Problem> {
    let filter = UsageFilter {
        tenant_id: query.tenant_id,
        key_id: query.key_id,
        model: query.model,
        request_id: query.request_id,
        from: query.from,
        to: query.to,
        after: query.cursor.as_deref().map(cursor::read_timed).transpose()?,
        limit: limit(query.limit)?,
        is_export: false,
    };
    let mut entries = state.store.list_usage(&caller.actor, &filter).await?;
    let more = entries.len() > filter.limit as usize;
    entries.truncate(filter.limit as usize);
    let last = entries.last().filter(|_| more).map(|entry| &entry.record);
    let next_cursor = last.map(|record| cursor::write_timed(record.started_at, record.request_id, record.tenant_id));
    let names = state.store.key_names(entries.iter().map(|entry| entry.record.key_id)).await?;
    let listed = |entry: LedgerEntry| {
        let key_name = names.get(&entry.record.key_id).cloned();
        ListedUsageRecord { record: entry.into(), key_name }
    };
    Ok(Json(List { items: entries.into_iter().map(listed).collect(), next_cursor }))
}
