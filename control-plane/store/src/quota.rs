//! Leasing units of fixed windows, and settling leases.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;
use weir_core::gateway::{Counter, Gateway, LeaseTerms, LimitCounter, QuotaDemand, QuotaGrant, QuotaSettlement};

use crate::limit::AskedLimit;
use crate::row::{signed, unsigned};
use crate::{Store, StoreError};

/// How many windows a demand may lie away from now, since an Envoy's clock is not ours.
const WINDOWS_AWAY: i64 = 2;

/// Bytes of a holder's name.
pub(crate) const LONGEST_HOLDER: usize = 64;

/// What is deleted in one statement: few enough rows that nobody waits for it.
const PURGED_AT_ONCE: i64 = 5000;

/// How long a window is kept after it began. The longest that there can be is over by then, also by an Envoy's clock.
const KEPT: TimeDelta = TimeDelta::minutes(10);

/// How long leases of requests at the same time are kept after their worker was last heard of: it has none under way any longer.
const SILENT: TimeDelta = TimeDelta::days(1);

/// How long an Envoy that was refused does not ask again while others may give back what they hold.
pub(crate) const ASK_AGAIN_MS: u32 = 250;

impl Store {
    /// Grants units of counters, one grant for each demand in its order. What is granted is debited at once, so that all
    /// grants of a window together never exceed its limit, however many ask at once. The limit is that of the key's own row; a
    /// counter that does not exist, is not the tenant's or lies in a window far from `now` is refused with a limit of 0.
    ///
    /// An Envoy that names itself (`holder`) is granted about half of an equal share of what remains, and can give back what it
    /// does not use by [`Store::settle_quota`]. One that does not is granted what it wants, for good.
    pub async fn acquire_quota(
        &self,
        gateway: &Gateway,
        tenant_id: Uuid,
        holder: &str,
        demands: Vec<QuotaDemand>,
        terms: LeaseTerms,
        now: DateTime<Utc>,
    ) -> Result<Vec<QuotaGrant>, StoreError> {
        self.unless_away()?;
        let mut grants = Vec::with_capacity(demands.len());
        for demand in demands {
            if let Some(counter) = LimitCounter::parse(&demand.counter) {
                let asked = AskedLimit { gateway, tenant_id, counter, holder, demand: &demand };
                let grant = self.lease_limit(&asked, terms, now).await?;
                grants.push(grant.answer(&demand));
                continue;
            }
            let named = window(&demand.counter, demand.window_start_unix_s, now);
            let lease = match named {
                Some((Counter::KeyRequestsPerMinute { key_id }, start))
                    if gateway.serves(tenant_id) && holder.len() <= LONGEST_HOLDER =>
                {
                    let asked = Asked { gateway_id: gateway.id, tenant_id, key_id, start, holder, demand: &demand };
                    match holder {
                        "" => self.grant_for_good(&asked).await?,
                        _ => self.lease(&asked, terms, now).await?,
                    }
                }
                _ => Lease::default(),
            };
            grants.push(QuotaGrant {
                counter: demand.counter,
                window_start_unix_s: demand.window_start_unix_s,
                granted: unsigned(lease.granted)?,
                remaining: unsigned((lease.quota - lease.used).max(0))?,
                limit: unsigned(lease.quota)?,
                ask_again_ms: if lease.pending { ASK_AGAIN_MS } else { 0 },
            });
        }
        Ok(grants)
    }

    /// Takes what Envoys say of their leases, and makes usable by others what they gave back. Answers how many of these leases
    /// there are; what is said of others changes nothing.
    pub async fn settle_quota(
        &self,
        gateway: &Gateway,
        settlements: Vec<QuotaSettlement>,
        terms: LeaseTerms,
        now: DateTime<Utc>,
    ) -> Result<u32, StoreError> {
        self.unless_away()?;
        let (of_limits, mut settlements): (Vec<_>, Vec<_>) =
            settlements.into_iter().partition(|one| LimitCounter::is_name(&one.counter));
        let settled_limits = self.settle_limits(gateway, of_limits, terms, now).await?;
        settlements.retain(|one| {
            gateway.serves(one.tenant_id) && window(&one.counter, one.window_start_unix_s, now).is_some()
        });
        // Two calls lock the same windows in the same order.
        settlements.sort();
        let column =
            |of: fn(&QuotaSettlement) -> &str| settlements.iter().map(of).map(str::to_owned).collect::<Vec<_>>();
        let number = |of: fn(&QuotaSettlement) -> u64| settlements.iter().map(of).map(signed).collect::<Vec<_>>();
        let tenants: Vec<Uuid> = settlements.iter().map(|one| one.tenant_id).collect();
        let windows: Vec<DateTime<Utc>> =
            settlements.iter().filter_map(|one| DateTime::from_timestamp(one.window_start_unix_s, 0)).collect();
        let (settled,): (i64,) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE settle_quota(tenant, counter, start, holder, $7, spent, returned, $8, $9))
             FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[])
                  AS said (tenant, counter, start, holder, spent, returned)",
        )
        .bind(tenants)
        .bind(column(|one| &one.counter))
        .bind(windows)
        .bind(column(|one| &one.holder))
        .bind(number(|one| one.spent))
        .bind(number(|one| one.returned))
        .bind(gateway.id)
        .bind(now)
        .bind(interval(terms.lifetime))
        .fetch_one(&self.pool)
        .await?;
        Ok(u32::try_from(settled + settled_limits).unwrap_or(u32::MAX))
    }

    /// Deletes windows that are over, and who held what of them, a bounded number of rows at a time. Answers how many rows that
    /// were. Several control planes may do so at once.
    pub async fn purge_quota(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut purged = 0;
        for (statement, before) in [
            (
                "DELETE FROM limit_grants WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM limit_grants WHERE granted_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
                now - KEPT,
            ),
            // Their leases go with them.
            (
                "DELETE FROM limit_windows WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM limit_windows WHERE ends_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
                now,
            ),
            (
                "DELETE FROM limit_leases WHERE ctid = ANY (ARRAY(
                    SELECT lease.ctid FROM limits held JOIN limit_leases lease ON lease.limit_id = held.id
                    WHERE held.unit = 'concurrent_requests' AND lease.expires_at <= $1
                    LIMIT $2 FOR UPDATE OF lease SKIP LOCKED))",
                now - SILENT,
            ),
            (
                "DELETE FROM quota_leases WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM quota_leases WHERE window_start <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
                now - KEPT,
            ),
            (
                "DELETE FROM quota_windows WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM quota_windows WHERE window_start <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
                now - KEPT,
            ),
        ] {
            loop {
                let deleted = sqlx::query(statement).bind(before).bind(PURGED_AT_ONCE).execute(&self.pool).await?;
                purged += deleted.rows_affected();
                if deleted.rows_affected() == 0 {
                    break;
                }
            }
        }
        Ok(purged)
    }

    async fn lease(&self, asked: &Asked<'_>, terms: LeaseTerms, now: DateTime<Utc>) -> Result<Lease, StoreError> {
        let lease: Option<Lease> = sqlx::query_as(
            "SELECT lease.granted_units AS granted, lease.used_units AS used, key.requests_per_minute AS quota, lease.pending
             FROM api_keys key, lease_quota($1, $3, $4, $5, $6, key.requests_per_minute, $7, $8, $9, $10) lease
             WHERE key.tenant_id = $1 AND key.id = $2 AND key.revoked_at IS NULL AND key.deleted_at IS NULL
               AND key.requests_per_minute IS NOT NULL",
        )
        .bind(asked.tenant_id)
        .bind(asked.key_id)
        .bind(&asked.demand.counter)
        .bind(asked.start)
        .bind(asked.holder)
        .bind(asked.gateway_id)
        .bind(signed(asked.demand.waiting))
        .bind(now)
        .bind(interval(terms.lifetime))
        .bind(interval(terms.active_for))
        .fetch_optional(&self.pool)
        .await?;
        match lease {
            Some(lease) => Ok(lease),
            None => self.refusal(asked).await,
        }
    }

    async fn grant_for_good(&self, asked: &Asked<'_>) -> Result<Lease, StoreError> {
        let minimum = signed(asked.demand.minimum).max(1);
        let wanted = signed(asked.demand.wanted).max(minimum);
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
             RETURNING last_grant AS granted, used, quota, false AS pending",
        )
        .bind(asked.tenant_id)
        .bind(asked.key_id)
        .bind(&asked.demand.counter)
        .bind(asked.start)
        .bind(minimum)
        .bind(wanted)
        .fetch_optional(&self.pool)
        .await?;
        match granted {
            Some(lease) => Ok(lease),
            None => self.refusal(asked).await,
        }
    }

    /// What a caller is told that is granted nothing.
    async fn refusal(&self, asked: &Asked<'_>) -> Result<Lease, StoreError> {
        let refused: Option<Lease> = sqlx::query_as(
            "SELECT 0::bigint AS granted, coalesce(w.used, 0) AS used, key.requests_per_minute AS quota, false AS pending
             FROM api_keys key
             LEFT JOIN quota_windows w ON w.tenant_id = key.tenant_id AND w.counter = $3 AND w.window_start = $4
             WHERE key.tenant_id = $1 AND key.id = $2 AND key.deleted_at IS NULL AND key.requests_per_minute IS NOT NULL",
        )
        .bind(asked.tenant_id)
        .bind(asked.key_id)
        .bind(&asked.demand.counter)
        .bind(asked.start)
        .fetch_optional(&self.pool)
        .await?;
        Ok(refused.unwrap_or_default())
    }
}

/// One demand and who makes it.
struct Asked<'a> {
    gateway_id: Uuid,
    tenant_id: Uuid,
    key_id: Uuid,
    start: DateTime<Utc>,
    holder: &'a str,
    demand: &'a QuotaDemand,
}

#[derive(Default, sqlx::FromRow)]
struct Lease {
    granted: i64,
    used: i64,
    quota: i64,
    /// Nothing is granted, and others hold units that they may give back.
    pending: bool,
}

/// The counter and the window that a message names, if there can be such a window now.
fn window(counter: &str, start: i64, now: DateTime<Utc>) -> Option<(Counter, DateTime<Utc>)> {
    let counter = Counter::parse(counter)?;
    let window = counter.window();
    let away = now.timestamp().checked_sub(start)?;
    let is_near = away.checked_abs()? <= WINDOWS_AWAY * i64::from(window.seconds());
    if window.period_at(start).start_s != start || !is_near {
        return None;
    }
    Some((counter, DateTime::from_timestamp(start, 0)?))
}

pub(crate) fn interval(duration: std::time::Duration) -> PgInterval {
    PgInterval { microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX), days: 0, months: 0 }
}
