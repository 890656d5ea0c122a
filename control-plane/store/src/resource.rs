//! Resources of every kind: what is the same for all is written here once, what is particular to one stands in its file.

mod api_key;
mod apply;
mod currency_rate;
mod department;
mod export;
mod gateway;
mod grant;
pub(crate) mod identity_rule;
mod kind;
mod limit;
mod model;
mod pool;
mod profile;
mod provider;
pub(crate) mod read;
mod reference;
mod revert;
mod revoke;
mod role;
mod search;
mod service_account;
mod service_token;
mod sign_in_provider;
mod tenant;
mod token_issuer;
mod typed;
mod user;
mod write;

pub use apply::{Application, AppliedObject, Apply, NamedObject, ObjectDifferences};
pub use export::{Export, ExportedObject};
pub(crate) use grant::retain_existing;
pub use kind::{Kind, Owner, Secret};
pub use profile::PROFILE_ALL;
pub(crate) use provider::{Said, authentication, capabilities};
pub use read::takes_filter;
pub use reference::Reference;
pub use revert::Irrevertible;
pub use search::Found;
pub(crate) use write::tidied;
pub use write::{SecretChange, Update};

/// Tenants.
pub const TENANT: &dyn Kind = &tenant::Tenant;
/// Guardrail profiles.
pub const GUARDRAIL_PROFILE: &dyn Kind = &profile::GuardrailProfile;
/// Providers.
pub const PROVIDER: &dyn Kind = &provider::Provider;
/// Pools.
pub const POOL: &dyn Kind = &pool::Pool;
/// Models.
pub const MODEL: &dyn Kind = &model::Model;
/// Roles that administrators make.
pub const ROLE: &dyn Kind = &role::Role;
/// Departments.
pub const DEPARTMENT: &dyn Kind = &department::Department;
/// Service accounts.
pub const SERVICE_ACCOUNT: &dyn Kind = &service_account::ServiceAccount;
/// API keys.
pub const API_KEY: &dyn Kind = &api_key::ApiKey;
/// People who administer.
pub const USER: &dyn Kind = &user::User;
/// Service tokens.
pub const SERVICE_TOKEN: &dyn Kind = &service_token::ServiceToken;
/// Gateways.
pub const GATEWAY: &dyn Kind = &gateway::Gateway;
/// Limits.
pub const LIMIT: &dyn Kind = &limit::Limit;
/// Issuers of tokens by which apps show who they are.
pub const TOKEN_ISSUER: &dyn Kind = &token_issuer::TokenIssuer;
/// What tokens and workloads lead to.
pub const IDENTITY_RULE: &dyn Kind = &identity_rule::IdentityRule;
/// Identity providers by which people sign in.
pub const SIGN_IN_PROVIDER: &dyn Kind = &sign_in_provider::SignInProvider;

/// What a dollar is in other currencies.
pub const CURRENCY_RATE: &dyn Kind = &currency_rate::CurrencyRate;

/// All kinds, so that what is referred to comes before what refers to it.
pub const KINDS: [&dyn Kind; 17] = [
    TENANT,
    GUARDRAIL_PROFILE,
    PROVIDER,
    POOL,
    MODEL,
    DEPARTMENT,
    ROLE,
    USER,
    SERVICE_ACCOUNT,
    TOKEN_ISSUER,
    IDENTITY_RULE,
    API_KEY,
    LIMIT,
    SERVICE_TOKEN,
    GATEWAY,
    SIGN_IN_PROVIDER,
    CURRENCY_RATE,
];

/// The kind of this name.
pub fn kind_named(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}
