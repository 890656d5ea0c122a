//! The ledger as a table for spreadsheets.

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use futures::{Stream, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::ledger::decimal_usd;
use weir_store::{LedgerEntry, Store, StoreError, UsageFilter};

use crate::caller::Caller;
use crate::extract::Query;
use crate::problem::{Problem, Reading};
use crate::turns::{Turn, Turns};
use crate::{ApiState, OpenEnded};

/// Tables that are made at once for one tenant, or for the platform.
const MOST_OF_ONE: usize = 2;
/// Tables that are made at once in all: each takes a connection to the database now and then.
const MOST_IN_ALL: usize = 6;
/// Records that are read, and kept, at a time.
const AT_ONCE: u32 = 1000;
/// The columns, which are the fields of a record.
const COLUMNS: [&str; 33] = [
    "request_id",
    "started_at",
    "gateway_id",
    "tenant_id",
    "key_id",
    "operation",
    "model",
    "pool_id",
    "provider_id",
    "deployment_id",
    "upstream_model",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "input_source",
    "output_source",
    "cost_microusd",
    "price_version",
    "latency_us",
    "time_to_first_token_us",
    "status",
    "error_code",
    "decided_by",
    "outcome",
    "streamed",
    "attempts",
    "guardrail_findings",
    "revision",
    "doubtful",
    "cost_usd",
];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(export)).layer(Extension(Turns::new(MOST_OF_ONE, MOST_IN_ALL)))
}

/// Which records are wanted.
#[derive(Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// Only this tenant's.
    tenant_id: Option<Uuid>,
    /// Only this key's.
    key_id: Option<Uuid>,
    /// Only those that asked for this model.
    model: Option<String>,
    /// Only those that started at this time or later (RFC 3339).
    from: Option<DateTime<Utc>>,
    /// Only those that started before this time (RFC 3339).
    to: Option<DateTime<Utc>>,
}

/// A table in text.
#[derive(ToSchema)]
#[schema(value_type = String)]
#[allow(dead_code, reason = "documentation only")]
struct Csv(String);

/// The records in your scope as CSV (RFC 4180), newest first, with the fields of a record as columns.
///
/// However many there are, they come as they are read. An answer that breaks off is not whole. A text that a spreadsheet would
/// calculate has an apostrophe before it. Few are made at once for each tenant and in all; each is in the audit log.
#[utoipa::path(get, path = "/usage/export", operation_id = "export_usage", tag = "usage", params(ExportQuery), responses(
    (status = 200, body = Csv, content_type = "text/csv"), Reading,
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Others are being made."),
))]
async fn export(
    State(state): State<ApiState>,
    Extension(turns): Extension<Turns>,
    caller: Caller,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let turn = turns
        .take(caller.actor.scope().tenant())
        .ok_or_else(|| Problem::too_many_requests("other exports are being made at the moment", 1))?;
    let filters = serde_json::to_value(&query).unwrap_or_default();
    state.store.note_export(&caller.actor, query.tenant_id, &filters).await?;
    let filter = UsageFilter {
        tenant_id: query.tenant_id,
        key_id: query.key_id,
        model: query.model,
        from: query.from,
        to: query.to,
        limit: AT_ONCE,
        is_export: true,
        ..UsageFilter::default()
    };
    let export =
        Export { store: state.store, actor: caller.actor, filter, is_begun: false, is_over: false, _turn: turn };
    let mut response = Body::from_stream(export.pieces()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"usage.csv\""));
    response.extensions_mut().insert(OpenEnded);
    Ok(response)
}

/// A table that is being made.
struct Export {
    store: Store,
    actor: Actor,
    /// What comes next.
    filter: UsageFilter,
    is_begun: bool,
    is_over: bool,
    _turn: Turn,
}

impl Export {
    fn pieces(self) -> impl Stream<Item = Result<Bytes, StoreError>> {
        stream::try_unfold(self, |mut export| async move {
            let piece = export.piece().await.inspect_err(|error| {
                tracing::error!(error = error as &dyn std::error::Error, "an export of usage broke off");
            })?;
            Ok(piece.map(|piece| (piece, export)))
        })
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        let mut text = String::new();
        if !self.is_begun {
            self.is_begun = true;
            text.push_str(&COLUMNS.join(","));
            text.push_str("\r\n");
        } else if self.is_over {
            return Ok(None);
        }
        let mut entries = self.store.list_usage(&self.actor, &self.filter).await?;
        self.is_over = entries.len() <= AT_ONCE as usize;
        entries.truncate(AT_ONCE as usize);
        if let Some(LedgerEntry { record, .. }) = entries.last() {
            self.filter.after = Some((record.started_at, record.request_id, record.tenant_id));
        }
        for entry in entries {
            row(&entry, &mut text);
        }
        Ok(Some(text.into()))
    }
}

fn row(entry: &LedgerEntry, text: &mut String) {
    let LedgerEntry { gateway_id, record } = entry;
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let cost_usd = decimal_usd(record.cost_picousd.into());
    let cells: [String; COLUMNS.len()] = [
        record.request_id.to_string(),
        record.started_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        gateway_id.to_string(),
        record.tenant_id.to_string(),
        record.key_id.to_string(),
        cell(&record.operation),
        cell(&record.model),
        id(record.pool_id),
        id(record.provider_id),
        id(record.deployment_id),
        cell(&record.upstream_model),
        record.input_tokens.to_string(),
        record.cached_input_tokens.to_string(),
        record.cache_write_tokens.to_string(),
        record.cache_write_1h_tokens.to_string(),
        record.output_tokens.to_string(),
        record.reasoning_tokens.to_string(),
        record.input_source.name().to_owned(),
        record.output_source.name().to_owned(),
        record.cost_microusd().to_string(),
        cell(&record.price_version),
        record.latency_us.to_string(),
        record.time_to_first_token_us.map(|us| us.to_string()).unwrap_or_default(),
        record.status.to_string(),
        cell(&record.error_code),
        cell(&record.decided_by),
        cell(&record.outcome),
        record.streamed.to_string(),
        record.attempts.to_string(),
        cell(&record.guardrail_findings.join(" ")),
        record.revision.to_string(),
        cell(&record.doubtful.join(" ")),
        cost_usd,
    ];
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

/// A text that no spreadsheet takes for a formula, in quotes where CSV wants them.
fn cell(text: &str) -> String {
    let calculated = text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r', '\n']);
    let guard = if calculated { "'" } else { "" };
    match text.contains([',', '"', '\r', '\n', '\t', ';']) {
        true => format!("\"{guard}{}\"", text.replace('"', "\"\"")),
        false => format!("{guard}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn no_text_is_a_formula_and_each_is_one_cell() {
        for (text, expect) in [
            ("gpt-4o", "gpt-4o"),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            (" =1", "' =1"),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("a,b", "\"a,b\""),
            ("=a,\"b\"", "\"'=a,\"\"b\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("=HYPERLINK(\"x\";1)", "\"'=HYPERLINK(\"\"x\"\";1)\""),
        ] {
            assert_eq!(cell(text), expect, "{text:?}");
        }
    }
}
