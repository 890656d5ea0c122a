//! Links with which users set their passwords: invitations, and resets by an administrator.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_core::actor::Via;
use weir_core::secret::{SecretKind, generate, sha256};
use weir_store::StoreError;

use crate::ApiState;
use crate::admin::users::hashed_for;
use crate::caller::Caller;
use crate::client_address::PeerAddress;
use crate::extract::{Body, Id};
use crate::observe::RequestId;
use crate::problem::{Problem, Writing};

/// How long somebody who was invited has.
const INVITATION: TimeDelta = TimeDelta::days(7);
/// And somebody whose password an administrator resets.
const RESET: TimeDelta = TimeDelta::hours(24);

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(make)).routes(routes!(look)).routes(routes!(set))
}

/// A link that was made.
#[derive(Serialize, ToSchema)]
struct PasswordLink {
    /// The link's path at the console's origin, its token behind `#`. It is shown this once; hand it to the user alone.
    path: String,
    /// Whether the user has no password yet.
    is_invitation: bool,
    /// When it ends: an invitation after seven days, a reset after one.
    expires_at: DateTime<Utc>,
}

/// A link's token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LinkToken {
    /// As it stands in the link.
    #[schema(value_type = String, format = Password)]
    token: SecretString,
}

/// What a link is for.
#[derive(Serialize, ToSchema)]
struct LinkFor {
    /// Whose password it sets.
    email: String,
    /// Whether the user has none yet.
    is_invitation: bool,
    /// When it ends.
    expires_at: DateTime<Utc>,
}

/// A password that is set by a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// As it stands in the link.
    #[schema(value_type = String, format = Password)]
    token: SecretString,
    /// 12 to 256 characters, and none that is easily guessed.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Makes a link with which a user sets a password, once: an invitation of somebody who has none, a reset for somebody else. The user's
/// earlier links end; an earlier password holds until the new one is set.
#[utoipa::path(post, path = "/users/{id}/password-link", operation_id = "make_password_link", tag = "users",
    params(("id" = uuid::Uuid, Path)), responses((status = 201, body = PasswordLink), Writing))]
async fn make(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
) -> Result<(StatusCode, Json<PasswordLink>), Problem> {
    let token = generate(SecretKind::PasswordLink).map_err(StoreError::from)?;
    let user = state.store.get(weir_store::USER, &caller.actor, id).await?;
    let is_invitation = user.status.get("has_password") != Some(&true.into());
    let expires_at = Utc::now() + if is_invitation { INVITATION } else { RESET };
    let link = state.store.allow_password(&caller.actor, id, &sha256(token.expose_secret()), expires_at).await?;
    let path = format!("/password#{}", token.expose_secret());
    Ok((StatusCode::CREATED, Json(PasswordLink { path, is_invitation: link.is_invitation, expires_at })))
}

/// Says whose password a link sets.
#[utoipa::path(post, path = "/auth/password-link", operation_id = "look_at_password_link", tag = "auth", security(()),
    request_body = LinkToken, responses(
    (status = 200, body = LinkFor),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "The link does not hold."),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "Fields are wrong."),
))]
async fn look(State(state): State<ApiState>, Body(link): Body<LinkToken>) -> Result<Json<LinkFor>, Problem> {
    let found = state.store.password_link(&sha256(link.token.expose_secret())).await?;
    let link = found.ok_or(StoreError::PasswordLink)?;
    Ok(Json(LinkFor { email: link.email, is_invitation: link.is_invitation, expires_at: link.expires_at }))
}

/// Sets the password that a link is for. The link ends, and so do the user's sessions.
#[utoipa::path(post, path = "/auth/password", operation_id = "set_password", tag = "auth", security(()),
    request_body = NewPassword, responses(
    (status = 204, description = "It is set: sign in with it."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "The link does not hold."),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "Fields are wrong."),
))]
async fn set(
    State(state): State<ApiState>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    PeerAddress(address): PeerAddress,
    Body(new): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let token_sha256 = sha256(new.token.expose_secret());
    // A hash takes a core for a while: not for everybody.
    let link = state.store.password_link(&token_sha256).await?.ok_or(StoreError::PasswordLink)?;
    let hash = hashed_for(new.password, Some(link.email)).await?;
    let via = Via { address, request_id: Some(request_id), ..Via::default() };
    state.store.set_password(&token_sha256, hash, &via).await?;
    Ok(StatusCode::NO_CONTENT)
}
