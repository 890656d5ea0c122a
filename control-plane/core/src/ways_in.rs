//! The ways in which apps show who they are, and what holds for each of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// In which way an app has shown who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By an API key.
    Key,
    /// By a token of an issuer that is known.
    Token,
    /// By the SPIFFE id of its certificate.
    Workload,
}

impl Way {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Token => "token",
            Self::Workload => "workload",
        }
    }

    /// Reads the fixed name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Key, Self::Token, Self::Workload].into_iter().find(|way| way.name() == name)
    }
}

/// What holds for one way in. The later of two is the stricter one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WayMode {
    /// It counts where it is shown, and need not be.
    #[default]
    Allowed,
    /// Every request must show it, whatever else it shows.
    Required,
    /// It does not count.
    Refused,
}

/// What holds for each way in. A token or a workload leads nowhere without a rule, so both may be allowed before there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WaysIn {
    /// API keys. Default `allowed`.
    #[serde(default)]
    #[schema(required)]
    pub key: WayMode,
    /// Tokens (JWT) of issuers that are known. Default `allowed`.
    #[serde(default)]
    #[schema(required)]
    pub token: WayMode,
    /// The SPIFFE id of the app's certificate. Default `allowed`.
    #[serde(default)]
    #[schema(required)]
    pub workload: WayMode,
}

impl WaysIn {
    /// What holds for one of them.
    pub fn mode(&self, way: Way) -> WayMode {
        match way {
            Way::Key => self.key,
            Way::Token => self.token,
            Way::Workload => self.workload,
        }
    }

    /// The ways for which this holds.
    pub fn with_mode(&self, mode: WayMode) -> Vec<Way> {
        [Way::Key, Way::Token, Way::Workload].into_iter().filter(|way| self.mode(*way) == mode).collect()
    }

    /// The stricter of both, for each way.
    pub fn and(self, other: Self) -> Self {
        Self {
            key: self.key.max(other.key),
            token: self.token.max(other.token),
            workload: self.workload.max(other.workload),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_gateway_and_tenant_the_stricter_holds() {
        let gateway = WaysIn { key: WayMode::Refused, token: WayMode::Allowed, workload: WayMode::Required };
        let tenant = WaysIn { key: WayMode::Required, token: WayMode::Required, workload: WayMode::Allowed };
        let both = WaysIn { key: WayMode::Refused, token: WayMode::Required, workload: WayMode::Required };
        assert_eq!((gateway.and(tenant), tenant.and(gateway)), (both, both));
        assert_eq!(WaysIn::default().and(tenant), tenant);
    }
}
