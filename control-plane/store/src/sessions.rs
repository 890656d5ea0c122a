//! Signing in.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::actor::{Actor, Role};
use weir_core::secret::sha256;

use crate::{Store, StoreError};

/// Failed attempts for one address in 15 minutes.
const ATTEMPTS_PER_ADDRESS: i64 = 10;
/// Failed attempts in all in 15 minutes: each costs a deliberately slow hash. Far above the first, so that nobody can lock
/// out everybody else with a few requests.
const ATTEMPTS_IN_ALL: i64 = 1_000;

/// A user as signing in needs it.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who it would be.
    pub actor: Actor,
    /// argon2id in PHC form.
    pub password_hash: String,
}

impl Store {
    /// Notes an attempt to sign in, and says whether it may go on: at most 10 failed attempts for one address and 1,000
    /// in all within 15 minutes. The attempt counts before the password is looked at, so that many at once are no more.
    pub async fn admit_login(&self, email: &str) -> Result<bool, StoreError> {
        let id = Uuid::now_v7();
        let digest = email_digest(email);
        sqlx::query("INSERT INTO login_attempts (id, email_sha256) VALUES ($1, $2)")
            .bind(id)
            .bind(digest)
            .execute(&self.pool)
            .await?;
        let (own, all): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE email_sha256 = $1), count(*) FROM login_attempts
             WHERE at > now() - interval '15 minutes'",
        )
        .bind(digest)
        .fetch_one(&self.pool)
        .await?;
        if own <= ATTEMPTS_PER_ADDRESS && all <= ATTEMPTS_IN_ALL {
            return Ok(true);
        }
        // A refused attempt does not count: the wait would never end.
        sqlx::query("DELETE FROM login_attempts WHERE id = $1").bind(id).execute(&self.pool).await?;
        Ok(false)
    }

    /// The user with this address.
    pub async fn login_user(&self, email: &str) -> Result<Option<Login>, StoreError> {
        let row: Option<(Uuid, String, String, Option<Uuid>, String)> = sqlx::query_as(
            "SELECT id, email, role, tenant_id, password_hash FROM users WHERE lower(email) = lower($1)",
        )
        .bind(email)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|(id, email, role, tenant_id, password_hash)| {
            Ok(Login { actor: actor(id, email, &role, tenant_id)?, password_hash })
        })
        .transpose()
    }

    /// Opens a session. The attempts of this address are forgiven.
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
            .execute(&self.pool)
            .await?;
        sqlx::query("DELETE FROM login_attempts WHERE email_sha256 = $1")
            .bind(email_digest(&actor.email))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Who holds this session; `None` if there is none, or if it is over.
    pub async fn actor_by_session(&self, token_sha256: &[u8]) -> Result<Option<Actor>, StoreError> {
        let row: Option<(Uuid, String, String, Option<Uuid>)> = sqlx::query_as(
            "SELECT u.id, u.email, u.role, u.tenant_id FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.token_sha256 = $1 AND s.expires_at > now()",
        )
        .bind(token_sha256)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|(id, email, role, tenant_id)| actor(id, email, &role, tenant_id)).transpose()
    }

    /// Ends a session.
    pub async fn delete_session(&self, token_sha256: &[u8]) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE token_sha256 = $1").bind(token_sha256).execute(&self.pool).await?;
        Ok(())
    }
}

fn email_digest(email: &str) -> [u8; 32] {
    sha256(&email.to_lowercase())
}

fn actor(user_id: Uuid, email: String, role: &str, tenant_id: Option<Uuid>) -> Result<Actor, StoreError> {
    let role = Role::from_name(role).ok_or(StoreError::Corrupt("a user's role"))?;
    Ok(Actor { user_id, email, role, tenant_id })
}
