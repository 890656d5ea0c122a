//! Who comes with a good token or certificate, and no rule knows.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::identity::PersonMapping;
use weir_core::json::write;
use weir_core::page::PageRequest;

use crate::ApiState;
use crate::admin::identity_rules::RESOURCE;
use crate::caller::Caller;
use crate::cursor;
use crate::extract::{Body, Id, Query};
use crate::problem::{Problem, Reading, Writing};
use crate::resource::{self, List};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(assign))
}

/// Somebody whom no identity rule knows: their requests are refused.
#[derive(Serialize, ToSchema)]
struct DiscoveredCaller {
    /// UUIDv7, immutable.
    id: Uuid,
    /// In which way they came.
    #[schema(value_type = DiscoveredWay)]
    way: String,
    /// By whose token issuer or gateway they came; null: the platform's.
    #[schema(required)]
    tenant_id: Option<Uuid>,
    /// The issuer of their token; null: they are a workload.
    #[schema(required)]
    token_issuer_id: Option<Uuid>,
    /// The same, as the token says it; empty: they are a workload.
    issuer: String,
    /// The claim `sub` of their token, or their SPIFFE id.
    subject: String,
    /// Why nobody knows them.
    #[schema(value_type = DiscoveredReason)]
    reason: String,
    /// Requests of theirs, at least: those of the last seconds may not be counted yet.
    requests: i64,
    /// Some of the models that they asked for, at most 20, the first first. A gateway tells it with the request after.
    models: Vec<String>,
    /// When they came first.
    first_seen_at: DateTime<Utc>,
    /// When they came last.
    last_seen_at: DateTime<Utc>,
}

/// A way in without a key.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "documentation only")]
enum DiscoveredWay {
    /// By a token of an issuer that is known.
    Token,
    /// By the SPIFFE id of their certificate.
    Workload,
}

/// Why nobody knows somebody.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "documentation only")]
enum DiscoveredReason {
    /// No rule matches.
    NoRule,
    /// The rule that matches names a user who is not there, and makes none.
    NoUser,
}

impl From<weir_store::DiscoveredCaller> for DiscoveredCaller {
    fn from(caller: weir_store::DiscoveredCaller) -> Self {
        Self {
            id: caller.id,
            way: caller.way,
            tenant_id: caller.tenant_id,
            token_issuer_id: caller.token_issuer_id,
            issuer: caller.issuer,
            subject: caller.subject,
            reason: caller.reason,
            requests: caller.requests,
            models: caller.models,
            first_seen_at: caller.first_seen_at,
            last_seen_at: caller.last_seen_at,
        }
    }
}

/// Which part of the list is wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DiscoveredQuery {
    /// Items at most, 1 to 200. Default 50.
    limit: Option<u32>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
    /// Only who came by this tenant's issuers and gateways.
    tenant_id: Option<Uuid>,
}

/// Whose requests theirs are from now on: what an identity rule takes, but for whom it matches.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Assignment {
    /// Where the rule leads. Required for who came by the platform's issuers and gateways.
    #[serde(default)]
    tenant_id: Option<Uuid>,
    /// What the rule is called.
    name: String,
    /// As of a rule. Default: one before all other rules of the issuer, or for workloads.
    #[serde(default)]
    position: Option<u32>,
    /// The service account whose requests theirs are.
    #[serde(default)]
    service_account_id: Option<Uuid>,
    /// The department whose requests theirs are.
    #[serde(default)]
    department_id: Option<Uuid>,
    /// The user whose requests theirs are.
    #[serde(default)]
    person: Option<PersonMapping>,
    /// Labels of what they use.
    #[serde(default)]
    #[schema(required = false)]
    labels: BTreeMap<String, String>,
}

/// Who comes with a good token or certificate, and no rule knows; who came first last, first. At most 1000 for each tenant and the platform:
/// beyond, the one seen longest ago is forgotten.
#[utoipa::path(get, path = "/discovered", operation_id = "list_discovered", tag = "identity", params(DiscoveredQuery),
    responses((status = 200, body = List<DiscoveredCaller>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(DiscoveredQuery { limit, cursor, tenant_id }): Query<DiscoveredQuery>,
) -> Result<Json<List<DiscoveredCaller>>, Problem> {
    let after = cursor.as_deref().map(cursor::read).transpose()?;
    let request = PageRequest { limit: resource::limit(limit)?, after, tenant_id };
    let page = state.store.list_discovered(&caller.actor, request).await?;
    Ok(List::of(page, DiscoveredCaller::from))
}

/// Makes the identity rule that knows one of them from now on, by the claim `sub` or by the SPIFFE id, and takes it off the list.
#[utoipa::path(post, path = "/discovered/{id}/assign", operation_id = "assign_discovered", tag = "identity",
    params(("id" = Uuid, Path)), request_body = Assignment,
    responses((status = 201, body = ref("#/components/schemas/IdentityRule")), Writing))]
async fn assign(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    Body(assignment): Body<Assignment>,
) -> Result<Response, Problem> {
    let mut spec = write(&assignment);
    spec.remove("tenant_id");
    let made = state.store.assign_discovered(&caller.actor, id, assignment.tenant_id, spec).await?;
    let (id, revision) = (made.id, made.revision);
    Ok(resource::created(RESOURCE.path, id, revision, RESOURCE.answer(made)))
}
