//! Tenants. Only for the platform.

use utoipa_axum::router::OpenApiRouter;
use weir_core::tenant::TenantSettings;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::TENANT,
    path: "tenants",
    tag: "tenants",
    singular: "tenant",
    plural: "tenants",
    schema: "Tenant",
    about: "A customer, a department or a team: what it has, nobody else sees.",
    listed: "The tenants in your scope, oldest first: for a tenant's users, their own.",
    deletable: "Deletes a tenant that has nothing any more. Its usage stays in the ledger.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<TenantSettings, NoStatus>())
}
