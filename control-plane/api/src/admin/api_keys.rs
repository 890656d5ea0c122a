//! API keys of a tenant's apps.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use weir_core::api_key::ApiKeySettings;
use weir_core::change::Streams;

use crate::caller::Caller;
use crate::extract::Named;
use crate::problem::{Problem, Writing};

use crate::ApiState;
use crate::resource::{Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::API_KEY,
    path: "api-keys",
    tag: "api-keys",
    singular: "api_key",
    plural: "api_keys",
    schema: "ApiKey",
    about: "What an app shows to the gateway.",
    listed: "The keys in your scope, oldest first.",
    deletable: "Deletes a key. Its usage stays in the ledger.",
    secret: "The key itself. It is shown this once; null: it was given.",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE
        .router(Schemas::of::<ApiKeySettings, Status>())
        .routes(routes!(revoke))
        .merge(super::usage::key_statistics())
}

/// What is only read of a key.
#[derive(ToSchema)]
#[allow(dead_code, reason = "documentation only")]
struct Status {
    /// Its first 12 characters; of one that was given, at most a quarter of them; of one that was given as a digest, that digest's.
    prefix: String,
    /// Since when it is refused; null: it is not revoked.
    revoked_at: Option<DateTime<Utc>>,
    /// Whether it is refused because the user or service account whose it is is disabled.
    owner_disabled: bool,
    /// When it was last used; null: never.
    last_used_at: Option<DateTime<Utc>>,
    /// `key`: a key is shown. `token`, `workload`: there is none; it stands for who comes by an identity rule.
    way: String,
    /// That rule; null: a key is shown.
    identity_rule_id: Option<Uuid>,
}

/// Revokes a key for good. A key that is revoked already stays as it is. Wherever it is managed, it is revoked here.
#[utoipa::path(post, path = "/api-keys/{id}/revoke", operation_id = "revoke_api_key", tag = "api-keys",
    params(Named, ("streams" = inline(Option<Streams>), Query, description = "What becomes of its streams under way. Default `end`: they are ended within a second.")),
    responses((status = 200, body = ref("#/components/schemas/ApiKey")), Writing))]
async fn revoke(State(state): State<ApiState>, caller: Caller, named: Named) -> Result<Response, Problem> {
    RESOURCE.revoke(state, caller, named).await
}
