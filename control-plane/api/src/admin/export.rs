//! Everything that is decided, in the form in which `apply` takes it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_core::json::Object;
use weir_store::ExportedObject as Exported;

use crate::ApiState;
use crate::admin::apply::{MOST_OBJECTS, resource};
use crate::caller::Caller;
use crate::extract::Query;
use crate::problem::{Code, Problem, Reading};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(export))
}

/// What is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// Only this kind: `provider`, `model`, …
    kind: Option<String>,
    /// Only what belongs to this tenant, by name or id.
    tenant: Option<String>,
}

/// What is decided, at one revision.
#[derive(Debug, Serialize, ToSchema)]
struct Export {
    /// What is referred to comes before what refers to it; then by tenant, the platform first, and by name.
    objects: Vec<ExportedObject>,
    /// The latest change that it shows.
    revision: u64,
}

/// An object as `apply` would make it.
#[derive(Debug, Serialize, ToSchema)]
struct ExportedObject {
    /// Its kind.
    kind: &'static str,
    /// What it is called; of a user, the address.
    name: String,
    /// Its tenant's name; null: the platform's.
    #[schema(required)]
    tenant: Option<String>,
    /// What `apply` takes, with names in the place of ids, and without secrets.
    #[schema(value_type = std::collections::HashMap<String, serde_json::Value>)]
    spec: Object,
    /// The field of the secret that it has, which is not told; null: it has none that people give.
    #[schema(required)]
    secret: Option<&'static str>,
}

impl From<Exported> for ExportedObject {
    fn from(object: Exported) -> Self {
        let Exported { kind, name, tenant, spec, secret } = object;
        Self { kind, name, tenant, spec, secret }
    }
}

/// All objects that you may write and see, of one moment; at most 5,000.
///
/// Keys and tokens that were made are not told, so `apply` makes new ones. What is revoked, or cannot be changed, is left out.
#[utoipa::path(get, path = "/export", operation_id = "export", tag = "apply", params(ExportQuery),
    responses((status = 200, body = Export), Reading))]
async fn export(
    State(state): State<ApiState>,
    caller: Caller,
    Query(ExportQuery { kind, tenant }): Query<ExportQuery>,
) -> Result<Json<Export>, Problem> {
    let unknown = |_| Problem::field(Code::InvalidQuery, "kind", "there is no such kind");
    let kind = kind.map(|kind| resource(&kind).map(|resource| resource.kind)).transpose().map_err(unknown)?;
    let export = state.store.export(&caller.actor, kind, tenant.as_deref(), MOST_OBJECTS).await?;
    let objects = export.objects.into_iter().map(ExportedObject::from).collect();
    Ok(Json(Export { objects, revision: export.revision }))
}
