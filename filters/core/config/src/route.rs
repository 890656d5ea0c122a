use serde::{Deserialize, Serialize};

use crate::{Check, ConfigError};

/// Configuration of the plugin that turns a model's name into a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Largest request body in bytes. Default 50 MiB.
    #[serde(default = "body_limit_bytes")]
    pub body_limit_bytes: u64,
}

fn body_limit_bytes() -> u64 {
    50 * 1024 * 1024
}

impl Check for RouteConfig {
    fn check(&self) -> Result<(), ConfigError> {
        if self.body_limit_bytes == 0 {
            return Err(ConfigError::new("body_limit_bytes", "must be at least 1"));
        }
        Ok(())
    }
}
