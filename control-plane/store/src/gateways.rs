//! Which gateway calls.

use uuid::Uuid;
use weir_core::gateway::Gateway;

use crate::{Store, StoreError};

impl Store {
    /// The gateway whose token has this digest.
    pub async fn gateway_by_token(&self, token_sha256: &[u8]) -> Result<Option<Gateway>, StoreError> {
        self.unless_away()?;
        let row: Option<(Uuid, String, Option<Uuid>)> =
            sqlx::query_as("SELECT id, name, tenant_id FROM gateways WHERE token_sha256 = $1")
                .bind(token_sha256)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|(id, name, tenant_id)| Gateway { id, name, tenant_id }))
    }
}
