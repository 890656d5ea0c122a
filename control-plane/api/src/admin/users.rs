//! Users: people who administer.

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use utoipa_axum::router::OpenApiRouter;
use weir_core::tenant::UserSettings;

use crate::password::hash_password;
use crate::problem::{Code, Problem};

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

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
    secret: "12 to 256 characters. Never shown. A new one ends the user's sessions.",
    seal: Some(hashed),
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<UserSettings, NoStatus>())
}

/// A password's hash, if it is one that may be chosen.
pub(crate) fn hashed(password: SecretString) -> BoxFuture<'static, Result<SecretString, Problem>> {
    async move {
        let length = password.expose_secret().chars().count();
        if !(12..=256).contains(&length) {
            return Err(Problem::field(Code::InvalidFields, "password", "must have 12 to 256 characters"));
        }
        let hash = hash_password(password).await;
        hash.map(SecretString::from).map_err(|error| Problem::new(Code::Internal, error.to_string()))
    }
    .boxed()
}
