//! Signing in and out.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::actor::{Actor, Role};
use weir_core::permission::Permission;
use weir_core::secret::{SecretKind, generate, sha256};
use weir_store::{LoginAdmission, LoginAttempt};

use crate::ApiState;
use crate::admin::oidc::logout_url;
use crate::browser;
use crate::caller::Caller;
use crate::client_address::{ClientAddress, PeerAddress};
use crate::extract::Body;
use crate::oidc::Issuers;
use crate::password::verify_password;
use crate::problem::{Code, Problem, Reading};
use crate::resource::List;

/// How long a session lasts.
pub(crate) const SESSION: TimeDelta = TimeDelta::hours(12);
/// Attempts to sign in that are looked at at once. Anybody can make them, so they leave most of the database's connections to
/// those who are known.
static TURNS: Semaphore = Semaphore::const_new(4);
/// Attempts that wait for their turn or have it.
static PLACES: Semaphore = Semaphore::const_new(64);

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(login)).routes(routes!(logout)).routes(routes!(me)).routes(routes!(break_glass))
}

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
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
pub(crate) struct Identity {
    /// The user.
    id: Uuid,
    /// The user's address.
    email: String,
    /// What the user may do.
    role: Role,
    /// The user's tenant; null for the platform's.
    tenant_id: Option<Uuid>,
    /// What the user may do anywhere, by all roles together; for what of it, each operation says.
    permissions: Vec<Permission>,
}

impl From<Actor> for Identity {
    fn from(actor: Actor) -> Self {
        let permissions = Permission::ALL.iter().copied().filter(|permission| actor.holds(*permission)).collect();
        let Actor { user_id: id, email, role, tenant_id, .. } = actor;
        Self { id, email, role, tenant_id, permissions }
    }
}

/// Signs in.
///
/// Within 15 minutes at most 10 attempts may fail for one account from one address; from addresses that the account does not
/// usually sign in from, at most 50 for all accounts and 100 for one account from anywhere. `Retry-After` says how long to
/// wait.
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = Credentials, responses(
    (status = 200, body = Session),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "Wrong address or password."),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "Fields are wrong."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many attempts."),
))]
async fn login(
    State(state): State<ApiState>,
    ClientAddress(address): ClientAddress,
    PeerAddress(peer): PeerAddress,
    Body(credentials): Body<Credentials>,
) -> Result<Json<Session>, Problem> {
    let (actor, attempt) = authenticate(&state, &address, None, credentials).await?;
    let token = generate(SecretKind::SessionToken).map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    let expires_at = Utc::now() + SESSION;
    state.store.create_session(&actor, &sha256(token.expose_secret()), expires_at, peer).await?;
    state.store.forgive_login(&attempt, None).await?;
    note("signed_in");
    Ok(Json(Session { token: token.expose_secret().to_owned(), expires_at, user: actor.into() }))
}

/// Whose credentials these are. Whoever has opened a session forgives the attempt.
pub(crate) async fn authenticate(
    state: &ApiState,
    address: &str,
    device: Option<&str>,
    credentials: Credentials,
) -> Result<(Actor, LoginAttempt), Problem> {
    let busy = || Problem::too_many_requests("too many sign in at once", 1);
    let _place = PLACES.try_acquire().map_err(|_| busy())?;
    let _turn = TURNS.acquire().await.map_err(|_| busy())?;
    let attempt = match state.store.admit_login(&credentials.email, address, device).await? {
        LoginAdmission::Admitted(attempt) => attempt,
        LoginAdmission::Refused { retry_after_s } => {
            note("limited");
            return Err(Problem::too_many_requests("too many attempts have failed", retry_after_s));
        }
    };
    let login = state.store.login_user(&credentials.email).await?;
    let hash = login.as_ref().and_then(|login| login.password_hash.clone());
    let matches = verify_password(credentials.password, hash)
        .await
        .map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    let Some(login) = login.filter(|_| matches) else {
        note("failed");
        return Err(Problem::new(Code::InvalidCredentials, "there is no such user, or the password is another one"));
    };
    // Told only to whoever has the password.
    if login.is_refused {
        note("refused");
        return Err(Problem::new(Code::Forbidden, "passwords are refused here; sign in by your identity provider"));
    }
    if login.is_break_glass {
        metrics::counter!("weir_api_break_glass_sign_ins_total").increment(1);
        tracing::warn!(user = %login.actor.user_id, "somebody has signed in with a break-glass account");
    }
    Ok((login.actor, attempt))
}

/// Neither the account nor the address: people mistype passwords into the one, and the other is personal data.
pub(crate) fn note(outcome: &'static str) {
    metrics::counter!("weir_api_logins_total", "outcome" => outcome).increment(1);
}

/// Where signing out goes on.
#[derive(Serialize, ToSchema)]
struct SignedOut {
    /// The identity provider's page that ends its own session, and leads back to the console's sign-in.
    continue_at: String,
}

/// Signs out: the session's token is refused from now on, and a browser forgets it. Where an identity provider vouched for the session
/// and has a page for signing out, the answer says so.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", responses((status = 204), (status = 200, body = SignedOut), Reading))]
async fn logout(
    State(state): State<ApiState>,
    Extension(issuers): Extension<Issuers>,
    headers: HeaderMap,
    caller: Caller,
) -> Result<Response, Problem> {
    let provider_id = state.store.provider_of_session(&caller.session_sha256).await?;
    state.store.delete_session(&caller.session_sha256).await?;
    let forget = [(header::SET_COOKIE, browser::forget())];
    let page = match provider_id {
        None => None,
        Some(provider_id) => logout_url(&state, &issuers, provider_id, &headers).await,
    };
    Ok(match page {
        None => (StatusCode::NO_CONTENT, forget).into_response(),
        Some(continue_at) => (forget, Json(SignedOut { continue_at })).into_response(),
    })
}

/// A sign-in with an account that works without the identity provider.
#[derive(Serialize, ToSchema)]
struct BreakGlassSignIn {
    /// The account's address.
    email: String,
    /// When it was.
    at: DateTime<Utc>,
    /// From where.
    address: String,
}

/// The sign-ins with break-glass accounts within seven days, the latest first; at most 20, in one part. For platform admins.
#[utoipa::path(get, path = "/auth/break-glass", operation_id = "break_glass_sign_ins", tag = "auth",
    responses((status = 200, body = List<BreakGlassSignIn>), Reading))]
async fn break_glass(State(state): State<ApiState>, caller: Caller) -> Result<Json<List<BreakGlassSignIn>>, Problem> {
    let sign_ins = state.store.break_glass_sign_ins(&caller.actor).await?;
    let items = sign_ins.into_iter().map(|(email, at, address)| BreakGlassSignIn { email, at, address }).collect();
    Ok(Json(List { items, next_cursor: None }))
}

/// Who is signed in.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = 200, body = Identity), Reading))]
async fn me(caller: Caller) -> Json<Identity> {
    Json(caller.actor.into())
}
