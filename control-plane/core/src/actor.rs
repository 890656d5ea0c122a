//! Who administers, and what they may see and change.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::field::Fields;
use crate::resource::{Origin, OriginKind};

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

    /// Refuses it for somebody of this tenant (`None`: of the platform) if it is not one of theirs.
    pub(crate) fn check(self, fields: &mut Fields, tenant_id: Option<Uuid>) {
        match self {
            Self::PlatformAdmin => {
                fields.require(tenant_id.is_none(), "tenant_id", "must be null for a platform_admin");
            }
            Self::TenantAdmin | Self::Viewer => {
                fields.require(tenant_id.is_some(), "tenant_id", "is required for this role");
            }
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
        Self { user_id, email, role, tenant_id, via: Via::default() }
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
        (self.user_id, self.role, self.tenant_id) == (other.user_id, other.role, other.tenant_id)
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
        let actor = |role, tenant_id| Actor::user(Uuid::from_u128(9), "a@b.c".into(), role, tenant_id);
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
