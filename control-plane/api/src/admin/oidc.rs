//! Signing in by an identity provider: the way there, the way back, and what the provider says is over.

use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::{Extension, Form, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::actor::Via;
use weir_core::secret::{SecretKind, generate, sha256};
use weir_store::{BrowserSession, Connecting, SignInProvider, StoreError};

use crate::ApiState;
use crate::admin::auth::{SESSION, note};
use crate::admin::sessions::user_agent;
use crate::browser;
use crate::client_address::PeerAddress;
use crate::extract::{Body, Id, Query};
use crate::observe::RequestId;
use crate::oidc::token::logout as whom;
use crate::oidc::{Asking, Grant, Issuers, OidcError, exchange, form, random};
use crate::problem::{Code, Problem};
use crate::resource::List;
use crate::turns::{Turn, Turns};

/// Seconds that somebody has for signing in at the identity provider.
const PENDING_S: i64 = 600;
/// Characters of the longest path that one is led back to.
const LONGEST_NEXT: usize = 2000;
/// Seconds by which the clocks of two control planes may differ.
const SKEW_S: i64 = 60;
/// What is done at once of one way, with a tenant's provider; in all with those of tenants, and in all with the platform's: anybody can
/// begin one, and an issuer may be slow.
const MOST_OF_TENANT: usize = 4;
const MOST_IN_ALL: usize = 32;

/// Who has turns at the moment: for the way there, for the way back, and for what a provider says is over.
#[derive(Clone)]
struct Ways {
    there: Way,
    back: Way,
    over: Way,
}

#[derive(Clone)]
struct Way {
    tenants: Turns,
    platform: Turns,
}

impl Way {
    fn new() -> Self {
        let platform = Turns::new(MOST_IN_ALL, MOST_IN_ALL);
        Self { tenants: Turns::new(MOST_OF_TENANT, MOST_IN_ALL), platform }
    }

    /// A turn with a provider; `None`: as many as may be are taken.
    fn take(&self, provider: &SignInProvider) -> Option<Turn> {
        let turns = if provider.tenant_id.is_some() { &self.tenants } else { &self.platform };
        turns.take(provider.tenant_id)
    }
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(choices))
        .routes(routes!(start))
        .routes(routes!(callback))
        .routes(routes!(end_sessions))
        .layer(Extension(Ways { there: Way::new(), back: Way::new(), over: Way::new() }))
}

/// An identity provider that one can sign in by.
#[derive(Serialize, ToSchema)]
struct SignInChoice {
    /// Names it.
    id: Uuid,
    /// The page says `Continue with` it.
    name: String,
}

/// Whose identity providers are wanted.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChoicesQuery {
    /// A tenant's name: its own identity providers are among them.
    tenant: Option<String>,
}

/// What a browser keeps while its user is at the identity provider, sealed.
#[derive(Serialize, Deserialize)]
struct Pending {
    provider_id: Uuid,
    state: String,
    nonce: String,
    verifier: String,
    /// Where the console is, as the browser said when it began.
    origin: String,
    next: String,
    /// Who wants to be known by the identity from now on.
    connect: Option<Connect>,
    /// Seconds since 1970.
    begun_at: i64,
}

/// Who asked to be connected, and in which session.
#[derive(Serialize, Deserialize)]
struct Connect {
    user_id: Uuid,
    session_sha256: [u8; 32],
}

/// How a sign-in begins.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Start {
    /// The console's page to come to afterwards. Default the first one.
    #[serde(default)]
    next: Option<String>,
    /// Whether whoever is signed in now wants to sign in by it from now on. Default false.
    #[serde(default)]
    #[schema(required = false)]
    connect: bool,
}

/// Where to send the browser.
#[derive(Serialize, ToSchema)]
struct Started {
    /// The identity provider's page.
    url: String,
}

/// What an identity provider answers by the browser.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Returned {
    /// What is exchanged for tokens.
    code: Option<String>,
    /// What the sign-in began with.
    state: Option<String>,
    /// The issuer (RFC 9207).
    iss: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// What an identity provider says of sessions that are over (OpenID Connect Back-Channel Logout 1.0).
#[derive(Deserialize, ToSchema)]
struct Logout {
    /// A JWT of the issuer's.
    logout_token: String,
}

/// The identity providers that one can sign in by: the platform's, and those of a tenant that is named.
#[utoipa::path(get, path = "/auth/providers", operation_id = "sign_in_choices", tag = "auth", security(()),
    params(ChoicesQuery), responses((status = 200, body = List<SignInChoice>)))]
async fn choices(
    State(state): State<ApiState>,
    Query(query): Query<ChoicesQuery>,
) -> Result<Json<List<SignInChoice>>, Problem> {
    let choices = state.store.sign_in_choices(query.tenant.as_deref()).await?;
    let items = choices.into_iter().map(|(id, name)| SignInChoice { id, name }).collect();
    Ok(Json(List { items, next_cursor: None }))
}

/// Begins a sign-in by an identity provider (authorization code with PKCE) from a page of the console, and says where to send the browser.
///
/// What the way back must show is kept in the cookie `__Host-weir-sign-in` for ten minutes, sealed.
#[utoipa::path(post, path = "/auth/oidc/{id}/start", operation_id = "start_sign_in", tag = "auth", security(()),
    params(("id" = Uuid, Path)), request_body = Start, responses(
    (status = 200, body = Started),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "To connect, sign in first."),
    (status = 403, body = Problem, content_type = "application/problem+json", description = "Another site's page asks."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such provider."),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "Fields are wrong."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many at once."),
    (status = 502, body = Problem, content_type = "application/problem+json", description = "The issuer cannot be asked."),
))]
#[expect(clippy::too_many_arguments, reason = "each is something else of the request or of what answers it")]
async fn start(
    State(state): State<ApiState>,
    Extension(issuers): Extension<Issuers>,
    Extension(ways): Extension<Ways>,
    Id(id): Id,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Body(start): Body<Start>,
) -> Result<impl IntoResponse, Problem> {
    browser::refuse_foreign(&method, &headers, &uri)?;
    let origin = origin(&headers).ok_or_else(|| {
        Problem::field(Code::InvalidHeader, "Origin", "must be the console's own, as browsers send it")
    })?;
    let next = start.next.unwrap_or_else(|| "/".into());
    if !is_own_path(&next) {
        return Err(Problem::field(Code::InvalidFields, "next", "must be a path of the console"));
    }
    let connect = match start.connect {
        false => None,
        true => Some(signed_in(&state, &headers).await?),
    };
    let provider = state.store.sign_in_provider(id).await?;
    let turn = ways.there.take(&provider);
    let _turn = turn.ok_or_else(|| Problem::too_many_requests("too many sign in at once", 1))?;
    let asking = asking(&state, &provider);
    let metadata = issuers.metadata(&provider, &asking).await.map_err(|error| unusable(&provider, &error))?;
    let random = || random().ok_or_else(|| Problem::new(Code::Internal, "the system gave no random bytes"));
    let pending = Pending {
        provider_id: id,
        state: random()?,
        nonce: random()?,
        verifier: random()?,
        origin,
        next,
        connect,
        begun_at: Utc::now().timestamp(),
    };
    let url = authorization_url(&metadata.authorization_endpoint, &provider, &pending);
    let sealed = serde_json::to_string(&pending).map(SecretString::from);
    let sealed = sealed.map_err(|_| Problem::new(Code::Internal, "the sign-in could not be kept"))?;
    let cookie = browser::keep_pending(&URL_SAFE_NO_PAD.encode(state.store.seal_sign_in(&sealed)?), PENDING_S);
    Ok(([(header::SET_COOKIE, cookie)], Json(Started { url })))
}

/// Takes an identity provider's answer from the browser, and sends it on to the console: signed in, or with what went wrong
/// (`/sign-in?problem=…`).
#[utoipa::path(get, path = "/auth/oidc/{id}/callback", operation_id = "finish_sign_in", tag = "auth", security(()),
    params(("id" = String, Path), Returned), responses(
    (status = 303, description = "To a page of the console."),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "A parameter is given twice."),
))]
#[expect(clippy::too_many_arguments, reason = "each is something else of the request or of what answers it")]
async fn callback(
    State(state): State<ApiState>,
    Extension(issuers): Extension<Issuers>,
    Extension(ways): Extension<Ways>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    PeerAddress(address): PeerAddress,
    Path(id): Path<String>,
    headers: HeaderMap,
    Query(returned): Query<Returned>,
) -> Response {
    let via = Via { address, request_id: Some(request_id), console: true, ..Via::default() };
    let id = id.parse().unwrap_or_default();
    let forget = (header::SET_COOKIE, browser::keep_pending("", 0));
    match finish(&state, (&issuers, &ways), id, &headers, &returned, &via).await {
        Ok(Finished::SignedIn { cookie, next }) => {
            note("signed_in");
            redirect(&next, vec![forget, (header::SET_COOKIE, cookie)])
        }
        Ok(Finished::Connected) => redirect("/settings", vec![forget]),
        Err(failed) => {
            note(failed.outcome());
            let word = failed.word();
            tracing::warn!(provider = %id, problem = word, error = %failed, "a sign-in by an identity provider failed");
            redirect(&format!("/sign-in?problem={word}"), vec![forget])
        }
    }
}

/// Ends sessions that an identity provider says are over.
#[utoipa::path(post, path = "/auth/oidc/{id}/logout", operation_id = "end_provider_sessions", tag = "auth", security(()),
    params(("id" = Uuid, Path)),
    request_body(content = Logout, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "They are over."),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The token does not hold."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such provider."),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "There is no logout_token."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many at once."),
))]
async fn end_sessions(
    State(state): State<ApiState>,
    Extension(issuers): Extension<Issuers>,
    Extension(ways): Extension<Ways>,
    Id(id): Id,
    form: Result<Form<Logout>, FormRejection>,
) -> Result<StatusCode, Problem> {
    let refused = || Problem::new(Code::InvalidQuery, "logout_token does not hold");
    let Form(Logout { logout_token }) = form.map_err(|rejection| match rejection {
        FormRejection::InvalidFormContentType(_) => {
            Problem::new(Code::UnsupportedMediaType, "send content-type: application/x-www-form-urlencoded")
        }
        _ => Problem::field(Code::InvalidFields, "logout_token", "is required, once"),
    })?;
    let provider = state.store.sign_in_provider(id).await?;
    let _turn = ways.over.take(&provider).ok_or_else(|| Problem::too_many_requests("too many at once", 1))?;
    let asking = asking(&state, &provider);
    let claims = issuers.verified(&provider, &asking, &logout_token, Utc::now().timestamp()).await;
    let claims = claims.map_err(|error| {
        tracing::warn!(provider = %id, %error, "a logout by an identity provider was refused");
        refused()
    })?;
    let (subject, session) = whom(&claims).map_err(|_| refused())?;
    let ended = state.store.end_provider_sessions(id, subject, session).await?;
    tracing::info!(provider = %id, ended, "an identity provider ended sessions");
    Ok(StatusCode::OK)
}

/// What came of a way back.
enum Finished {
    SignedIn { cookie: String, next: String },
    Connected,
}

/// Why a way back leads to nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// No cookie of ours, an old one, another state or another provider's.
    #[error("the answer does not belong to a sign-in of this browser")]
    State,
    /// A second time.
    #[error("the answer was used before")]
    Replayed,
    /// It comes from another issuer than the one that was asked.
    #[error("the answer comes from another issuer")]
    MixedUp,
    /// The provider says no.
    #[error("the identity provider refused")]
    Denied,
    /// As many as may be are at it.
    #[error("too many sign in at once")]
    Busy,
    #[error("{0}")]
    Issuer(#[from] OidcError),
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Failed {
    /// What the console's page is told.
    fn word(&self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Replayed => "replayed",
            Self::MixedUp => "mixed_up",
            Self::Denied => "denied",
            Self::Busy => "busy",
            Self::Issuer(OidcError::Token(_)) => "token",
            Self::Issuer(_) => "provider",
            Self::Store(StoreError::SignIn(refusal)) => refusal.name(),
            Self::Store(StoreError::NotFound) => "unknown_provider",
            Self::Store(_) => "internal",
        }
    }

    fn outcome(&self) -> &'static str {
        match self {
            Self::Store(StoreError::SignIn(_)) => "refused",
            _ => "failed",
        }
    }
}

async fn finish(
    state: &ApiState,
    (issuers, ways): (&Issuers, &Ways),
    id: Uuid,
    headers: &HeaderMap,
    returned: &Returned,
    via: &Via,
) -> Result<Finished, Failed> {
    let now_s = Utc::now().timestamp();
    let pending = pending(state, headers).ok_or(Failed::State)?;
    let is_fresh = (-SKEW_S..=PENDING_S).contains(&(now_s - pending.begun_at));
    let is_same = returned.state.as_deref().is_some_and(|state| sha256(state) == sha256(&pending.state));
    if !is_fresh || !is_same || pending.provider_id != id {
        return Err(Failed::State);
    }
    let provider = state.store.sign_in_provider(id).await?;
    let _turn = ways.back.take(&provider).ok_or(Failed::Busy)?;
    let asking = asking(state, &provider);
    let metadata = issuers.metadata(&provider, &asking).await?;
    // RFC 9207, 2.4; where it is not offered, each provider has a redirect URI of its own (RFC 9700, 2.1).
    match &returned.iss {
        Some(issuer) if *issuer != provider.settings.issuer => return Err(Failed::MixedUp),
        None if metadata.authorization_response_iss_parameter_supported => return Err(Failed::MixedUp),
        Some(_) | None => {}
    }
    if !state.store.use_sign_in_state(&sha256(&pending.state)).await? {
        return Err(Failed::Replayed);
    }
    let Some(code) = returned.code.as_deref().filter(|_| returned.error.is_none()) else { return Err(Failed::Denied) };
    let redirect_uri = redirect_uri(&pending);
    let grant = Grant { code, verifier: &pending.verifier, nonce: &pending.nonce, redirect_uri: &redirect_uri };
    let claims = exchange(issuers, &provider, &asking, &grant, now_s).await?;
    let person = provider.settings.claims.person(&claims);
    let connecting = pending.connect.as_ref();
    let connecting = connecting.map(|&Connect { user_id, session_sha256 }| Connecting { user_id, session_sha256 });
    let actor = match state.store.user_of_identity(&provider, &person, connecting, via).await {
        Err(StoreError::SignIn(refusal)) => {
            state.store.note_sign_in_refusal(&provider, &person, refusal, via).await?;
            return Err(StoreError::from(refusal).into());
        }
        other => other?,
    };
    if connecting.is_some() {
        return Ok(Finished::Connected);
    }
    let token = generate(SecretKind::SessionToken).map_err(StoreError::from)?;
    let session = BrowserSession {
        token_sha256: sha256(token.expose_secret()),
        replaced: browser::token(headers).map(sha256),
        user_agent: &user_agent(headers),
        expires_at: Utc::now() + SESSION,
        client_address: via.address,
        provider: Some((provider.id, &person.subject, claims.get("sid").and_then(|sid| sid.as_str()))),
    };
    state.store.create_browser_session(&actor, &session).await?;
    Ok(Finished::SignedIn { cookie: browser::keep(token.expose_secret(), SESSION.num_seconds()), next: pending.next })
}

/// Where the identity provider ends its own session, if it has a page for that.
pub(crate) async fn logout_url(
    state: &ApiState,
    issuers: &Issuers,
    provider_id: Uuid,
    headers: &HeaderMap,
) -> Option<String> {
    let provider = state.store.sign_in_provider(provider_id).await.ok()?;
    let metadata = issuers.metadata(&provider, &asking(state, &provider)).await.ok()?;
    let page = metadata.end_session_endpoint.as_deref()?;
    let back = origin(headers).map(|origin| format!("{origin}/sign-in"));
    let mut fields = vec![("client_id", provider.settings.client_id.as_str())];
    fields.extend(back.as_deref().map(|back| ("post_logout_redirect_uri", back)));
    Some(with_query(page, &form(&fields)))
}

pub(crate) fn asking<'a>(state: &'a ApiState, provider: &'a SignInProvider) -> Asking<'a> {
    Asking {
        tenant_id: provider.tenant_id,
        issuer: &provider.settings.issuer,
        allowed: state.store.allowed_hosts(),
        authorities: state.upstream_ca_file.as_deref(),
    }
}

fn authorization_url(page: &str, provider: &SignInProvider, pending: &Pending) -> String {
    let challenge = Grant::challenge(&pending.verifier);
    let query = form(&[
        ("response_type", "code"),
        ("client_id", &provider.settings.client_id),
        ("redirect_uri", &redirect_uri(pending)),
        ("scope", &provider.settings.scopes.join(" ")),
        ("state", &pending.state),
        ("nonce", &pending.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    with_query(page, &query)
}

fn with_query(page: &str, query: &str) -> String {
    let page = page.split('#').next().unwrap_or_default();
    format!("{page}{}{query}", if page.contains('?') { '&' } else { '?' })
}

fn redirect_uri(pending: &Pending) -> String {
    format!("{}/api/v1/admin/auth/oidc/{}/callback", pending.origin, pending.provider_id)
}

fn pending(state: &ApiState, headers: &HeaderMap) -> Option<Pending> {
    let sealed = URL_SAFE_NO_PAD.decode(browser::pending(headers)?).ok()?;
    let opened = state.store.open_sign_in(&sealed)?;
    serde_json::from_str(opened.expose_secret()).ok()
}

/// Where the console is for the browser: scheme, host and port.
fn origin(headers: &HeaderMap) -> Option<String> {
    let origin = headers.get(header::ORIGIN)?.to_str().ok()?;
    let is_web = origin.starts_with("https://") || origin.starts_with("http://");
    (is_web && origin.len() <= 300).then(|| origin.to_owned())
}

/// As the console's `safeNext` has it: of this origin, whatever browsers make of it.
fn is_own_path(next: &str) -> bool {
    let is_plain = next.len() <= LONGEST_NEXT && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_plain && next.starts_with('/') && !next.starts_with("//")
}

/// Who is signed in, by the browser's cookie.
async fn signed_in(state: &ApiState, headers: &HeaderMap) -> Result<Connect, Problem> {
    let refused = || Problem::new(Code::Unauthenticated, "sign in first");
    let session_sha256 = sha256(browser::token(headers).ok_or_else(refused)?);
    let actor = state.store.actor_by_session(&session_sha256).await?.ok_or_else(refused)?;
    Ok(Connect { user_id: actor.user_id, session_sha256 })
}

fn unusable(provider: &SignInProvider, error: &OidcError) -> Problem {
    tracing::warn!(provider = %provider.id, %error, "an identity provider cannot be used");
    Problem::new(
        Code::SignInProviderUnreachable,
        "the identity provider cannot be used at the moment; the log says why",
    )
}

fn redirect(to: &str, headers: Vec<(HeaderName, String)>) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)], AppendHeaders(headers)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_led_back_to_the_console_only() {
        for own in ["/", "/keys/new?tenant_id=1", "/a//b"] {
            assert!(is_own_path(own), "{own}");
        }
        for foreign in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "keys", "/a b", "/ä", "/\r\nx: y"]
        {
            assert!(!is_own_path(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_query_of_the_issuers_stays() {
        assert_eq!(with_query("https://a.example/authorize", "x=1"), "https://a.example/authorize?x=1");
        assert_eq!(with_query("https://a.example/authorize?p=b#c", "x=1"), "https://a.example/authorize?p=b&x=1");
    }
}
