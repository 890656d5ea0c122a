//! What whoever is signed in may do.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::permission::{BuiltInRole, Permission};
use weir_store::AccessScopeKind;

use crate::ApiState;
use crate::caller::Caller;
use crate::problem::{Problem, Reading};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(own_access))
}

/// What somebody may do, by all of their roles.
#[derive(Serialize, ToSchema)]
struct Access {
    /// That of the user first, then those that were granted besides.
    roles: Vec<HeldRole>,
    /// What these come to together.
    permissions: Vec<HeldPermission>,
}

/// A role, and where it holds.
#[derive(Serialize, ToSchema)]
struct HeldRole {
    /// One that always exists; null: a custom one.
    #[schema(required)]
    role: Option<BuiltInRole>,
    /// A custom one; null: one that always exists.
    #[schema(required)]
    custom_role_id: Option<Uuid>,
    /// What the custom one is called.
    #[schema(required)]
    custom_role_name: Option<String>,
    /// Where it holds.
    scope: AccessScope,
}

/// A permission, and how far it reaches.
#[derive(Serialize, ToSchema)]
struct HeldPermission {
    /// Which.
    permission: Permission,
    /// Where: in any of these.
    scopes: Vec<AccessScope>,
}

/// Where something may be done.
#[derive(Serialize, ToSchema)]
struct AccessScope {
    /// How far it reaches.
    kind: ScopeKind,
    /// The tenant or the department; null of the other kinds.
    #[schema(required)]
    id: Option<Uuid>,
    /// What that is called.
    #[schema(required)]
    name: Option<String>,
}

/// How far something reaches: to everything, to what is of one tenant, to what is of a department and of those beneath it, or to one's
/// own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ScopeKind {
    Platform,
    Tenant,
    Department,
    Own,
}

impl From<weir_store::AccessScope> for AccessScope {
    fn from(scope: weir_store::AccessScope) -> Self {
        let kind = match scope.kind {
            AccessScopeKind::Platform => ScopeKind::Platform,
            AccessScopeKind::Tenant => ScopeKind::Tenant,
            AccessScopeKind::Department => ScopeKind::Department,
            AccessScopeKind::Own => ScopeKind::Own,
        };
        Self { kind, id: scope.id, name: scope.name }
    }
}

/// What whoever is signed in may do: their roles, and each permission with where it reaches.
#[utoipa::path(get, path = "/auth/access", operation_id = "own_access", tag = "auth",
    responses((status = 200, body = Access), Reading))]
async fn own_access(State(state): State<ApiState>, caller: Caller) -> Result<Json<Access>, Problem> {
    let access = state.store.access(&caller.actor).await?;
    let role = |held: weir_store::HeldRole| {
        let (custom_role_id, custom_role_name) = held.custom_role.unzip();
        HeldRole { role: held.role, custom_role_id, custom_role_name, scope: held.scope.into() }
    };
    let permission = |(permission, scopes): (Permission, Vec<weir_store::AccessScope>)| HeldPermission {
        permission,
        scopes: scopes.into_iter().map(AccessScope::from).collect(),
    };
    Ok(Json(Access {
        roles: access.roles.into_iter().map(role).collect(),
        permissions: access.permissions.into_iter().map(permission).collect(),
    }))
}
