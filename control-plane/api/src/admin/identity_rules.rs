//! What tokens and workloads lead to.

use utoipa_axum::router::OpenApiRouter;
use weir_core::identity::IdentityRuleSettings;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::IDENTITY_RULE,
    path: "identity-rules",
    tag: "identity",
    singular: "identity_rule",
    plural: "identity_rules",
    schema: "IdentityRule",
    about: "Whom a token or a workload stands for: it matches the claims of an issuer's tokens, or SPIFFE ids, and leads to a tenant and to \
            a service account, a user or a department of it. Who comes by it is listed among the API keys, without a key: what restricts \
            keys is set there. Of rules that match, the one with the lowest position counts, of several the oldest.",
    listed: "The identity rules in your scope, oldest first.",
    deletable: "Deletes an identity rule. Who came by it is refused, unless another one matches.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<IdentityRuleSettings, NoStatus>())
}
