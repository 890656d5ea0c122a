//! The usage ledger: one record for each request.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One request as it ended. Its identity is the UTC day of `started_at`, the tenant and the request id.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageRecord {
    /// UUIDv7, made in the gateway.
    pub request_id: Uuid,
    /// When the request arrived, to the microsecond.
    pub started_at: DateTime<Utc>,
    /// The caller's tenant.
    pub tenant_id: Uuid,
    /// The caller's key.
    pub key_id: Uuid,
    /// The client's operation, for example `chat.completions`.
    pub operation: String,
    /// The model that the client asked for.
    pub model: String,
    /// The provider that answered; `None`: none did.
    pub provider_id: Option<Uuid>,
    /// The deployment that answered; `None`: none did.
    pub deployment_id: Option<Uuid>,
    /// The model's name at the provider; empty if none answered.
    pub upstream_model: String,
    /// Tokens of the prompt, those from the provider's cache included.
    pub input_tokens: u64,
    /// Tokens that the provider read from its cache.
    pub cached_input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Who counted the input.
    pub input_source: UsageSource,
    /// Who counted the output.
    pub output_source: UsageSource,
    /// Micro-dollars.
    pub cost_microusd: i64,
    /// Empty if there was no price.
    pub price_version: String,
    /// From the request's arrival to its end, in microseconds.
    pub latency_us: u64,
    /// From the request's arrival to the first byte of content, in microseconds.
    pub time_to_first_token_us: Option<u64>,
    /// HTTP status sent to the client; 0 if it left before one was sent.
    pub status: u32,
    /// A stable error code, empty on success.
    pub error_code: String,
    /// `complete`, `refused`, `failed`, `client_disconnect` or `upstream_broken`.
    pub outcome: String,
    /// Whether the client asked for a stream.
    pub streamed: bool,
    /// Attempts made, 0 if nothing was forwarded.
    pub attempts: u32,
    /// `type:action=count`, for example `CREDIT_CARD:redact=2`.
    pub guardrail_findings: Vec<String>,
    /// Policy revision under which the request ran.
    pub revision: u64,
}

/// Who counted tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The provider reported the figure.
    Provider,
    /// Weir estimated it.
    Estimated,
    /// Nothing reached a provider.
    None,
}

impl UsageSource {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Estimated => "estimated",
            Self::None => "none",
        }
    }

    /// Reads the fixed name; anything else is [`UsageSource::None`].
    pub fn from_name(name: &str) -> Self {
        match name {
            "provider" => Self::Provider,
            "estimated" => Self::Estimated,
            _ => Self::None,
        }
    }
}

/// What became of a batch of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordOutcome {
    /// Records that are in the ledger now, whether by this batch or an earlier one.
    pub stored: u32,
    /// Records that can never be stored.
    pub rejected: Vec<RejectedRecord>,
}

/// A record that can never be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRecord {
    /// The record's.
    pub request_id: Uuid,
    /// Why.
    pub reason: String,
}
