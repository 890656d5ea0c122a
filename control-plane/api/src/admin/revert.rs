//! Undoing one change.

use axum::Json;
use axum::extract::{Path, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ApiState;
use crate::admin::apply::{ApplyQuery, ApplyResult};
use crate::caller::Caller;
use crate::extract::Query;
use crate::problem::{Code, Problem, Writing};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(revert))
}

/// Makes the objects of a revision as they were before it, as a new revision.
///
/// All of them or none: 409 `irrevertible` names each object that was changed since, is managed elsewhere, or needs a secret, which is
/// not kept. What was deleted comes back under its id.
#[utoipa::path(post, path = "/revisions/{revision}/revert", operation_id = "revert", tag = "apply",
    params(("revision" = u64, Path, description = "As the audit log tells it."), ApplyQuery),
    responses((status = 200, body = ApplyResult), Writing))]
async fn revert(
    State(state): State<ApiState>,
    caller: Caller,
    revision: Result<Path<u64>, axum::extract::rejection::PathRejection>,
    Query(ApplyQuery { dry_run }): Query<ApplyQuery>,
) -> Result<Json<ApplyResult>, Problem> {
    let Path(revision) = revision.map_err(|_| Problem::new(Code::NotFound, "the path holds no revision"))?;
    Ok(Json(state.store.revert(&caller.actor, revision, dry_run).await?.into()))
}
