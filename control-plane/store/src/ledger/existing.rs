use std::collections::HashSet;

use chrono::NaiveDate;
use sqlx::PgConnection;
use uuid::Uuid;

use super::queue::Identity;
use crate::StoreError;

/// Which of these records the ledger has.
pub(super) async fn existing(
    connection: &mut PgConnection,
    identities: &[Identity],
) -> Result<HashSet<Identity>, StoreError> {
    // LIMIT keeps Postgres from reading the whole ledger instead of looking for each record by the index.
    let found: Vec<Identity> = sqlx::query_as(
        "SELECT asked.started_on, asked.tenant_id, asked.request_id
         FROM UNNEST($1::date[], $2::uuid[], $3::uuid[]) AS asked (started_on, tenant_id, request_id)
         CROSS JOIN LATERAL (
             SELECT FROM usage_records record
             WHERE record.started_on = asked.started_on AND record.tenant_id = asked.tenant_id
               AND record.request_id = asked.request_id
             LIMIT 1) AS found",
    )
    .bind(identities.iter().map(|identity| identity.0).collect::<Vec<NaiveDate>>())
    .bind(identities.iter().map(|identity| identity.1).collect::<Vec<Uuid>>())
    .bind(identities.iter().map(|identity| identity.2).collect::<Vec<Uuid>>())
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().collect())
}
