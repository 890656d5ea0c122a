//! Sessions of browsers, and the list of one's own.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::actor::Actor;

use crate::{Store, StoreError};

/// A browser's session to be opened.
#[derive(Clone, Debug)]
pub struct BrowserSession<'a> {
    /// SHA-256 of its token.
    pub token_sha256: [u8; 32],
    /// That of the token that the browser held until now, which ends.
    pub replaced: Option<[u8; 32]>,
    /// As the browser called itself.
    pub user_agent: &'a str,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// From where it is opened; `None`: not known.
    pub client_address: Option<IpAddr>,
    /// The identity provider that vouched for the user, the subject there and its name of the session; `None`: a password did.
    pub provider: Option<(Uuid, &'a str, Option<&'a str>)>,
}

/// A session as its holder sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SessionView {
    /// Names it; says nothing about its token.
    pub id: Uuid,
    /// Whether a browser holds it. Otherwise a machine does, as a bearer token.
    pub browser: bool,
    /// As the browser called itself.
    pub user_agent: String,
    /// The name of the identity provider that vouched; `None`: a password did.
    pub provider_name: Option<String>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to a minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends whatever happens.
    pub expires_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl Store {
    /// Opens a session of a browser.
    pub async fn create_browser_session(&self, actor: &Actor, session: &BrowserSession<'_>) -> Result<(), StoreError> {
        let (provider_id, subject, name) = match session.provider {
            Some((id, subject, name)) => (Some(id), Some(subject), name),
            None => (None, None, None),
        };
        sqlx::query(
            "WITH replaced AS (DELETE FROM sessions WHERE token_sha256 = $3 AND kind = 'browser')
             INSERT INTO sessions (token_sha256, user_id, expires_at, kind, user_agent, provider_id, provider_subject, provider_session,
                 client_address)
             VALUES ($1, $2, $5, 'browser', $4, $6, $7, $8, $9)",
        )
        .bind(session.token_sha256)
        .bind(actor.user_id)
        .bind(session.replaced)
        .bind(session.user_agent)
        .bind(session.expires_at)
        .bind(provider_id)
        .bind(subject)
        .bind(name)
        .bind(session.client_address.map(|address| address.to_string()))
        .execute(&self.admin)
        .await?;
        self.keep_latest_sessions(actor).await
    }

    /// The sessions of the actor that have not ended, the latest first; at most 200.
    pub async fn list_sessions(&self, actor: &Actor, current_sha256: &[u8]) -> Result<Vec<SessionView>, StoreError> {
        let sessions = sqlx::query_as(
            "SELECT id, kind = 'browser' AS browser, user_agent, created_at, last_seen_at, expires_at,
                    token_sha256 = $2 AS current,
                    (SELECT name FROM sign_in_providers p WHERE p.id = sessions.provider_id) AS provider_name
             FROM sessions
             WHERE user_id = $1 AND expires_at > now()
               AND (kind = 'bearer' OR last_seen_at > now() - interval '2 hours')
             ORDER BY last_seen_at DESC, id LIMIT 200",
        )
        .bind(actor.user_id)
        .bind(current_sha256)
        .fetch_all(&self.admin)
        .await?;
        Ok(sessions)
    }

    /// Ends one of the actor's sessions.
    pub async fn end_session(&self, actor: &Actor, id: Uuid) -> Result<(), StoreError> {
        let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id = $2")
            .bind(actor.user_id)
            .bind(id)
            .execute(&self.admin)
            .await?;
        if ended.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}
