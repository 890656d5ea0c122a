//! API keys of a tenant's apps.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::field::{FieldError, Fields};
use crate::labels::{Environment, check_labels};

/// What is decided about a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySettings {
    /// 1 to 100 characters.
    pub name: String,
    /// Names of models; absent or null: every model of the tenant's catalog.
    #[serde(default)]
    pub allowed_models: Option<Vec<String>>,
    /// Requests in one UTC minute, at least 1; absent or null: no limit.
    #[serde(default)]
    pub requests_per_minute: Option<u64>,
    /// A profile of the tenant or of the platform; absent or null: the tenant's.
    #[serde(default)]
    pub guardrail_profile_id: Option<Uuid>,
    /// Absent or null: never.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
    /// Whose it is: a user of the tenant. Of `user_id`, `service_account_id` and `department_id` one at most is said; if none is, it is
    /// the tenant's own.
    #[serde(default)]
    pub user_id: Option<Uuid>,
    /// Whose it is: a service account of the tenant.
    #[serde(default)]
    pub service_account_id: Option<Uuid>,
    /// Whose it is: a department of the tenant.
    #[serde(default)]
    pub department_id: Option<Uuid>,
    /// Names with values, chosen freely; at most 50.
    #[serde(default)]
    #[schema(required = false)]
    pub labels: BTreeMap<String, String>,
    /// What it is used for; absent or null: not said.
    #[serde(default)]
    pub environment: Option<Environment>,
}

impl ApiKeySettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        if let Some(models) = &self.allowed_models {
            fields.require(models.len() <= 200, "allowed_models", "must have at most 200 names");
            for (index, model) in models.iter().enumerate() {
                fields.model_name(&format!("allowed_models[{index}]"), model);
            }
        }
        if let Some(limit) = self.requests_per_minute {
            fields.range("requests_per_minute", limit, 1, 1_000_000_000);
        }
        let owners = [
            ("user_id", self.user_id),
            ("service_account_id", self.service_account_id),
            ("department_id", self.department_id),
        ];
        for (field, _) in owners.into_iter().filter(|(_, id)| id.is_some()).skip(1) {
            fields.require(false, field, "is one owner too many: a key has one at most");
        }
        check_labels(&mut fields, &self.labels);
        fields.finish()
    }
}

/// A key as it is read. The key itself is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// What is decided about it.
    pub settings: ApiKeySettings,
    /// Its first 12 characters.
    pub prefix: String,
    /// Since when it is refused; `None`: it is not revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}
