//! What a limit would have done that is not written yet.

use axum::extract::State;
use axum::{Extension, Json};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::limit::LimitSettings;
use weir_store::LimitTrial;

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Body;
use crate::problem::{Code, Problem, Writing};
use crate::turns::Turns;

/// Days of requests that are looked at, unless it is said.
const DAYS: u16 = 7;
/// And at most.
const MOST_DAYS: u16 = 31;

/// Limits that one tenant, or the platform, has tried at once.
const MOST_OF_ONE: usize = 2;
/// And all together: each takes a connection of the administrators' and a core for a while.
const MOST_IN_ALL: usize = 4;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(trial)).layer(Extension(Turns::new(MOST_OF_ONE, MOST_IN_ALL)))
}

/// A limit that is not written yet.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitTrialRequest)]
struct Trial {
    /// Whose it would be; absent or null: the platform's.
    #[serde(default)]
    tenant_id: Option<Uuid>,
    /// The limit.
    limit: LimitSettings,
    /// Requests of so many days are looked at, 1 to 31. Default 7.
    #[serde(default)]
    days: Option<u16>,
}

/// What the limit would have done, by what requests took in the end.
#[derive(Serialize, ToSchema)]
#[schema(as = LimitTrial)]
struct Tried {
    /// Since when requests were looked at: later than was asked where there are more than 200,000.
    from: DateTime<Utc>,
    /// Until when.
    to: DateTime<Utc>,
    /// Requests that the limit would have counted.
    requests: u64,
    /// Of these, those that it would have had no room for: refused, led to the other pool, or warned of, as its `action` says. A gateway
    /// reserves what a request may take at most until it is over, so it may have room for fewer.
    without_room: u64,
    /// When it would have had none first; null: never.
    #[schema(required)]
    first_without_room_at: Option<DateTime<Utc>>,
    /// Requests in the same time that reached no provider and are not counted: nobody knows what they would have taken.
    refused_then: u64,
    /// Of a limit of money: requests whose price is unknown. They count as nothing here, and a limit that refuses would refuse them.
    unpriced: u64,
    /// Whether there are more requests than were looked at.
    truncated: bool,
    /// Of a limit on each of a kind: those for whom there would have been no room most often, at most 20. Departments are those of now.
    subjects: Vec<TriedSubject>,
}

/// What the limit would have done to one of each.
#[derive(Serialize, ToSchema)]
#[schema(as = LimitTrialSubject)]
struct TriedSubject {
    /// Which one, by its id; of labels the value, of models the name.
    subject_id: String,
    /// Requests of theirs.
    requests: u64,
    /// Of these, those without room.
    without_room: u64,
}

impl From<LimitTrial> for Tried {
    fn from(trial: LimitTrial) -> Self {
        let subject = |subject: weir_store::TriedSubject| TriedSubject {
            subject_id: subject.member,
            requests: subject.requests,
            without_room: subject.without_room,
        };
        Self {
            from: trial.from,
            to: trial.to,
            requests: trial.requests,
            without_room: trial.without_room,
            first_without_room_at: trial.first_without_room_at,
            refused_then: trial.refused_then,
            unpriced: trial.unpriced,
            truncated: trial.is_truncated,
            subjects: trial.subjects.into_iter().map(subject).collect(),
        }
    }
}

/// Tries a limit that is not written yet on the requests of the last days: how many of them it would have had no room for. Nothing is written.
#[utoipa::path(post, path = "/limits/try", operation_id = "try_limit", tag = "limits", request_body = Trial,
    responses(
    (status = 200, body = Tried), Writing,
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Others are being tried."),
))]
async fn trial(
    State(state): State<ApiState>,
    Extension(turns): Extension<Turns>,
    caller: Caller,
    Body(Trial { tenant_id, limit, days }): Body<Trial>,
) -> Result<Json<Tried>, Problem> {
    let days = days.unwrap_or(DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Problem::field(Code::InvalidFields, "days", "must be between 1 and 31"));
    }
    let _turn = turns
        .take(caller.actor.scope().tenant())
        .ok_or_else(|| Problem::too_many_requests("other limits are being tried at the moment", 1))?;
    let now = Utc::now();
    let from = now - TimeDelta::days(days.into());
    Ok(Json(state.store.try_limit(&caller.actor, tenant_id, &limit, from, now).await?.into()))
}
