//! Users: people who administer.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::actor;
use weir_core::resource::Stored;
use weir_core::tenant::UserSettings;

use crate::ApiState;
use crate::caller::Caller;
use crate::etag::IfMatch;
use crate::extract::{Body, Creation, Id, Query};
use crate::password::hash_password;
use crate::problem::{Code, Problem, Reading, Writing};
use crate::resource::{Deleted, List, ListQuery, Meta, created, deleted, found};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// What a user may do.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Everything, for all tenants and the platform.
    PlatformAdmin,
    /// Reads and writes one tenant.
    TenantAdmin,
    /// Reads one tenant.
    Viewer,
}

impl From<actor::Role> for Role {
    fn from(role: actor::Role) -> Self {
        match role {
            actor::Role::PlatformAdmin => Self::PlatformAdmin,
            actor::Role::TenantAdmin => Self::TenantAdmin,
            actor::Role::Viewer => Self::Viewer,
        }
    }
}

impl From<Role> for actor::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::PlatformAdmin => Self::PlatformAdmin,
            Role::TenantAdmin => Self::TenantAdmin,
            Role::Viewer => Self::Viewer,
        }
    }
}

/// Somebody who administers.
#[derive(Serialize, ToSchema)]
struct User {
    #[serde(flatten)]
    meta: Meta,
    /// Null for the platform's.
    tenant_id: Option<Uuid>,
    /// Unique, whatever its case.
    email: String,
    /// What the user may do.
    role: Role,
}

impl From<Stored<UserSettings>> for User {
    fn from(stored: Stored<UserSettings>) -> Self {
        let meta = Meta::from(&stored);
        Self { meta, tenant_id: stored.tenant_id, email: stored.value.email, role: stored.value.role.into() }
    }
}

/// A user to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// Null for a platform_admin, and only then.
    tenant_id: Option<Uuid>,
    /// Unique, whatever its case.
    email: String,
    /// What the user may do.
    role: Role,
    /// 12 to 256 characters. Never shown.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// What to change about a user; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserPatch {
    /// Unique, whatever its case.
    email: Option<String>,
    /// Not from or to platform_admin.
    role: Option<Role>,
    /// 12 to 256 characters. Ends the user's sessions.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
}

/// The users in your scope, oldest first.
#[utoipa::path(get, path = "/users", operation_id = "list_users", tag = "users", params(ListQuery),
    responses((status = 200, body = List<User>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<User>>, Problem> {
    let page = state.store.list_users(&caller.actor, query.page()?).await?;
    Ok(List::of(page, User::from))
}

/// Makes a user.
#[utoipa::path(post, path = "/users", operation_id = "create_user", tag = "users", request_body = NewUser,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key brings the same result for 24 hours.")),
    responses((status = 201, body = User), Writing))]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Creation { body, idempotency }: Creation<NewUser>,
) -> Result<Response, Problem> {
    let settings = UserSettings { email: body.email, role: body.role.into() };
    settings.check(body.tenant_id).map_err(|errors| Problem::fields(Code::InvalidFields, errors))?;
    let password_hash = hashed(body.password).await?;
    let stored =
        state.store.create_user(&caller.actor, body.tenant_id, settings, &password_hash, idempotency.as_ref()).await?;
    Ok(created("users", stored.id, stored.revision, User::from(stored)))
}

/// One user.
#[utoipa::path(get, path = "/users/{id}", operation_id = "get_user", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, body = User), Reading))]
async fn get(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let stored = state.store.get_user(&caller.actor, id).await?;
    Ok(found(stored.revision, User::from(stored)))
}

/// Changes a user. A new password or role ends their sessions.
#[utoipa::path(patch, path = "/users/{id}", operation_id = "update_user", tag = "users", request_body = UserPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = User), Writing))]
async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
    Body(patch): Body<UserPatch>,
) -> Result<Response, Problem> {
    let before = state.store.get_user(&caller.actor, id).await?.value;
    let settings = UserSettings {
        email: patch.email.unwrap_or(before.email),
        role: patch.role.map_or(before.role, actor::Role::from),
    };
    let password_hash = match patch.password {
        Some(password) => Some(hashed(password).await?),
        None => None,
    };
    let stored = state.store.update_user(&caller.actor, id, expected, settings, password_hash.as_deref()).await?;
    Ok(found(stored.revision, User::from(stored)))
}

/// Deletes a user. You cannot delete yourself.
#[utoipa::path(delete, path = "/users/{id}", operation_id = "delete_user", tag = "users",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Deleted), Writing))]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    Ok(deleted(id, state.store.delete_user(&caller.actor, id, expected).await?))
}

async fn hashed(password: SecretString) -> Result<String, Problem> {
    let length = password.expose_secret().chars().count();
    if !(12..=256).contains(&length) {
        return Err(Problem::field(Code::InvalidFields, "password", "must have 12 to 256 characters"));
    }
    hash_password(password).await.map_err(|error| Problem::new(Code::Internal, error.to_string()))
}
