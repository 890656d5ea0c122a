use std::net::IpAddr;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::{Capabilities, Check, ConfigError, Price, names};

/// Configuration of the upstream plugin that speaks to the chosen provider. There is nothing to set: what it needs to know
/// of a provider comes with the endpoint that Envoy chose, so that the two cannot disagree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {}

impl Check for ProviderConfig {
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// One model at one provider, as a member of a pool: JSON in the metadata of its endpoint, under
/// [`names::METADATA_DEPLOYMENT`].
///
/// It is read tolerantly: a field that a module does not know is one that it can do without, unless its name stands in `requires`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its own id, for usage records.
    pub id: String,
    /// Id of the provider, for usage records.
    pub provider_id: String,
    /// Its name, for the response header `x-weir-provider`.
    pub provider_name: String,
    /// The wire schema that it speaks, by the name that `weir-llm` gives it: "openai", "anthropic", …
    pub schema: String,
    /// Further schemas that it speaks: a client of one of them is not translated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_speaks: Vec<String>,
    /// Value of `:authority`.
    pub authority: String,
    /// `https` or `http`: must match the transport of the endpoint's cluster.
    pub scheme: String,
    /// What stands before the operations' paths, without a slash at its end: "/v1", "/openai/v1", "/api/v3" or "". Absent: "/v1".
    #[serde(default = "version_1")]
    pub base_path: String,
    /// What stands in the query of every request, without a question mark: "" or "api-version=2025-04-01".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The model's name at the provider.
    pub model: String,
    /// Where its credential lies and goes; `None`: the provider wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialPlacement>,
    /// What its tokens cost; `None`: unknown, and the record says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Rc<Price>>,
    /// What they cost from a time on, the earliest first. A module that does not know this has `price` hold until it is told another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_prices: Vec<NextPrice>,
    /// What it takes of what its schema can say.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// Where the endpoint's address must be: outside of the operator's network, but for these addresses. Absent: anywhere. A module that
    /// does not know this sends where the name leads, as it always did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_except: Option<Vec<IpAddr>>,
    /// Names of what a module must understand to use this deployment. One that does not know a name refuses to, with that name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
}

/// A price that holds from a time on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPrice {
    /// From when on, in microseconds since the Unix epoch.
    pub from_us: u64,
    /// What holds then.
    pub price: Rc<Price>,
}

impl Deployment {
    /// The price that holds at `now`, in microseconds since the Unix epoch.
    pub fn price_at(&self, now: u64) -> Option<&Rc<Price>> {
        let next = self.next_prices.iter().rfind(|next| next.from_us <= now);
        next.map(|next| &next.price).or(self.price.as_ref())
    }
}

fn version_1() -> String {
    "/v1".to_owned()
}

/// What this module understands of [`Deployment::requires`]. Nothing yet: what there is can be left aside by a module that is older.
const UNDERSTOOD: [&str; 0] = [];

/// From which request header the credential is taken and into which it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialPlacement {
    /// The slot that Envoy's credential injector fills; begins with `x-weir-credential-`.
    pub slot: String,
    /// The header that the provider reads: `authorization`, `x-api-key`, …
    pub header: String,
    /// What stands before the credential there: "Bearer " or "".
    #[serde(default)]
    pub prefix: String,
}

impl Check for Deployment {
    fn check(&self) -> Result<(), ConfigError> {
        if self.authority.is_empty() {
            return Err(ConfigError::new("authority", "must not be empty"));
        }
        if !matches!(self.scheme.as_str(), "http" | "https") {
            return Err(ConfigError::new("scheme", "must be http or https"));
        }
        if let Some(name) = self.requires.iter().find(|name| !UNDERSTOOD.contains(&name.as_str())) {
            return Err(ConfigError::new("requires", format!("this module does not know `{name}`: it is too old")));
        }
        if self.base_path.ends_with('/') || !(self.base_path.is_empty() || self.base_path.starts_with('/')) {
            return Err(ConfigError::new("base_path", "must be empty, or begin and not end with a slash"));
        }
        if self.query.contains(['?', '#', ' ']) {
            return Err(ConfigError::new("query", "must be a query without its question mark"));
        }
        if self.model.is_empty() {
            return Err(ConfigError::new("model", "must not be empty"));
        }
        if let Some(credential) = &self.credential
            && !credential.slot.starts_with(names::CREDENTIAL_SLOT_PREFIX)
        {
            let reason = format!("must begin with {}", names::CREDENTIAL_SLOT_PREFIX);
            return Err(ConfigError::new("credential.slot", reason));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_is_the_last_whose_time_has_come() {
        let deployment = |price: &str| -> Deployment {
            let of = |version: &str| {
                format!(
                    r#"{{"version":"{version}","input_microusd_per_million":1,"cached_input_microusd_per_million":1,
                    "output_microusd_per_million":1}}"#
                )
            };
            let (second, third) = (of("second"), of("third"));
            let json = format!(
                r#"{{"id":"d","provider_id":"p","provider_name":"n","schema":"openai","authority":"a","scheme":"https","model":"m",
                "price":{},"next_prices":[{{"from_us":10,"price":{second}}},{{"from_us":20,"price":{third}}}]}}"#,
                if price.is_empty() { "null".into() } else { of(price) }
            );
            serde_json::from_str(&json).unwrap()
        };
        let at = |price: &str, now| deployment(price).price_at(now).map(|price| price.version.clone());
        for (now, version) in [(0, "first"), (9, "first"), (10, "second"), (19, "second"), (20, "third")] {
            assert_eq!(at("first", now).as_deref(), Some(version), "{now}");
        }
        assert_eq!((at("", 9), at("", 10).as_deref()), (None, Some("second")));
    }
}
