//! Service accounts: apps and machines that have keys.

use utoipa_axum::router::OpenApiRouter;
use weir_core::service_account::ServiceAccountSettings;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::SERVICE_ACCOUNT,
    path: "service-accounts",
    tag: "service-accounts",
    singular: "service_account",
    plural: "service_accounts",
    schema: "ServiceAccount",
    about: "An app or a machine that has keys. While it is disabled, all of them are refused.",
    listed: "The service accounts in your scope, oldest first.",
    deletable: "Deletes a service account that has no keys any more.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<ServiceAccountSettings, NoStatus>())
}
