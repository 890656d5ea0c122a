//! Providers, pools, models and guardrail profiles, as administrators write them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use weir_config::{GuardrailProfile, Price};
use weir_llm::Schema;

use crate::actor::{Actor, Role};
use crate::capabilities::CapabilityOverrides;
use crate::destination::{AllowedHosts, inside};
use crate::field::{FieldError, Fields};
use crate::presets::{PRESETS, Preset};
use crate::snapshot::BaseUrl;

/// What is decided about a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSettings {
    /// For people, and for the response header `x-weir-provider`; unique for its owner.
    pub name: String,
    /// What it speaks, by the name that `weir-llm` gives it.
    pub schema: String,
    /// As [`BaseUrl`] reads it.
    pub base_url: String,
    /// Which kind of server it is, by the name of a [`Preset`]; `None`: a vendor's own host says it, or nothing.
    #[serde(default)]
    pub preset: Option<String>,
    /// What it takes, where that differs from its schema, kind and model.
    #[serde(default)]
    pub capabilities: CapabilityOverrides,
    /// How it is shown its credential; `None`: as its kind or schema wants it.
    #[serde(default)]
    pub authentication: Option<Authentication>,
    /// What stands in the query of every request, without a question mark.
    #[serde(default)]
    pub query: String,
    /// Names of further schemas that it speaks, beside those of its kind.
    #[serde(default)]
    pub also_speaks: Vec<String>,
}

/// In which request header a provider wants its credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// The header's name, in lower case.
    pub header: String,
    /// What stands before the credential there: `Bearer ` or nothing.
    pub prefix: String,
}

/// Headers that a credential may not take the place of: what they say is HTTP's or Weir's.
const RESERVED_HEADERS: [&str; 12] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl ProviderSettings {
    /// All that is wrong with them; the base URL comes back in its one spelling.
    pub fn check(mut self) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        // It is sent as a response header.
        fields.require(self.name.is_ascii(), "name", "must be ASCII");
        match self.base_url.parse::<BaseUrl>() {
            Ok(url) => self.base_url = url.to_string(),
            Err(error) => fields.require(false, "base_url", error.to_string()),
        }
        check_schema(&mut fields, "schema", &self.schema);
        for (index, name) in self.also_speaks.iter().enumerate() {
            let field = format!("also_speaks[{index}]");
            fields.require(!self.also_speaks[..index].contains(name), &field, "is there already");
            check_schema(&mut fields, &field, name);
        }
        if let Some(name) = &self.preset {
            match Preset::named(name) {
                Some(preset) => fields.require(
                    preset.schema == self.schema,
                    "preset",
                    format!("is a kind of server that speaks {}", preset.schema),
                ),
                None => {
                    let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
                    fields.require(false, "preset", format!("must be one of {}", known.join(", ")));
                }
            }
        }
        if let Some(authentication) = &mut self.authentication {
            authentication.header.make_ascii_lowercase();
            authentication.check(&mut fields);
        }
        fields.require(self.query.len() <= 500, "query", "must have at most 500 characters");
        fields.require(
            self.query.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%=&+:,/@!$'()*;".contains(&byte)),
            "query",
            "must be a query such as api-version=2025-04-01, without a question mark",
        );
        fields.finish().map(|()| self)
    }

    /// Refuses an owner and base URL that this actor may not bring together: what a tenant's own admin names must lie
    /// outside the operator's network, unless the operator allows it.
    pub fn check_destination(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        allowed: &AllowedHosts,
    ) -> Result<(), Vec<FieldError>> {
        if actor.role == Role::PlatformAdmin || tenant_id.is_none() {
            return Ok(());
        }
        let mut fields = Fields::default();
        match self.base_url.parse::<BaseUrl>() {
            Ok(url) => {
                if let Some(what) = inside(&url.host)
                    && !allowed.include(&url.host)
                {
                    let reason = format!("must not lead to {what}; only a platform admin may set this");
                    fields.require(false, "base_url", reason);
                }
            }
            Err(error) => fields.require(false, "base_url", error.to_string()),
        }
        fields.finish()
    }
}

impl Authentication {
    fn check(&self, fields: &mut Fields) {
        let Self { header, prefix } = self;
        let is_name = (1..=100).contains(&header.len())
            && header.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        fields.require(is_name, "authentication.header", "must be the name of a header, such as x-api-key");
        let is_free = !RESERVED_HEADERS.contains(&header.as_str())
            && !["x-weir-", "x-envoy-", "x-forwarded-"].iter().any(|reserved| header.starts_with(reserved));
        fields.require(is_free, "authentication.header", "must not be a header that HTTP or this gateway uses");
        let is_plain = prefix.len() <= 50 && prefix.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        fields.require(is_plain, "authentication.prefix", "must have at most 50 visible ASCII characters and blanks");
        fields.require(!prefix.starts_with(' '), "authentication.prefix", "must not begin with a blank");
    }
}

fn check_schema(fields: &mut Fields, field: &str, name: &str) {
    if Schema::named(name).is_none() {
        let known: Vec<&str> = Schema::all().map(|schema| schema.name()).collect();
        fields.require(false, field, format!("must be one of {}", known.join(", ")));
    }
}

/// A credential as a provider's HTTP header can carry it: 1 to 8192 visible ASCII characters and blanks.
pub fn check_credential(credential: &str) -> Result<(), Vec<FieldError>> {
    let mut fields = Fields::default();
    fields.require((1..=8192).contains(&credential.len()), "credential", "must have 1 to 8192 characters");
    fields.require(
        credential.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
        "credential",
        "must be visible ASCII, as it is sent in a header",
    );
    fields.require(credential.trim() == credential, "credential", "must not begin or end with a blank");
    fields.finish()
}

/// A provider as it is read. Its credential is never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderView {
    /// What is decided about it.
    pub settings: ProviderSettings,
    /// Whether it is shown a credential.
    pub has_credential: bool,
}

/// What is decided about a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSettings {
    /// For people; unique for its owner.
    pub name: String,
    /// One to eight, in the order in which they are tried.
    pub members: Vec<MemberSettings>,
    /// How long each member may take to the first content of a stream, in milliseconds. A whole answer is silent until it is
    /// done: there each member has an equal share of `request_timeout_ms`.
    pub first_byte_timeout_ms: u64,
    /// How long a stream may be silent, in milliseconds: before its first content, and between two pieces of it. The members
    /// that are tried before the first content share this time, and that in all, equally, if together they would take longer.
    pub idle_timeout_ms: u64,
    /// How long a request may take in all, all its members and the whole of its answer, in milliseconds. A stream that is not
    /// over by then is broken off.
    pub request_timeout_ms: u64,
}

/// What is decided about a member of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSettings {
    /// A provider of the pool's owner.
    pub provider_id: Uuid,
    /// The model's name there.
    pub model: String,
    /// What its tokens cost, if known.
    pub price: Option<MemberPrice>,
    /// What the model takes there, where that differs from what is known of it.
    #[serde(default)]
    pub capabilities: CapabilityOverrides,
}

/// What a member's tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberPrice {
    /// Micro-dollars for a million input tokens.
    pub input_microusd_per_million: u64,
    /// Micro-dollars for a million input tokens that the provider read from its cache.
    pub cached_input_microusd_per_million: u64,
    /// Micro-dollars for a million input tokens that the provider wrote to its cache for five minutes; `None`: as
    /// [`weir_config::Price`] says.
    #[serde(default)]
    pub cache_write_microusd_per_million: Option<u64>,
    /// Micro-dollars for a million input tokens that the provider wrote to its cache for an hour; `None`: as there.
    #[serde(default)]
    pub cache_write_1h_microusd_per_million: Option<u64>,
    /// Micro-dollars for a million output tokens.
    pub output_microusd_per_million: u64,
    /// Micro-dollars for a million output tokens of reasoning; `None`: the output's.
    #[serde(default)]
    pub reasoning_microusd_per_million: Option<u64>,
}

impl MemberPrice {
    /// The same under a name that is its own for ever.
    pub fn versioned(self, version: String) -> Price {
        Price {
            version,
            input_microusd_per_million: self.input_microusd_per_million,
            cached_input_microusd_per_million: self.cached_input_microusd_per_million,
            cache_write_microusd_per_million: self.cache_write_microusd_per_million,
            cache_write_1h_microusd_per_million: self.cache_write_1h_microusd_per_million,
            output_microusd_per_million: self.output_microusd_per_million,
            reasoning_microusd_per_million: self.reasoning_microusd_per_million,
        }
    }
}

/// The longest time-out: one day, in milliseconds.
const LONGEST_TIMEOUT_MS: u64 = 86_400_000;
/// The dearest price: a million dollars for a million tokens.
const DEAREST_MICROUSD: u64 = 1_000_000_000_000;

impl PoolSettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        fields.require((1..=8).contains(&self.members.len()), "members", "must have 1 to 8 members");
        for (index, member) in self.members.iter().enumerate() {
            fields.model_name(&format!("members[{index}].model"), &member.model);
            if let Some(price) = &member.price {
                for (name, value) in [
                    ("input_microusd_per_million", Some(price.input_microusd_per_million)),
                    ("cached_input_microusd_per_million", Some(price.cached_input_microusd_per_million)),
                    ("cache_write_microusd_per_million", price.cache_write_microusd_per_million),
                    ("cache_write_1h_microusd_per_million", price.cache_write_1h_microusd_per_million),
                    ("output_microusd_per_million", Some(price.output_microusd_per_million)),
                    ("reasoning_microusd_per_million", price.reasoning_microusd_per_million),
                ] {
                    let Some(value) = value else { continue };
                    fields.range(&format!("members[{index}].price.{name}"), value, 0, DEAREST_MICROUSD);
                }
            }
        }
        fields.range("first_byte_timeout_ms", self.first_byte_timeout_ms, 1, LONGEST_TIMEOUT_MS);
        fields.range("idle_timeout_ms", self.idle_timeout_ms, 1, LONGEST_TIMEOUT_MS);
        fields.range("request_timeout_ms", self.request_timeout_ms, 1, LONGEST_TIMEOUT_MS);
        fields.finish()
    }
}

/// A pool as it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolView {
    /// What is decided about it.
    pub settings: PoolSettings,
    /// The deployments' ids, one for each member, in the same order.
    pub deployment_ids: Vec<Uuid>,
}

/// What is decided about a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSettings {
    /// The name that clients ask for; unique for its owner.
    pub name: String,
    /// A pool of the model's owner.
    pub pool_id: Uuid,
}

impl ModelSettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.model_name("name", &self.name);
        fields.finish()
    }
}

/// All that is wrong with a guardrail profile.
pub fn check_profile(profile: &GuardrailProfile) -> Result<(), Vec<FieldError>> {
    let mut fields = Fields::default();
    fields.name("name", &profile.name);
    fields.require((1..=100).contains(&profile.rules.len()), "rules", "must have 1 to 100 rules");
    fields.finish()
}
