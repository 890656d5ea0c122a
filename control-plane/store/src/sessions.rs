//! Signing in.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::actor::{Actor, Role};

use crate::logins::as_text;
use crate::{Store, StoreError};

/// A user as signing in needs it.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who it would be.
    pub actor: Actor,
    /// argon2id in PHC form.
    pub password_hash: String,
}

impl Store {
    /// The user with this address.
    pub async fn login_user(&self, email: &str) -> Result<Option<Login>, StoreError> {
        let row: Option<(Uuid, String, String, Option<Uuid>, String)> = sqlx::query_as(
            "SELECT id, email, role, tenant_id, password_hash FROM users
             WHERE lower(email) = lower($1) AND NOT disabled",
        )
        .bind(as_text(email))
        .fetch_optional(&self.admin)
        .await?;
        row.map(|(id, email, role, tenant_id, password_hash)| {
            Ok(Login { actor: actor(id, email, &role, tenant_id)?, password_hash })
        })
        .transpose()
    }

    /// Opens a session.
    pub async fn create_session(
        &self,
        actor: &Actor,
        token_sha256: &[u8],
        expires_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO sessions (token_sha256, user_id, expires_at) VALUES ($1, $2, $3)")
            .bind(token_sha256)
            .bind(actor.user_id)
            .bind(expires_at)
            .execute(&self.admin)
            .await?;
        Ok(())
    }

    /// Who holds this session; `None` if there is none, if it is over, or if it is a browser's that was not used for two hours.
    pub async fn actor_by_session(&self, token_sha256: &[u8]) -> Result<Option<Actor>, StoreError> {
        let row: Option<(Uuid, String, String, Option<Uuid>, bool)> = sqlx::query_as(
            "SELECT u.id, u.email, u.role, u.tenant_id, s.last_seen_at < now() - interval '1 minute'
             FROM sessions s JOIN users u ON u.id = s.user_id AND NOT u.disabled
             WHERE s.token_sha256 = $1 AND s.expires_at > now()
               AND (s.kind = 'bearer' OR s.last_seen_at > now() - interval '2 hours')",
        )
        .bind(token_sha256)
        .fetch_optional(&self.admin)
        .await?;
        let Some((id, email, role, tenant_id, outdated)) = row else { return Ok(None) };
        // To the minute is enough, and spares a write for each request.
        if outdated {
            sqlx::query("UPDATE sessions SET last_seen_at = now() WHERE token_sha256 = $1")
                .bind(token_sha256)
                .execute(&self.admin)
                .await?;
        }
        actor(id, email, &role, tenant_id).map(Some)
    }

    /// The same, without counting as a use: for what stays open by itself.
    pub async fn peek_session(&self, token_sha256: &[u8]) -> Result<Option<Actor>, StoreError> {
        let row: Option<(Uuid, String, String, Option<Uuid>)> = sqlx::query_as(
            "SELECT u.id, u.email, u.role, u.tenant_id FROM sessions s JOIN users u ON u.id = s.user_id AND NOT u.disabled
             WHERE s.token_sha256 = $1 AND s.expires_at > now()
               AND (s.kind = 'bearer' OR s.last_seen_at > now() - interval '2 hours')",
        )
        .bind(token_sha256)
        .fetch_optional(&self.admin)
        .await?;
        match row {
            Some((id, email, role, tenant_id)) => actor(id, email, &role, tenant_id).map(Some),
            None => self.peek_service_token(token_sha256).await,
        }
    }

    /// Ends a session.
    pub async fn delete_session(&self, token_sha256: &[u8]) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE token_sha256 = $1").bind(token_sha256).execute(&self.admin).await?;
        Ok(())
    }
}

fn actor(user_id: Uuid, email: String, role: &str, tenant_id: Option<Uuid>) -> Result<Actor, StoreError> {
    let role = Role::from_name(role).ok_or(StoreError::Corrupt("a user's role"))?;
    Ok(Actor::user(user_id, email, role, tenant_id))
}
