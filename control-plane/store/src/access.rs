//! What somebody may do, and where, with names for people to read.

use std::collections::BTreeMap;

use uuid::Uuid;
use weir_core::actor::{Actor, Sees};
use weir_core::permission::{BuiltInRole, Permission};

use crate::{Store, StoreError};

/// Where something may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessScope {
    /// How far it reaches.
    pub kind: AccessScopeKind,
    /// The tenant or the department; `None` of the other kinds.
    pub id: Option<Uuid>,
    /// What that is called.
    pub name: Option<String>,
}

/// How far something reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessScopeKind {
    /// To everything.
    Platform,
    /// To what is of one tenant.
    Tenant,
    /// To what is of a department and of those beneath it.
    Department,
    /// To what is one's own.
    Own,
}

/// A role that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRole {
    /// One that always exists; `None`: a custom one.
    pub role: Option<BuiltInRole>,
    /// A custom one: its id and name.
    pub custom_role: Option<(Uuid, String)>,
    /// Where it holds.
    pub scope: AccessScope,
}

/// All that somebody may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// That of the user first, then those that were granted besides.
    pub roles: Vec<HeldRole>,
    /// What they come to together: each permission with where it reaches.
    pub permissions: Vec<(Permission, Vec<AccessScope>)>,
}

#[derive(sqlx::FromRow)]
struct GrantRow {
    role: Option<String>,
    custom_role_id: Option<Uuid>,
    custom_role_name: Option<String>,
    department_id: Option<Uuid>,
}

impl Store {
    /// What the actor may do. A role that is gone gives nothing, and is not listed.
    pub async fn access(&self, actor: &Actor) -> Result<Access, StoreError> {
        let tenant: Option<(String,)> = sqlx::query_as("SELECT name FROM tenants WHERE id = $1")
            .bind(actor.tenant_id)
            .fetch_optional(&self.admin)
            .await?;
        let tenant = tenant.map(|(name,)| name);
        let grants: Vec<GrantRow> = sqlx::query_as(
            "SELECT given.role, given.custom_role_id, roles.name AS custom_role_name, given.department_id
             FROM users CROSS JOIN jsonb_to_recordset(users.grants) AS given (role text, custom_role_id uuid, department_id uuid)
             LEFT JOIN roles ON roles.id = given.custom_role_id WHERE users.id = $1",
        )
        .bind(actor.user_id)
        .fetch_all(&self.admin)
        .await?;
        let seen: Vec<(Permission, Sees)> =
            Permission::ALL.iter().map(|permission| (*permission, actor.sees(*permission))).collect();
        let departments = self.department_names(&grants, &seen).await?;
        let of_tenant = |id: Uuid| AccessScope { kind: AccessScopeKind::Tenant, id: Some(id), name: tenant.clone() };
        let of_department = |id: Uuid| AccessScope {
            kind: AccessScopeKind::Department,
            id: Some(id),
            name: departments.get(&id).cloned(),
        };
        let platform = || AccessScope { kind: AccessScopeKind::Platform, id: None, name: None };
        let own = || AccessScope { kind: AccessScopeKind::Own, id: None, name: None };
        let whole = || actor.tenant_id.map_or_else(platform, of_tenant);
        let of_role = HeldRole { role: Some(actor.role.built_in()), custom_role: None, scope: whole() };
        let given = grants.into_iter().filter_map(|grant| {
            let role = grant.role.as_deref().and_then(BuiltInRole::from_name);
            let custom_role = grant.custom_role_id.zip(grant.custom_role_name);
            let scope = grant.department_id.map_or_else(whole, of_department);
            (role.is_some() || custom_role.is_some()).then_some(HeldRole { role, custom_role, scope })
        });
        let permissions = seen.into_iter().filter_map(|(permission, sees)| {
            let scopes = match sees {
                Sees::Nothing => return None,
                Sees::Everything => vec![platform()],
                Sees::Tenant(id) => vec![of_tenant(id)],
                Sees::Part { departments, own: user } => {
                    departments.into_iter().map(of_department).chain(user.map(|_| own())).collect()
                }
            };
            Some((permission, scopes))
        });
        Ok(Access { roles: std::iter::once(of_role).chain(given).collect(), permissions: permissions.collect() })
    }

    async fn department_names(
        &self,
        grants: &[GrantRow],
        seen: &[(Permission, Sees)],
    ) -> Result<BTreeMap<Uuid, String>, StoreError> {
        let parts = seen.iter().flat_map(|(_, sees)| match sees {
            Sees::Part { departments, .. } => departments.clone(),
            _ => Vec::new(),
        });
        let ids: Vec<Uuid> = grants.iter().filter_map(|grant| grant.department_id).chain(parts).collect();
        let rows: Vec<(Uuid, String)> = sqlx::query_as("SELECT id, name FROM departments WHERE id = ANY($1)")
            .bind(&ids)
            .fetch_all(&self.admin)
            .await?;
        Ok(rows.into_iter().collect())
    }
}
