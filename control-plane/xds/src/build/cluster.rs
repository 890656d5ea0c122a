use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use chrono::{DateTime, Utc};
use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers, Cluster, UpstreamConnectionOptions, circuit_breakers,
    cluster::{ClusterDiscoveryType, CustomClusterType, DiscoveryType},
};
use envoy_types::pb::envoy::config::core::v3::{
    Address, DataSource, Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions as CommonHttpOptions,
    KeepaliveSettings, Metadata, SocketAddress, TcpKeepalive, TransportSocket, address, data_source, socket_address,
    transport_socket,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_types::pb::envoy::extensions::clusters::common::dns::v3::DnsLookupFamily as LookupFamily;
use envoy_types::pb::envoy::extensions::clusters::dns::v3::{DnsCluster, dns_cluster};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
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
use envoy_types::pb::google::protobuf::{Any, BoolValue, Struct, Value, value};
use envoy_types::util::pack_any;
use uuid::Uuid;
use weir_config::{CredentialPlacement, Deployment, NextPrice, Price, names};
use weir_core::destination::{found_outside, inside};
use weir_core::snapshot::{BaseUrl, Member, Pool, Provider};

use super::route::attempt_at_stream_ms;
use super::scalar::{milliseconds, number};
use super::{BUFFER_LIMIT_BYTES, Settings};

/// Key under which a cluster's HTTP options stand.
pub(super) const HTTP_PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// How long a connection to a provider may take at most, TLS included: long enough for a lost packet or two, and short, since
/// each request to a provider that is cut off waits for it before it goes on to the next member.
pub(super) const CONNECT_TIMEOUT_MS: u64 = 4000;
/// Requests, connections and retries at a time. Envoy's defaults (1024, and 3 retries) would refuse under load, and a
/// refusal by overflow is never retried; bounding concurrency is the quota plugin's job.
const CONCURRENCY: u32 = 100_000;

/// Streams of HTTP/2 on one connection. A server tells how many it takes only once the connection stands, and refuses those that were
/// sent until then beyond it; servers are to take a hundred at least (RFC 9113, 6.5.2). For more, Envoy opens another connection.
const STREAMS_PER_CONNECTION: u32 = 100;

/// One provider as a member of one pool, with its own name resolution and TLS. `filters` are those of the attempts, if no cluster
/// stands before this one that has them.
///
/// No member is ever ejected. What Envoy counts against a host (failed answers, resets, time-outs) is what one client can bring
/// about by asking for what a provider is slow at or fails on, and an ejected host is away for every client. So each request
/// tries the members in their order, whatever became of the requests before it.
pub(super) fn deployment(
    name: String,
    pool: &Pool,
    member: &Member,
    provider: &Provider,
    filters: Vec<HttpFilter>,
    settings: &Settings,
) -> Any {
    let url = &provider.base_url;
    let discovery = match url.host.parse::<IpAddr>() {
        Ok(_) => ClusterDiscoveryType::Type(DiscoveryType::Static.into()),
        Err(_) => ClusterDiscoveryType::ClusterType(by_name()),
    };
    let metadata = deployment_metadata(&describe(member, provider, settings));
    pack_any(Cluster {
        cluster_discovery_type: Some(discovery),
        // The time of an attempt is counted once it has a connection.
        connect_timeout: Some(milliseconds(CONNECT_TIMEOUT_MS.min(attempt_at_stream_ms(pool)))),
        upstream_connection_options: Some(notice_dead_connections()),
        per_connection_buffer_limit_bytes: Some(number(BUFFER_LIMIT_BYTES)),
        circuit_breakers: Some(circuit_breakers()),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: name.clone(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![endpoint(url, looked_up(provider.tenant_id, url), Some(metadata))],
                ..Default::default()
            }],
            ..Default::default()
        }),
        transport_socket: url.tls.then(|| tls(&url.host, settings)),
        typed_extension_protocol_options: http_options(HttpProtocolOptions {
            upstream_protocol_options: Some(if url.tls { by_alpn() } else { http1() }),
            common_http_protocol_options: Some(close_idle_connections(url.tls)),
            http_filters: filters,
            ..Default::default()
        }),
        name,
        ..Default::default()
    })
}

/// The server of an issuer's public keys.
pub(super) fn of_keys(name: String, tenant_id: Option<Uuid>, url: &BaseUrl, settings: &Settings) -> Any {
    let discovery = match url.host.parse::<IpAddr>() {
        Ok(_) => ClusterDiscoveryType::Type(DiscoveryType::Static.into()),
        Err(_) => ClusterDiscoveryType::ClusterType(by_name()),
    };
    pack_any(Cluster {
        cluster_discovery_type: Some(discovery),
        connect_timeout: Some(milliseconds(CONNECT_TIMEOUT_MS)),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: name.clone(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![endpoint(url, looked_up(tenant_id, url), None)],
                ..Default::default()
            }],
            ..Default::default()
        }),
        transport_socket: url.tls.then(|| tls(&url.host, settings)),
        typed_extension_protocol_options: http_options(HttpProtocolOptions {
            upstream_protocol_options: Some(http1()),
            common_http_protocol_options: Some(close_idle_connections(url.tls)),
            ..Default::default()
        }),
        name,
        ..Default::default()
    })
}

/// A name is looked up again when its records say so, and what has no lifetime every half minute: every few seconds, as Envoy does on
/// its own, thousands of providers would be as many questions a second. Those that were asked for together are spread.
fn by_name() -> CustomClusterType {
    let lookups = DnsCluster {
        dns_lookup_family: LookupFamily::V4Preferred.into(),
        respect_dns_ttl: true,
        dns_refresh_rate: Some(milliseconds(30_000)),
        dns_min_refresh_rate: Some(milliseconds(5000)),
        dns_failure_refresh_rate: Some(dns_cluster::RefreshRate {
            base_interval: Some(milliseconds(2000)),
            max_interval: Some(milliseconds(30_000)),
        }),
        dns_jitter: Some(milliseconds(2000)),
        ..Default::default()
    };
    CustomClusterType { name: "envoy.cluster.dns".into(), typed_config: Some(pack_any(lookups)) }
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

/// A server closes a connection that is idle for some time, and loses a request that is on its way then. Ours close first:
/// before uvicorn, which serves most models that are run at home and waits 5 s, and before load balancers, which wait 60 s.
fn close_idle_connections(tls: bool) -> CommonHttpOptions {
    CommonHttpOptions { idle_timeout: Some(milliseconds(if tls { 45_000 } else { 4000 })), ..Default::default() }
}

fn by_alpn() -> UpstreamProtocolOptions {
    UpstreamProtocolOptions::AutoConfig(AutoHttpConfig {
        http_protocol_options: Some(Http1ProtocolOptions::default()),
        http2_protocol_options: Some(Http2ProtocolOptions {
            max_concurrent_streams: Some(number(STREAMS_PER_CONNECTION)),
            // One wrong answer ends its own stream, not those of others that share its connection.
            override_stream_error_on_invalid_http_message: Some(BoolValue { value: true }),
            // A dead connection would take all that are sent on it along; TCP alone says so after minutes.
            connection_keepalive: Some(KeepaliveSettings {
                interval: Some(milliseconds(30_000)),
                timeout: Some(milliseconds(5000)),
                connection_idle_interval: Some(milliseconds(10_000)),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// A connection that went dead without a word (a NAT that forgot it, a host that was switched off) is noticed while it is idle,
/// or the next request would wait on it for its first byte.
fn notice_dead_connections() -> UpstreamConnectionOptions {
    UpstreamConnectionOptions {
        tcp_keepalive: Some(TcpKeepalive {
            keepalive_time: Some(number(30)),
            keepalive_interval: Some(number(5)),
            keepalive_probes: Some(number(3)),
        }),
        ..Default::default()
    }
}

/// The name as it is looked up. That of a tenant's provider or issuer is absolute, or the resolver's search domains would turn a name that
/// looks public (`database.production`) into one of the operator's network. What is known to be inside, an operator has allowed as it
/// is written.
fn looked_up(tenant_id: Option<Uuid>, url: &BaseUrl) -> String {
    let host = &url.host;
    let is_name = host.parse::<IpAddr>().is_err();
    if tenant_id.is_some() && is_name && inside(host).is_none() { format!("{host}.") } else { host.clone() }
}

fn endpoint(url: &BaseUrl, looked_up: String, metadata: Option<Metadata>) -> LbEndpoint {
    let address = Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: looked_up,
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
        metadata,
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

fn describe(member: &Member, provider: &Provider, settings: &Settings) -> Deployment {
    let (header, prefix) = provider.credential_header();
    Deployment {
        id: member.deployment_id.to_string(),
        provider_id: provider.id.to_string(),
        provider_name: provider.name.clone(),
        schema: provider.schema.name().to_owned(),
        also_speaks: provider.also_speaks(),
        authority: provider.base_url.authority(),
        scheme: if provider.base_url.tls { "https" } else { "http" }.to_owned(),
        base_path: provider.path_of(member),
        query: provider.query.clone(),
        model: member.model.clone(),
        credential: provider.credential.is_some().then(|| CredentialPlacement {
            slot: credential_slot(member.deployment_id),
            header: header.to_owned(),
            prefix: prefix.to_owned(),
        }),
        price: member.price.clone().map(Rc::new),
        next_prices: member.next_prices.iter().map(next_price).collect(),
        capabilities: provider.capabilities(member),
        outside_except: found_outside(provider.tenant_id, &provider.base_url.host, &settings.tenant_provider_hosts),
        requires: Vec::new(),
    }
}

fn next_price((from, price): &(DateTime<Utc>, Price)) -> NextPrice {
    NextPrice { from_us: u64::try_from(from.timestamp_micros()).unwrap_or(0), price: Rc::new(price.clone()) }
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
