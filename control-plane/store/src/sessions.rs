//! Signing in.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::{Actor, Role};
use weir_core::role::UserGrant;

use crate::authorisation::grants;
use crate::logins::as_text;
use crate::{Store, StoreError};

/// Sessions that one user has at most.
const MOST_SESSIONS: i64 = 200;

/// A user as signing in needs it.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who it would be.
    pub actor: Actor,
    /// argon2id in PHC form; `None`: there is no password.
    pub password_hash: Option<String>,
    /// Whether a password is of no use: an identity provider is the only way in.
    pub is_refused: bool,
    /// Whether it is an account for when the identity provider is away.
    pub is_break_glass: bool,
}

/// Whether a password of a user, called `u`, is of no use.
macro_rules! password_is_refused {
    () => {
        "(NOT u.is_break_glass AND EXISTS (SELECT 1 FROM sign_in_providers p WHERE p.is_only_way_in
              AND (p.tenant_id IS NULL OR p.tenant_id = u.tenant_id)))"
    };
}
pub(crate) use password_is_refused;

impl Store {
    /// The user with this address.
    pub async fn login_user(&self, email: &str) -> Result<Option<Login>, StoreError> {
        let row: Option<WithPassword> = sqlx::query_as(concat!(
            "SELECT id, email, role, tenant_id, grants, password_hash, is_break_glass, ",
            password_is_refused!(),
            " AS is_refused FROM users u WHERE lower(email) = lower($1) AND NOT disabled"
        ))
        .bind(as_text(email))
        .fetch_optional(&self.admin)
        .await?;
        let Some(WithPassword { holder, password_hash, is_break_glass, is_refused }) = row else { return Ok(None) };
        Ok(Some(Login { actor: self.actor_of(holder).await?, password_hash, is_refused, is_break_glass }))
    }

    /// Opens a session.
    pub async fn create_session(
        &self,
        actor: &Actor,
        token_sha256: &[u8],
        expires_at: DateTime<Utc>,
        client_address: Option<IpAddr>,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO sessions (token_sha256, user_id, expires_at, client_address) VALUES ($1, $2, $3, $4)")
            .bind(token_sha256)
            .bind(actor.user_id)
            .bind(expires_at)
            .bind(client_address.map(|address| address.to_string()))
            .execute(&self.admin)
            .await?;
        self.keep_latest_sessions(actor).await
    }

    /// Ends all of a user's sessions but those last used: however often somebody signs in, there are only so many.
    pub(crate) async fn keep_latest_sessions(&self, actor: &Actor) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM sessions WHERE user_id = $1 AND id IN (
                 SELECT id FROM sessions WHERE user_id = $1 ORDER BY last_seen_at DESC, id OFFSET $2)",
        )
        .bind(actor.user_id)
        .bind(MOST_SESSIONS)
        .execute(&self.admin)
        .await?;
        Ok(())
    }

    /// Who holds this session; `None` if there is none, if it is over, or if it is a browser's that was not used for two hours.
    pub async fn actor_by_session(&self, token_sha256: &[u8]) -> Result<Option<Actor>, StoreError> {
        let row: Option<WithSession> = sqlx::query_as(
            "SELECT u.id, u.email, u.role, u.tenant_id, u.grants, s.last_seen_at < now() - interval '1 minute' AS outdated
             FROM sessions s JOIN users u ON u.id = s.user_id AND NOT u.disabled
             WHERE s.token_sha256 = $1 AND s.expires_at > now()
               AND (s.kind = 'bearer' OR s.last_seen_at > now() - interval '2 hours')",
        )
        .bind(token_sha256)
        .fetch_optional(&self.admin)
        .await?;
        let Some(WithSession { holder, outdated }) = row else { return Ok(None) };
        // To the minute is enough, and spares a write for each request.
        if outdated {
            sqlx::query("UPDATE sessions SET last_seen_at = now() WHERE token_sha256 = $1")
                .bind(token_sha256)
                .execute(&self.admin)
                .await?;
        }
        self.actor_of(holder).await.map(Some)
    }

    /// The same, without counting as a use: for what stays open by itself.
    pub async fn peek_session(&self, token_sha256: &[u8]) -> Result<Option<Actor>, StoreError> {
        let row: Option<Holder> = sqlx::query_as(
            "SELECT u.id, u.email, u.role, u.tenant_id, u.grants FROM sessions s JOIN users u ON u.id = s.user_id AND NOT u.disabled
             WHERE s.token_sha256 = $1 AND s.expires_at > now()
               AND (s.kind = 'bearer' OR s.last_seen_at > now() - interval '2 hours')",
        )
        .bind(token_sha256)
        .fetch_optional(&self.admin)
        .await?;
        match row {
            Some(holder) => self.actor_of(holder).await.map(Some),
            None => self.peek_service_token(token_sha256).await,
        }
    }

    /// Ends a session.
    pub async fn delete_session(&self, token_sha256: &[u8]) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE token_sha256 = $1").bind(token_sha256).execute(&self.admin).await?;
        Ok(())
    }
}

/// A user's columns.
#[derive(sqlx::FromRow)]
pub(crate) struct Holder {
    pub(crate) id: Uuid,
    email: String,
    pub(crate) role: String,
    pub(crate) tenant_id: Option<Uuid>,
    pub(crate) grants: Json<Vec<UserGrant>>,
}

#[derive(sqlx::FromRow)]
struct WithPassword {
    #[sqlx(flatten)]
    holder: Holder,
    password_hash: Option<String>,
    is_break_glass: bool,
    is_refused: bool,
}

#[derive(sqlx::FromRow)]
struct WithSession {
    #[sqlx(flatten)]
    holder: Holder,
    outdated: bool,
}

impl Store {
    /// A user with all that they may do.
    pub(crate) async fn actor_of(&self, holder: Holder) -> Result<Actor, StoreError> {
        let Holder { id, email, role, tenant_id, grants: Json(given) } = holder;
        let role = Role::from_name(&role).ok_or(StoreError::Corrupt("a user's role"))?;
        let actor = Actor::user(id, email, role, tenant_id);
        // For most there is nothing more to ask.
        if given.is_empty() {
            return Ok(actor);
        }
        let mut connection = self.admin.acquire().await?;
        Ok(Actor { grants: grants(&mut connection, tenant_id, &given).await?, ..actor })
    }
}
