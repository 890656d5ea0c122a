//! Limits: how much of what a subject may use in which time, and how much of it is used.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_core::limit::LimitSettings;
use weir_store::{LIMIT, LimitState};

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::{Named, Query};
use crate::problem::{Problem, Reading};
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: LIMIT,
    path: "limits",
    tag: "limits",
    singular: "limit",
    plural: "limits",
    schema: "Limit",
    about: "So many units of something in each window, for a subject or for each of a kind. All limits that hold for a request must \
            have room for it.",
    listed: "The limits in your scope, oldest first.",
    deletable: "Deletes a limit, with all that was counted of it.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<LimitSettings, NoStatus>()).routes(routes!(state))
}

/// How much of a limit is used in the window at hand, in its units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LimitState)]
struct Usage {
    /// What requests took that are over, rounded up.
    spent: u64,
    /// What gateways hold for requests under way and to come, rounded up.
    reserved: u64,
    /// What Envoys held that are not heard of any more, rounded up: it may be spent.
    unreconciled: u64,
    /// The amount without all of these, or 0.
    remaining: u64,
    /// When the window begins anew; null: it never does, or all the time.
    #[schema(required)]
    resets_at: Option<DateTime<Utc>>,
}

/// Of which one of a kind.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StateQuery {
    /// With a limit on each of a kind: of which one, by its id; of labels the value.
    subject_id: Option<String>,
    /// The limit's tenant, where the path names the limit.
    #[allow(dead_code, reason = "read with the path")]
    #[param(ignore)]
    tenant: Option<String>,
}

/// How much of a limit is used.
#[utoipa::path(get, path = "/limits/{id}/state", operation_id = "get_limit_state", tag = "limits",
    params(Named, StateQuery), responses((status = 200, body = Usage), Reading))]
async fn state(
    State(state): State<ApiState>,
    caller: Caller,
    named: Named,
    Query(query): Query<StateQuery>,
) -> Result<Json<Usage>, Problem> {
    let id = state.store.id_of(LIMIT, &caller.actor, &named.id_or_name, named.tenant.as_deref()).await?;
    let found = state.store.limit_state(&caller.actor, id, query.subject_id.as_deref(), Utc::now()).await?;
    let LimitState { spent, reserved, unreconciled, remaining, resets_at } = found;
    Ok(Json(Usage { spent, reserved, unreconciled, remaining, resets_at }))
}
