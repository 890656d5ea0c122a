//! Sessions of browsers, and the list of one's own.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::actor::Actor;

use crate::{Store, StoreError};

/// A session as its holder sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SessionView {
    /// Names it; says nothing about its token.
    pub id: Uuid,
    /// Whether a browser holds it. Otherwise a machine does, as a bearer token.
    pub browser: bool,
    /// As the browser called itself.
    pub user_agent: String,
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
    /// Opens a session of a browser. `replaced` is the digest of the token that the browser held until now, which ends.
    pub async fn create_browser_session(
        &self,
        actor: &Actor,
        token_sha256: &[u8],
        replaced: Option<&[u8]>,
        user_agent: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "WITH replaced AS (DELETE FROM sessions WHERE token_sha256 = $3 AND kind = 'browser')
             INSERT INTO sessions (token_sha256, user_id, expires_at, kind, user_agent)
             VALUES ($1, $2, $5, 'browser', $4)",
        )
        .bind(token_sha256)
        .bind(actor.user_id)
        .bind(replaced)
        .bind(user_agent)
        .bind(expires_at)
        .execute(&self.admin)
        .await?;
        Ok(())
    }

    /// The sessions of the actor that have not ended, the latest first; at most 200.
    pub async fn list_sessions(&self, actor: &Actor, current_sha256: &[u8]) -> Result<Vec<SessionView>, StoreError> {
        let sessions = sqlx::query_as(
            "SELECT id, kind = 'browser' AS browser, user_agent, created_at, last_seen_at, expires_at,
                    token_sha256 = $2 AS current
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
