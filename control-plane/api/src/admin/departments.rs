//! Departments of a tenant.

use utoipa_axum::router::OpenApiRouter;
use weir_core::department::DepartmentSettings;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::DEPARTMENT,
    path: "departments",
    tag: "departments",
    singular: "department",
    plural: "departments",
    schema: "Department",
    about: "A part of a tenant, with people, service accounts and keys of its own; departments form a tree.",
    listed: "The departments in your scope, oldest first.",
    deletable: "Deletes a department that nothing is of any more, and that none is beneath.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<DepartmentSettings, NoStatus>())
}
