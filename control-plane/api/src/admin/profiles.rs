//! Guardrail profiles: what is looked for, and what happens when it is found.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_config::{
    Action as RuleAction, FindingType as RuleFinding, GuardrailProfile, GuardrailRule, RuleDirection, Uninspectable,
};
use weir_core::resource::Stored;

use crate::ApiState;
use crate::caller::Caller;
use crate::etag::IfMatch;
use crate::extract::{Body, Creation, Id, Query};
use crate::problem::{Problem, Reading, Writing};
use crate::resource::{Deleted, List, ListQuery, Meta, created, deleted, found};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// What is looked for, and what happens when it is found.
#[derive(Serialize, ToSchema)]
struct Profile {
    #[serde(flatten)]
    meta: Meta,
    /// Null: the platform's.
    tenant_id: Option<Uuid>,
    /// For people.
    name: String,
    /// Checked together; where findings overlap, the strictest action wins.
    rules: Vec<Rule>,
    /// What becomes of a request with something that no guardrail can read.
    #[schema(value_type = UninspectableAction)]
    uninspectable: Uninspectable,
}

/// What happens to what a model reads and no guardrail can: pictures, sound, documents that are no text, files that the provider has.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "documents the type of the filters' configuration")]
enum UninspectableAction {
    /// It passes, and the findings tell of it.
    Allow,
    /// The request is refused.
    Refuse,
}

/// One type of finding and its consequence.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// What is looked for.
    #[serde(rename = "type")]
    #[schema(value_type = FindingType)]
    finding: RuleFinding,
    /// What happens.
    #[schema(value_type = Action)]
    action: RuleAction,
    /// Where. Default `both`.
    #[serde(default)]
    #[schema(value_type = Direction, required = false)]
    direction: RuleDirection,
}

/// What can be found.
#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(dead_code, reason = "documents the type of the filters' configuration")]
pub(crate) enum FindingType {
    /// A payment card number with a valid check digit.
    CreditCard,
    /// An e-mail address.
    Email,
}

/// What happens to text in which something was found, from mild to strict.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "documents the type of the filters' configuration")]
pub(crate) enum Action {
    /// Nothing, and it is not reported either.
    Allow,
    /// It passes and is reported.
    Flag,
    /// It is replaced by a placeholder such as `[CREDIT_CARD]`.
    Redact,
    /// The request or the answer is refused.
    Block,
}

/// Where a rule looks.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "documents the type of the filters' configuration")]
enum Direction {
    /// In what the client sends.
    Input,
    /// In what the model answers.
    Output,
    /// In both.
    Both,
}

impl From<Rule> for GuardrailRule {
    fn from(rule: Rule) -> Self {
        Self { finding: rule.finding, action: rule.action, direction: rule.direction }
    }
}

impl From<GuardrailRule> for Rule {
    fn from(rule: GuardrailRule) -> Self {
        Self { finding: rule.finding, action: rule.action, direction: rule.direction }
    }
}

impl From<Stored<GuardrailProfile>> for Profile {
    fn from(stored: Stored<GuardrailProfile>) -> Self {
        let meta = Meta::from(&stored);
        let GuardrailProfile { name, rules, uninspectable } = stored.value;
        let rules = rules.into_iter().map(Rule::from).collect();
        Self { meta, tenant_id: stored.tenant_id, name, rules, uninspectable }
    }
}

/// A profile to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProfile {
    /// Absent or null: the platform's.
    tenant_id: Option<Uuid>,
    /// 1 to 100 characters; unique for its owner.
    name: String,
    /// At least one.
    rules: Vec<Rule>,
    /// What becomes of a request with something that no guardrail can read. Absent: `allow`.
    #[schema(value_type = Option<UninspectableAction>)]
    uninspectable: Option<Uninspectable>,
}

/// What to change about a profile; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProfilePatch {
    /// 1 to 100 characters; unique for its owner.
    name: Option<String>,
    /// All rules, at least one.
    rules: Option<Vec<Rule>>,
    /// What becomes of a request with something that no guardrail can read.
    #[schema(value_type = Option<UninspectableAction>)]
    uninspectable: Option<Uninspectable>,
}

/// The profiles in your scope and the platform's, oldest first. The platform's profile `all` always exists.
#[utoipa::path(get, path = "/guardrails/profiles", operation_id = "list_profiles", tag = "guardrails", params(ListQuery),
    responses((status = 200, body = List<Profile>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Profile>>, Problem> {
    let page = state.store.list_profiles(&caller.actor, query.page()?).await?;
    Ok(List::of(page, Profile::from))
}

/// Makes a profile.
#[utoipa::path(post, path = "/guardrails/profiles", operation_id = "create_profile", tag = "guardrails", request_body = NewProfile,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key brings the same result for 24 hours.")),
    responses((status = 201, body = Profile), Writing))]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Creation { body, idempotency }: Creation<NewProfile>,
) -> Result<Response, Problem> {
    let profile = GuardrailProfile {
        name: body.name,
        rules: body.rules.into_iter().map(GuardrailRule::from).collect(),
        uninspectable: body.uninspectable.unwrap_or_default(),
    };
    let stored = state.store.create_profile(&caller.actor, body.tenant_id, profile, idempotency.as_ref()).await?;
    Ok(created("guardrails/profiles", stored.id, stored.revision, Profile::from(stored)))
}

/// One profile.
#[utoipa::path(get, path = "/guardrails/profiles/{id}", operation_id = "get_profile", tag = "guardrails", params(("id" = Uuid, Path)),
    responses((status = 200, body = Profile), Reading))]
async fn get(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let stored = state.store.get_profile(&caller.actor, id).await?;
    Ok(found(stored.revision, Profile::from(stored)))
}

/// Changes a profile.
#[utoipa::path(patch, path = "/guardrails/profiles/{id}", operation_id = "update_profile", tag = "guardrails", request_body = ProfilePatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Profile), Writing))]
async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
    Body(patch): Body<ProfilePatch>,
) -> Result<Response, Problem> {
    let before = state.store.get_profile(&caller.actor, id).await?.value;
    let rules = patch.rules.map(|rules| rules.into_iter().map(GuardrailRule::from).collect());
    let profile = GuardrailProfile {
        name: patch.name.unwrap_or(before.name),
        rules: rules.unwrap_or(before.rules),
        uninspectable: patch.uninspectable.unwrap_or(before.uninspectable),
    };
    let stored = state.store.update_profile(&caller.actor, id, expected, profile).await?;
    Ok(found(stored.revision, Profile::from(stored)))
}

/// Deletes a profile that no key and no tenant uses.
#[utoipa::path(delete, path = "/guardrails/profiles/{id}", operation_id = "delete_profile", tag = "guardrails",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Deleted), Writing))]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    Ok(deleted(id, state.store.delete_profile(&caller.actor, id, expected).await?))
}
