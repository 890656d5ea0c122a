//! Reading the usage ledger.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::ledger::{RecordSaid, RecordSubject, UsageAttempt, UsageRecord, UsageSource};
use weir_core::permission::Permission;

use crate::row::{picousd, unsigned};
use crate::{Store, StoreError, usage_scope};

/// Which records are wanted.
#[derive(Clone, Debug, Default)]
pub struct UsageFilter {
    /// Only this tenant's.
    pub tenant_id: Option<Uuid>,
    /// Only this key's.
    pub key_id: Option<Uuid>,
    /// Only those that asked for this model.
    pub model: Option<String>,
    /// Only this one.
    pub request_id: Option<Uuid>,
    /// Only those that started at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Only those that started before this time.
    pub to: Option<DateTime<Utc>>,
    /// The last record of the page before: when it started, its request id, its tenant.
    pub after: Option<(DateTime<Utc>, Uuid, Uuid)>,
    /// Items at most.
    pub limit: u32,
    /// Whether they are taken away as a file, which is a permission of its own.
    pub is_export: bool,
}

/// A record, and the gateway that reported it.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerEntry {
    /// The gateway.
    pub gateway_id: Uuid,
    /// The record.
    pub record: UsageRecord,
}

impl Store {
    /// The records in the actor's scope, newest first; one more than `limit` if there are more.
    pub async fn list_usage(&self, actor: &Actor, filter: &UsageFilter) -> Result<Vec<LedgerEntry>, StoreError> {
        // Written condition by condition, so that the planner sees which index fits.
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new("SELECT * FROM usage_records WHERE true");
        for tenant_id in [actor.scope().tenant(), filter.tenant_id].into_iter().flatten() {
            query.push(" AND tenant_id = ").push_bind(tenant_id);
        }
        let permissions: &[Permission] = match filter.is_export {
            true => &[Permission::UsageRead, Permission::UsageExport],
            false => &[Permission::UsageRead],
        };
        if let Some(keys) = usage_scope::keys(actor, permissions) {
            query.push(format!(" AND key_id IN ({keys})"));
        }
        if let Some(key_id) = filter.key_id {
            query.push(" AND key_id = ").push_bind(key_id);
        }
        if let Some(model) = &filter.model {
            query.push(" AND model = ").push_bind(model.replace('\0', "\u{fffd}"));
        }
        if let Some(request_id) = filter.request_id {
            query.push(" AND request_id = ").push_bind(request_id);
            if let Some(day) = day(request_id) {
                query.push(" AND started_on BETWEEN ").push_bind(day - TimeDelta::days(1));
                query.push(" AND ").push_bind(day + TimeDelta::days(1));
            }
        }
        if let Some(from) = filter.from {
            query.push(" AND started_at >= ").push_bind(from);
            query.push(" AND started_on >= ").push_bind(from.date_naive());
        }
        if let Some(to) = filter.to {
            query.push(" AND started_at < ").push_bind(to);
            query.push(" AND started_on <= ").push_bind(to.date_naive());
        }
        if let Some((started_at, request_id, tenant_id)) = filter.after {
            query.push(" AND started_on <= ").push_bind(started_at.date_naive());
            query.push(" AND (started_at, request_id, tenant_id) < (").push_bind(started_at);
            query.push(", ").push_bind(request_id);
            query.push(", ").push_bind(tenant_id).push(")");
        }
        query
            .push(" ORDER BY started_at DESC, request_id DESC, tenant_id DESC LIMIT ")
            .push_bind(i64::from(filter.limit) + 1);
        let rows: Vec<UsageRow> = query.build_query_as().fetch_all(&self.admin).await?;
        rows.into_iter().map(UsageRow::into_entry).collect()
    }

    /// What the keys of records are called, which the reader may see since they are theirs: deleted ones too.
    pub async fn key_names(&self, ids: impl Iterator<Item = Uuid>) -> Result<HashMap<Uuid, String>, StoreError> {
        let ids: Vec<Uuid> = ids.collect();
        let names = sqlx::query_as("SELECT id, name FROM api_keys WHERE id = ANY($1)").bind(ids);
        Ok(names.fetch_all(&self.admin).await?.into_iter().collect())
    }
}

/// The day on which a UUIDv7 was made, give or take a clock: so one record is found without looking into every partition.
fn day(request_id: Uuid) -> Option<NaiveDate> {
    let (seconds, nanoseconds) = request_id.get_timestamp()?.to_unix();
    Some(DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)?.date_naive())
}

#[derive(sqlx::FromRow)]
pub(crate) struct UsageRow {
    gateway_id: Uuid,
    request_id: Uuid,
    started_at: DateTime<Utc>,
    tenant_id: Uuid,
    key_id: Uuid,
    operation: String,
    model: String,
    provider_id: Option<Uuid>,
    deployment_id: Option<Uuid>,
    upstream_model: String,
    input_tokens: i64,
    cached_input_tokens: i64,
    cache_write_tokens: i64,
    cache_write_1h_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    input_source: String,
    cached_input_source: String,
    cache_write_source: String,
    output_source: String,
    reasoning_source: String,
    cost_microusd: i64,
    cost_rest_picousd: i64,
    price_version: String,
    latency_us: i64,
    time_to_first_token_us: Option<i64>,
    status: i32,
    error_code: String,
    outcome: String,
    streamed: bool,
    attempts: i32,
    guardrail_findings: Vec<String>,
    revision: i64,
    doubtful: Vec<String>,
    pool_id: Option<Uuid>,
    attempt_details: Option<Json<Value>>,
    decided_by: String,
    service_tier: String,
    raw_usages: Vec<String>,
    web_searches: i64,
    trace_id: String,
    client_request_id: String,
    finding_digests: Vec<String>,
    user_id: Option<Uuid>,
    service_account_id: Option<Uuid>,
    department_id: Option<Uuid>,
    labels: Vec<String>,
}

impl UsageRow {
    pub(crate) fn into_entry(self) -> Result<LedgerEntry, StoreError> {
        let record = UsageRecord {
            request_id: self.request_id,
            started_at: self.started_at,
            tenant_id: self.tenant_id,
            key_id: self.key_id,
            operation: self.operation,
            model: self.model,
            provider_id: self.provider_id,
            deployment_id: self.deployment_id,
            upstream_model: self.upstream_model,
            input_tokens: unsigned(self.input_tokens)?,
            cached_input_tokens: unsigned(self.cached_input_tokens)?,
            cache_write_tokens: unsigned(self.cache_write_tokens)?,
            cache_write_1h_tokens: unsigned(self.cache_write_1h_tokens)?,
            output_tokens: unsigned(self.output_tokens)?,
            reasoning_tokens: unsigned(self.reasoning_tokens)?,
            input_source: UsageSource::from_name(&self.input_source),
            cached_input_source: UsageSource::from_name(&self.cached_input_source),
            cache_write_source: UsageSource::from_name(&self.cache_write_source),
            output_source: UsageSource::from_name(&self.output_source),
            reasoning_source: UsageSource::from_name(&self.reasoning_source),
            cost_picousd: u64::try_from(picousd(self.cost_microusd, self.cost_rest_picousd)?)
                .map_err(|_| StoreError::Corrupt("a cost"))?,
            price_version: self.price_version,
            latency_us: unsigned(self.latency_us)?,
            time_to_first_token_us: self.time_to_first_token_us.map(unsigned).transpose()?,
            status: unsigned(self.status.into())? as u32,
            error_code: self.error_code,
            outcome: self.outcome,
            streamed: self.streamed,
            attempts: unsigned(self.attempts.into())? as u32,
            guardrail_findings: self.guardrail_findings,
            revision: unsigned(self.revision)?,
            doubtful: self.doubtful,
            pool_id: self.pool_id,
            attempt_details: self.attempt_details.map(|details| attempts(details.0)).unwrap_or_default(),
            decided_by: self.decided_by,
            said: RecordSaid {
                service_tier: self.service_tier,
                raw_usages: self.raw_usages,
                web_searches: unsigned(self.web_searches)?,
                trace_id: self.trace_id,
                client_request_id: self.client_request_id,
                finding_digests: self.finding_digests,
            },
            subject: RecordSubject {
                user_id: self.user_id,
                service_account_id: self.service_account_id,
                department_id: self.department_id,
                labels: self.labels,
            },
        };
        Ok(LedgerEntry { gateway_id: self.gateway_id, record })
    }
}

/// The attempts as far as they can be read: whatever wrote one, the record and all others are still to be shown.
fn attempts(stored: Value) -> Vec<UsageAttempt> {
    let Value::Array(stored) = stored else { return Vec::new() };
    stored.into_iter().filter_map(|attempt| serde_json::from_value(attempt).ok()).collect()
}
