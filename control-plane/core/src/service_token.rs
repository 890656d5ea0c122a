//! Service tokens: what machines that administer show in the place of a session's token.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::actor::Role;
use crate::field::{FieldError, Fields};

/// What is decided about a service token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceTokenSettings {
    /// 1 to 100 characters; unique for its owner. The audit log names it.
    pub name: String,
    /// What its holder may do. It is not changed from or to `platform_admin`.
    pub role: Role,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

impl ServiceTokenSettings {
    /// All that is wrong with them, for a token of this tenant.
    pub fn check(&self, tenant_id: Option<Uuid>) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        self.role.check(&mut fields, tenant_id);
        fields.require(self.role != Role::User, "role", "is one of people: a machine has nothing of its own");
        fields.finish()
    }
}
