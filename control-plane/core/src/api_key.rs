//! API keys of a tenant's apps.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::field::{FieldError, Fields};

/// What is decided about a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeySettings {
    /// For people.
    pub name: String,
    /// Names of models; `None`: every model of the tenant's catalog.
    pub allowed_models: Option<Vec<String>>,
    /// `None`: no limit.
    pub requests_per_minute: Option<u64>,
    /// `None`: the tenant's.
    pub guardrail_profile_id: Option<Uuid>,
    /// `None`: never.
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
