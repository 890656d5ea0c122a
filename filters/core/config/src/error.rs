use serde::de::DeserializeOwned;

/// A configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ConfigError {
    /// Path of the field, for example `deployments.0190….price`; `$` for the whole.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ConfigError {
    /// Says what is wrong with a field.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// What the types alone cannot say.
pub trait Check {
    /// Refuses values that parse and still cannot be.
    fn check(&self) -> Result<(), ConfigError>;
}

/// Reads and checks a plugin's configuration.
pub fn parse<T: DeserializeOwned + Check>(json: &[u8]) -> Result<T, ConfigError> {
    let config: T = serde_json::from_slice(json).map_err(|error| ConfigError::new("$", error.to_string()))?;
    config.check()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::{Check, parse};
    use crate::{AuthConfig, ChainConfig, Deployment, GuardrailsConfig, MeteringConfig, QuotaConfig, RouteConfig};

    fn check<T: serde::de::DeserializeOwned + Check>(json: &str, refused_field: Option<&str>) {
        let refused = parse::<T>(json.as_bytes()).err().map(|error| error.field);
        assert_eq!(refused.as_deref(), refused_field, "{json}");
    }

    #[test]
    fn configurations_that_cannot_be_are_refused_at_their_field() {
        check::<RouteConfig>("{}", None);
        check::<RouteConfig>(r#"{"body_limit_bytes": 0}"#, Some("body_limit_bytes"));
        let in_flight = r#"{"body_limit_bytes": 9, "bodies_in_flight_bytes": 8}"#;
        check::<RouteConfig>(in_flight, Some("bodies_in_flight_bytes"));
        check::<RouteConfig>(r#"{"body_limit": 5}"#, Some("$"));
        check::<RouteConfig>("", Some("$"));
        check::<AuthConfig>(r#"{"source": {"static": []}}"#, None);
        check::<AuthConfig>(r#"{"source": {"static": []}, "principal_capacity": 0}"#, Some("principal_capacity"));
        let principal = |digest: &str| {
            format!(
                r#"{{"source": {{"static": [{{"key_sha256": "{digest}", "tenant_id": "t", "key_id": "k",
                    "models": []}}]}}}}"#
            )
        };
        check::<AuthConfig>(&principal(&"aB".repeat(32)), None);
        check::<AuthConfig>(&principal(&"x".repeat(64)), Some("source.static[0].key_sha256"));
        check::<AuthConfig>(&principal("aB"), Some("source.static[0].key_sha256"));
        let guarded = |rules: &str| {
            let profile = format!(r#""guardrail_profile": {{"name": "p", "rules": [{rules}]}}, "models""#);
            principal(&"aB".repeat(32)).replace(r#""models""#, &profile)
        };
        check::<AuthConfig>(&guarded(r#"{"type": "EMAIL", "action": "flag"}"#), None);
        check::<AuthConfig>(&guarded(""), Some("source.static[0].guardrail_profile.rules"));
        check::<AuthConfig>(&guarded(r#"{"type": "SOUL", "action": "flag"}"#), Some("$"));
        check::<GuardrailsConfig>("{}", None);
        check::<GuardrailsConfig>(r#"{"profiles": {}}"#, Some("$"));
        let quota = |percent: u32| format!(r#"{{"control_plane": {{"cluster": "c"}}, "lease_percent": {percent}}}"#);
        check::<QuotaConfig>(&quota(100), None);
        check::<QuotaConfig>(&quota(0), Some("lease_percent"));
        check::<QuotaConfig>(&quota(101), Some("lease_percent"));
        check::<MeteringConfig>(r#"{"sink": "log"}"#, None);
        check::<MeteringConfig>(r#"{"sink": "log", "flush_ms": 9}"#, Some("flush_ms"));
        check::<MeteringConfig>(r#"{"sink": "log", "batch_records": 0}"#, Some("batch_records"));
        let chain = |parts: &str| format!(r#"{{"metering": {{"sink": "log"}}, {parts}}}"#);
        let auth = r#""auth": {"source": {"static": []}}"#;
        check::<ChainConfig>(&chain(auth), None);
        check::<ChainConfig>(
            &chain(&format!(r#"{auth}, "route": {{"body_limit_bytes": 0}}"#)),
            Some("route.body_limit_bytes"),
        );
        check::<ChainConfig>(&chain(r#""route": {}"#), Some("route"));
        check::<ChainConfig>(&chain(r#""cash": {}"#), Some("$"));
        check::<ChainConfig>("{}", Some("$"));
        let deployment = |scheme: &str, prefix: &str, slot: &str| {
            format!(
                r#"{{"id": "d", "provider_id": "p", "provider_name": "n", "schema": "openai",
                    "authority": "a", "scheme": "{scheme}", "base_path": "{prefix}", "model": "m",
                    "credential": {{"slot": "{slot}", "header": "authorization"}}}}"#
            )
        };
        let slot = "x-weir-credential-1";
        check::<Deployment>(&deployment("https", "/openai", slot), None);
        check::<Deployment>(&deployment("ftp", "", slot), Some("scheme"));
        check::<Deployment>(&deployment("https", "/openai/", slot), Some("base_path"));
        check::<Deployment>(&deployment("https", "", "authorization"), Some("credential.slot"));
        let with = |more: &str| deployment("https", "/v1", slot).replace(r#""id""#, &format!("{more}, \"id\""));
        // A newer control plane may say more: what may be left aside is, what may not is named.
        check::<Deployment>(&with(r#""colour": {"of": "it"}"#), None);
        check::<Deployment>(&with(r#""capabilities": {"telepathy": true}"#), None);
        check::<Deployment>(&with(r#""requires": ["telepathy"]"#), Some("requires"));
        check::<Deployment>(&with(r#""query": "?a=b""#), Some("query"));
    }
}
