use serde::{Deserialize, Serialize};

use crate::{Check, ConfigError};

/// Configuration of the plugin that turns a model's name into a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Largest request body in bytes. Default 50 MiB.
    #[serde(default = "body_limit_bytes")]
    pub body_limit_bytes: u64,
    /// Bytes of request bodies that one worker holds at a time: from their first byte until their streams are over, since a
    /// body is needed again when an attempt fails. Beyond it requests are refused with `gateway_overloaded`; those of at most
    /// 64 KiB are let in up to a quarter above it. Envoy needs up to twice as much memory for them. Default 256 MiB.
    #[serde(default = "bodies_in_flight_bytes")]
    pub bodies_in_flight_bytes: u64,
}

fn body_limit_bytes() -> u64 {
    50 * 1024 * 1024
}

fn bodies_in_flight_bytes() -> u64 {
    256 * 1024 * 1024
}

impl Check for RouteConfig {
    fn check(&self) -> Result<(), ConfigError> {
        if self.body_limit_bytes == 0 {
            return Err(ConfigError::new("body_limit_bytes", "must be at least 1"));
        }
        if self.bodies_in_flight_bytes < self.body_limit_bytes {
            return Err(ConfigError::new("bodies_in_flight_bytes", "must be at least body_limit_bytes"));
        }
        Ok(())
    }
}
