//! Models: the names that clients ask for.

use utoipa_axum::router::OpenApiRouter;
use weir_core::routing::ModelSettings;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::MODEL,
    path: "models",
    tag: "models",
    singular: "model",
    plural: "models",
    schema: "Model",
    about: "A name that clients ask for, and the pool that serves it. One of the platform's is for all tenants that have none of that name.",
    listed: "The models in your scope and the platform's, oldest first.",
    deletable: "Deletes a model.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<ModelSettings, NoStatus>())
}
