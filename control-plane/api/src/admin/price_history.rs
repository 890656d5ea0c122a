//! What a pool's members cost, cost once, and will cost.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::routing::MemberPrice;

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Id;
use crate::problem::{Problem, Reading};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(history))
}

/// All prices of a pool's members, the latest first; at most 1,000.
#[derive(Serialize, ToSchema)]
struct PriceHistory {
    /// One for each version.
    items: Vec<PriceVersion>,
}

/// A price of one member. It is never changed or removed: another price is another version.
#[derive(Serialize, ToSchema)]
struct PriceVersion {
    /// The member, also one that the pool does not have any more.
    deployment_id: Uuid,
    /// Its provider.
    provider_id: Uuid,
    /// What that is called; null: it is no more.
    #[schema(required)]
    provider_name: Option<String>,
    /// The model's name there.
    model: String,
    /// As records name it (`price_version`).
    version: String,
    /// Whether it holds.
    state: PriceState,
    /// From when on; null: it was written before that was kept.
    #[schema(required)]
    valid_from: Option<DateTime<Utc>>,
    /// Until when; null: until another is written.
    #[schema(required)]
    valid_until: Option<DateTime<Utc>>,
    /// When it was written.
    written_at: DateTime<Utc>,
    /// What it says.
    price: MemberPrice,
}

/// `current`: it holds. `past`: it did. `future`: it will. `withdrawn`: it was taken back before it held, or another held all the time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PriceState {
    Current,
    Past,
    Future,
    Withdrawn,
}

/// What a pool's members cost, cost once, and will cost: the version that a record names explains its cost, however long ago it was.
#[utoipa::path(get, path = "/pools/{id}/prices/history", operation_id = "get_price_history_of_pool", tag = "pools",
    params(("id" = Uuid, Path)), responses((status = 200, body = PriceHistory), Reading))]
async fn history(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Json<PriceHistory>, Problem> {
    let now = Utc::now();
    let versions = state.store.price_history(&caller.actor, id).await?;
    let items = versions.into_iter().map(|version| PriceVersion {
        deployment_id: version.deployment_id,
        provider_id: version.provider_id,
        provider_name: version.provider_name,
        model: version.model,
        version: version.version,
        state: PriceState::of(version.valid_from, version.valid_until, now),
        valid_from: version.valid_from,
        valid_until: version.valid_until,
        written_at: version.written_at,
        price: version.price,
    });
    Ok(Json(PriceHistory { items: items.collect() }))
}

impl PriceState {
    fn of(from: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        match (from, until) {
            (Some(from), Some(until)) if until <= from => Self::Withdrawn,
            (_, Some(until)) if until <= now => Self::Past,
            (Some(from), _) if from > now => Self::Future,
            _ => Self::Current,
        }
    }
}
