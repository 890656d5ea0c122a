//! Apps that are known without a key: whose tokens are verified, and what tokens and workloads lead to.

mod claims;
mod issuer;
mod rule;
mod spiffe;

pub use claims::{ClaimCondition, Claims, MalformedClaims, is_claim_path};
pub use issuer::TokenIssuerSettings;
pub use rule::{ClaimGrant, IdentityRuleSettings, PersonMapping, PersonRole, WorkloadMatch};
pub use spiffe::SpiffeId;
