//! Which guardrails and limits hold for keys, and where each of them comes from.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::limit::{LimitAction, LimitUnit, LimitWindow, SubjectKind};
use weir_core::schemas::{Rule, UninspectableAction};
use weir_store::{API_KEY, DEPARTMENT, Kind, SERVICE_ACCOUNT, USER};

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Named;
use crate::problem::{Problem, Reading};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(of_department))
        .routes(routes!(of_user))
        .routes(routes!(of_service_account))
        .routes(routes!(of_api_key))
}

/// What holds: of guardrails the strictest of all that apply, and all limits.
#[derive(Debug, Serialize, ToSchema)]
struct Effective {
    /// The profiles and what each is attached to, the widest first; empty: there are no guardrails.
    sources: Vec<EffectiveSource>,
    /// For each type of finding and direction the strictest action.
    #[schema(value_type = Vec<Rule>)]
    rules: serde_json::Value,
    /// What becomes of a request with something that no guardrail can read.
    #[schema(value_type = UninspectableAction)]
    uninspectable: &'static str,
    /// All of these must have room for a request; the widest first.
    limits: Vec<EffectiveLimit>,
}

/// A limit, and what it is on.
#[derive(Debug, Serialize, ToSchema)]
struct EffectiveLimit {
    /// The limit.
    limit_id: Uuid,
    /// What the limit is called.
    limit_name: String,
    /// Whose it is; null: the platform's.
    #[schema(required)]
    tenant_id: Option<Uuid>,
    /// What it is on.
    kind: SubjectKind,
    /// Of a department, a label or a model: which one, by its name. Else null.
    #[schema(required)]
    name: Option<String>,
    /// Whether each of the kind has a counter of its own.
    each: bool,
    /// The `subject_id` by which the limit's state tells how much of it is used; null: there is one counter for all, or one for each key or
    /// model.
    #[schema(required)]
    subject_id: Option<String>,
    /// What it counts.
    unit: LimitUnit,
    /// In which time; null: at the same time.
    #[schema(required)]
    window: Option<LimitWindow>,
    /// Units in one window.
    amount: u64,
    /// What becomes of a request for which there is no room.
    action: LimitAction,
}

impl From<weir_store::EffectiveLimit> for EffectiveLimit {
    fn from(limit: weir_store::EffectiveLimit) -> Self {
        Self {
            limit_id: limit.id,
            limit_name: limit.name,
            tenant_id: limit.tenant_id,
            kind: limit.kind,
            name: limit.subject,
            each: limit.each,
            subject_id: limit.member,
            unit: limit.unit,
            window: limit.window,
            amount: limit.amount,
            action: limit.action,
        }
    }
}

/// A profile, and what it is attached to.
#[derive(Debug, Serialize, ToSchema)]
struct EffectiveSource {
    /// `platform`, `tenant`, `department`, `user`, `service_account` or `api_key`.
    kind: String,
    /// Null: the platform.
    #[schema(required)]
    id: Option<Uuid>,
    /// What it is called; null: the platform.
    #[schema(required)]
    name: Option<String>,
    /// The profile.
    profile_id: Uuid,
    /// What the profile is called.
    profile_name: String,
}

/// The guardrails and limits of all keys of a department: its own, those of the departments above it, its tenant's and everybody's.
#[utoipa::path(get, path = "/departments/{id}/effective", operation_id = "get_effective_of_department", tag = "departments",
    params(Named), responses((status = 200, body = Effective), Reading))]
async fn of_department(state: State<ApiState>, caller: Caller, named: Named) -> Result<Json<Effective>, Problem> {
    effective(state, DEPARTMENT, caller, named).await
}

/// The guardrails and limits of all keys of a user.
#[utoipa::path(get, path = "/users/{id}/effective", operation_id = "get_effective_of_user", tag = "users",
    params(Named), responses((status = 200, body = Effective), Reading))]
async fn of_user(state: State<ApiState>, caller: Caller, named: Named) -> Result<Json<Effective>, Problem> {
    effective(state, USER, caller, named).await
}

/// The guardrails and limits of all keys of a service account.
#[utoipa::path(get, path = "/service-accounts/{id}/effective", operation_id = "get_effective_of_service_account",
    tag = "service-accounts", params(Named), responses((status = 200, body = Effective), Reading))]
async fn of_service_account(state: State<ApiState>, caller: Caller, named: Named) -> Result<Json<Effective>, Problem> {
    effective(state, SERVICE_ACCOUNT, caller, named).await
}

/// The guardrails and limits of a key, as the gateways have them.
#[utoipa::path(get, path = "/api-keys/{id}/effective", operation_id = "get_effective_of_api_key", tag = "api-keys",
    params(Named), responses((status = 200, body = Effective), Reading))]
async fn of_api_key(state: State<ApiState>, caller: Caller, named: Named) -> Result<Json<Effective>, Problem> {
    effective(state, API_KEY, caller, named).await
}

async fn effective(
    State(state): State<ApiState>,
    kind: &'static dyn Kind,
    caller: Caller,
    named: Named,
) -> Result<Json<Effective>, Problem> {
    let id = state.store.id_of(kind, &caller.actor, &named.id_or_name, named.tenant.as_deref()).await?;
    let found = state.store.effective_guardrails(kind, &caller.actor, id).await?;
    let limits = state.store.effective_limits(kind, &caller.actor, id).await?;
    let source = |source: weir_store::GuardrailSource| EffectiveSource {
        kind: source.kind,
        id: source.id,
        name: source.name,
        profile_id: source.profile.id,
        profile_name: source.profile.profile.name,
    };
    let profile = found.profile;
    let rules = profile.as_ref().and_then(|profile| serde_json::to_value(&profile.rules).ok());
    Ok(Json(Effective {
        sources: found.sources.into_iter().map(source).collect(),
        rules: rules.unwrap_or_else(|| serde_json::json!([])),
        uninspectable: profile.map(|profile| profile.uninspectable).unwrap_or_default().name(),
        limits: limits.into_iter().map(EffectiveLimit::from).collect(),
    }))
}
