//! Who calls: read from the bearer token of a session or a service, or from a browser's cookie.

use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::{header, request::Parts};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::secret::{SERVICE_TOKEN_PREFIX, sha256};

use crate::ApiState;
use crate::authorisation;
use crate::browser;
use crate::client_address::address;
use crate::observe::RequestId;
use crate::problem::{Code, Problem};

/// The user behind the request's session, or the service token. Extracting it refuses everybody else, and whoever has no permission for
/// anything of the kind that the operation does.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The user or service token.
    pub(crate) actor: Actor,
    /// SHA-256 of the token.
    pub(crate) session_sha256: [u8; 32],
}

/// Where the request's log line finds who called.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerId(pub(crate) Arc<OnceLock<Uuid>>);

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let refused = || {
            Problem::new(
                Code::Unauthenticated,
                "send the token of POST /auth/login, or a service token, as a bearer token",
            )
        };
        let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
        // Of two, a proxy in between might have looked at the other.
        let mut is_browser = false;
        let token = match given.next() {
            Some(value) => Some(value)
                .filter(|_| given.next().is_none())
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.split_once(' '))
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token.trim()),
            // A browser sends its cookie for whoever asks it to, so for a change the page that asks must be our own.
            None => {
                let token = browser::token(&parts.headers);
                is_browser = token.is_some();
                if is_browser {
                    browser::refuse_foreign(&parts.method, &parts.headers, &parts.uri)?;
                }
                token
            }
        };
        let token = token.ok_or_else(refused)?;
        let session_sha256 = sha256(token);
        let found = if token.starts_with(SERVICE_TOKEN_PREFIX) && !is_browser {
            state.store.actor_by_service_token(&session_sha256).await?
        } else {
            state.store.actor_by_session(&session_sha256).await?
        };
        let mut actor = found.ok_or_else(refused)?;
        let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
        authorisation::check(&actor, &parts.method, path)?;
        actor.via.console = is_browser;
        actor.via.request_id = parts.extensions.get::<RequestId>().map(|RequestId(id)| id.clone());
        actor.via.address = address(parts, state.trusted_proxies);
        if let Some(CallerId(slot)) = parts.extensions.get::<CallerId>() {
            // Set once: a request has one caller.
            let _ = slot.set(actor.user_id);
        }
        Ok(Self { actor, session_sha256 })
    }
}
