use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers, Cluster, OutlierDetection, circuit_breakers,
    cluster::{ClusterDiscoveryType, CommonLbConfig, DiscoveryType, DnsLookupFamily},
};
use envoy_types::pb::envoy::config::core::v3::{
    Address, DataSource, Http1ProtocolOptions, Http2ProtocolOptions, Metadata, SocketAddress, TransportSocket, address,
    data_source, socket_address, transport_socket,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, UpstreamTlsContext, common_tls_context,
    subject_alt_name_matcher::SanType,
};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::{
    HttpProtocolOptions,
    http_protocol_options::{
        AutoHttpConfig, ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig,
    },
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::pb::envoy::r#type::v3::Percent;
use envoy_types::pb::google::protobuf::{Any, Struct, Value, value};
use envoy_types::util::pack_any;
use uuid::Uuid;
use weir_config::{CredentialPlacement, Deployment, ProviderSchema, names};
use weir_core::snapshot::{BaseUrl, Member, Provider};

use super::scalar::{milliseconds, number};
use super::{BUFFER_LIMIT_BYTES, Settings, cluster_of_deployment};

/// Key under which a cluster's HTTP options stand.
pub(super) const HTTP_PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// Requests, connections and retries at a time. Envoy's defaults (1024, and 3 retries) would refuse under load, and a
/// refusal by overflow is never retried; bounding concurrency is the quota plugin's job.
const CONCURRENCY: u32 = 100_000;

/// One provider as a member of one pool, with its own name resolution, TLS and outlier detection.
pub(super) fn deployment(member: &Member, provider: &Provider, alone: bool, settings: &Settings) -> Any {
    let name = cluster_of_deployment(member.deployment_id);
    let url = &provider.base_url;
    let discovery = if url.host.parse::<IpAddr>().is_ok() { DiscoveryType::Static } else { DiscoveryType::StrictDns };
    let metadata = deployment_metadata(&describe(member, provider));
    pack_any(Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(discovery.into())),
        connect_timeout: Some(milliseconds(5000)),
        dns_lookup_family: DnsLookupFamily::V4Preferred.into(),
        per_connection_buffer_limit_bytes: Some(number(BUFFER_LIMIT_BYTES)),
        circuit_breakers: Some(circuit_breakers()),
        outlier_detection: (!alone).then(outlier_detection),
        // An ejected provider has no host to offer, so that the pool goes on to its next member. By default Envoy would
        // use an ejected host when nothing else is left in the cluster, and each of these has one host.
        common_lb_config: (!alone)
            .then(|| CommonLbConfig { healthy_panic_threshold: Some(Percent { value: 0.0 }), ..Default::default() }),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: name.clone(),
            endpoints: vec![LocalityLbEndpoints { lb_endpoints: vec![endpoint(url, metadata)], ..Default::default() }],
            ..Default::default()
        }),
        transport_socket: url.tls.then(|| tls(&url.host, settings)),
        typed_extension_protocol_options: http_options(HttpProtocolOptions {
            upstream_protocol_options: Some(if url.tls { by_alpn() } else { http1() }),
            ..Default::default()
        }),
        name,
        ..Default::default()
    })
}

pub(super) fn circuit_breakers() -> CircuitBreakers {
    CircuitBreakers {
        thresholds: vec![circuit_breakers::Thresholds {
            max_connections: Some(number(CONCURRENCY)),
            max_pending_requests: Some(number(CONCURRENCY)),
            max_requests: Some(number(CONCURRENCY)),
            max_retries: Some(number(CONCURRENCY)),
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub(super) fn http_options(options: HttpProtocolOptions) -> HashMap<String, Any> {
    HashMap::from([(HTTP_PROTOCOL_OPTIONS.to_owned(), pack_any(options))])
}

pub(super) fn http1() -> UpstreamProtocolOptions {
    UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
        protocol_config: Some(ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default())),
    })
}

fn by_alpn() -> UpstreamProtocolOptions {
    UpstreamProtocolOptions::AutoConfig(AutoHttpConfig {
        http_protocol_options: Some(Http1ProtocolOptions::default()),
        http2_protocol_options: Some(Http2ProtocolOptions::default()),
        ..Default::default()
    })
}

/// Ejects a provider that is away, never one that refused a bad request: only gateway errors (502, 503, 504) and failures
/// to get an answer at all count.
fn outlier_detection() -> OutlierDetection {
    OutlierDetection {
        enforcing_consecutive_5xx: Some(number(0)),
        enforcing_success_rate: Some(number(0)),
        enforcing_local_origin_success_rate: Some(number(0)),
        enforcing_failure_percentage: Some(number(0)),
        enforcing_failure_percentage_local_origin: Some(number(0)),
        split_external_local_origin_errors: true,
        consecutive_gateway_failure: Some(number(10)),
        enforcing_consecutive_gateway_failure: Some(number(100)),
        consecutive_local_origin_failure: Some(number(5)),
        enforcing_consecutive_local_origin_failure: Some(number(100)),
        max_ejection_percent: Some(number(100)),
        interval: Some(milliseconds(1000)),
        base_ejection_time: Some(milliseconds(5000)),
        max_ejection_time: Some(milliseconds(15_000)),
        ..Default::default()
    }
}

fn endpoint(url: &BaseUrl, metadata: Metadata) -> LbEndpoint {
    let address = Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: url.host.clone(),
            port_specifier: Some(socket_address::PortSpecifier::PortValue(url.port.into())),
            ..Default::default()
        })),
    };
    LbEndpoint {
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(Endpoint {
            address: Some(address),
            hostname: url.host.clone(),
            ..Default::default()
        })),
        metadata: Some(metadata),
        ..Default::default()
    }
}

/// What the provider plugin reads of the endpoint that was picked for its attempt. It travels with the endpoint, so that an
/// attempt never meets an endpoint that the plugin has not heard of.
fn deployment_metadata(deployment: &Deployment) -> Metadata {
    let json = serde_json::to_string(deployment).expect("this type has string keys and no failing serializers");
    let json = Value { kind: Some(value::Kind::StringValue(json)) };
    let fields = HashMap::from([(names::METADATA_DEPLOYMENT.to_owned(), json)]);
    Metadata {
        filter_metadata: HashMap::from([(names::METADATA_NAMESPACE.to_owned(), Struct { fields })]),
        ..Default::default()
    }
}

/// The request header into which a deployment's credential is put.
pub(super) fn credential_slot(deployment_id: Uuid) -> String {
    format!("{}{deployment_id}", names::CREDENTIAL_SLOT_PREFIX)
}

fn describe(member: &Member, provider: &Provider) -> Deployment {
    let (header, prefix) = match provider.schema {
        ProviderSchema::OpenAi => ("authorization", "Bearer "),
        ProviderSchema::Anthropic => ("x-api-key", ""),
    };
    Deployment {
        id: member.deployment_id.to_string(),
        provider_id: provider.id.to_string(),
        provider_name: provider.name.clone(),
        schema: provider.schema,
        authority: authority(&provider.base_url),
        scheme: if provider.base_url.tls { "https" } else { "http" }.to_owned(),
        path_prefix: provider.base_url.path_prefix.clone(),
        model: member.model.clone(),
        credential: provider.credential.is_some().then(|| CredentialPlacement {
            slot: credential_slot(member.deployment_id),
            header: header.to_owned(),
            prefix: prefix.to_owned(),
        }),
        price: member.price.clone().map(Rc::new),
    }
}

/// Without the scheme's own port, as clients write it (RFC 9110, 4.2.3).
fn authority(url: &BaseUrl) -> String {
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    match (url.tls, url.port) {
        (true, 443) | (false, 80) => host,
        (_, port) => format!("{host}:{port}"),
    }
}

/// The certificate must be for this host: with the client's own host name in `:authority`, nothing else would check it.
fn tls(host: &str, settings: &Settings) -> TransportSocket {
    let is_address = host.parse::<IpAddr>().is_ok();
    let host_name = SubjectAltNameMatcher {
        san_type: if is_address { SanType::IpAddress } else { SanType::Dns }.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(MatchPattern::Exact(host.to_owned())),
            ..Default::default()
        }),
        ..Default::default()
    };
    let authorities = DataSource {
        specifier: Some(data_source::Specifier::Filename(settings.upstream_ca_file.clone())),
        ..Default::default()
    };
    let context = UpstreamTlsContext {
        // A server name is never an address (RFC 6066, 3).
        sni: if is_address { String::new() } else { host.to_owned() },
        common_tls_context: Some(CommonTlsContext {
            validation_context_type: Some(common_tls_context::ValidationContextType::ValidationContext(
                CertificateValidationContext {
                    trusted_ca: Some(authorities),
                    match_typed_subject_alt_names: vec![host_name],
                    ..Default::default()
                },
            )),
            ..Default::default()
        }),
        ..Default::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".into(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack_any(context))),
    }
}
