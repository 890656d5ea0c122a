//! Limits: how much of what a subject may use in which time.

mod change;
mod events;
mod state;
mod trial;

use utoipa_axum::router::OpenApiRouter;
use weir_core::limit::LimitSettings;
use weir_store::LIMIT;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: LIMIT,
    path: "limits",
    tag: "limits",
    singular: "limit",
    plural: "limits",
    schema: "Limit",
    about: "So many units of something in each window, for a subject or for each of a kind. All limits that hold for a request must \
            have room for it.",
    listed: "The limits in your scope, oldest first.",
    deletable: "Deletes a limit, with all that was counted of it.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE
        .router(Schemas::of::<LimitSettings, NoStatus>())
        .merge(state::router())
        .merge(change::router())
        .merge(events::router())
        .merge(trial::router())
}
