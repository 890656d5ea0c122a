//! Many objects at once, all or nothing.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::json::{Object, Strict};
use weir_core::resource::Origin;
use weir_store::{Application, AppliedObject, Apply, NamedObject, Secret};

use crate::ApiState;
use crate::admin::RESOURCES;
use crate::caller::Caller;
use crate::extract::{Creation, Query};
use crate::problem::{Code, Problem, Writing};
use crate::resource::{Resource, object};

/// Objects of one set at most.
pub(crate) const MOST_OBJECTS: usize = 5_000;
/// Bytes of a set at most.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// How many objects a set may delete unless it says so.
const MOST_DELETED: usize = 20;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(apply)).layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// Whether it is done.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApplyQuery {
    /// Whether nothing is committed. Default false.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// Objects as they should be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApplyRequest {
    /// At most 5,000, in any order.
    objects: Vec<ApplyObject>,
    /// Where they are managed from now on. Absent or null: here, by requests to the API.
    origin: Option<Origin>,
    /// Whether objects of this origin are deleted that the set does not name, of the kinds and tenants that it names. Never tenants.
    /// Default false.
    prune: Option<bool>,
    /// Whether objects of other origins are taken over. Default false: they are refused.
    adopt: Option<bool>,
    /// How many objects may be deleted. Default 20.
    max_deleted: Option<usize>,
    /// Refuses the set if an object that it names was changed since this revision.
    base_revision: Option<u64>,
}

/// An object as it should be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApplyObject {
    /// `tenant`, `guardrail_profile`, `provider`, `pool`, `model`, `department`, `role`, `user`, `service_account`,
    /// `token_issuer`, `identity_rule`, `api_key`, `limit`, `service_token`, `gateway` or `sign_in_provider`.
    kind: String,
    /// What it is called; of a user, the address.
    name: String,
    /// The tenant that it belongs to, by name or id. Absent or null: the platform.
    tenant: Option<String>,
    /// What POST takes, but for `name` and `tenant_id`. What `x_id` refers to may be written `x`: a name within the same owner, or an
    /// id. A secret that is left out stays.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    spec: Object,
}

/// What was done, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplyResult {
    /// Those that were not there.
    created: Vec<AppliedAnswer>,
    /// Those that were different.
    changed: Vec<AppliedAnswer>,
    /// Those that were as they should be.
    unchanged: Vec<AppliedAnswer>,
    /// Those that are gone.
    deleted: Vec<AppliedAnswer>,
    /// What differs, object by object.
    diff: Vec<ApplyDiff>,
    /// The revision of the change; null: nothing was committed.
    #[schema(required)]
    revision: Option<u64>,
}

/// An object of a set.
#[derive(Debug, Serialize, ToSchema)]
struct AppliedAnswer {
    /// Its kind.
    kind: String,
    /// What it is called.
    name: String,
    /// Its tenant's name; null: the platform's.
    #[schema(required)]
    tenant: Option<String>,
    /// Null: it is not there, as nothing was committed.
    #[schema(required)]
    id: Option<Uuid>,
    /// The key that was made. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The token of the gateway or the service that was made. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// What differs about an object.
#[derive(Debug, Serialize, ToSchema)]
struct ApplyDiff {
    /// Its kind.
    kind: String,
    /// What it is called.
    name: String,
    /// Its tenant's name; null: the platform's.
    #[schema(required)]
    tenant: Option<String>,
    /// By the paths of its fields.
    changes: Vec<ApplyChange>,
}

/// What differs about a field. Secrets are not shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplyChange {
    /// For example `members[0].model`.
    path: String,
    /// What was; null: nothing.
    #[schema(required)]
    before: Value,
    /// What is; null: nothing.
    #[schema(required)]
    after: Value,
}

/// Brings a set of objects about, all or nothing.
///
/// What is not there is made, what differs is replaced, and the rest stays as it is. Objects of another origin are refused unless they
/// are adopted. With an idempotency key, a repeat has the first one's result, keys and tokens included; dry runs are not kept.
#[utoipa::path(post, path = "/apply", operation_id = "apply", tag = "apply",
    params(ApplyQuery, ("Idempotency-Key" = Option<String>, Header, description = "The same key brings the same result for 24 hours.")),
    request_body = ApplyRequest,
    responses((status = 200, body = ApplyResult), Writing))]
async fn apply(
    State(state): State<ApiState>,
    caller: Caller,
    Query(ApplyQuery { dry_run }): Query<ApplyQuery>,
    Creation { body: Strict(body), idempotency }: Creation<Strict>,
) -> Result<Json<ApplyResult>, Problem> {
    let request: ApplyRequest =
        weir_core::json::read(body).map_err(|errors| Problem::fields(Code::InvalidFields, errors))?;
    if request.objects.len() > MOST_OBJECTS {
        return Err(Problem::field(Code::InvalidFields, "objects", "must have at most 5000 objects"));
    }
    let mut objects = Vec::with_capacity(request.objects.len());
    for (index, object) in request.objects.into_iter().enumerate() {
        objects.push(read_object(object).await.map_err(|problem| problem.within(index))?);
    }
    let apply = Apply {
        objects,
        origin: request.origin.unwrap_or_default(),
        prune: request.prune.unwrap_or(false),
        adopt: request.adopt.unwrap_or(false),
        max_deleted: request.max_deleted.unwrap_or(MOST_DELETED),
        base_revision: request.base_revision,
        dry_run,
    };
    Ok(Json(state.store.apply(&caller.actor, apply, idempotency.as_ref()).await?.into()))
}

async fn read_object(object: ApplyObject) -> Result<NamedObject, Problem> {
    let ApplyObject { kind, name, tenant, mut spec } = object;
    let resource = resource(&kind)?;
    for field in [resource.kind.natural_key(), "tenant_id"] {
        if spec.contains_key(field) {
            let reason = format!("must not hold {field}, which is said beside it");
            return Err(Problem::field(Code::InvalidFields, "$", reason));
        }
    }
    let secret = resource.take_secret(&mut spec).await?;
    let mut spec = Value::Object(spec);
    weir_core::json::without_nulls(&mut spec);
    Ok(NamedObject { kind: resource.kind, name, tenant, spec: self::object(spec)?, secret })
}

pub(crate) fn resource(kind: &str) -> Result<Resource, Problem> {
    RESOURCES.into_iter().find(|resource| resource.kind.name() == kind).ok_or_else(|| {
        let known: Vec<&str> = RESOURCES.iter().map(|resource| resource.kind.name()).collect();
        Problem::field(Code::InvalidFields, "kind", format!("must be one of {}", known.join(", ")))
    })
}

impl From<Application> for ApplyResult {
    fn from(application: Application) -> Self {
        let answers = |objects: Vec<AppliedObject>| objects.into_iter().map(AppliedAnswer::from).collect();
        let differences = application.differences.into_iter().map(|object| ApplyDiff {
            kind: object.kind,
            name: object.name,
            tenant: object.tenant,
            changes: object
                .changes
                .into_iter()
                .map(|change| ApplyChange { path: change.path, before: change.before, after: change.after })
                .collect(),
        });
        Self {
            diff: differences.collect(),
            created: answers(application.created),
            changed: answers(application.changed),
            unchanged: answers(application.unchanged),
            deleted: answers(application.deleted),
            revision: application.revision,
        }
    }
}

impl From<AppliedObject> for AppliedAnswer {
    fn from(object: AppliedObject) -> Self {
        let AppliedObject { kind, name, tenant, id, secret } = object;
        let field =
            RESOURCES.iter().find(|resource| resource.kind.name() == kind).map(|resource| resource.kind.secret());
        let (key, token) = match field {
            Some(Secret::Issued { field: "key" }) => (secret, None),
            Some(Secret::Issued { .. }) => (None, secret),
            Some(Secret::None | Secret::Given { .. }) | None => (None, None),
        };
        Self { kind, name, tenant, id, key, token }
    }
}
