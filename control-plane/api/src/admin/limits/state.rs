//! How much of limits is used.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::limit::{LimitAction, LimitUnit, SubjectKind};
use weir_store::{LIMIT, LimitQuestion, LimitState, LimitSubjectState};

use crate::ApiState;
use crate::caller::Caller;
use crate::cursor;
use crate::extract::{Named, Query};
use crate::problem::{Problem, Reading};
use crate::resource::{self, List};

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(state)).routes(routes!(states))
}

/// How much of a limit is used in the window at hand, in its units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LimitState)]
struct Usage {
    /// What may be used in the window: the limit's amount, or the raised one.
    amount: u64,
    /// What requests took that are over, rounded up, and what was adjusted.
    spent: u64,
    /// What gateways hold for requests under way and to come, rounded up.
    reserved: u64,
    /// What Envoys held that are not heard of any more, rounded up: it may be spent.
    unreconciled: u64,
    /// The amount without all of these, or 0.
    remaining: u64,
    /// When the window began; null: it has always been, or is the time before now.
    #[schema(required)]
    began_at: Option<DateTime<Utc>>,
    /// When the window begins anew; null: it never does, or all the time.
    #[schema(required)]
    resets_at: Option<DateTime<Utc>>,
    /// When all is spent at the rate of the window so far (of one for ever: since the limit was made); null: not in this window, or nobody
    /// can say.
    #[schema(required)]
    exhausted_at: Option<DateTime<Utc>>,
    /// The raise that holds now.
    #[schema(required)]
    raise: Option<Raised>,
}

/// A larger amount for a time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LimitRaised)]
struct Raised {
    /// Units.
    amount: u64,
    /// Until when.
    until: DateTime<Utc>,
    /// Why.
    reason: String,
}

impl From<LimitState> for Usage {
    fn from(state: LimitState) -> Self {
        let LimitState { amount, spent, reserved, unreconciled, remaining, began_at, resets_at, exhausted_at, raise } =
            state;
        let raise = raise.map(|raise| Raised { amount: raise.amount, until: raise.until, reason: raise.reason });
        Self { amount, spent, reserved, unreconciled, remaining, began_at, resets_at, exhausted_at, raise }
    }
}

/// How much of one counter of a limit is used.
#[derive(Debug, Serialize, ToSchema)]
struct LimitSubjectUsage {
    /// The limit.
    limit_id: Uuid,
    /// Whose it is; null: the platform's.
    #[schema(required)]
    tenant_id: Option<Uuid>,
    /// What the limit is called.
    name: String,
    /// What it is on.
    subject_kind: SubjectKind,
    /// Of a limit on each of a kind, which one: its id; of labels the value, of models the name. Null: the limit has one counter.
    #[schema(required)]
    subject_id: Option<String>,
    /// What the subject is called; null: it is the owner, or is there no longer.
    #[schema(required)]
    subject_name: Option<String>,
    /// What it counts.
    unit: LimitUnit,
    /// What becomes of a request for which there is no room.
    action: LimitAction,
    /// At how many percent of the amount somebody is told.
    thresholds: Vec<u16>,
    /// How much is used.
    state: Usage,
}

impl From<LimitSubjectState> for LimitSubjectUsage {
    fn from(found: LimitSubjectState) -> Self {
        Self {
            limit_id: found.limit_id,
            tenant_id: found.tenant_id,
            name: found.name,
            subject_kind: found.kind,
            subject_id: Some(found.member).filter(|member| !member.is_empty()),
            subject_name: found.subject_name,
            unit: found.unit,
            action: found.action,
            thresholds: found.thresholds,
            state: found.state.into(),
        }
    }
}

/// Of which one of a kind.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SubjectQuery {
    /// With a limit on each of a kind: of which one, by its id; of labels the value.
    pub(super) subject_id: Option<String>,
    /// The limit's tenant, where the path names the limit.
    #[allow(dead_code, reason = "read with the path")]
    #[param(ignore)]
    tenant: Option<String>,
}

/// Which limits' use is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StatesQuery {
    /// Items at most, 1 to 200. Default 50.
    limit: Option<u32>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
    /// Only of this tenant's limits.
    tenant_id: Option<Uuid>,
    /// Only of this limit.
    limit_id: Option<Uuid>,
    /// Only of limits on this kind.
    #[param(inline)]
    subject_kind: Option<SubjectKind>,
    /// Only of limits of this unit.
    #[param(inline)]
    unit: Option<LimitUnit>,
    /// Of limits on each of a kind, only this one, by its id; of labels the value, of models the name.
    subject_id: Option<String>,
}

/// How much of a limit is used.
#[utoipa::path(get, path = "/limits/{id}/state", operation_id = "get_limit_state", tag = "limits",
    params(Named, SubjectQuery), responses((status = 200, body = Usage), Reading))]
async fn state(
    State(state): State<ApiState>,
    caller: Caller,
    named: Named,
    Query(query): Query<SubjectQuery>,
) -> Result<Json<Usage>, Problem> {
    let id = state.store.id_of(LIMIT, &caller.actor, &named.id_or_name, named.tenant.as_deref()).await?;
    let found = state.store.limit_state(&caller.actor, id, query.subject_id.as_deref(), Utc::now()).await?;
    Ok(Json(found.into()))
}

/// How much of each limit in your scope is used: one item for each limit, and of a limit on each of a kind one for each of which anything was
/// counted in the window at hand.
#[utoipa::path(get, path = "/limit-states", operation_id = "list_limit_states", tag = "limits", params(StatesQuery),
    responses((status = 200, body = List<LimitSubjectUsage>), Reading))]
async fn states(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<StatesQuery>,
) -> Result<Json<List<LimitSubjectUsage>>, Problem> {
    let question = LimitQuestion {
        tenant_id: query.tenant_id,
        limit_id: query.limit_id,
        kind: query.subject_kind,
        unit: query.unit,
        member: query.subject_id,
        limit: resource::limit(query.limit)?,
        after: query.cursor.as_deref().map(cursor::read_named).transpose()?,
        used_since: None,
    };
    let (items, next) = state.store.limit_states(&caller.actor, &question, Utc::now()).await?;
    let next_cursor = next.map(|(id, member)| cursor::write_named(id, &member));
    Ok(Json(List { items: items.into_iter().map(LimitSubjectUsage::from).collect(), next_cursor }))
}
