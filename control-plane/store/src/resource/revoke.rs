//! Revoking what was issued.

use sqlx::AssertSqlSafe;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::change::Streams;
use weir_core::resource::Stored;

use crate::resource::kind::Kind;
use crate::{Store, StoreError};

impl Store {
    /// Refuses a key or token from now on, for good. One that is revoked already stays as it is, and nothing is committed. This may be
    /// done here wherever it is managed: what has leaked cannot wait, and nothing that manages it makes it valid again.
    pub async fn revoke(
        &self,
        kind: &dyn Kind,
        actor: &Actor,
        id: Uuid,
        streams: Streams,
    ) -> Result<Stored, StoreError> {
        let mut write = self.begin_on(kind, actor, id).await?;
        write.streams(streams);
        let before = write.current(kind, id).await?;
        write.expect_within(kind, id).await?;
        if before.status.get("revoked_at").is_some_and(|at| !at.is_null()) {
            return Ok(before);
        }
        let statement =
            format!("UPDATE {} SET revoked_at = now(), revision = $2, updated_at = now() WHERE id = $1", kind.table());
        let revision = write.revision();
        sqlx::query(AssertSqlSafe(statement)).bind(id).bind(revision).execute(write.connection()).await?;
        let after = write.current(kind, id).await?;
        write.record(kind, "revoke", Some(&before), Some(&after), false);
        write.commit().await?;
        Ok(after)
    }
}
