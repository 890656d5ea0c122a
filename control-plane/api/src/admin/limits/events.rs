//! What somebody may want to be told of limits.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::limit::{LimitUnit, SubjectKind};
use weir_core::page::PageRequest;
use weir_store::{LimitEvent, LimitEventKind, LimitEventQuestion};

use crate::ApiState;
use crate::caller::Caller;
use crate::cursor;
use crate::extract::Query;
use crate::problem::{Problem, Reading};
use crate::resource::{self, List};

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(events))
}

/// What happened.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LimitEventKind)]
enum EventKind {
    /// A request was refused for the limit, or all of it is spent.
    LimitReached,
    /// So many percent of the limit are spent, as its `thresholds` say.
    Threshold,
    /// A tenant, user, service account or key made in a quarter-hour at least four times the requests, or the cost, that is usual for it.
    Spike,
}

impl From<EventKind> for LimitEventKind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::LimitReached => Self::LimitReached,
            EventKind::Threshold => Self::Threshold,
            EventKind::Spike => Self::Spike,
        }
    }
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
#[schema(as = LimitEvent)]
struct Event {
    /// Immutable.
    id: Uuid,
    /// When it was noticed.
    at: DateTime<Utc>,
    /// What happened.
    #[schema(value_type = EventKind)]
    kind: String,
    /// Whose it is; null: the platform's.
    #[schema(required)]
    tenant_id: Option<Uuid>,
    /// The limit; null: a spike.
    #[schema(required)]
    limit_id: Option<Uuid>,
    /// What the limit is called.
    #[schema(required)]
    limit_name: Option<String>,
    /// What it is on.
    #[schema(value_type = SubjectKind)]
    subject_kind: String,
    /// Of a limit on each of a kind, and of a spike, which one: its id; of labels the value, of models the name. Null: the limit has one
    /// counter.
    #[schema(required)]
    subject_id: Option<String>,
    /// What was counted.
    #[schema(value_type = LimitUnit)]
    unit: String,
    /// Of a threshold, which one.
    #[schema(required)]
    percent: Option<i16>,
    /// Units that were used then.
    used: i64,
    /// The amount that held then; of a spike the mean of the quarter-hours of the day before in which there was anything.
    amount: i64,
    /// The beginning of the window (1970 for one that has none), or of the quarter-hour.
    window_start: DateTime<Utc>,
}

impl From<LimitEvent> for Event {
    fn from(event: LimitEvent) -> Self {
        Self {
            id: event.id,
            at: event.at,
            kind: event.kind,
            tenant_id: event.tenant_id,
            limit_id: event.limit_id,
            limit_name: event.limit_name,
            subject_kind: event.subject_kind,
            subject_id: Some(event.subject_id).filter(|id| !id.is_empty()),
            unit: event.unit,
            percent: event.percent,
            used: event.used,
            amount: event.amount,
            window_start: event.window_start,
        }
    }
}

/// Which events are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// Items at most, 1 to 200. Default 50.
    limit: Option<u32>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
    /// Only of this tenant.
    tenant_id: Option<Uuid>,
    /// Only of this kind.
    #[param(inline)]
    kind: Option<EventKind>,
    /// Only of this limit.
    limit_id: Option<Uuid>,
    /// Only what was noticed then or later.
    since: Option<DateTime<Utc>>,
}

/// What happened to limits, the latest first: which were reached, which thresholds were passed, and who suddenly used several times as much.
/// Each is told once in a window, and once an hour where there is no calendar; a reset has it told again. They are kept for 90 days.
#[utoipa::path(get, path = "/limit-events", operation_id = "list_limit_events", tag = "limits", params(EventsQuery),
    responses((status = 200, body = List<Event>), Reading))]
async fn events(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<EventsQuery>,
) -> Result<Json<List<Event>>, Problem> {
    let after = query.cursor.as_deref().map(cursor::read).transpose()?;
    let question = LimitEventQuestion {
        page: PageRequest { limit: resource::limit(query.limit)?, after, tenant_id: query.tenant_id },
        kind: query.kind.map(LimitEventKind::from),
        limit_id: query.limit_id,
        since: query.since,
    };
    let page = state.store.limit_events(&caller.actor, &question).await?;
    Ok(List::of(page, Event::from))
}
