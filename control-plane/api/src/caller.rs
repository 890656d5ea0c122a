//! Who calls: read from the session's bearer token, or from a browser's cookie.

use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::{header, request::Parts};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::secret::sha256;

use crate::ApiState;
use crate::browser;
use crate::problem::{Code, Problem};

/// The user behind the request's session. Extracting it refuses everybody else.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) actor: Actor,
    /// SHA-256 of the session's token.
    pub(crate) session_sha256: [u8; 32],
}

/// Where the request's log line finds who called.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerId(pub(crate) Arc<OnceLock<Uuid>>);

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let refused = || Problem::new(Code::Unauthenticated, "send the token of POST /auth/login as a bearer token");
        let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
        // Of two, a proxy in between might have looked at the other.
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
                if token.is_some() {
                    browser::refuse_foreign(&parts.method, &parts.headers, &parts.uri)?;
                }
                token
            }
        };
        let token = token.ok_or_else(refused)?;
        let session_sha256 = sha256(token);
        let actor = state.store.actor_by_session(&session_sha256).await?.ok_or_else(refused)?;
        if let Some(CallerId(slot)) = parts.extensions.get::<CallerId>() {
            // Set once: a request has one caller.
            let _ = slot.set(actor.user_id);
        }
        Ok(Self { actor, session_sha256 })
    }
}
