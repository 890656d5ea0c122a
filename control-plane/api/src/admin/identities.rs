//! Accounts at identity providers that users are connected with: one's own, and those of others.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Id;
use crate::problem::{Code, Problem, Reading, Writing};
use crate::resource::List;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_own))
        .routes(routes!(delete_own))
        .routes(routes!(list))
        .routes(routes!(delete))
}

/// An account at an identity provider by which a user signs in.
#[derive(Serialize, ToSchema)]
struct ConnectedIdentity {
    /// Names it.
    id: Uuid,
    /// The identity provider.
    provider_id: Uuid,
    /// What that is called.
    provider_name: String,
    /// The issuer. If it is not the provider's any more, nobody signs in by it.
    issuer: String,
    /// The issuer's name for the user: never an address, but what stays the same.
    subject: String,
    /// When it was connected.
    created_at: DateTime<Utc>,
}

impl From<weir_store::ConnectedIdentity> for ConnectedIdentity {
    fn from(identity: weir_store::ConnectedIdentity) -> Self {
        let weir_store::ConnectedIdentity { id, provider_id, provider_name, issuer, subject, created_at } = identity;
        Self { id, provider_id, provider_name, issuer, subject, created_at }
    }
}

/// The accounts at identity providers by which you sign in, the latest first; at most 200.
#[utoipa::path(get, path = "/auth/identities", operation_id = "list_own_identities", tag = "auth",
    responses((status = 200, body = List<ConnectedIdentity>), Reading))]
async fn list_own(State(state): State<ApiState>, caller: Caller) -> Result<Json<List<ConnectedIdentity>>, Problem> {
    // A service token is nobody's account.
    if caller.actor.via.service_token {
        return Ok(Json(List { items: Vec::new(), next_cursor: None }));
    }
    listed(&state, &caller, caller.actor.user_id).await
}

/// Takes one of your accounts at identity providers away, and ends your sessions that came by that provider. The last way in that you have
/// stays.
#[utoipa::path(delete, path = "/auth/identities/{id}", operation_id = "delete_own_identity", tag = "auth",
    params(("id" = Uuid, Path)), responses((status = 204, description = "Gone."), Writing))]
async fn delete_own(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    state.store.delete_identity(&caller.actor, caller.actor.user_id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The accounts at identity providers by which a user signs in, the latest first; at most 200.
#[utoipa::path(get, path = "/users/{id}/identities", operation_id = "list_user_identities", tag = "users",
    params(("id" = Uuid, Path)), responses((status = 200, body = List<ConnectedIdentity>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<List<ConnectedIdentity>>, Problem> {
    listed(&state, &caller, id).await
}

/// Takes a user's account at an identity provider away, and ends the user's sessions that came by that provider. It takes what letting
/// that user in takes: no less than the user may do.
#[utoipa::path(delete, path = "/users/{id}/identities/{identity_id}", operation_id = "delete_user_identity", tag = "users",
    params(("id" = Uuid, Path), ("identity_id" = Uuid, Path)),
    responses((status = 204, description = "Gone."), Writing))]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    path: Result<Path<(Uuid, Uuid)>, axum::extract::rejection::PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path((id, identity_id)) = path.map_err(|_| Problem::new(Code::NotFound, "the path holds no id of anything"))?;
    state.store.delete_identity(&caller.actor, id, identity_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn listed(state: &ApiState, caller: &Caller, user_id: Uuid) -> Result<Json<List<ConnectedIdentity>>, Problem> {
    let identities = state.store.list_identities(&caller.actor, user_id).await?;
    Ok(Json(List { items: identities.into_iter().map(Into::into).collect(), next_cursor: None }))
}
