//! API keys of a tenant's apps.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::field::{FieldError, Fields};

/// What is decided about a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
