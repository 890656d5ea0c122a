//! API keys of a tenant's apps.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_config::Cidr;

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
    /// Names of operations as usage records have them, for example `chat.completions`; absent or null: all.
    #[serde(default)]
    pub allowed_operations: Option<Vec<String>>,
    /// Ranges of addresses from which the key may be used, for example `10.0.0.0/8`; absent or null: from everywhere. What a gateway takes
    /// for a client's address is told by its `trusted_hops`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub source_cidrs: Option<Vec<String>>,
    /// Whether it is refused until this is false again. Default false.
    #[serde(default)]
    #[schema(required = false)]
    pub disabled: bool,
}

/// Fewest and most characters of a key that apps have already.
const GIVEN_LENGTH: std::ops::RangeInclusive<usize> = 20..=512;
/// Fewest different characters of one.
const GIVEN_DIFFERENT: usize = 8;
/// What stands in examples in the place of a key.
const PLACEHOLDERS: [&str; 16] = [
    "xxxx",
    "****",
    "....",
    "0000000",
    "1234567890",
    "abcdefgh",
    "your",
    "placeholder",
    "example",
    "changeme",
    "change-me",
    "change_me",
    "replace",
    "insert",
    "dummy",
    "not-needed",
];

/// What is wrong with a key that apps have already and that is to be known here; nothing of it is told.
pub fn check_given_key(field: &str, key: &str) -> Result<(), Vec<FieldError>> {
    let mut fields = Fields::default();
    let (fewest, most) = (GIVEN_LENGTH.start(), GIVEN_LENGTH.end());
    fields.require(GIVEN_LENGTH.contains(&key.len()), field, format!("must have {fewest} to {most} characters"));
    // Between commas stand several values of one header.
    let is_plain = key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    fields.require(is_plain, field, "must be visible ASCII without blanks and commas");
    let of_weir = ["weir_", "weirt_", "weirgw_", "weirs_", "weird_", "weirsetup_"];
    fields.require(
        !of_weir.iter().any(|prefix| key.starts_with(prefix)),
        field,
        "must not look like one of Weir's own",
    );
    let lower = key.to_ascii_lowercase();
    let different = lower.bytes().collect::<BTreeSet<u8>>().len();
    let is_placeholder = PLACEHOLDERS.iter().any(|text| lower.contains(text)) || different < GIVEN_DIFFERENT;
    fields.require(!is_placeholder, field, "looks like a placeholder, which others may send too");
    fields.finish()
}

impl ApiKeySettings {
    /// Whether they allow nothing that others do not: neither more models, operations, addresses or requests, nor for longer.
    pub fn is_within(&self, others: &Self) -> bool {
        let is_part = |part: &Option<Vec<String>>, all: &Option<Vec<String>>| match (part, all) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(part), Some(all)) => part.iter().all(|item| all.contains(item)),
        };
        is_part(&self.allowed_models, &others.allowed_models)
            && is_part(&self.allowed_operations, &others.allowed_operations)
            && is_part(&self.source_cidrs, &others.source_cidrs)
            && others.requests_per_minute.is_none_or(|most| self.requests_per_minute.is_some_and(|own| own <= most))
            && others.expires_at.is_none_or(|last| self.expires_at.is_some_and(|own| own <= last))
            && (self.disabled || !others.disabled)
    }

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
        if let Some(operations) = &self.allowed_operations {
            let known: BTreeSet<&str> = weir_llm::Operation::names().collect();
            fields.require(!operations.is_empty(), "allowed_operations", "must name at least one; null allows all");
            for (index, operation) in operations.iter().enumerate() {
                let reason = || format!("must be one of {}", known.iter().copied().collect::<Vec<_>>().join(", "));
                fields.require(known.contains(operation.as_str()), format!("allowed_operations[{index}]"), reason());
            }
            let different: BTreeSet<&String> = operations.iter().collect();
            fields.require(different.len() == operations.len(), "allowed_operations", "must name each once");
        }
        if let Some(ranges) = &self.source_cidrs {
            fields.require((1..=100).contains(&ranges.len()), "source_cidrs", "must have 1 to 100 ranges, or be null");
            for (index, range) in ranges.iter().enumerate() {
                if let Err(error) = range.parse::<Cidr>() {
                    fields.require(false, format!("source_cidrs[{index}]"), error.to_string());
                }
            }
        }
        fields.finish()
    }
}

/// A key as it is read. The key itself is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// What is decided about it.
    pub settings: ApiKeySettings,
    /// By which people tell it from others.
    pub prefix: String,
    /// Since when it is refused; `None`: it is not revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_key_is_one_that_nobody_else_sends() {
        let check = |key: &str, valid: bool| assert_eq!(check_given_key("key", key).is_ok(), valid, "{key}");
        check("sk-proj-A1b2C3d4E5f6G7h8I9j0", true);
        check("AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY", true);
        check("3f2b9c1e7a5d4f60b8c2e1d3a4f5b6c7", true);
        check("sk-short-A1b2C3d4E5", false);
        check("sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx", false);
        check("sk-XXXXXXXXXXXXXXXXXXXXXXXXXXXX", false);
        check("YOUR_API_KEY_GOES_HERE_9f8e7d", false);
        check("sk-aaaabbbbaaaabbbbaaaabbbb", false);
        check("sk-proj A1b2C3d4E5f6G7h8I9j0", false);
        check("sk-proj,A1b2C3d4E5f6G7h8I9j0", false);
        check("weir_1_A1b2C3d4E5f6G7h8I9j0", false);
        check(&"A1b2C3d4E5f6".repeat(50), false);
    }

    #[test]
    fn operations_and_ranges_are_known_ones() {
        let check = |spec: serde_json::Value, wrong: &[&str]| {
            let mut whole = serde_json::json!({"name": "app"});
            whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
            let settings: ApiKeySettings = serde_json::from_value(whole).unwrap();
            let fields: Vec<String> = settings.check().err().into_iter().flatten().map(|error| error.field).collect();
            assert_eq!(fields, wrong, "{spec}");
        };
        check(serde_json::json!({"allowed_operations": ["chat.completions", "embeddings"]}), &[]);
        check(serde_json::json!({"allowed_operations": []}), &["allowed_operations"]);
        check(serde_json::json!({"allowed_operations": ["chat"]}), &["allowed_operations[0]"]);
        check(serde_json::json!({"allowed_operations": ["messages", "messages"]}), &["allowed_operations"]);
        check(serde_json::json!({"source_cidrs": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]}), &[]);
        check(serde_json::json!({"source_cidrs": []}), &["source_cidrs"]);
        check(serde_json::json!({"source_cidrs": ["10.0.0.0/8", "10.0.0.1/8"]}), &["source_cidrs[1]"]);
    }
}
