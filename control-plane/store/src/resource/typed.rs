//! What the command line makes before anybody can sign in.

use secrecy::SecretString;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::json::write;
use weir_core::resource::{Stored, WithSecret};
use weir_core::tenant::{GatewaySettings, UserSettings};

use crate::commit::Idempotency;
use crate::resource::gateway::Gateway;
use crate::resource::user::User;
use crate::resource::write::SecretChange;
use crate::{Store, StoreError};

impl Store {
    /// Makes a user. `password_hash` is an argon2id hash in PHC form.
    pub async fn create_user(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        settings: UserSettings,
        password_hash: &str,
        idempotency: Option<&Idempotency>,
    ) -> Result<Stored, StoreError> {
        let hash = SecretChange::SetHash { hash: SecretString::from(password_hash), secret: None };
        Ok(self.create(&User, actor, tenant_id, write(&settings), hash, idempotency).await?.stored)
    }

    /// Makes a gateway with a new token, which is shown this once.
    pub async fn create_gateway(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        settings: GatewaySettings,
        idempotency: Option<&Idempotency>,
    ) -> Result<WithSecret, StoreError> {
        self.create(&Gateway, actor, tenant_id, write(&settings), SecretChange::Keep, idempotency).await
    }
}
