use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, CustomClusterType, LbPolicy},
};
use envoy_types::pb::envoy::config::common::mutation_rules::v3::{HeaderMutation, header_mutation};
use envoy_types::pb::envoy::config::core::v3::{
    AggregatedConfigSource, ApiVersion, ConfigSource, ExtensionConfigSource, TypedExtensionConfig, config_source,
};
use envoy_types::pb::envoy::extensions::clusters::composite::v3::{ClusterConfig, cluster_config::ClusterEntry};
use envoy_types::pb::envoy::extensions::filters::http::credential_injector::v3::CredentialInjector;
use envoy_types::pb::envoy::extensions::filters::http::header_mutation::v3 as mutation;
use envoy_types::pb::envoy::extensions::filters::http::upstream_codec::v3::UpstreamCodec;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter::ConfigType,
};
use envoy_types::pb::envoy::extensions::http::injected_credentials::generic::v3::Generic;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::SdsSecretConfig;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;
use uuid::Uuid;
use weir_config::{names, plugin};
use weir_core::snapshot::{Pool, Provider};

use super::cluster::{self, CONNECT_TIMEOUT_MS, circuit_breakers, credential_slot, http_options, http1};
use super::scalar::{milliseconds, number};
use super::{
    BUFFER_LIMIT_BYTES, Settings, cluster_of_deployment, cluster_of_pool, members, secret_of_provider, signing,
};

/// The clusters of a pool, by their names. The only member of a pool is its cluster; several have one each, and one before them.
pub(super) fn clusters(pool: &Pool, providers: &BTreeMap<Uuid, &Provider>, settings: &Settings) -> Vec<(String, Any)> {
    let name = cluster_of_pool(pool.id);
    let filters = upstream_filters(pool, providers);
    let mut members = members(pool, providers);
    if pool.members.len() == 1
        && let Some((member, provider)) = members.next()
    {
        return vec![(name.clone(), cluster::deployment(name, pool, member, provider, filters, settings))];
    }
    let clusters = members.map(|(member, provider)| {
        let name = cluster_of_deployment(member.deployment_id);
        (name.clone(), cluster::deployment(name, pool, member, provider, Vec::new(), settings))
    });
    clusters.chain([(name, composite(pool, providers, filters))]).collect()
}

/// Attempt 1 goes to a pool's first member, attempt 2 to the next, and so on.
///
/// Envoy runs the upstream filters of this outer cluster, and counts retries against its circuit breakers; names and TLS are
/// the members' own.
fn composite(pool: &Pool, providers: &BTreeMap<Uuid, &Provider>, filters: Vec<HttpFilter>) -> Any {
    let clusters = members(pool, providers)
        .map(|(member, _)| ClusterEntry { name: cluster_of_deployment(member.deployment_id) })
        .collect();
    let composite = CustomClusterType {
        name: "envoy.clusters.composite".into(),
        typed_config: Some(pack_any(ClusterConfig { clusters })),
    };
    pack_any(Cluster {
        name: cluster_of_pool(pool.id),
        connect_timeout: Some(milliseconds(CONNECT_TIMEOUT_MS)),
        lb_policy: LbPolicy::ClusterProvided.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::ClusterType(composite)),
        per_connection_buffer_limit_bytes: Some(number(BUFFER_LIMIT_BYTES)),
        circuit_breakers: Some(circuit_breakers()),
        typed_extension_protocol_options: http_options(HttpProtocolOptions {
            upstream_protocol_options: Some(http1()),
            http_filters: filters,
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// Credentials into their slots, the plugin that moves the right one into place, and then every slot is dropped: not even
/// a dead VM can leak one. What is signed is signed last, as it will be sent.
fn upstream_filters(pool: &Pool, providers: &BTreeMap<Uuid, &Provider>) -> Vec<HttpFilter> {
    let mut filters: Vec<HttpFilter> = members(pool, providers)
        .filter(|(_, provider)| provider.credential.is_some())
        .map(|(member, provider)| injector(&credential_slot(member.deployment_id), &secret_of_provider(provider.id)))
        .collect();
    filters.push(discovered(plugin::PROVIDER));
    filters.push(typed(
        "envoy.filters.http.header_mutation",
        pack_any(mutation::HeaderMutation {
            mutations: Some(mutation::Mutations {
                request_mutations: internal(),
                // The plugin writes the headers of both sides anew, but HTTP/2 has trailers, which pass it.
                request_trailers_mutations: internal(),
                response_trailers_mutations: internal(),
                ..Default::default()
            }),
            ..Default::default()
        }),
    ));
    filters.extend(signing::signers(members(pool, providers).map(|(_, provider)| provider)));
    filters.push(typed("envoy.filters.http.upstream_codec", pack_any(UpstreamCodec {})));
    filters
}

/// Takes out what only filters and Envoy may write.
fn internal() -> Vec<HeaderMutation> {
    [names::INTERNAL_PREFIX, "x-envoy-"].map(remove_prefix).to_vec()
}

/// A credential that has not arrived fails the request (401 `failed_to_inject_credential`, which the listener turns into
/// `upstream_auth_failed`): without one, the provider would be asked in nobody's name.
fn injector(slot: &str, secret: &str) -> HttpFilter {
    let generic = Generic {
        credential: Some(SdsSecretConfig { name: secret.to_owned(), sds_config: Some(ads()) }),
        header: slot.to_owned(),
        ..Default::default()
    };
    let credential = TypedExtensionConfig {
        name: "envoy.http.injected_credentials.generic".into(),
        typed_config: Some(pack_any(generic)),
    };
    let injector =
        CredentialInjector { overwrite: true, allow_request_without_credential: false, credential: Some(credential) };
    typed("envoy.filters.http.credential_injector", pack_any(injector))
}

/// A plugin whose configuration comes by ECDS. Without a default: until it is here, the pool answers nothing.
fn discovered(name: &str) -> HttpFilter {
    let source = ExtensionConfigSource {
        config_source: Some(ads()),
        type_urls: vec!["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm".into()],
        ..Default::default()
    };
    HttpFilter { name: name.to_owned(), config_type: Some(ConfigType::ConfigDiscovery(source)), ..Default::default() }
}

pub(super) fn typed(name: &str, config: Any) -> HttpFilter {
    HttpFilter { name: name.to_owned(), config_type: Some(ConfigType::TypedConfig(config)), ..Default::default() }
}

pub(super) fn ads() -> ConfigSource {
    ConfigSource {
        config_source_specifier: Some(config_source::ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        resource_api_version: ApiVersion::V3.into(),
        ..Default::default()
    }
}

pub(super) fn remove_prefix(prefix: &str) -> HeaderMutation {
    let matcher = StringMatcher { match_pattern: Some(MatchPattern::Prefix(prefix.to_owned())), ..Default::default() };
    HeaderMutation {
        action: Some(header_mutation::Action::RemoveOnMatch(header_mutation::RemoveOnMatch {
            key_matcher: Some(matcher),
        })),
    }
}
