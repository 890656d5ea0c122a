//! Service accounts: apps and machines of a tenant that have keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::field::{FieldError, Fields};
use crate::labels::{Environment, check_labels};

/// What is decided about a service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountSettings {
    /// 1 to 100 characters; unique within the tenant.
    pub name: String,
    /// Its department; absent or null: none.
    #[serde(default)]
    pub department_id: Option<Uuid>,
    /// Names with values, chosen freely; at most 50.
    #[serde(default)]
    #[schema(required = false)]
    pub labels: BTreeMap<String, String>,
    /// What it is used for; absent or null: not said.
    #[serde(default)]
    pub environment: Option<Environment>,
    /// A profile of the tenant or of the platform, for all its keys. The strictest of all that apply holds. Absent or null: none.
    #[serde(default)]
    pub guardrail_profile_id: Option<Uuid>,
    /// Whether all its keys are refused. Default false.
    #[serde(default)]
    #[schema(required = false)]
    pub disabled: bool,
}

impl ServiceAccountSettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        check_labels(&mut fields, &self.labels);
        fields.finish()
    }
}
