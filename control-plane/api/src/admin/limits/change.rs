//! What is done about a limit for a time: a larger amount, and what counts as spent.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_store::{LIMIT, LimitAdjustment, LimitRaise};

use super::state::SubjectQuery;
use crate::ApiState;
use crate::caller::Caller;
use crate::extract::{Body, Creation, Named, Query};
use crate::problem::{Code, Problem, Writing};

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(raise, end_raise))
        .routes(routes!(reset))
        .routes(routes!(release))
        .routes(routes!(adjust))
}

/// A larger amount until then.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitRaise)]
struct Raise {
    /// Of a limit on each of a kind: for which one, by its id; of labels the value. Absent or null: for all of them. Models are raised
    /// together.
    #[serde(default)]
    subject_id: Option<String>,
    /// Units in one window, more than the limit's own amount.
    amount: u64,
    /// Until when: within 366 days.
    until: DateTime<Utc>,
    /// Why, for the audit log: 1 to 500 characters. Absent or null: nobody says.
    #[serde(default)]
    reason: Option<String>,
}

/// That all begins anew.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitReset)]
struct Reset {
    /// Of a limit on each of a kind: of which one, by its id; of labels the value. Absent or null: of all of them.
    #[serde(default)]
    subject_id: Option<String>,
    /// Why, for the audit log: 1 to 500 characters. Absent or null: nobody says.
    #[serde(default)]
    reason: Option<String>,
}

/// That what nobody accounts for is available again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitRelease)]
struct Release {
    /// Of a limit on each of a kind: of which one, by its id; of labels the value. Absent or null: of all of them.
    #[serde(default)]
    subject_id: Option<String>,
    /// Why, for the audit log: 1 to 500 characters. Absent or null: nobody says.
    #[serde(default)]
    reason: Option<String>,
}

/// What is added to what was spent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitAdjustment)]
struct Adjustment {
    /// Of a limit on each of a kind, where it is required: of which one, by its id; of labels the value.
    #[serde(default)]
    subject_id: Option<String>,
    /// Units that are added to what was spent in the window at hand; with a minus taken off it, at most as many as were spent.
    units: i64,
    /// Why, for the audit log: 1 to 500 characters. Absent or null: nobody says.
    #[serde(default)]
    reason: Option<String>,
}

/// Has a larger amount hold until then, in place of a raise that holds already. The limit stays as it was written.
#[utoipa::path(put, path = "/limits/{id}/raise", operation_id = "raise_limit", tag = "limits",
    params(Named), request_body = Raise, responses((status = 204), Writing))]
async fn raise(
    State(state): State<ApiState>,
    caller: Caller,
    named: Named,
    Body(Raise { subject_id, amount, until, reason }): Body<Raise>,
) -> Result<StatusCode, Problem> {
    let id = state.store.id_of(LIMIT, &caller.actor, &named.id_or_name, named.tenant.as_deref()).await?;
    let raise = LimitRaise { member: subject_id, amount, until, reason: said(reason)? };
    state.store.raise_limit(&caller.actor, id, &raise, Utc::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a raise before its time. What is used beyond the limit's own amount stays used.
#[utoipa::path(delete, path = "/limits/{id}/raise", operation_id = "end_raise_of_limit", tag = "limits",
    params(Named, SubjectQuery), responses((status = 204), Writing))]
async fn end_raise(
    State(state): State<ApiState>,
    caller: Caller,
    named: Named,
    Query(query): Query<SubjectQuery>,
) -> Result<StatusCode, Problem> {
    let id = state.store.id_of(LIMIT, &caller.actor, &named.id_or_name, named.tenant.as_deref()).await?;
    state.store.end_raise_of_limit(&caller.actor, id, query.subject_id.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has nothing count as spent in the window at hand, nor as unreconciled. What requests under way hold stays theirs, and counts when they are
/// over.
#[utoipa::path(post, path = "/limits/{id}/reset", operation_id = "reset_limit", tag = "limits",
    params(Named), request_body = Reset, responses((status = 204), Writing))]
async fn reset(
    State(state): State<ApiState>,
    caller: Caller,
    named: Named,
    Body(Reset { subject_id, reason }): Body<Reset>,
) -> Result<StatusCode, Problem> {
    let id = state.store.id_of(LIMIT, &caller.actor, &named.id_or_name, named.tenant.as_deref()).await?;
    state.store.reset_limit(&caller.actor, id, subject_id.as_deref(), &said(reason)?, Utc::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes available again what is unreconciled in the window at hand: what Envoys held that are heard of no longer, and had not accounted for.
/// One that comes back and says that it spent it is debited.
#[utoipa::path(post, path = "/limits/{id}/release", operation_id = "release_limit", tag = "limits",
    params(Named), request_body = Release, responses((status = 204), Writing))]
async fn release(
    State(state): State<ApiState>,
    caller: Caller,
    named: Named,
    Body(Release { subject_id, reason }): Body<Release>,
) -> Result<StatusCode, Problem> {
    let id = state.store.id_of(LIMIT, &caller.actor, &named.id_or_name, named.tenant.as_deref()).await?;
    state.store.release_limit(&caller.actor, id, subject_id.as_deref(), &said(reason)?, Utc::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds to what was spent in the window at hand, or takes off it: what was used past the gateways, or what a provider gave back.
#[utoipa::path(post, path = "/limits/{id}/adjust", operation_id = "adjust_limit", tag = "limits",
    params(Named), request_body = Adjustment, responses((status = 204), Writing))]
async fn adjust(
    State(state): State<ApiState>,
    caller: Caller,
    named: Named,
    Creation { body: Adjustment { subject_id, units, reason }, idempotency }: Creation<Adjustment>,
) -> Result<StatusCode, Problem> {
    let id = state.store.id_of(LIMIT, &caller.actor, &named.id_or_name, named.tenant.as_deref()).await?;
    let adjustment = LimitAdjustment { member: subject_id, units, reason: said(reason)? };
    state.store.adjust_limit(&caller.actor, id, &adjustment, idempotency.as_ref(), Utc::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A reason, if one is said: an empty one is a slip.
fn said(reason: Option<String>) -> Result<String, Problem> {
    match reason {
        Some(reason) if reason.is_empty() => {
            Err(Problem::field(Code::InvalidFields, "reason", "must have 1 to 500 characters, or be absent"))
        }
        reason => Ok(reason.unwrap_or_default()),
    }
}
