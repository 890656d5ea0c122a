use serde::{Deserialize, Serialize};

use crate::{AuthConfig, Check, ConfigError, GuardrailsConfig, MeteringConfig, QuotaConfig, RouteConfig, plugin};

/// `weir.chain`: the downstream plugins as one filter, each with its own configuration. One that is not named does not run;
/// the others run in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// One usage record a request. First, so that it also sees what the others refuse, and sees an answer last, as the
    /// client gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metering: Option<MeteringConfig>,
    /// Who is calling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthConfig>,
    /// Which pool serves the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteConfig>,
    /// Whether the caller's limits allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaConfig>,
    /// Whether the text may pass, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<GuardrailsConfig>,
}

impl Check for ChainConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let Self { metering, auth, route, quota, guardrails } = self;
        if metering.is_none() && auth.is_none() && route.is_none() && quota.is_none() && guardrails.is_none() {
            return Err(ConfigError::new("$", format!("{} must name at least one plugin", plugin::CHAIN)));
        }
        // Each of these needs to know who is calling.
        let needs_auth = [(route.is_some(), "route"), (quota.is_some(), "quota"), (guardrails.is_some(), "guardrails")];
        if let (None, Some((_, name))) = (auth, needs_auth.iter().find(|(named, _)| *named)) {
            return Err(ConfigError::new(*name, "needs auth, which says who is calling"));
        }
        check_part("metering", metering)?;
        check_part("auth", auth)?;
        check_part("route", route)?;
        check_part("quota", quota)?;
        check_part("guardrails", guardrails)
    }
}

fn check_part(name: &str, part: &Option<impl Check>) -> Result<(), ConfigError> {
    let Some(part) = part else { return Ok(()) };
    part.check().map_err(|error| match error.field.as_str() {
        "$" => ConfigError::new(name, error.reason),
        field => ConfigError::new(format!("{name}.{field}"), error.reason),
    })
}
