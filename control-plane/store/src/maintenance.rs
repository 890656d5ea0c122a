//! What must be done from time to time.

use crate::{Store, StoreError};

impl Store {
    /// Makes the ledger's coming partitions, takes records that are not part of the sums into them, and deletes what is over: sessions, attempts to sign in and from where, results kept for
    /// repeats, quota windows of past days. Call it at least once a day; several control planes may do so at once.
    pub async fn maintain(&self) -> Result<(), StoreError> {
        self.ensure_partitions().await?;
        for statement in [
            "DELETE FROM sessions WHERE expires_at <= now()
                OR (kind = 'browser' AND last_seen_at <= now() - interval '2 hours')",
            "DELETE FROM login_attempts WHERE at <= now() - interval '15 minutes'",
            "DELETE FROM login_addresses WHERE at <= now() - interval '90 days'",
            "DELETE FROM idempotency_keys WHERE created_at <= now() - interval '24 hours'",
            "DELETE FROM quota_windows WHERE window_start <= now() - interval '1 day'",
        ] {
            sqlx::query(statement).execute(&self.pool).await?;
        }
        self.roll_up_waiting().await
    }
}
