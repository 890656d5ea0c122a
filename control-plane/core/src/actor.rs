//! Who administers, and what they may see and change: [`Actor::allows`] is what every operation asks.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::field::Fields;
use crate::permission::{BuiltInRole, InDepartment, Permission, Reach};
use crate::resource::{Origin, OriginKind};

/// What a user may do in the whole of what is theirs: their tenant, or the platform. [`Grant`]s add to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The role `admin` for all tenants and the platform.
    PlatformAdmin,
    /// The role `admin` for one tenant.
    TenantAdmin,
    /// The role `viewer`: reads all, and writes nothing.
    Viewer,
    /// The role `user`: their own keys, and the usage of these.
    User,
}

impl Role {
    const ALL: [Self; 4] = [Self::PlatformAdmin, Self::TenantAdmin, Self::Viewer, Self::User];

    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform_admin",
            Self::TenantAdmin => "tenant_admin",
            Self::Viewer => "viewer",
            Self::User => "user",
        }
    }

    /// The role that always exists which it stands for.
    pub fn built_in(self) -> BuiltInRole {
        match self {
            Self::PlatformAdmin | Self::TenantAdmin => BuiltInRole::Admin,
            Self::Viewer => BuiltInRole::Viewer,
            Self::User => BuiltInRole::User,
        }
    }

    /// Refuses it for somebody of this tenant (`None`: of the platform) if it is not one of theirs.
    pub(crate) fn check(self, fields: &mut Fields, tenant_id: Option<Uuid>) {
        match self {
            Self::PlatformAdmin => {
                fields.require(tenant_id.is_none(), "tenant_id", "must be null for a platform_admin");
            }
            // Whoever forgets the tenant makes nobody who sees all of them: that takes a grant.
            Self::TenantAdmin | Self::Viewer => {
                fields.require(tenant_id.is_some(), "tenant_id", "is required for this role");
            }
            Self::User => {}
        }
    }

    /// Reads the fixed name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A role that somebody holds, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which permissions.
    pub role: GrantedRole,
    /// Where they hold.
    pub scope: GrantScope,
}

/// Which permissions a grant gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantedRole {
    /// Those of a role that always exists.
    BuiltIn(BuiltInRole),
    /// Those of a role that an administrator made; each reaches to all of the scope.
    Custom(BTreeSet<Permission>),
}

/// Where a grant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantScope {
    /// Everywhere.
    Platform,
    /// In one tenant.
    Tenant(Uuid),
    /// In a department of a tenant and in those beneath it.
    Department {
        /// The tenant.
        tenant_id: Uuid,
        /// The department.
        department_id: Uuid,
    },
}

impl Grant {
    /// How far a permission reaches within the scope.
    pub fn reach(&self, permission: Permission) -> Reach {
        match &self.role {
            GrantedRole::BuiltIn(role) => role.reach(permission),
            GrantedRole::Custom(permissions) if permissions.contains(&permission) => Reach::All,
            GrantedRole::Custom(_) => Reach::Nothing,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// To whom it belongs; `None`: to the platform.
    pub tenant_id: Option<Uuid>,
    /// Its department and all above that; empty: it is of none.
    pub departments: Vec<Uuid>,
    /// Whose it is; `None`: no user's.
    pub user_id: Option<Uuid>,
}

/// Where somebody has a permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Everywhere.
    Everything,
    /// In one tenant.
    Tenant(Uuid),
    /// In some of what there is.
    Part {
        /// These departments and those beneath them.
        departments: Vec<Uuid>,
        /// What is this user's.
        own: Option<Uuid>,
    },
    /// Nowhere.
    Nothing,
}

/// Who asks for something; written into the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user; nil for the control plane itself.
    pub user_id: Uuid,
    /// The user's address; `system` for the control plane itself.
    pub email: String,
    /// What they may do in the whole of what is theirs.
    pub role: Role,
    /// `None` for those of the platform, and only for them.
    pub tenant_id: Option<Uuid>,
    /// What they may do besides.
    pub grants: Vec<Grant>,
    /// How they ask.
    pub via: Via,
}

/// The way in which somebody asks; written into the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Via {
    /// By a service token, whose id and name stand in the place of a user's.
    pub service_token: bool,
    /// By a page of the console.
    pub console: bool,
    /// As the answer's `x-request-id` says it.
    pub request_id: Option<String>,
    /// The client's address.
    pub address: Option<IpAddr>,
}

impl Actor {
    /// A user.
    pub fn user(user_id: Uuid, email: String, role: Role, tenant_id: Option<Uuid>) -> Self {
        Self { user_id, email, role, tenant_id, grants: Vec::new(), via: Via::default() }
    }

    /// What kind of actor it is: `user`, `service_token` or `system`.
    pub fn kind(&self) -> &'static str {
        match (self.user_id.is_nil(), self.via.service_token) {
            (true, _) => "system",
            (false, true) => "service_token",
            (false, false) => "user",
        }
    }

    /// Whether it is the same one with the same rights, however it asks.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.user_id, self.role, self.tenant_id, &self.grants)
            == (other.user_id, other.role, other.tenant_id, &other.grants)
    }

    /// Where what they write is managed.
    pub fn origin(&self) -> Origin {
        let kind = if self.via.console { OriginKind::Console } else { OriginKind::Api };
        Origin { kind, reference: None }
    }

    /// The control plane itself, for what it does at its start or from its command line.
    pub fn system() -> Self {
        Self::user(Uuid::nil(), "system".into(), Role::PlatformAdmin, None)
    }

    /// Whose rows this actor can see some of. Every query of the store takes one; what of them is [`Actor::sees`]'s to say.
    pub fn scope(&self) -> Scope {
        match (self.role, self.tenant_id) {
            (Role::PlatformAdmin, _) | (Role::Viewer | Role::User, None) => Scope::Everything,
            // A tenant's administrator without a tenant cannot be made; should one appear, it sees nothing.
            (_, tenant_id) => Scope::Tenant(tenant_id.unwrap_or(Uuid::max())),
        }
    }

    /// All grants: that of the role, and those besides.
    pub fn all_grants(&self) -> impl Iterator<Item = Grant> {
        let scope = match self.scope() {
            Scope::Everything => GrantScope::Platform,
            Scope::Tenant(tenant_id) => GrantScope::Tenant(tenant_id),
        };
        let of_role = Grant { role: GrantedRole::BuiltIn(self.role.built_in()), scope };
        std::iter::once(of_role).chain(self.grants.iter().cloned())
    }

    /// Where this actor has a permission.
    pub fn sees(&self, permission: Permission) -> Sees {
        let (mut departments, mut own, mut shared) = (BTreeSet::new(), None, None);
        for grant in self.all_grants() {
            match (grant.reach(permission), grant.scope) {
                (Reach::Nothing, _) => {}
                (Reach::Own, _) => own = Some(self.user_id),
                (Reach::All, GrantScope::Platform) => return Sees::Everything,
                // A tenant has no part in what is the platform's alone.
                (Reach::All, _) if permission.is_platforms() => {}
                (Reach::All, GrantScope::Tenant(tenant_id)) => return Sees::Tenant(tenant_id),
                (Reach::All, GrantScope::Department { tenant_id, department_id }) => match permission.in_department() {
                    InDepartment::Divided => drop(departments.insert(department_id)),
                    InDepartment::Shared => shared = Some(tenant_id),
                    InDepartment::Nothing => {}
                },
            }
        }
        match (shared, departments.is_empty(), own) {
            (Some(tenant_id), ..) => Sees::Tenant(tenant_id),
            (None, true, None) => Sees::Nothing,
            (None, ..) => Sees::Part { departments: departments.into_iter().collect(), own },
        }
    }

    /// Whether this actor has a permission anywhere.
    pub fn holds(&self, permission: Permission) -> bool {
        self.sees(permission) != Sees::Nothing
    }

    /// Whether this actor may do something with what is asked for.
    pub fn allows(&self, permission: Permission, target: &Target) -> bool {
        let is_within = self.tenant_id.is_none() || self.tenant_id == target.tenant_id;
        is_within
            && match self.sees(permission) {
                Sees::Everything => true,
                Sees::Tenant(tenant_id) => target.tenant_id == Some(tenant_id),
                Sees::Part { departments, own } => {
                    target.departments.iter().any(|department| departments.contains(department))
                        || (own.is_some() && own == target.user_id)
                }
                Sees::Nothing => false,
            }
    }
}

/// Which rows can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All tenants and the platform.
    Everything,
    /// One tenant.
    Tenant(Uuid),
}

impl Scope {
    /// The only tenant whose rows can be seen; `None`: all can.
    pub fn tenant(self) -> Option<Uuid> {
        match self {
            Self::Everything => None,
            Self::Tenant(tenant_id) => Some(tenant_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);
    const RESEARCH: Uuid = Uuid::from_u128(3);
    const LABORATORY: Uuid = Uuid::from_u128(4);
    const SALES: Uuid = Uuid::from_u128(5);
    const USER: Uuid = Uuid::from_u128(9);

    fn actor(role: Role, tenant_id: Option<Uuid>) -> Actor {
        Actor::user(USER, "a@b.c".into(), role, tenant_id)
    }

    fn of(departments: &[Uuid], user_id: Option<Uuid>) -> Target {
        Target { tenant_id: Some(TENANT), departments: departments.to_vec(), user_id }
    }

    #[test]
    fn only_admins_write_policies_and_only_their_own() {
        let check = |role, own, tenant_id, expect| {
            let target = Target { tenant_id, ..Target::default() };
            assert_eq!(actor(role, own).allows(Permission::ModelsWrite, &target), expect, "{role:?} {own:?}");
        };
        check(Role::PlatformAdmin, None, None, true);
        check(Role::PlatformAdmin, None, Some(TENANT), true);
        check(Role::TenantAdmin, Some(TENANT), Some(TENANT), true);
        check(Role::TenantAdmin, Some(TENANT), Some(OTHER), false);
        check(Role::TenantAdmin, Some(TENANT), None, false);
        check(Role::TenantAdmin, None, None, false);
        check(Role::Viewer, Some(TENANT), Some(TENANT), false);
        check(Role::Viewer, None, Some(TENANT), false);
        check(Role::User, Some(TENANT), Some(TENANT), false);
    }

    #[test]
    fn a_departments_manager_manages_it_and_those_beneath() {
        let scope = GrantScope::Department { tenant_id: TENANT, department_id: RESEARCH };
        let grant = Grant { role: GrantedRole::BuiltIn(BuiltInRole::Manager), scope };
        let manager = Actor { grants: vec![grant], ..actor(Role::User, Some(TENANT)) };
        let check = |permission, target: Target, expect| {
            assert_eq!(manager.allows(permission, &target), expect, "{permission:?} {target:?}");
        };
        check(Permission::KeysWrite, of(&[RESEARCH], None), true);
        // Beneath: with all above it.
        check(Permission::KeysWrite, of(&[LABORATORY, RESEARCH], None), true);
        check(Permission::KeysWrite, of(&[SALES], None), false);
        check(Permission::KeysWrite, of(&[], None), false);
        check(Permission::KeysWrite, of(&[], Some(USER)), true);
        check(Permission::KeysWrite, Target { tenant_id: Some(OTHER), ..of(&[RESEARCH], None) }, false);
        // What a tenant shares is read, and written by nobody of a department.
        check(Permission::ModelsRead, of(&[], None), true);
        check(Permission::AuditRead, of(&[], None), false);
        check(Permission::ModelsWrite, of(&[], None), false);
        assert_eq!(manager.sees(Permission::NodesRead), Sees::Nothing);
    }

    #[test]
    fn a_user_sees_their_own() {
        let user = actor(Role::User, Some(TENANT));
        assert_eq!(user.sees(Permission::KeysRead), Sees::Part { departments: vec![], own: Some(USER) });
        assert!(user.allows(Permission::UsageRead, &of(&[RESEARCH], Some(USER))));
        assert!(!user.allows(Permission::UsageRead, &of(&[RESEARCH], Some(OTHER))));
        assert!(user.allows(Permission::ModelsRead, &of(&[], None)));
        assert!(!user.holds(Permission::DepartmentsRead));
    }

    #[test]
    fn a_custom_role_gives_what_it_lists() {
        let permissions = BTreeSet::from([Permission::AuditRead, Permission::NodesRead]);
        let grant = Grant { role: GrantedRole::Custom(permissions), scope: GrantScope::Tenant(TENANT) };
        let auditor = Actor { grants: vec![grant], ..actor(Role::User, Some(TENANT)) };
        assert_eq!(auditor.sees(Permission::AuditRead), Sees::Tenant(TENANT));
        assert!(!auditor.holds(Permission::KeysWrite) || auditor.sees(Permission::KeysWrite) != Sees::Tenant(TENANT));
        // What is the platform's alone a tenant's role does not give.
        assert!(!auditor.holds(Permission::NodesRead));
    }

    #[test]
    fn a_tenants_admin_without_a_tenant_sees_nothing() {
        let lost = Actor { role: Role::TenantAdmin, ..Actor::system() };
        assert_eq!(lost.scope(), Scope::Tenant(Uuid::max()));
    }
}
