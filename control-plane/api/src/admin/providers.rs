//! Providers: where requests can be sent.

use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use weir_core::routing::ProviderSettings;

use crate::ApiState;
use crate::resource::{Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::PROVIDER,
    path: "providers",
    tag: "providers",
    singular: "provider",
    plural: "providers",
    schema: "Provider",
    about: "Where requests can be sent, and with which credential.",
    listed: "The providers in your scope, oldest first.",
    deletable: "Deletes a provider that no pool uses.",
    secret: "What it is shown. Stored encrypted, never read again. Absent: it stays; null: none. It must be given again when `base_url` leads to another server.",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<ProviderSettings, Status>())
}

/// What is only read of a provider.
#[derive(ToSchema)]
#[allow(dead_code, reason = "documentation only")]
struct Status {
    /// Whether it is shown a credential. The credential itself is never read.
    has_credential: bool,
}
