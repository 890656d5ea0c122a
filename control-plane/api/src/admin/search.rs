//! Searching over all kinds at once.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_store::{Found, StoreError};

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Query;
use crate::problem::{Code, Problem, Reading};

/// Characters of what is looked for.
const LONGEST: usize = 200;
/// Things of each kind, unless fewer are asked for.
const USUAL: u32 = 5;
/// Things of each kind at most.
const MOST: u32 = 20;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(search))
}

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// A part of a name (a beginning, if it has fewer than three characters), an id, the id of a request, or how a key begins. 1 to 200
    /// characters.
    q: String,
    /// Things of each kind at most, 1 to 20. Default 5.
    limit: Option<u32>,
}

/// What was found, that which fits best first.
#[derive(Serialize, ToSchema)]
struct SearchResult {
    /// At most `limit` of each kind.
    items: Vec<SearchItem>,
}

/// Something that was found.
#[derive(Serialize, ToSchema)]
struct SearchItem {
    /// `tenant`, `user`, `api_key`, `provider`, `pool`, `model`, `guardrail_profile`, `gateway`, or `usage` for a request's record.
    kind: String,
    /// It.
    id: Uuid,
    /// What it is called; of a request the model that was asked for.
    name: String,
    /// Whose it is; null: the platform's.
    #[schema(required)]
    tenant_id: Option<Uuid>,
    /// What of it was looked for: `id`, `name` or `key`.
    matched: String,
}

impl From<Found> for SearchItem {
    fn from(found: Found) -> Self {
        let Found { kind, id, name, tenant_id, matched } = found;
        Self { kind, id, name, tenant_id, matched }
    }
}

/// Searches all that is in your scope.
#[utoipa::path(get, path = "/search", operation_id = "search", tag = "search", params(SearchQuery),
    responses((status = 200, body = SearchResult), Reading))]
async fn search(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<SearchQuery>,
) -> Result<Json<SearchResult>, Problem> {
    let invalid = |field: &str, reason: &str| Problem::field(Code::InvalidQuery, field, reason);
    let text = query.q.trim();
    if !(1..=LONGEST).contains(&text.chars().count()) {
        return Err(invalid("q", "must have 1 to 200 characters"));
    }
    let limit = query.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(invalid("limit", "must be between 1 and 20"));
    }
    let mut items: Vec<SearchItem> =
        state.store.search(&caller.actor, text, limit).await?.into_iter().map(SearchItem::from).collect();
    if let Ok(request_id) = text.parse() {
        match state.store.usage_record(&caller.actor, request_id).await {
            Ok(detail) => {
                let record = detail.entry.record;
                items.insert(
                    0,
                    SearchItem {
                        kind: "usage".into(),
                        id: request_id,
                        name: record.model,
                        tenant_id: Some(record.tenant_id),
                        matched: "id".into(),
                    },
                );
            }
            Err(StoreError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(SearchResult { items }))
}
