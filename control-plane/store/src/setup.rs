//! The first administrator, made by whoever can read the control plane's standard error.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use weir_core::actor::{Actor, Role};
use weir_core::json::write;
use weir_core::resource::{Origin, Stored};
use weir_core::tenant::UserSettings;

use crate::resource::{SecretChange, USER};
use crate::{Store, StoreError};

const HAS_ADMINISTRATOR: &str = "SELECT EXISTS (SELECT 1 FROM users WHERE role = 'platform_admin')";

impl Store {
    /// Whether nobody administers the platform yet.
    pub async fn needs_setup(&self) -> Result<bool, StoreError> {
        let (found,): (bool,) = sqlx::query_as(HAS_ADMINISTRATOR).fetch_one(&self.admin).await?;
        Ok(!found)
    }

    /// Lets the holder of a token make the first administrator until it expires.
    pub async fn allow_setup(&self, token_sha256: &[u8], expires_at: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO setup_tokens (token_sha256, expires_at) VALUES ($1, $2)")
            .bind(token_sha256)
            .bind(expires_at)
            .execute(&self.admin)
            .await?;
        Ok(())
    }

    /// Whether a token would do now: to be asked before a password is hashed for it.
    pub async fn is_setup_token(&self, token_sha256: &[u8]) -> Result<bool, StoreError> {
        let (found,): (bool,) =
            sqlx::query_as("SELECT EXISTS (SELECT 1 FROM setup_tokens WHERE token_sha256 = $1 AND expires_at > now())")
                .bind(token_sha256)
                .fetch_one(&self.admin)
                .await?;
        Ok(found)
    }

    /// Makes the first administrator; all tokens end with it. `password_hash` is an argon2id hash in PHC form.
    pub async fn set_up(&self, token_sha256: &[u8], email: String, password_hash: &str) -> Result<Stored, StoreError> {
        let system = Actor::system();
        let settings = UserSettings::new(email, Role::PlatformAdmin);
        // Writers take turns: of two with one token the second finds an administrator.
        let mut first = self.begin(&system).await?;
        let (has_administrator,): (bool,) = sqlx::query_as(HAS_ADMINISTRATOR).fetch_one(first.connection()).await?;
        if has_administrator {
            return Err(StoreError::SetUp);
        }
        let used = sqlx::query("DELETE FROM setup_tokens WHERE token_sha256 = $1 AND expires_at > now()")
            .bind(token_sha256)
            .execute(first.connection())
            .await?;
        if used.rows_affected() == 0 {
            return Err(StoreError::SetupToken);
        }
        let hash = SecretChange::SetHash { hash: SecretString::from(password_hash), secret: None };
        let created = first.create(self, USER, None, write(&settings), hash, &Origin::default()).await?;
        sqlx::query("DELETE FROM setup_tokens").execute(first.connection()).await?;
        first.commit().await?;
        Ok(created.stored)
    }
}
