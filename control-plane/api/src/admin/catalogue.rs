//! Public prices of models.

use axum::Json;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_core::catalogue::{self, CatalogueModel};

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Query;
use crate::problem::{Problem, Reading};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(models))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Sought {
    /// A part of a model's name, of another name of its, or of its provider; absent: all.
    #[serde(default)]
    q: String,
}

/// Models as their providers list them.
#[derive(Serialize, ToSchema)]
struct Catalogue {
    /// By provider and name.
    items: Vec<CatalogueModel>,
}

/// Public prices of models with their date and source, as they came with this version. Nothing is priced by them: an entry's `price` is
/// what a pool's member takes as its own.
#[utoipa::path(get, path = "/catalogue/models", operation_id = "search_catalogue_models", tag = "catalogue", params(Sought),
    responses((status = 200, body = Catalogue), Reading))]
async fn models(_: Caller, Query(sought): Query<Sought>) -> Result<Json<Catalogue>, Problem> {
    Ok(Json(Catalogue { items: catalogue::search(&sought.q).cloned().collect() }))
}
