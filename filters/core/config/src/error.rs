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
