//! Leasing units of fixed windows.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::gateway::{Counter, Gateway, QuotaDemand, QuotaGrant};

use crate::row::{signed, unsigned};
use crate::{Store, StoreError};

/// How many windows a demand may lie away from now, since an Envoy's clock is not ours.
const WINDOWS_AWAY: i64 = 2;

impl Store {
    /// Grants units of counters, one grant for each demand in its order. What is granted is debited at once, in one
    /// statement, so that all grants of a window together never exceed its limit, however many ask at once. The limit is
    /// that of the key's own row; a counter that does not exist, is not the tenant's or lies in a window far from now is
    /// refused with a limit of 0.
    pub async fn acquire_quota(
        &self,
        gateway: &Gateway,
        tenant_id: Uuid,
        demands: Vec<QuotaDemand>,
    ) -> Result<Vec<QuotaGrant>, StoreError> {
        self.unless_away()?;
        let mut grants = Vec::with_capacity(demands.len());
        for demand in demands {
            let lease = match window(&demand) {
                Some((Counter::KeyRequestsPerMinute { key_id }, start)) if gateway.serves(tenant_id) => {
                    self.lease_key_requests(tenant_id, key_id, start, &demand).await?
                }
                _ => Lease::default(),
            };
            grants.push(QuotaGrant {
                counter: demand.counter,
                window_start_unix_s: demand.window_start_unix_s,
                granted: unsigned(lease.granted)?,
                remaining: unsigned((lease.quota - lease.used).max(0))?,
                limit: unsigned(lease.quota)?,
            });
        }
        Ok(grants)
    }

    async fn lease_key_requests(
        &self,
        tenant_id: Uuid,
        key_id: Uuid,
        start: DateTime<Utc>,
        demand: &QuotaDemand,
    ) -> Result<Lease, StoreError> {
        let minimum = signed(demand.minimum).max(1);
        let wanted = signed(demand.wanted).max(minimum);
        let granted: Option<Lease> = sqlx::query_as(
            "INSERT INTO quota_windows AS w (tenant_id, counter, window_start, quota, used, last_grant)
             SELECT key.tenant_id, $3, $4, key.requests_per_minute, least($6, key.requests_per_minute),
                    least($6, key.requests_per_minute)
             FROM api_keys key
             WHERE key.tenant_id = $1 AND key.id = $2 AND key.revoked_at IS NULL AND key.deleted_at IS NULL
               AND key.requests_per_minute >= $5
             ON CONFLICT (tenant_id, counter, window_start) DO UPDATE
               SET quota = excluded.quota,
                   used = w.used + least($6, excluded.quota - w.used),
                   last_grant = least($6, excluded.quota - w.used)
               WHERE excluded.quota - w.used >= $5
             RETURNING last_grant AS granted, used, quota",
        )
        .bind(tenant_id)
        .bind(key_id)
        .bind(&demand.counter)
        .bind(start)
        .bind(minimum)
        .bind(wanted)
        .fetch_optional(&self.pool)
        .await?;
        if let Some(lease) = granted {
            return Ok(lease);
        }
        let refused: Option<Lease> = sqlx::query_as(
            "SELECT 0::bigint AS granted, coalesce(w.used, 0) AS used, key.requests_per_minute AS quota
             FROM api_keys key
             LEFT JOIN quota_windows w ON w.tenant_id = key.tenant_id AND w.counter = $3 AND w.window_start = $4
             WHERE key.tenant_id = $1 AND key.id = $2 AND key.deleted_at IS NULL AND key.requests_per_minute IS NOT NULL",
        )
        .bind(tenant_id)
        .bind(key_id)
        .bind(&demand.counter)
        .bind(start)
        .fetch_optional(&self.pool)
        .await?;
        Ok(refused.unwrap_or_default())
    }
}

#[derive(Default, sqlx::FromRow)]
struct Lease {
    granted: i64,
    used: i64,
    quota: i64,
}

/// The counter and the window that a demand names, if there can be such a window now.
fn window(demand: &QuotaDemand) -> Option<(Counter, DateTime<Utc>)> {
    let counter = Counter::parse(&demand.counter)?;
    let length = i64::from(counter.window_seconds());
    let start = demand.window_start_unix_s;
    let away = Utc::now().timestamp().checked_sub(start)?;
    if start % length != 0 || away.checked_abs()? > WINDOWS_AWAY * length {
        return None;
    }
    Some((counter, DateTime::from_timestamp(start, 0)?))
}
