//! The endpoints, one file for each group.

mod access;
mod api_keys;
mod apply;
mod audit;
mod auth;
mod catalogue;
mod currency_rates;
mod departments;
mod discovered;
mod effective;
mod ended_streams;
mod events;
mod export;
mod features;
mod gateways;
mod guardrail_test;
mod identities;
mod identity_rules;
mod limits;
mod models;
pub(crate) mod nodes;
mod oidc;
mod password_links;
pub(crate) mod playground;
mod pools;
mod price_history;
mod profiles;
mod provider_check;
mod providers;
mod revert;
mod roles;
mod search;
mod service_accounts;
mod service_tokens;
mod sessions;
mod setup;
mod sign_in_check;
mod sign_in_providers;
mod tenants;
mod token_issuers;
mod usage;
mod users;

use utoipa_axum::router::OpenApiRouter;

use crate::ApiState;
use crate::resource::Resource;

/// The kinds of resources.
pub(crate) const RESOURCES: [Resource; 17] = [
    tenants::RESOURCE,
    profiles::RESOURCE,
    providers::RESOURCE,
    pools::RESOURCE,
    models::RESOURCE,
    departments::RESOURCE,
    roles::RESOURCE,
    users::RESOURCE,
    service_accounts::RESOURCE,
    token_issuers::RESOURCE,
    identity_rules::RESOURCE,
    api_keys::RESOURCE,
    limits::RESOURCE,
    service_tokens::RESOURCE,
    gateways::RESOURCE,
    sign_in_providers::RESOURCE,
    currency_rates::RESOURCE,
];

/// Everything under `/api/v1/admin`.
pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(auth::router())
        .merge(access::router())
        .merge(sessions::router())
        .merge(identities::router())
        .merge(oidc::router())
        .merge(password_links::router())
        .merge(setup::router())
        .merge(apply::router())
        .merge(export::router())
        .merge(revert::router())
        .merge(tenants::router())
        .merge(departments::router())
        .merge(roles::router())
        .merge(users::router())
        .merge(service_accounts::router())
        .merge(token_issuers::router())
        .merge(identity_rules::router())
        .merge(discovered::router())
        .merge(sign_in_check::router())
        .merge(sign_in_providers::router())
        .merge(service_tokens::router())
        .merge(api_keys::router())
        .merge(limits::router())
        .merge(effective::router())
        .merge(ended_streams::router())
        .merge(providers::router())
        .merge(provider_check::router())
        .merge(pools::router())
        .merge(price_history::router())
        .merge(catalogue::router())
        .merge(models::router())
        .merge(profiles::router())
        .merge(guardrail_test::router())
        .merge(playground::router())
        .merge(gateways::router())
        .merge(currency_rates::router())
        .merge(nodes::router())
        .merge(usage::router())
        .merge(search::router())
        .merge(audit::router())
        .merge(events::router())
        .merge(features::router())
}
