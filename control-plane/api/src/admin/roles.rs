//! Roles that administrators make.

use utoipa_axum::router::OpenApiRouter;
use weir_core::role::RoleSettings;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::ROLE,
    path: "roles",
    tag: "roles",
    singular: "role",
    plural: "roles",
    schema: "CustomRole",
    about: "A role that an administrator made, to be granted to users. It takes effect at once wherever it is granted.",
    listed: "The roles in your scope and the platform's, oldest first; not those that always exist.",
    deletable: "Deletes a role that is granted to nobody.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<RoleSettings, NoStatus>())
}
