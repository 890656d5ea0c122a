//! Links with which users set their passwords: invitations of those who have none, and resets.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use uuid::Uuid;
use weir_core::actor::{Actor, Via};

use crate::authorisation::{expect_person, expect_to_let_in};
use crate::commit::require_actor;
use crate::identities;
use crate::resource::{SecretChange, USER};
use crate::sessions::Holder;
use crate::{Store, StoreError};

/// What a link is for.
#[derive(Clone, Debug)]
pub struct PasswordLink {
    /// Whose password it sets.
    pub email: String,
    /// Whether that user has none yet.
    pub is_invitation: bool,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

impl Store {
    /// Lets the holder of a token set a user's password once, until it expires. Links of before end, and so do accounts at identity
    /// providers that the user is connected with, if it is somebody else's link; the password does not.
    pub async fn allow_password(
        &self,
        actor: &Actor,
        user_id: Uuid,
        token_sha256: &[u8],
        expires_at: DateTime<Utc>,
    ) -> Result<PasswordLink, StoreError> {
        expect_person(actor)?;
        let mut writing = self.begin_on(USER, actor, user_id).await?;
        let user = writing.current(USER, user_id).await?;
        expect_to_let_in(writing.connection(), actor, &user).await?;
        // Files that say the password would set it again.
        writing.expect_managed_here(&user)?;
        sqlx::query("DELETE FROM password_links WHERE user_id = $1")
            .bind(user_id)
            .execute(writing.connection())
            .await?;
        identities::forget(writing.connection(), actor, &user).await?;
        sqlx::query("INSERT INTO password_links (token_sha256, user_id, expires_at, made_by) VALUES ($1, $2, $3, $4)")
            .bind(token_sha256)
            .bind(user_id)
            .bind(expires_at)
            .bind(actor.user_id)
            .execute(writing.connection())
            .await?;
        let is_invitation = user.status.get("has_password") != Some(&true.into());
        writing.note(USER, if is_invitation { "invite" } else { "reset_password" }, &user, Vec::new());
        writing.commit().await?;
        Ok(PasswordLink { email: user.text("email").to_owned(), is_invitation, expires_at })
    }

    /// What a link's token stands for; `None`: nothing, or no longer.
    pub async fn password_link(&self, token_sha256: &[u8]) -> Result<Option<PasswordLink>, StoreError> {
        let row: Option<(String, bool, DateTime<Utc>)> = sqlx::query_as(
            "SELECT u.email, u.password_hash IS NULL, l.expires_at FROM password_links l JOIN users u ON u.id = l.user_id
             WHERE l.token_sha256 = $1 AND l.expires_at > now()",
        )
        .bind(token_sha256)
        .fetch_optional(&self.admin)
        .await?;
        Ok(row.map(|(email, is_invitation, expires_at)| PasswordLink { email, is_invitation, expires_at }))
    }

    /// Sets the password that a link is for; the link and the user's sessions end with it. `hash`: argon2id in PHC form. Whoever made the
    /// link must still be one who may.
    pub async fn set_password(&self, token_sha256: &[u8], hash: SecretString, via: &Via) -> Result<(), StoreError> {
        let system = Actor { via: via.clone(), ..Actor::system() };
        let maker: Option<Holder> = sqlx::query_as(
            "SELECT u.id, u.email, u.role, u.tenant_id, u.grants FROM password_links l JOIN users u ON u.id = l.made_by
             WHERE l.token_sha256 = $1",
        )
        .bind(token_sha256)
        .fetch_optional(&self.admin)
        .await?;
        let maker = self.actor_of(maker.ok_or(StoreError::PasswordLink)?).await?;
        let mut writing = self.begin(&system).await?;
        let used: Option<(Uuid,)> = sqlx::query_as(
            "DELETE FROM password_links WHERE token_sha256 = $1 AND expires_at > now() RETURNING user_id",
        )
        .bind(token_sha256)
        .fetch_optional(writing.connection())
        .await?;
        let Some((user_id,)) = used else { return Err(StoreError::PasswordLink) };
        let user = writing.current(USER, user_id).await?;
        let is_refused = |error| match error {
            StoreError::Forbidden(_) | StoreError::NotFound => StoreError::PasswordLink,
            error => error,
        };
        require_actor(writing.connection(), &maker).await.map_err(is_refused)?;
        expect_to_let_in(writing.connection(), &maker, &user).await.map_err(is_refused)?;
        // One may have been connected since the link was made.
        identities::forget(writing.connection(), &maker, &user).await?;
        let (spec, origin) = (user.spec.clone(), user.origin.clone());
        let secret = SecretChange::SetHash { hash, secret: None };
        writing.update(self, USER, &user, spec, secret, &origin).await?;
        writing.commit().await?;
        Ok(())
    }
}
