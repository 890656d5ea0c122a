use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::{Check, ConfigError, Price, names};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Its own id, for usage records.
    pub id: String,
    /// Id of the provider, for usage records.
    pub provider_id: String,
    /// Its name, for the response header `x-weir-provider`.
    pub provider_name: String,
    /// What it speaks.
    pub schema: ProviderSchema,
    /// Value of `:authority`.
    pub authority: String,
    /// `https` or `http`: must match the transport of the endpoint's cluster.
    pub scheme: String,
    /// What stands before the schema's own paths, without a slash at its end: "" or "/openai".
    #[serde(default)]
    pub path_prefix: String,
    /// The model's name at the provider.
    pub model: String,
    /// Where its credential lies and goes; `None`: the provider wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialPlacement>,
    /// What its tokens cost; `None`: unknown, and the record says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Rc<Price>>,
}

/// Wire schema of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderSchema {
    /// OpenAI's API (`/v1/chat/completions`, …), which many others speak too.
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic's API (`/v1/messages`, version 2023-06-01).
    Anthropic,
}

/// From which request header the credential is taken and into which it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
        if self.path_prefix.ends_with('/') || !(self.path_prefix.is_empty() || self.path_prefix.starts_with('/')) {
            return Err(ConfigError::new("path_prefix", "must be empty, or begin and not end with a slash"));
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
