//! Whether the audit log is as it was written.

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::audit_head::AuditHead;
use weir_store::{AuditCheck, AuditFault};

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Body;
use crate::problem::{Problem, Reading};

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(verify)).routes(routes!(head))
}

/// With what the log is compared besides.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AuditVerification {
    /// An earlier answer of `GET /audit/head`: it tells whether the end was cut off, or all of it written anew. Null: none was kept.
    #[serde(default)]
    head: Option<AuditHead>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
struct AuditVerdict {
    /// Whether nothing was changed, removed or moved.
    intact: bool,
    /// Entries that were looked at.
    entries: u64,
    /// The place of the last entry that was dropped as its time was over; 0: none was.
    dropped: u64,
    /// The place of the last entry.
    last: u64,
    /// Signed heads that the log was compared with.
    heads: u64,
    /// What does not fit; at most 100.
    faults: Vec<Fault>,
}

/// Something in the log that is not as it was written.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditFault)]
struct Fault {
    /// `changed`, `removed`, `doubled`, `cut_off`, `rewritten` or `forged_head`.
    kind: &'static str,
    /// The place where it shows, from 1.
    sequence: u64,
    /// The entry there, if there is one.
    #[schema(required)]
    entry_id: Option<Uuid>,
    /// In words.
    text: String,
}

impl From<AuditCheck> for AuditVerdict {
    fn from(check: AuditCheck) -> Self {
        let AuditCheck { entries, dropped, last, heads, faults } = check;
        let faults: Vec<Fault> = faults.iter().map(Fault::from).collect();
        Self { intact: faults.is_empty(), entries, dropped, last, heads, faults }
    }
}

impl From<&AuditFault> for Fault {
    fn from(fault: &AuditFault) -> Self {
        let AuditFault { kind, sequence, entry_id, .. } = fault;
        Self { kind: kind.name(), sequence: *sequence, entry_id: *entry_id, text: fault.to_string() }
    }
}

/// Reads the whole audit log and says whether it is as it was written. For the platform's admins.
#[utoipa::path(post, path = "/audit/verify", operation_id = "verify_audit", tag = "audit", request_body = AuditVerification,
    responses((status = 200, body = AuditVerdict), Reading,
    (status = 422, body = Problem, content_type = "application/problem+json", description = "Fields are wrong.")))]
async fn verify(
    State(state): State<ApiState>,
    caller: Caller,
    Body(AuditVerification { head }): Body<AuditVerification>,
) -> Result<Json<AuditVerdict>, Problem> {
    Ok(Json(state.store.verify_audit(&caller.actor, head).await?.into()))
}

/// What the audit log has come to, signed with a key that is not in the database: kept elsewhere, it proves later what the log was. For
/// the platform's admins.
#[utoipa::path(get, path = "/audit/head", operation_id = "audit_head", tag = "audit",
    responses((status = 200, body = AuditHead), Reading))]
async fn head(State(state): State<ApiState>, caller: Caller) -> Result<Json<AuditHead>, Problem> {
    Ok(Json(state.store.audit_head(&caller.actor, Utc::now()).await?))
}
