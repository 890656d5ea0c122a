//! What becomes part of the audit log a moment later, so that no request waits for it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{Store, StoreError};

/// The advisory lock of the one control plane that seals.
const LEADER: i64 = 4_919_287_234_002;
/// How long after its minute a record may still be committed.
const LATE: &str = "2 minutes";
/// What is sealed at once at most by who comes back after a long time.
const LONGEST: &str = "1 hour";
/// Groups that have entries of their own; those beyond share one.
const MOST_GROUPS: i64 = 1_000;
/// Digests of what was found that an entry names: those of most requests.
const MOST_DIGESTS: i64 = 20;

impl Store {
    /// Adds what the minutes since the last time refused and found to the audit log: requests that were refused and guardrails that found
    /// something, by key and by what it was, and sign-ins that failed, by account. Each is counted, and names some requests. To be called
    /// once a minute by every control plane: one of them does it. Once a day the chain's end is signed, too.
    pub async fn seal_audit(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let (leads,): (bool,) =
            sqlx::query_as("SELECT pg_try_advisory_xact_lock($1)").bind(LEADER).fetch_one(&mut *transaction).await?;
        if !leads {
            return Ok(());
        }
        let period: Option<(DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
            "SELECT until, least(date_trunc('minute', now() - $1::text::interval), until + $2::text::interval) AS next
             FROM audit_sealed WHERE date_trunc('minute', now() - $1::text::interval) > until",
        )
        .bind(LATE)
        .bind(LONGEST)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some((from, until)) = period {
            seal_requests(&mut transaction, from, until).await?;
            seal_sign_ins(&mut transaction, from, until).await?;
            sqlx::query("UPDATE audit_sealed SET until = $1").bind(until).execute(&mut *transaction).await?;
        }
        self.sign_daily(&mut transaction, now).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn sign_daily(&self, connection: &mut PgConnection, now: DateTime<Utc>) -> Result<(), StoreError> {
        let last: Option<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT sequence, hash FROM audit
             WHERE NOT EXISTS (SELECT 1 FROM audit_heads WHERE NOT dropped AND at > now() - interval '1 day')
             ORDER BY sequence DESC, id DESC LIMIT 1",
        )
        .fetch_optional(&mut *connection)
        .await?;
        match last {
            Some((sequence, hash)) => self.keep_head(connection, sequence, &hash, now, false).await,
            None => Ok(()),
        }
    }

    /// Keeps a signed head in the database.
    pub(crate) async fn keep_head(
        &self,
        connection: &mut PgConnection,
        sequence: i64,
        hash: &[u8],
        now: DateTime<Utc>,
        dropped: bool,
    ) -> Result<(), StoreError> {
        let head = self.signed_head(sequence, hash, now, dropped)?;
        sqlx::query("INSERT INTO audit_heads VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING")
            .bind(sequence)
            .bind(hash)
            .bind(head.at)
            .bind(dropped)
            .bind(head.public_key)
            .bind(head.signature)
            .execute(connection)
            .await?;
        Ok(())
    }
}

async fn seal_requests(
    connection: &mut PgConnection,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    // No record is older than a week when it comes; so most partitions need not be looked at.
    sqlx::query(
        "WITH recent AS (
             SELECT tenant_id, key_id, request_id, outcome, error_code, guardrail_findings,
                 finding_digests FROM usage_records
             WHERE recorded_at >= $1 AND recorded_at < $2 AND started_on >= ($1 - interval '7 days')::date
               AND (outcome = 'refused' OR guardrail_findings <> '{}')
         ), grouped AS (
             SELECT 'request.refuse' AS action, tenant_id, key_id, error_code AS what, count(*) AS requests,
                 (array_agg(request_id::text))[1:5] AS samples
             FROM recent WHERE outcome = 'refused' GROUP BY 2, 3, 4
             UNION ALL
             SELECT 'guardrail.trigger', tenant_id, key_id, split_part(finding, '=', 1), count(*), (array_agg(request_id::text))[1:5]
             FROM recent, unnest(guardrail_findings) AS finding GROUP BY 2, 3, 4
         ), digested AS (
             SELECT tenant_id, key_id, split_part(digest, ':', 1) AS type, split_part(digest, ':', 2) AS digest_key,
                 split_part(digest, ':', 3) AS digest, count(*) AS requests,
                 row_number() OVER (PARTITION BY tenant_id, key_id, split_part(digest, ':', 1) ORDER BY count(*) DESC, digest) AS rank
             FROM recent, unnest(finding_digests) AS digest GROUP BY tenant_id, key_id, digest
         ), of_type AS (
             SELECT tenant_id, key_id, type, jsonb_agg(jsonb_build_object('key_id', digest_key, 'hmac_sha256', digest,
                 'requests', requests) ORDER BY rank) AS digests
             FROM digested WHERE rank <= $4 GROUP BY 1, 2, 3
         ), ranked AS (
             SELECT *, row_number() OVER (ORDER BY requests DESC) AS rank FROM grouped
         ), told AS (
             SELECT action, tenant_id, key_id, what, requests, samples, digests
             FROM ranked LEFT JOIN LATERAL (
                 SELECT digests FROM of_type WHERE action = 'guardrail.trigger' AND type = split_part(what, ':', 1)
                     AND of_type.tenant_id = ranked.tenant_id AND of_type.key_id = ranked.key_id
             ) known ON true WHERE rank <= $3
             UNION ALL
             SELECT action, NULL, '00000000-0000-0000-0000-000000000000', 'others', sum(requests)::bigint, NULL, NULL
             FROM ranked WHERE rank > $3 GROUP BY action
         )
         INSERT INTO audit (id, actor_id, actor_email, actor_kind, action, resource_type, resource_id, resource_name, tenant_id,
             changes, revision, request_id)
         SELECT audit_new_id(), '00000000-0000-0000-0000-000000000000', 'system', 'system', action, 'api_key', key_id,
             (SELECT name FROM api_keys WHERE api_keys.id = key_id), tenant_id,
             jsonb_build_array(jsonb_build_object('path', what, 'before', NULL, 'after', jsonb_build_object(
                 'requests', requests, 'from', $1, 'until', $2, 'request_ids', samples)
                 || CASE WHEN digests IS NULL THEN '{}' ELSE jsonb_build_object('digests', digests) END)),
             0, samples[1]
         FROM told ORDER BY tenant_id, key_id, action, what",
    )
    .bind(from)
    .bind(until)
    .bind(MOST_GROUPS)
    .bind(MOST_DIGESTS)
    .execute(connection)
    .await?;
    Ok(())
}

/// Of accounts that are not there only how many attempts there were: nobody needs to know what people mistype.
async fn seal_sign_ins(
    connection: &mut PgConnection,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    let any = sqlx::query("SELECT 1 FROM login_attempts WHERE at >= $1 AND at < $2 LIMIT 1")
        .bind(from)
        .bind(until)
        .fetch_optional(&mut *connection)
        .await?;
    if any.is_none() {
        return Ok(());
    }
    sqlx::query(
        "WITH failed AS (
             SELECT users.id, users.email, users.tenant_id, count(*) AS attempts, count(DISTINCT address_sha256) AS addresses
             FROM login_attempts LEFT JOIN users ON sha256(convert_to(lower(users.email), 'UTF8')) = email_sha256
             WHERE at >= $1 AND at < $2 GROUP BY 1, 2, 3 ORDER BY attempts DESC LIMIT $3
         )
         INSERT INTO audit (id, actor_id, actor_email, actor_kind, action, resource_type, resource_id, resource_name, tenant_id,
             changes, revision)
         SELECT audit_new_id(), '00000000-0000-0000-0000-000000000000', 'system', 'system', 'session.refuse', 'user',
             coalesce(id, '00000000-0000-0000-0000-000000000000'), email, tenant_id,
             jsonb_build_array(jsonb_build_object('path', 'invalid_credentials', 'before', NULL, 'after', jsonb_build_object(
                 'attempts', attempts, 'addresses', addresses, 'from', $1, 'until', $2))), 0
         FROM failed",
    )
    .bind(from)
    .bind(until)
    .bind(MOST_GROUPS)
    .execute(connection)
    .await?;
    Ok(())
}
