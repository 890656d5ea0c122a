//! The audit log as lines of JSON.

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::{Stream, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::page::PageRequest;
use weir_store::{AuditFilter, Store, StoreError};

use super::AuditEntry;
use crate::caller::Caller;
use crate::extract::Query;
use crate::problem::{Problem, Reading};
use crate::turns::{Turn, Turns};
use crate::{ApiState, OpenEnded};

/// Exports at once for one tenant, or for the platform.
const MOST_OF_ONE: usize = 1;
/// Exports at once in all: each takes a connection to the database now and then.
const MOST_IN_ALL: usize = 4;
/// Entries that are read, and kept, at a time.
const AT_ONCE: u32 = 500;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(export)).layer(Extension(Turns::new(MOST_OF_ONE, MOST_IN_ALL)))
}

/// Which entries are wanted.
#[derive(Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditExportQuery {
    /// Only what belongs to this tenant.
    tenant_id: Option<Uuid>,
    /// Only by whom has this in the address, whatever its case.
    actor: Option<String>,
    /// Only of this kind, for example `api_key`.
    resource_type: Option<String>,
    /// Only of this resource.
    resource_id: Option<Uuid>,
    /// Only this action, for example `api_key.create`.
    action: Option<String>,
    /// Only what this request did, or was noted of it.
    request_id: Option<String>,
    /// From this time on.
    from: Option<DateTime<Utc>>,
    /// Before this time.
    to: Option<DateTime<Utc>>,
}

/// Lines of JSON.
#[derive(ToSchema)]
#[schema(value_type = String)]
#[allow(dead_code, reason = "documentation only")]
struct JsonLines(String);

/// The entries in your scope, newest first, each as a line of JSON with the fields that the list has.
///
/// However many there are, they come as they are read. An answer that breaks off is not whole. Few are made at once for each tenant and in
/// all; each is in the audit log.
#[utoipa::path(get, path = "/audit/export", operation_id = "export_audit", tag = "audit", params(AuditExportQuery), responses(
    (status = 200, body = JsonLines, content_type = "application/x-ndjson"), Reading,
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Others are being made."),
))]
async fn export(
    State(state): State<ApiState>,
    Extension(turns): Extension<Turns>,
    caller: Caller,
    Query(query): Query<AuditExportQuery>,
) -> Result<Response, Problem> {
    let turn = turns
        .take(caller.actor.scope().tenant())
        .ok_or_else(|| Problem::too_many_requests("other exports are being made at the moment", 1))?;
    let filters = serde_json::to_value(&query).unwrap_or_default();
    state.store.note_audit_export(&caller.actor, query.tenant_id, &filters).await?;
    let AuditExportQuery { tenant_id, actor, resource_type, resource_id, action, request_id, from, to } = query;
    let export = Export {
        store: state.store,
        actor: caller.actor,
        filter: AuditFilter { actor, resource_type, resource_id, action, request_id, from, to },
        next: Some(PageRequest { limit: AT_ONCE, after: None, tenant_id }),
        _turn: turn,
    };
    let mut response = Body::from_stream(export.pieces()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"audit.jsonl\""));
    response.extensions_mut().insert(OpenEnded);
    Ok(response)
}

/// Lines that are being made.
struct Export {
    store: Store,
    actor: Actor,
    filter: AuditFilter,
    /// What comes next; `None`: that was all.
    next: Option<PageRequest>,
    _turn: Turn,
}

impl Export {
    fn pieces(self) -> impl Stream<Item = Result<Bytes, StoreError>> {
        stream::try_unfold(self, |mut export| async move {
            let piece = export.piece().await.inspect_err(|error| {
                tracing::error!(error = error as &dyn std::error::Error, "an export of the audit log broke off");
            })?;
            Ok(piece.map(|piece| (piece, export)))
        })
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        let Some(request) = self.next.take() else { return Ok(None) };
        let page = self.store.list_audit(&self.actor, self.filter.clone(), request.clone()).await?;
        self.next = page.next.map(|after| PageRequest { after: Some(after), ..request });
        let mut lines = Vec::new();
        for entry in page.items {
            // All of an entry's fields have a form in JSON.
            if serde_json::to_writer(&mut lines, &AuditEntry::from(entry)).is_ok() {
                lines.push(b'\n');
            }
        }
        Ok(Some(lines.into()))
    }
}
