//! What a caller has used, for the caller.

use std::ops::Range;

use chrono::{NaiveDate, NaiveTime};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::usage_summary::{Bucket, Dimension, Order, Summary, SummaryRequest};

use crate::{Store, StoreError};

/// Sums that are told of.
const MOST_SUMS: u32 = 1000;

impl Store {
    /// What a caller has used, by the row among the keys: by UTC day and model, the latest day last; at most 1000 sums. From the first day to
    /// before the last one.
    pub async fn own_usage(
        &self,
        tenant_id: Uuid,
        key_id: Uuid,
        days: Range<NaiveDate>,
    ) -> Result<Summary, StoreError> {
        self.unless_away()?;
        let query = "SELECT EXISTS (SELECT FROM api_keys WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL)";
        let (is_there,): (bool,) = sqlx::query_as(query).bind(key_id).bind(tenant_id).fetch_one(&self.pool).await?;
        if !is_there {
            return Err(StoreError::NotFound);
        }
        let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        let request = SummaryRequest {
            from: midnight(days.start),
            to: midnight(days.end),
            group_by: vec![Dimension::Model],
            filters: vec![(Dimension::Tenant, tenant_id.to_string()), (Dimension::ApiKey, key_id.to_string())],
            bucket: Bucket::Day,
            time_zone: "UTC".into(),
            order: Order::Bucket,
            limit: MOST_SUMS,
            offset: 0,
            currency: None,
        };
        self.usage_summary(&Actor::system(), &request).await
    }
}
