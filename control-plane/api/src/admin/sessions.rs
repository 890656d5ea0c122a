//! Sessions of browsers, and one's own sessions.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{AppendHeaders, IntoResponse};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::secret::{SecretKind, generate, sha256};
use weir_store::{BrowserSession as NewSession, SessionView};

use crate::ApiState;
use crate::admin::auth::{Credentials, Identity, SESSION, authenticate, note};
use crate::browser;
use crate::caller::Caller;
use crate::client_address::{ClientAddress, PeerAddress};
use crate::extract::{Body, Id};
use crate::problem::{Code, Problem, Reading};
use crate::resource::List;

/// Characters of a browser's name for itself that are kept.
const LONGEST_USER_AGENT: usize = 300;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(sign_in)).routes(routes!(list)).routes(routes!(end))
}

/// A browser's session; its token is in a cookie.
#[derive(Serialize, ToSchema)]
struct BrowserSession {
    /// When it ends at the latest. It also ends when it is not used for two hours.
    expires_at: DateTime<Utc>,
    /// Who signed in.
    user: Identity,
}

/// What holds a session.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SessionKind {
    /// A browser, by a cookie.
    Browser,
    /// A machine, by a bearer token.
    Bearer,
}

/// One of your sessions.
#[derive(Serialize, ToSchema)]
struct OwnSession {
    /// Names it; says nothing about its token.
    id: Uuid,
    /// What holds it.
    kind: SessionKind,
    /// As the browser called itself; empty for machines.
    user_agent: String,
    /// The identity provider by which you signed in; null: by a password.
    #[schema(required)]
    provider_name: Option<String>,
    /// When it began.
    created_at: DateTime<Utc>,
    /// When it was last used, to a minute.
    last_seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    expires_at: DateTime<Utc>,
    /// Whether this request came by it.
    current: bool,
}

impl From<SessionView> for OwnSession {
    fn from(session: SessionView) -> Self {
        Self {
            id: session.id,
            kind: if session.browser { SessionKind::Browser } else { SessionKind::Bearer },
            user_agent: session.user_agent,
            provider_name: session.provider_name,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            current: session.current,
        }
    }
}

/// Signs a browser in: the session's token is set as the cookie `__Host-weir-session`, which scripts cannot read. The session that
/// the browser held until now ends.
///
/// Requests with the cookie that change something must come from the console's own pages, by `Sec-Fetch-Site` or `Origin`. Attempts
/// are bounded as those of `POST /auth/login` are, and together with them; but a browser in which the account has signed in within 90
/// days, which it shows by the cookie `__Host-weir-device`, is held up by its own failures only.
#[utoipa::path(post, path = "/auth/session", operation_id = "sign_in", tag = "auth", security(()), request_body = Credentials,
    responses(
        (status = 200, body = BrowserSession),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Wrong address or password."),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Another site's page asks."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "Fields are wrong."),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many attempts."),
    ))]
async fn sign_in(
    State(state): State<ApiState>,
    ClientAddress(address): ClientAddress,
    PeerAddress(client_address): PeerAddress,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Body(credentials): Body<Credentials>,
) -> Result<impl IntoResponse, Problem> {
    browser::refuse_foreign(&method, &headers, &uri)?;
    let (actor, attempt) = authenticate(&state, &address, browser::device(&headers), credentials).await?;
    let token = generate(SecretKind::SessionToken).map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    let expires_at = Utc::now() + SESSION;
    let replaced = browser::token(&headers).map(sha256);
    let user_agent = user_agent(&headers);
    let token_sha256 = sha256(token.expose_secret());
    let session =
        NewSession { token_sha256, replaced, user_agent: &user_agent, expires_at, client_address, provider: None };
    state.store.create_browser_session(&actor, &session).await?;
    // A new one each time: what was shown to another end before it was known here is worth nothing.
    let device = generate(SecretKind::Device).map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    state.store.forgive_login(&attempt, Some(device.expose_secret())).await?;
    note("signed_in");
    let cookies = [
        (header::SET_COOKIE, browser::keep(token.expose_secret(), SESSION.num_seconds())),
        (header::SET_COOKIE, browser::keep_device(device.expose_secret())),
    ];
    Ok((AppendHeaders(cookies), Json(BrowserSession { expires_at, user: actor.into() })))
}

/// As the browser calls itself.
pub(crate) fn user_agent(headers: &HeaderMap) -> String {
    let name = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    name.chars().take(LONGEST_USER_AGENT).collect()
}

/// Your sessions that have not ended, the latest used first; at most 200, in one part.
#[utoipa::path(get, path = "/auth/sessions", operation_id = "list_own_sessions", tag = "auth",
    responses((status = 200, body = List<OwnSession>), Reading))]
async fn list(State(state): State<ApiState>, caller: Caller) -> Result<Json<List<OwnSession>>, Problem> {
    let sessions = state.store.list_sessions(&caller.actor, &caller.session_sha256).await?;
    Ok(Json(List { items: sessions.into_iter().map(OwnSession::from).collect(), next_cursor: None }))
}

/// Ends one of your sessions: its token is refused from now on.
#[utoipa::path(delete, path = "/auth/sessions/{id}", operation_id = "end_own_session", tag = "auth",
    params(("id" = Uuid, Path)), responses((status = 204), Reading))]
async fn end(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    state.store.end_session(&caller.actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
