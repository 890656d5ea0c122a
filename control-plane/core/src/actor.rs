//! Who administers, and what they may see and change.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, for all tenants and the platform.
    PlatformAdmin,
    /// Reads and writes one tenant.
    TenantAdmin,
    /// Reads one tenant.
    Viewer,
}

impl Role {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform_admin",
            Self::TenantAdmin => "tenant_admin",
            Self::Viewer => "viewer",
        }
    }

    /// Reads the fixed name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::PlatformAdmin, Self::TenantAdmin, Self::Viewer].into_iter().find(|role| role.name() == name)
    }
}

/// Who asks for something; written into the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user; nil for the control plane itself.
    pub user_id: Uuid,
    /// The user's address; `system` for the control plane itself.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// `None` for those of the platform, and only for them.
    pub tenant_id: Option<Uuid>,
}

impl Actor {
    /// The control plane itself, for what it does at its start or from its command line.
    pub fn system() -> Self {
        Self { user_id: Uuid::nil(), email: "system".into(), role: Role::PlatformAdmin, tenant_id: None }
    }

    /// Which rows this actor can see. Every query of the store takes one.
    pub fn scope(&self) -> Scope {
        match (self.role, self.tenant_id) {
            (Role::PlatformAdmin, _) => Scope::Everything,
            // A tenant's user without a tenant cannot be made; should one appear, it sees nothing.
            (_, tenant_id) => Scope::Tenant(tenant_id.unwrap_or(Uuid::max())),
        }
    }

    /// Whether this actor may write what belongs to `tenant_id` (`None`: to the platform).
    pub fn may_write(&self, tenant_id: Option<Uuid>) -> bool {
        match self.role {
            Role::PlatformAdmin => true,
            Role::TenantAdmin => tenant_id.is_some() && tenant_id == self.tenant_id,
            Role::Viewer => false,
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

    #[test]
    fn only_admins_write_and_only_their_own() {
        let tenant = Uuid::from_u128(1);
        let other = Uuid::from_u128(2);
        let actor = |role, tenant_id| Actor { user_id: Uuid::from_u128(9), email: "a@b.c".into(), role, tenant_id };
        let check = |role, own, target, expect| assert_eq!(actor(role, own).may_write(target), expect);
        check(Role::PlatformAdmin, None, None, true);
        check(Role::PlatformAdmin, None, Some(tenant), true);
        check(Role::TenantAdmin, Some(tenant), Some(tenant), true);
        check(Role::TenantAdmin, Some(tenant), Some(other), false);
        check(Role::TenantAdmin, Some(tenant), None, false);
        check(Role::TenantAdmin, None, None, false);
        check(Role::Viewer, Some(tenant), Some(tenant), false);
    }

    #[test]
    fn a_tenants_user_without_a_tenant_sees_nothing() {
        let lost = Actor { role: Role::Viewer, ..Actor::system() };
        assert_eq!(lost.scope(), Scope::Tenant(Uuid::max()));
    }
}
