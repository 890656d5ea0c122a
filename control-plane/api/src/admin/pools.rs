//! Pools: deployments that serve the same models.

use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;
use weir_core::routing::{MemberPrice, NextPrice, PoolSettings};
use weir_core::schemas::Capabilities;

use crate::ApiState;
use crate::resource::{Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::POOL,
    path: "pools",
    tag: "pools",
    singular: "pool",
    plural: "pools",
    schema: "Pool",
    about: "Deployments that serve the same models, in the order in which they are tried.",
    listed: "The pools in your scope, oldest first.",
    deletable: "Deletes a pool that no model leads to.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<PoolSettings, Status>())
}

/// What is only read of a pool.
#[derive(ToSchema)]
#[allow(dead_code, reason = "documentation only")]
struct Status {
    /// In the order in which they are tried.
    members: Vec<Member>,
}

/// One model at one provider.
#[derive(ToSchema)]
#[allow(dead_code, reason = "documentation only")]
struct Member {
    /// The deployment's id.
    id: Uuid,
    /// Its provider.
    provider_id: Uuid,
    /// What that is called.
    provider_name: String,
    /// The model's name there.
    model: String,
    /// What its tokens cost; null: unknown.
    #[schema(required)]
    price: Option<MemberPrice>,
    /// What they cost from a time on, the earliest first.
    #[schema(required = false)]
    next_prices: Vec<NextPrice>,
    /// What is said about what the model takes there.
    capabilities: Capabilities,
}
