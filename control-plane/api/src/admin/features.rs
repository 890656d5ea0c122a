//! What this version of Weir can do, and what is planned.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ApiState;
use crate::caller::Caller;
use crate::problem::Reading;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(status))
}

/// What there is.
#[derive(Serialize, ToSchema)]
struct Features {
    /// By name.
    features: Vec<Feature>,
}

/// One thing that Weir does, or will do.
#[derive(Clone, Copy, Serialize, ToSchema)]
struct Feature {
    /// Its name.
    name: &'static str,
    /// Whether it is there.
    status: FeatureStatus,
}

/// Whether a feature is there.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum FeatureStatus {
    /// It works.
    Available,
    /// It does not exist yet.
    Planned,
}

const AVAILABLE: [&str; 11] = [
    "api_keys",
    "budgets",
    "console",
    "failover",
    "guardrails",
    "openai_and_anthropic_translation",
    "playground",
    "provider_credentials",
    "rate_limits",
    "streaming",
    "usage_ledger",
];

const PLANNED: [&str; 4] = ["gemini_and_bedrock", "kubernetes", "opentelemetry", "response_cache"];

/// What this version can do.
#[utoipa::path(get, path = "/features/status", operation_id = "feature_status", tag = "features",
    responses((status = 200, body = Features), Reading))]
async fn status(_: Caller) -> Json<Features> {
    let feature = |status| move |name| Feature { name, status };
    let available = AVAILABLE.into_iter().map(feature(FeatureStatus::Available));
    let planned = PLANNED.into_iter().map(feature(FeatureStatus::Planned));
    Json(Features { features: available.chain(planned).collect() })
}
