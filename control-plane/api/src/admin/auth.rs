//! Signing in and out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::secret::{SecretKind, generate, sha256};

use crate::ApiState;
use crate::admin::users::Role;
use crate::caller::Caller;
use crate::extract::Body;
use crate::password::verify_password;
use crate::problem::{Code, Problem, Reading};

/// How long a session lasts.
const SESSION: TimeDelta = TimeDelta::hours(12);

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(login)).routes(routes!(logout)).routes(routes!(me))
}

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The user's address.
    email: String,
    /// The user's password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// A session.
#[derive(Serialize, ToSchema)]
struct Session {
    /// Send it as `authorization: Bearer …`. It is shown this once.
    token: String,
    /// When it ends.
    expires_at: DateTime<Utc>,
    /// Who signed in.
    user: Identity,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
struct Identity {
    /// The user.
    id: Uuid,
    /// The user's address.
    email: String,
    /// What the user may do.
    role: Role,
    /// The user's tenant; null for the platform's.
    tenant_id: Option<Uuid>,
}

impl From<Actor> for Identity {
    fn from(actor: Actor) -> Self {
        Self { id: actor.user_id, email: actor.email, role: actor.role.into(), tenant_id: actor.tenant_id }
    }
}

/// Signs in.
///
/// At most 10 failed attempts for one address in 15 minutes.
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = Credentials, responses(
    (status = 200, body = Session),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "Wrong address or password."),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "Fields are wrong."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many attempts."),
))]
async fn login(State(state): State<ApiState>, Body(credentials): Body<Credentials>) -> Result<Json<Session>, Problem> {
    if !state.store.admit_login(&credentials.email).await? {
        return Err(Problem::new(Code::TooManyRequests, "too many failed attempts; wait a quarter of an hour"));
    }
    let login = state.store.login_user(&credentials.email).await?;
    let hash = login.as_ref().map(|login| login.password_hash.clone());
    let matches = verify_password(credentials.password, hash)
        .await
        .map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    let Some(login) = login.filter(|_| matches) else {
        return Err(Problem::new(Code::InvalidCredentials, "there is no such user, or the password is another one"));
    };
    let token = generate(SecretKind::SessionToken).map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    let expires_at = Utc::now() + SESSION;
    state.store.create_session(&login.actor, &sha256(token.expose_secret()), expires_at).await?;
    Ok(Json(Session { token: token.expose_secret().to_owned(), expires_at, user: login.actor.into() }))
}

/// Signs out: the token is refused from now on.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", responses((status = 204), Reading))]
async fn logout(State(state): State<ApiState>, caller: Caller) -> Result<StatusCode, Problem> {
    state.store.delete_session(&caller.session_sha256).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is signed in.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = 200, body = Identity), Reading))]
async fn me(caller: Caller) -> Json<Identity> {
    Json(caller.actor.into())
}
