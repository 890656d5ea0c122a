//! What one key was used for.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_core::usage_summary::{Bucket, Dimension, Order, SummaryRequest};
use weir_store::API_KEY;

use super::summary::UsageSums;
use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Id;
use crate::problem::{Problem, Reading};

/// The days that are summed, today included.
const DAYS: i64 = 30;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(statistics))
}

/// What a key was used for in the last 30 UTC days.
#[derive(Serialize, ToSchema)]
struct ApiKeyStatistics {
    /// The first of these days.
    from: DateTime<Utc>,
    /// The end of the last one.
    to: DateTime<Utc>,
    /// The part of its requests that were no errors, from 0 to 1; null: there was none.
    #[schema(required)]
    success_rate: Option<f64>,
    /// When it was last used, however long ago; null: never.
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
    /// The sums.
    #[serde(flatten)]
    sums: UsageSums,
}

/// What a key was used for in the last 30 days, and when it was last used.
#[utoipa::path(get, path = "/api-keys/{id}/statistics", operation_id = "get_api_key_statistics", tag = "api-keys",
    params(("id" = Uuid, Path)), responses((status = 200, body = ApiKeyStatistics), Reading))]
async fn statistics(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ApiKeyStatistics>, Problem> {
    state.store.get(API_KEY, &caller.actor, id).await?;
    let now = Utc::now();
    let to = now.duration_trunc(TimeDelta::days(1)).unwrap_or(now) + TimeDelta::days(1);
    let from = to - TimeDelta::days(DAYS);
    let request = SummaryRequest {
        from,
        to,
        group_by: vec![],
        filters: vec![(Dimension::ApiKey, id.to_string())],
        bucket: Bucket::None,
        time_zone: "UTC".into(),
        order: Order::Bucket,
        limit: 1,
        offset: 0,
        currency: None,
    };
    let sums = state.store.usage_summary(&caller.actor, &request).await?.totals;
    let last_used_at = match sums.last_at {
        Some(at) => Some(at),
        None => state.store.key_last_used(id).await?,
    };
    let good = sums.requests.saturating_sub(sums.errors);
    let success_rate = (sums.requests > 0).then(|| good as f64 / sums.requests as f64);
    Ok(Json(ApiKeyStatistics { from, to, success_rate, last_used_at, sums: sums.into() }))
}
