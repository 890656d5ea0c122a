//! Users: people who administer.

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use weir_core::tenant::UserSettings;

use crate::password::{check_password, hash_password};
use crate::problem::{Code, Problem};

use crate::ApiState;
use crate::resource::{Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::USER,
    path: "users",
    tag: "users",
    singular: "user",
    plural: "users",
    schema: "User",
    about: "Somebody who administers.",
    listed: "The users in your scope, oldest first.",
    deletable: "Deletes a user who has no keys any more. You cannot delete yourself.",
    secret: "12 to 256 characters, and none that is easily guessed. Never shown. A new one ends the user's sessions. Null or absent: \
             the user signs in by an identity provider, or is sent a link (`POST /users/{id}/password-link`).",
    seal: Some(hashed),
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<UserSettings, Status>())
}

/// What is only read of a user.
#[derive(ToSchema)]
#[allow(dead_code, reason = "documentation only")]
struct Status {
    /// Whether there is a password.
    has_password: bool,
}

/// A password's hash, if it is one that may be chosen.
pub(crate) fn hashed(password: SecretString) -> BoxFuture<'static, Result<SecretString, Problem>> {
    hashed_for(password, None)
}

/// The same for somebody with this address, which a password must not be made of.
pub(crate) fn hashed_for(
    password: SecretString,
    email: Option<String>,
) -> BoxFuture<'static, Result<SecretString, Problem>> {
    async move {
        if let Err(reason) = check_password(password.expose_secret(), email.as_deref()) {
            return Err(Problem::field(Code::InvalidFields, "password", reason));
        }
        let hash = hash_password(password).await;
        hash.map(SecretString::from).map_err(|error| Problem::new(Code::Internal, error.to_string()))
    }
    .boxed()
}
