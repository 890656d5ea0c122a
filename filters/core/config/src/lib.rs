//! What the control plane tells each plugin, as JSON in the plugin's configuration.
//!
//! The same types write the configuration in the control plane and read it in the filter, and a configuration is checked
//! once, when it is parsed ([`parse`]): unknown fields, wrong references and values out of range are refused with the path
//! of the field, so that the rest of a filter never meets a configuration that cannot be. Nothing secret is in here:
//! provider credentials travel by SDS, and per-tenant data is resolved on demand.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable
    )
)]

mod address;
pub mod api_key;
mod auth;
mod capabilities;
mod chain;
mod cidr;
mod custom;
mod error;
mod guardrails;
mod limit;
mod metering;
mod price;
mod provider;
mod quota;
mod redaction;
mod route;

pub use address::inside_address;
pub use auth::{AuthConfig, AuthSource, StaticModel, StaticPrincipal};
pub use capabilities::{Capabilities, MaxTokensField, StructuredOutput, SystemRole};
pub use chain::ChainConfig;
pub use cidr::{Cidr, CidrError};
pub use custom::{CustomKind, CustomRule, Entries, WeakEntries};
pub use error::{Check, ConfigError, parse};
pub use guardrails::{
    Action, FindingType, GuardrailProfile, GuardrailRule, GuardrailsConfig, JudgeRule, RuleDirection, Uninspectable,
};
pub use limit::{Limit, LimitAction, LimitedModels, Period, Unit, Window};
pub use metering::{MeteringConfig, UsageSink};
pub use price::{Bill, LongContextPrice, Price, PriceLine, Rates, TierPrice, Tokens, Used};
pub use provider::{CredentialPlacement, Deployment, NextPrice, ProviderConfig};
pub use quota::{FailMode, QuotaConfig};
pub use redaction::{RedactForm, RuleMode, Threshold};
pub use route::RouteConfig;

use serde::{Deserialize, Serialize};

/// How to reach the control plane's gRPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlane {
    /// Name of the Envoy cluster that leads there, with the gateway's token added on the way.
    pub cluster: String,
    /// Deadline of one call in milliseconds. Default 1000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

fn default_timeout_ms() -> u64 {
    1000
}

/// `root_id` and filter name of each plugin.
pub mod plugin {
    /// Who is calling.
    pub const AUTH: &str = "weir.auth";
    /// Which pool serves the model.
    pub const ROUTE: &str = "weir.route";
    /// Whether the caller's limits allow it.
    pub const QUOTA: &str = "weir.quota";
    /// Whether the text may pass, and how.
    pub const GUARDRAILS: &str = "weir.guardrails";
    /// One usage record a request.
    pub const METERING: &str = "weir.metering";
    /// All of the above that run in the listener, as one filter.
    pub const CHAIN: &str = "weir.chain";
    /// Translation and credentials of each attempt; an upstream filter.
    pub const PROVIDER: &str = "weir.provider";
}

/// Names that the filters and Envoy's configuration must agree on.
pub mod names {
    /// Request header by which Envoy picks the pool's route; its value is the pool's id.
    pub const POOL_HEADER: &str = "x-weir-pool";
    /// Request header by which Envoy picks a pool's route for streams: `true`. Other requests have none.
    pub const STREAM_HEADER: &str = "x-weir-stream";
    /// Response header: the request's id.
    pub const REQUEST_ID_HEADER: &str = "x-weir-request-id";
    /// Prefix of the request headers into which Envoy puts each deployment's credential.
    pub const CREDENTIAL_SLOT_PREFIX: &str = "x-weir-credential-";
    /// Prefix of every internal header; a client's are removed at the listener.
    pub const INTERNAL_PREFIX: &str = "x-weir-";
    /// Request header in which Envoy leaves the claims of a token that it has verified, as they stand in it.
    pub const HEADER_TOKEN_CLAIMS: &str = "x-weir-token-claims";
    /// Prefix of the request header by which Envoy says which issuer's keys have verified a token: the issuer's id in Weir follows.
    pub const HEADER_TOKEN_ISSUER_PREFIX: &str = "x-weir-token-issuer-";
    /// Key in the metadata of Envoy's filter for tokens ([`METADATA_TOKENS`]): why one was not good.
    pub const METADATA_TOKEN_FAILURE: &str = "weir_failure";
    /// Namespace of that metadata.
    pub const METADATA_TOKENS: &str = "envoy.filters.http.jwt_authn";
    /// Namespace in an endpoint's metadata.
    pub const METADATA_NAMESPACE: &str = "weir";
    /// Key in that namespace: the deployment ([`crate::Deployment`]) as JSON.
    pub const METADATA_DEPLOYMENT: &str = "deployment";
    /// One-part filter state under which a stream's exchange is found.
    pub const EXCHANGE_STATE: &str = "weir.exchange";
    /// Request header under which the first attempt finds it: it reads all headers anyway, and a question for filter state costs
    /// as much again.
    pub const EXCHANGE_HEADER: &str = "x-weir-exchange";
    /// The Envoy cluster of the control plane in the bootstrap that we generate.
    pub const CONTROL_PLANE_CLUSTER: &str = "weir_control_plane";
    /// Statuses below 500 on which a pool's routes try its next member; above, all are tried. Not 400 or 422: the next would say
    /// the same. Not 401, 402, 403 or 404: `weir.provider` makes a 502 of them where they are about the operator's account or
    /// about a model that the provider does not have.
    pub const RETRIED_BELOW_500: [u16; 4] = [408, 409, 425, 429];
    /// gRPC service that the filters call.
    pub const DATAPLANE_SERVICE: &str = "weir.dataplane.v1.DataPlane";
}
