//! Who changed what, and what was refused and found.

mod export;
mod verify;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use weir_core::page::PageRequest;
use weir_core::resource::Origin;
use weir_store::AuditFilter;

use crate::ApiState;
use crate::admin::apply::ApplyChange;
use crate::caller::Caller;
use crate::cursor;
use crate::extract::Query;
use crate::problem::{Problem, Reading};
use crate::resource::{self, List};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).merge(export::router()).merge(verify::router())
}

/// One change and who made it.
#[derive(Serialize, ToSchema)]
struct AuditEntry {
    /// UUIDv7.
    id: Uuid,
    /// When.
    at: DateTime<Utc>,
    /// Who.
    actor: AuditActor,
    /// For example `api_key.create`.
    action: String,
    /// For example `api_key`.
    resource_type: String,
    /// The resource.
    resource_id: Uuid,
    /// To whom the resource belongs; null: to the platform.
    #[schema(required)]
    tenant_id: Option<Uuid>,
    /// What that tenant is called, or was; null: it is the platform's.
    #[schema(required)]
    tenant_name: Option<String>,
    /// What it was called then; null for entries of older versions.
    #[schema(required)]
    resource_name: Option<String>,
    /// Where it was managed then.
    origin: Origin,
    /// What differed. Of a secret only that it is new. Null for entries of older versions.
    #[schema(value_type = Option<Vec<ApplyChange>>, required)]
    changes: Option<serde_json::Value>,
    /// The revision that the change made, or that held then; 0 for sign-ins and for what was counted.
    revision: u64,
    /// The `x-request-id` of the answer; null: it was no request, or `actor.id` is null.
    #[schema(required)]
    request_id: Option<String>,
    /// From where the request came; null where `request_id` is, and where it is not known.
    #[schema(required)]
    client_address: Option<String>,
}

/// What makes changes.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "documentation only")]
enum ActorKind {
    /// Somebody who has signed in.
    User,
    /// A machine.
    ServiceToken,
    /// The control plane itself.
    System,
}

/// Who made a change.
#[derive(Serialize, ToSchema)]
struct AuditActor {
    /// What it is.
    #[schema(value_type = ActorKind)]
    kind: String,
    /// The user or service token; nil for the control plane itself; null if you are a tenant's user and this one is not your tenant's.
    #[schema(required)]
    id: Option<Uuid>,
    /// The user's address at that time, or the token's name; `system` for the control plane itself; null where `id` is.
    #[schema(required)]
    email: Option<String>,
}

impl From<weir_store::AuditEntry> for AuditEntry {
    fn from(entry: weir_store::AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            actor: AuditActor { kind: entry.actor_kind, id: entry.actor_id, email: entry.actor_email },
            action: entry.action,
            resource_type: entry.resource_type,
            resource_id: entry.resource_id,
            tenant_id: entry.tenant_id,
            tenant_name: entry.tenant_name,
            resource_name: entry.resource_name,
            origin: entry.origin,
            changes: entry.changes,
            revision: entry.revision,
            request_id: entry.request_id,
            client_address: entry.client_address,
        }
    }
}

/// Which changes are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Items at most, 1 to 200. Default 50.
    limit: Option<u32>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
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

/// The changes in your scope, newest first.
#[utoipa::path(get, path = "/audit", operation_id = "list_audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = List<AuditEntry>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<AuditQuery>,
) -> Result<Json<List<AuditEntry>>, Problem> {
    let AuditQuery { limit, cursor, tenant_id, actor, resource_type, resource_id, action, request_id, from, to } =
        query;
    let after = cursor.as_deref().map(cursor::read).transpose()?;
    let request = PageRequest { limit: resource::limit(limit)?, after, tenant_id };
    let filter = AuditFilter { actor, resource_type, resource_id, action, request_id, from, to };
    let page = state.store.list_audit(&caller.actor, filter, request).await?;
    Ok(List::of(page, AuditEntry::from))
}
