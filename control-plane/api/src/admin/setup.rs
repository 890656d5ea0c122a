//! The first administrator.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::secret::sha256;
use weir_store::StoreError;

use crate::ApiState;
use crate::admin::users::hashed_for;
use crate::extract::Body;
use crate::problem::Problem;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(status)).routes(routes!(set_up))
}

/// Whether the first administrator is still to be made.
#[derive(Serialize, ToSchema)]
struct SetupStatus {
    /// Nobody administers the platform yet: the control plane has printed a token with which somebody may.
    is_needed: bool,
}

/// Who becomes the first administrator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Setup {
    /// As the control plane printed it to standard error at its start.
    #[schema(value_type = String, format = Password)]
    token: SecretString,
    /// Address to sign in with.
    email: String,
    /// 12 to 256 characters.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Who was made.
#[derive(Serialize, ToSchema)]
struct FirstAdministrator {
    /// The user.
    id: Uuid,
    /// The change that made the user.
    revision: u64,
}

/// Whether the first administrator is still to be made.
#[utoipa::path(get, path = "/setup", operation_id = "setup_status", tag = "auth", security(()),
    responses((status = 200, body = SetupStatus)))]
async fn status(State(state): State<ApiState>) -> Result<Json<SetupStatus>, Problem> {
    Ok(Json(SetupStatus { is_needed: state.store.needs_setup().await? }))
}

/// Makes the first administrator, who can then sign in. The token is good for one, and for an hour; a restart prints another.
#[utoipa::path(post, path = "/setup", operation_id = "set_up", tag = "auth", security(()), request_body = Setup, responses(
    (status = 201, body = FirstAdministrator),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "The token does not hold."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "There is an administrator."),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "Fields are wrong."),
))]
async fn set_up(
    State(state): State<ApiState>,
    Body(setup): Body<Setup>,
) -> Result<(StatusCode, Json<FirstAdministrator>), Problem> {
    let token_sha256 = sha256(setup.token.expose_secret());
    if !state.store.needs_setup().await? {
        return Err(StoreError::SetUp.into());
    }
    // A hash takes a core for a while: not for everybody.
    if !state.store.is_setup_token(&token_sha256).await? {
        return Err(StoreError::SetupToken.into());
    }
    let hash = hashed_for(setup.password, Some(setup.email.clone())).await?;
    let created = state.store.set_up(&token_sha256, setup.email, hash.expose_secret()).await?;
    Ok((StatusCode::CREATED, Json(FirstAdministrator { id: created.id, revision: created.revision })))
}
