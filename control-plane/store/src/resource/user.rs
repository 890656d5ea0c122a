//! People who administer.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use weir_core::actor::{Actor, Role};
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::role::UserGrant;
use weir_core::tenant::UserSettings;

use crate::authorisation::Gives;
use crate::resource::kind::{Checking, Kind, Owner, Secret, Written};
use crate::resource::reference::{DEPARTMENT_OF_OWNER, PROFILE_OF_OWNER_OR_PLATFORM, Reference, Within};
use crate::resource::service_account::STATES;
use crate::resource::sign_in_provider::{BREAK_GLASS_HOLDS, BREAK_GLASS_REASON};
use crate::{Store, StoreError};

const GRANTED_ROLE: Reference = Reference {
    list: Some("grants"),
    field: "custom_role_id",
    kind: "role",
    within: Within::OwnerOrPlatform,
    uses: "t.grants @> jsonb_build_array(jsonb_build_object('custom_role_id', ($1::uuid)::text))",
};
const GRANTED_DEPARTMENT: Reference = Reference {
    list: Some("grants"),
    field: "department_id",
    kind: "department",
    within: Within::Owner,
    uses: "t.grants @> jsonb_build_array(jsonb_build_object('department_id', ($1::uuid)::text))",
};

pub(super) struct User;

impl Kind for User {
    fn name(&self) -> &'static str {
        "user"
    }

    fn table(&self) -> &'static str {
        "users"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["email", "role", "grants", "department_id", "labels", "guardrail_profile_id", "disabled", "is_break_glass"]
    }

    fn states(&self) -> &'static [(&'static str, &'static str)] {
        &STATES
    }

    fn references(&self) -> &'static [Reference] {
        &[DEPARTMENT_OF_OWNER, PROFILE_OF_OWNER_OR_PLATFORM, GRANTED_ROLE, GRANTED_DEPARTMENT]
    }

    fn user(&self) -> Option<&'static str> {
        Some("t.id")
    }

    fn gives(&self, spec: &Object) -> Gives {
        let Ok(user) = read::<UserSettings>(spec.clone().into()) else { return Gives::default() };
        let of_role = UserGrant { role: Some(user.role.built_in()), custom_role_id: None, department_id: None };
        Gives { grants: std::iter::once(of_role).chain(user.grants).collect(), ..Gives::default() }
    }

    fn department(&self) -> Option<&'static str> {
        Some("t.department_id")
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::UsersRead
    }

    fn writing(&self) -> Permission {
        Permission::UsersWrite
    }

    fn natural_key(&self) -> &'static str {
        "email"
    }

    /// Whatever its case, and whoever the tenant.
    fn twin(&self) -> Option<&'static str> {
        Some("lower(t.email) = lower($1)")
    }

    fn expressions(&self) -> &'static [(&'static str, &'static str)] {
        &[("has_password", "t.password_hash IS NOT NULL")]
    }

    /// The password comes as an argon2id hash in PHC form. Whoever has none is let in by a link or an identity provider.
    fn secret(&self) -> Secret {
        Secret::Given { field: "password", column: "password_hash", digest: "password_digest", is_required: false }
    }

    fn check(&self, spec: Object, checking: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: UserSettings = read(spec.into())?;
        settings.check(checking.tenant_id)?;
        Ok(write(&settings))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        stored.tenant_id.map_or(ChangeKind::Administration, |tenant_id| ChangeKind::Tenant { tenant_id })
    }

    fn has_streams(&self) -> bool {
        true
    }

    fn felt_by_callers(&self) -> Option<&'static [&'static str]> {
        Some(&["email", "department_id", "labels", "guardrail_profile_id", "disabled"])
    }

    /// Two who delete each other are two changes, one after the other: who is deleted first deletes nobody.
    fn must_hold(&self, before: &Stored) -> &'static [(&'static str, &'static str)] {
        if before.text("role") != Role::PlatformAdmin.name() {
            return &[];
        }
        &[
            (ADMIN_HOLDS, "this is the last platform admin who can sign in: nobody could let another one in"),
            (BREAK_GLASS_HOLDS, BREAK_GLASS_REASON),
        ]
    }

    fn keeps(&self, stored: &Stored, actor: &Actor) -> Result<(), StoreError> {
        if actor.user_id == stored.id { Err(StoreError::in_use_by("yourself")) } else { Ok(()) }
    }

    /// The one spelling of grants, with all their fields.
    fn read(&self, row: Object) -> Result<(Object, Object), StoreError> {
        let (spec, status): (Object, Object) =
            row.into_iter().partition(|(name, _)| self.columns().contains(&name.as_str()));
        let spec: UserSettings = read(spec.into()).map_err(|_| StoreError::Corrupt("a user"))?;
        Ok((write(&spec), status))
    }

    /// A new password, role or grants, or being disabled, ends the user's sessions, and links that were made for what they were.
    fn project<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        written: &'a Written<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let has_new_rights = written.before.is_some_and(|before| {
                ["role", "grants"].iter().any(|field| before.spec.get(*field) != written.spec.get(*field))
            });
            let is_disabled = written.spec.get("disabled") == Some(&true.into());
            if written.before.is_some() && (written.has_new_secret || has_new_rights || is_disabled) {
                for statement in
                    ["DELETE FROM sessions WHERE user_id = $1", "DELETE FROM password_links WHERE user_id = $1"]
                {
                    sqlx::query(statement).bind(written.id).execute(&mut *connection).await?;
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM users WHERE id = $1"]
    }
}

/// Somebody administers the platform, and can sign in.
const ADMIN_HOLDS: &str = "EXISTS (SELECT 1 FROM users u WHERE role = 'platform_admin' AND NOT disabled
    AND (password_hash IS NOT NULL OR EXISTS (SELECT 1 FROM user_identities i WHERE i.user_id = u.id)))";

impl Store {
    /// Whether anybody can sign in at all.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        let (found,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT 1 FROM users)").fetch_one(&self.admin).await?;
        Ok(found)
    }
}
