use serde::{Deserialize, Serialize};

use crate::{Check, ConfigError, ControlPlane, GuardrailProfile};

/// Configuration of the plugin that finds out who is calling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// Where principals come from.
    pub source: AuthSource,
    /// How long a principal is used without asking again, in seconds. Default 60.
    #[serde(default = "principal_lifetime_s")]
    pub principal_lifetime_s: u64,
    /// How long a principal is used beyond its lifetime while the control plane does not answer, in seconds. Default 600.
    #[serde(default = "principal_stale_s")]
    pub principal_stale_s: u64,
    /// How long a key that nobody knows is refused without asking again, in seconds. Default 10.
    #[serde(default = "unknown_key_lifetime_s")]
    pub unknown_key_lifetime_s: u64,
    /// Principals kept in each VM. Default 10000.
    #[serde(default = "principal_capacity")]
    pub principal_capacity: usize,
}

fn principal_lifetime_s() -> u64 {
    60
}
fn principal_stale_s() -> u64 {
    600
}
fn unknown_key_lifetime_s() -> u64 {
    10
}
fn principal_capacity() -> usize {
    10_000
}

/// Where principals come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthSource {
    /// Asked of the control plane, cached.
    ControlPlane(ControlPlane),
    /// Written here, for an Envoy without a control plane.
    Static(Vec<StaticPrincipal>),
}

/// A principal of an Envoy without a control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticPrincipal {
    /// SHA-256 of the key, 64 hexadecimal digits.
    pub key_sha256: String,
    /// Names the tenant in usage records.
    pub tenant_id: String,
    /// Names the key in usage records.
    pub key_id: String,
    /// The models that this principal may use.
    pub models: Vec<StaticModel>,
    /// The guardrail profile that holds for it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail_profile: Option<GuardrailProfile>,
}

/// A model of an Envoy without a control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticModel {
    /// The name that clients ask for.
    pub name: String,
    /// Value of the header by which Envoy picks the route.
    pub pool_id: String,
}

impl Check for AuthConfig {
    fn check(&self) -> Result<(), ConfigError> {
        if self.principal_capacity == 0 {
            return Err(ConfigError::new("principal_capacity", "must be at least 1"));
        }
        let AuthSource::Static(principals) = &self.source else { return Ok(()) };
        for (index, principal) in principals.iter().enumerate() {
            let digest = &principal.key_sha256;
            if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(ConfigError::new(
                    format!("source.static[{index}].key_sha256"),
                    "must be 64 hexadecimal digits",
                ));
            }
            if let Some(profile) = &principal.guardrail_profile {
                profile.check().map_err(|error| {
                    let field = format!("source.static[{index}].guardrail_profile.{}", error.field);
                    ConfigError::new(field, error.reason)
                })?;
            }
        }
        Ok(())
    }
}
