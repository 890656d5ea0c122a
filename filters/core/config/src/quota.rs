use serde::{Deserialize, Serialize};

use crate::{Check, ConfigError, ControlPlane};

/// Configuration of the plugin that holds callers to their limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaConfig {
    /// Who grants leases.
    pub control_plane: ControlPlane,
    /// What happens to a request that needs a lease while the control plane does not answer. Default `closed`.
    #[serde(default)]
    pub fail_mode: FailMode,
    /// What is asked of a control plane that does not size leases itself, as those before leases could be given back: this share of a
    /// limit, in percent, and at least one unit. Default 10.
    #[serde(default = "lease_percent")]
    pub lease_percent: u64,
}

fn lease_percent() -> u64 {
    10
}

/// What happens when a dependency does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailMode {
    /// Refuse.
    #[default]
    Closed,
    /// Let pass, and count it.
    Open,
}

impl Check for QuotaConfig {
    fn check(&self) -> Result<(), ConfigError> {
        if !(1..=100).contains(&self.lease_percent) {
            return Err(ConfigError::new("lease_percent", "must be from 1 to 100"));
        }
        Ok(())
    }
}
