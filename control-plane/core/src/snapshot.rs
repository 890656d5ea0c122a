//! Everything that Envoy is configured from, as of one revision.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use uuid::Uuid;
use weir_config::Price;
use weir_llm::Schema;

use crate::capabilities::CapabilityOverrides;
use crate::routing::Authentication;

/// The committed policy at one revision, in the order of ids.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The last committed change that is in here; there are no gaps below it.
    pub revision: u64,
    /// Providers of the platform and of all tenants.
    pub providers: Vec<Provider>,
    /// Pools of the platform and of all tenants; none without a member.
    pub pools: Vec<Pool>,
    /// Issuers of tokens of the platform and of all tenants.
    pub token_issuers: Vec<TokenIssuer>,
    /// Providers that are not in here because they cannot be read, with their members of pools, and pools that had no other.
    pub unreadable: Vec<UnreadableProvider>,
}

/// A provider that is stored in a way that makes no sense, for example with a credential that cannot be decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableProvider {
    /// Its id.
    pub id: Uuid,
    /// `None`: the platform's.
    pub tenant_id: Option<Uuid>,
    /// Why; says nothing about the credential.
    pub reason: String,
}

/// Where requests can be sent, and with which credential.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Immutable.
    pub id: Uuid,
    /// `None`: the platform's.
    pub tenant_id: Option<Uuid>,
    /// For people, and for the response header `x-weir-provider`.
    pub name: String,
    /// What it speaks.
    pub schema: Schema,
    /// Where it is.
    pub base_url: BaseUrl,
    /// What it is shown; `None`: nothing.
    pub credential: Option<SecretString>,
    /// How it is shown; `None`: as [`Provider::credential_header`] says.
    pub authentication: Option<Authentication>,
    /// What stands in the query of every request, without a question mark.
    pub query: String,
    /// Names of further schemas that it speaks, beside those of its kind.
    pub also_speaks: Vec<String>,
    /// Which kind of server it is, by the name of a [`crate::presets::Preset`]; `None`: see [`Provider::kind`].
    pub preset: Option<String>,
    /// What is said about what it takes.
    pub capabilities: CapabilityOverrides,
}

/// Whose tokens are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIssuer {
    /// Immutable.
    pub id: Uuid,
    /// `None`: the platform's.
    pub tenant_id: Option<Uuid>,
    /// As its tokens say it.
    pub issuer: String,
    /// Of which a token must name one.
    pub audiences: Vec<String>,
    /// Its public keys.
    pub keys: Keys,
    /// The header that tokens come in.
    pub header: String,
    /// How long keys that were fetched are believed, in seconds.
    pub keys_kept_seconds: u32,
}

/// Where public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// A set of them, as JSON.
    Here(String),
    /// At this URL.
    At {
        /// As it is written.
        url: String,
        /// Where that leads.
        server: BaseUrl,
        /// How often a key of theirs was found to be withdrawn; `None`: nobody looks, or nobody can, so nothing may be remembered as verified.
        withdrawals: Option<u64>,
    },
}

/// A provider's base URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// `https` or `http`.
    pub tls: bool,
    /// Host name or address, without a port.
    pub host: String,
    /// Port, explicit or the scheme's own.
    pub port: u16,
    /// The path as it is written; empty, or beginning and not ending with a slash.
    pub path_prefix: String,
}

/// Deployments that serve the same models, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Immutable.
    pub id: Uuid,
    /// `None`: the platform's.
    pub tenant_id: Option<Uuid>,
    /// For people.
    pub name: String,
    /// One to eight.
    pub members: Vec<Member>,
    /// How long each member may take to the first content of a stream, in milliseconds; beyond it the next member is tried.
    pub first_byte_timeout_ms: u64,
    /// How long a stream may be silent, in milliseconds.
    pub idle_timeout_ms: u64,
    /// How long a request may take in all, in milliseconds.
    pub request_timeout_ms: u64,
}

/// One model at one provider, as a member of a pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The deployment's id: immutable, and another for each member of each pool.
    pub deployment_id: Uuid,
    /// Its provider.
    pub provider_id: Uuid,
    /// The model's name there.
    pub model: String,
    /// What its tokens cost, if known.
    pub price: Option<Price>,
    /// What they cost from a time on, the earliest first.
    pub next_prices: Vec<(DateTime<Utc>, Price)>,
    /// What is said about what the model takes there.
    pub capabilities: CapabilityOverrides,
}
