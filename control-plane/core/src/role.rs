//! Roles that administrators make.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::field::{FieldError, Fields};
use crate::permission::{BuiltInRole, Permission};

/// Grants that one user may have besides the role.
pub(crate) const MOST_GRANTS: usize = 50;

/// What is decided about a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleSettings {
    /// 1 to 100 characters; unique for its owner.
    pub name: String,
    /// What it allows, in the scope for which it is granted; at least one. Nobody writes a role that allows more than they may do
    /// themselves.
    pub permissions: BTreeSet<Permission>,
}

impl RoleSettings {
    /// All that is wrong with them, for a role of this tenant.
    pub fn check(&self, tenant_id: Option<Uuid>) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        fields.require(!self.permissions.is_empty(), "permissions", "must have at least one");
        let is_of_use = tenant_id.is_none() || !self.permissions.iter().any(|permission| permission.is_platforms());
        fields.require(is_of_use, "permissions", "must not have what is the platform's alone");
        fields.finish()
    }
}

/// A role that a user has besides their own, in the whole tenant (of somebody of the platform: everywhere) or in a department.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserGrant {
    /// A role that always exists. Either this or `custom_role_id` is said.
    #[serde(default)]
    #[schema(required)]
    pub role: Option<BuiltInRole>,
    /// A role of the tenant or of the platform.
    #[serde(default)]
    #[schema(required)]
    pub custom_role_id: Option<Uuid>,
    /// A department of the tenant: it holds there and beneath. Absent or null: in all of the tenant.
    #[serde(default)]
    #[schema(required)]
    pub department_id: Option<Uuid>,
}

/// Notes what is wrong with grants that stand in a field.
pub(crate) fn check_grants(fields: &mut Fields, path: &str, grants: &[UserGrant]) {
    fields.require(grants.len() <= MOST_GRANTS, path, format!("must have at most {MOST_GRANTS}"));
    for (index, grant) in grants.iter().enumerate() {
        check_grant(fields, &format!("{path}[{index}]"), grant);
    }
}

/// Notes what is wrong with one grant that stands in a field.
pub(crate) fn check_grant(fields: &mut Fields, path: &str, grant: &UserGrant) {
    let is_one = grant.role.is_some() != grant.custom_role_id.is_some();
    fields.require(is_one, format!("{path}.role"), "must be said, or else custom_role_id, and not both");
}
