//! Guardrail profiles: what is looked for, and what happens when it is found.

use utoipa_axum::router::OpenApiRouter;
use weir_core::schemas::ProfileSettings;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::GUARDRAIL_PROFILE,
    path: "guardrails/profiles",
    tag: "guardrails",
    singular: "profile",
    plural: "profiles",
    schema: "Profile",
    about: "What is looked for, and what happens when it is found.",
    listed: "The profiles in your scope and the platform's, oldest first. The platform's profile `all` always exists.",
    deletable: "Deletes a profile that no key and no tenant uses.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<ProfileSettings, NoStatus>())
}
