//! Departments of a tenant: a tree of any depth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::field::{FieldError, Fields};
use crate::labels::check_labels;

/// What is decided about a department.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DepartmentSettings {
    /// 1 to 100 characters; unique within the tenant.
    pub name: String,
    /// The department above it; absent or null: none. Neither itself nor one beneath it.
    #[serde(default)]
    pub parent_id: Option<Uuid>,
    /// Names with values, chosen freely; at most 50.
    #[serde(default)]
    #[schema(required = false)]
    pub labels: BTreeMap<String, String>,
    /// A profile of the tenant or of the platform, for all keys of this department and of those beneath it. The strictest of all that
    /// apply holds. Absent or null: none.
    #[serde(default)]
    pub guardrail_profile_id: Option<Uuid>,
}

impl DepartmentSettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        check_labels(&mut fields, &self.labels);
        fields.finish()
    }
}
