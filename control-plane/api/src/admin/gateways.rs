//! Gateways: fleets of Envoys with one token each. Only for the platform.

use utoipa_axum::router::OpenApiRouter;
use weir_core::tenant::GatewaySettings;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::GATEWAY,
    path: "gateways",
    tag: "gateways",
    singular: "gateway",
    plural: "gateways",
    schema: "Gateway",
    about: "A fleet of Envoys with one token. One of the platform's serves all tenants.",
    listed: "All gateways, oldest first.",
    deletable: "Deletes a gateway: its token is refused from now on.",
    secret: "What its Envoys show to the control plane. It is shown this once.",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<GatewaySettings, NoStatus>())
}
