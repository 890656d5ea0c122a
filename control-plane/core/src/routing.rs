//! Providers, pools, models and guardrail profiles, as administrators write them.

mod price;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_config::{Check, GuardrailProfile};
use weir_llm::Schema;

use crate::actor::{Actor, Sees};
use crate::capabilities::CapabilityOverrides;
use crate::destination::{AllowedHosts, inside};
use crate::field::{FieldError, Fields};
use crate::permission::Permission;
use crate::presets::{PRESETS, Preset};
use crate::schemas::Capabilities;
use crate::signing::{KeyPair, region_of};
use crate::snapshot::BaseUrl;
use crate::ways_in::WaysIn;

pub use price::{LongContextPrice, MemberPrice, NextPrice, PriceRates, TierPrice};

/// What is decided about a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// For people, and for the response header `x-weir-provider`: 1 to 100 ASCII characters; unique for its owner.
    pub name: String,
    /// The wire schema that it speaks: `openai` (OpenAI's API, which many others speak too), `anthropic`, …
    pub schema: String,
    /// `http(s)://host[:port][/path]`. Used as it stands if its path has a version in it (`/v1`, `/api/v3`, `/v1beta/openai`);
    /// otherwise `/v1` is put behind it.
    pub base_url: String,
    /// Which kind of server it is, from which follows what it takes: `openai`, `anthropic`, `azure_anthropic`, `azure_openai`,
    /// `azure_openai_dated`, `bedrock`, `cerebras`, `cohere`, `deepseek`, `fireworks`, `gemini`, `groq`, `llama_cpp`, `lm_studio`, `mistral`,
    /// `moonshot`, `ollama`, `openrouter`, `sglang`, `tgi`, `together`, `vertex_ai`, `vllm` or `xai`. Absent or null: a vendor's own host
    /// says it.
    #[serde(default)]
    pub preset: Option<String>,
    /// What it takes, where that differs from what is known of its kind and of its models. Absent or null: nowhere.
    #[serde(default)]
    #[schema(value_type = Capabilities, required = false)]
    pub capabilities: CapabilityOverrides,
    /// How it is shown its credential. Absent or null: as its kind or schema wants it.
    #[serde(default)]
    pub authentication: Option<Authentication>,
    /// What stands in the query of every request, without a question mark: `api-version=2025-04-01`. It is no place for secrets.
    /// Absent or null: nothing.
    #[serde(default)]
    #[schema(required = false)]
    pub query: String,
    /// Further schemas that it speaks, beside those of its kind: their clients are not translated. Absent or null: none.
    #[serde(default)]
    #[schema(required = false)]
    pub also_speaks: Vec<String>,
}

/// In which request header a provider wants its credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    /// The header's name: `authorization`, `x-api-key`, `api-key`, …
    pub header: String,
    /// What stands before the credential there, with its blank: `Bearer `. Absent: nothing.
    #[serde(default)]
    #[schema(required = false)]
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
                Some(preset) => {
                    let reason = format!("is a kind of server that speaks {}", preset.schema);
                    fields.require(preset.schema == self.schema, "preset", reason);
                    if let Some(name) = preset.query {
                        let is_there =
                            self.query.split('&').any(|pair| pair.split_once('=').is_some_and(|(key, _)| key == name));
                        fields.require(is_there, "query", format!("must have {name}=… for this kind of server"));
                    }
                }
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

    /// Refuses a credential that the provider could not be asked with: a pair of keys signs for a region, which the host tells.
    pub fn check_credential(&self, credential: &SecretString) -> Result<(), Vec<FieldError>> {
        let host = self.base_url.parse::<BaseUrl>().map(|url| url.host).unwrap_or_default();
        let named = self.preset.as_deref().and_then(Preset::named);
        let signs = named.or_else(|| Preset::of_host(&host)).is_some_and(|kind| kind.signs_as.is_some());
        let mut fields = Fields::default();
        let can_sign = !signs || KeyPair::read(credential).is_none() || region_of(&host).is_some();
        fields.require(
            can_sign,
            "base_url",
            "must name the region, such as eu-central-1, for which a pair of keys signs",
        );
        fields.finish()
    }

    /// Refuses an owner and base URL that this actor may not bring together: what a tenant's own admin names must lie
    /// outside the operator's network, unless the operator allows it.
    pub fn check_destination(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        allowed: &AllowedHosts,
    ) -> Result<(), Vec<FieldError>> {
        if actor.sees(Permission::ProvidersWrite) == Sees::Everything || tenant_id.is_none() {
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

/// The schema of this name.
pub fn schema_named(name: &str) -> Option<Schema> {
    Schema::named(name)
}

fn check_schema(fields: &mut Fields, field: &str, name: &str) {
    if Schema::named(name).is_none() {
        let known: Vec<&str> = Schema::of_providers().map(|schema| schema.name()).collect();
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

/// What is decided about a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolSettings {
    /// 1 to 100 characters; unique for its owner.
    pub name: String,
    /// One to eight, in the order in which they are tried.
    pub members: Vec<MemberSettings>,
    /// How long each member may take to the first content of a stream, in milliseconds. A whole answer is silent until it is
    /// done: there each member has an equal share of `request_timeout_ms`. What a provider sends to keep the connection alive
    /// does not count as content. Default 90000: reasoning models think for that long.
    #[serde(default = "default_first_byte_timeout_ms")]
    #[schema(required = false)]
    pub first_byte_timeout_ms: u64,
    /// How long a stream may be silent, in milliseconds: before its first content, and between two pieces of it. The members
    /// that are tried before the first content share this time, and that in all, equally, if together they would take longer.
    /// Default 300000.
    #[serde(default = "default_idle_timeout_ms")]
    #[schema(required = false)]
    pub idle_timeout_ms: u64,
    /// How long a request may take in all, all its members and the whole of its answer, in milliseconds. A stream that is not
    /// over by then is broken off. Default 600000.
    #[serde(default = "default_request_timeout_ms")]
    #[schema(required = false)]
    pub request_timeout_ms: u64,
}

fn default_first_byte_timeout_ms() -> u64 {
    90_000
}

fn default_idle_timeout_ms() -> u64 {
    300_000
}

fn default_request_timeout_ms() -> u64 {
    600_000
}

/// A member of a pool. One that the pool has already (same provider, same model) keeps its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMember)]
pub struct MemberSettings {
    /// The deployment's id, as it was read; it is not looked at, so that what was read can be sent back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// A provider of the pool's owner.
    pub provider_id: Uuid,
    /// The model's name there.
    pub model: String,
    /// What its tokens cost; absent or null: unknown.
    #[serde(default)]
    pub price: Option<MemberPrice>,
    /// What they cost from a time on, the earliest first, at most 4: at its time each takes the place of the price before, in every Envoy
    /// by itself. One whose time has passed holds as long as it stands here, whatever `price` says. A limit in money reserves at the
    /// dearest of all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_prices: Vec<NextPrice>,
    /// What the model takes there, where that differs from what is known of it and of its provider. Absent or null: nowhere.
    #[serde(default)]
    #[schema(value_type = Capabilities, required = false)]
    pub capabilities: CapabilityOverrides,
}

/// The longest time-out: one day, in milliseconds.
const LONGEST_TIMEOUT_MS: u64 = 86_400_000;

impl PoolSettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        fields.require((1..=8).contains(&self.members.len()), "members", "must have 1 to 8 members");
        for (index, member) in self.members.iter().enumerate() {
            fields.model_name(&format!("members[{index}].model"), &member.model);
            if let Some(price) = &member.price {
                price.check(&format!("members[{index}].price"), &mut fields);
            }
            price::check_next(&member.next_prices, &format!("members[{index}].next_prices"), &mut fields);
        }
        fields.range("first_byte_timeout_ms", self.first_byte_timeout_ms, 1, LONGEST_TIMEOUT_MS);
        fields.range("idle_timeout_ms", self.idle_timeout_ms, 1, LONGEST_TIMEOUT_MS);
        fields.range("request_timeout_ms", self.request_timeout_ms, 1, LONGEST_TIMEOUT_MS);
        fields.finish()
    }
}

/// All that is wrong with a price.
pub fn check_price(price: &MemberPrice) -> Result<(), Vec<FieldError>> {
    let mut fields = Fields::default();
    price.check("price", &mut fields);
    fields.finish()
}

/// What is decided about a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// The name that clients ask for: 1 to 200 visible ASCII characters; unique for its owner.
    pub name: String,
    /// A pool of the model's owner.
    pub pool_id: Uuid,
    /// In which ways apps may or must show who they are when they ask for it, beside what holds for the tenant and the gateway.
    #[serde(default)]
    #[schema(required = false)]
    pub ways_in: WaysIn,
    /// The most output tokens of a request that names none, where a limit of output tokens, of all tokens or of money holds for it: so much is
    /// asked for at the provider and reserved. Absent or null: such a request is refused (`cost_not_bounded`).
    #[serde(default)]
    pub default_max_tokens: Option<u64>,
    /// The most output tokens that a request may name: more is lowered to it, and who names none gets it, or the default if that is less.
    /// Absent or null: anything.
    #[serde(default)]
    pub max_tokens_cap: Option<u64>,
}

/// The largest maximum of output tokens.
const MOST_MAX_TOKENS: u64 = 100_000_000;

impl ModelSettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.model_name("name", &self.name);
        for (field, tokens) in
            [("default_max_tokens", self.default_max_tokens), ("max_tokens_cap", self.max_tokens_cap)]
        {
            if let Some(tokens) = tokens {
                fields.range(field, tokens, 1, MOST_MAX_TOKENS);
            }
        }
        let is_within = self.default_max_tokens.zip(self.max_tokens_cap).is_none_or(|(default, cap)| default <= cap);
        fields.require(is_within, "default_max_tokens", "must be at most max_tokens_cap");
        fields.finish()
    }
}

/// All that is wrong with a guardrail profile.
pub fn check_profile(profile: &GuardrailProfile) -> Result<(), Vec<FieldError>> {
    let mut fields = Fields::default();
    fields.name("name", &profile.name);
    fields.require((1..=100).contains(&profile.rules.len()), "rules", "must have 1 to 100 rules");
    for (index, rule) in profile.rules.iter().enumerate() {
        if let Err(error) = rule.check() {
            fields.require(false, format!("rules.{index}.{}", error.field), error.reason);
        }
    }
    fields.finish()
}
