//! People who administer.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use weir_core::actor::{Actor, Role};
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::resource::Stored;
use weir_core::tenant::UserSettings;

use crate::resource::kind::{Checking, Kind, Owner, Secret, Written};
use crate::resource::reference::{DEPARTMENT_OF_OWNER, PROFILE_OF_OWNER_OR_PLATFORM, Reference};
use crate::resource::service_account::STATES;
use crate::{Store, StoreError};

pub(super) struct User;

impl Kind for User {
    fn name(&self) -> &'static str {
        "user"
    }

    fn table(&self) -> &'static str {
        "users"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["email", "role", "department_id", "labels", "guardrail_profile_id", "disabled"]
    }

    fn states(&self) -> &'static [(&'static str, &'static str)] {
        &STATES
    }

    fn references(&self) -> &'static [Reference] {
        &[DEPARTMENT_OF_OWNER, PROFILE_OF_OWNER_OR_PLATFORM]
    }

    fn department(&self) -> Option<&'static str> {
        Some("t.department_id")
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn natural_key(&self) -> &'static str {
        "email"
    }

    /// Whatever its case, and whoever the tenant.
    fn twin(&self) -> Option<&'static str> {
        Some("lower(t.email) = lower($1)")
    }

    /// The password comes as an argon2id hash in PHC form.
    fn secret(&self) -> Secret {
        Secret::Given { field: "password", column: "password_hash", digest: "password_digest", is_required: true }
    }

    fn check(&self, spec: Object, checking: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: UserSettings = read(spec.into())?;
        settings.check(checking.tenant_id)?;
        Ok(write(&settings))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        stored.tenant_id.map_or(ChangeKind::Administration, |tenant_id| ChangeKind::Tenant { tenant_id })
    }

    fn felt_by_callers(&self) -> Option<&'static [&'static str]> {
        Some(&["department_id", "guardrail_profile_id", "disabled"])
    }

    /// Two who delete each other are two changes, one after the other: who is deleted first deletes nobody.
    fn must_hold(&self, before: &Stored) -> Option<(&'static str, &'static str)> {
        (before.text("role") == Role::PlatformAdmin.name()).then_some((
            "EXISTS (SELECT 1 FROM users WHERE role = 'platform_admin' AND NOT disabled)",
            "this is the last platform admin: nobody could let another one in",
        ))
    }

    fn keeps(&self, stored: &Stored, actor: &Actor) -> Result<(), StoreError> {
        if actor.user_id == stored.id { Err(StoreError::in_use_by("yourself")) } else { Ok(()) }
    }

    /// A new password or role, or being disabled, ends the user's sessions.
    fn project<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        written: &'a Written<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let has_new_role = written.before.is_some_and(|before| before.spec.get("role") != written.spec.get("role"));
            let is_disabled = written.spec.get("disabled") == Some(&true.into());
            if written.before.is_some() && (written.has_new_secret || has_new_role || is_disabled) {
                sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(written.id).execute(connection).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM users WHERE id = $1"]
    }
}

impl Store {
    /// Whether anybody can sign in at all.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        let (found,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT 1 FROM users)").fetch_one(&self.admin).await?;
        Ok(found)
    }
}
