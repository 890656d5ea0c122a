use envoy_types::pb::envoy::config::core::v3::{
    Address, ExtensionConfigSource, Http2ProtocolOptions, HttpProtocolOptions, SocketAddress, SubstitutionFormatString,
    TypedExtensionConfig, address, http_protocol_options::HeadersWithUnderscoresAction, socket_address,
};
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::extensions::filters::common::set_filter_state::v3::{FilterStateValue, filter_state_value};
use envoy_types::pb::envoy::extensions::filters::http::fault::v3::{FaultAbort, HttpFault, fault_abort};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::http::set_filter_state::v3::Config as SetFilterState;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds,
    http_connection_manager::{CodecType, ForwardClientCertDetails, PathWithEscapedSlashesAction, RouteSpecifier},
    http_filter::ConfigType,
};
use envoy_types::pb::envoy::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation;
use envoy_types::pb::envoy::r#type::v3::FractionalPercent;
use envoy_types::pb::google::protobuf::{Any, BoolValue};
use envoy_types::util::pack_any;
use weir_config::{names, plugin};

use super::local_reply::local_replies;
use super::pool::{ads, remove_prefix, typed};
use super::scalar::{milliseconds, number};
use super::{BUFFER_LIMIT_BYTES, LISTENER, ROUTES, Settings, TOKENS, token};

/// Filter state in which the client's path is kept: attempts rewrite `:path`.
pub(super) const CLIENT_PATH: &str = "weir.client_path";

/// What the bootstrap has as its static listener, but for the access log, which is the operator's.
pub(super) fn listener(settings: &Settings) -> Any {
    let address = SocketAddress {
        address: "0.0.0.0".into(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(settings.listener_port.into())),
        ..Default::default()
    };
    let manager = Filter {
        name: "envoy.filters.network.http_connection_manager".into(),
        config_type: Some(filter::ConfigType::TypedConfig(pack_any(connection_manager()))),
    };
    pack_any(Listener {
        name: LISTENER.into(),
        address: Some(Address { address: Some(address::Address::SocketAddress(address)) }),
        per_connection_buffer_limit_bytes: Some(number(BUFFER_LIMIT_BYTES)),
        filter_chains: vec![FilterChain { filters: vec![manager], ..Default::default() }],
        ..Default::default()
    })
}

fn connection_manager() -> HttpConnectionManager {
    let mut config_source = ads();
    config_source.initial_fetch_timeout = Some(milliseconds(1000));
    HttpConnectionManager {
        stat_prefix: "weir".into(),
        codec_type: CodecType::Auto.into(),
        server_name: "weir".into(),
        // A request has an id of ours.
        generate_request_id: Some(BoolValue { value: false }),
        use_remote_address: Some(BoolValue { value: true }),
        // Whom proxies of the operator's saw: it counts where the gateway trusts forwarded certificates.
        forward_client_cert_details: ForwardClientCertDetails::AlwaysForwardOnly.into(),
        normalize_path: Some(BoolValue { value: true }),
        merge_slashes: true,
        // A model's name may have slashes, and clients escape them in `/v1/models/{model}`. Nothing here reads a path but the filters,
        // which write another for each attempt.
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::KeepUnchanged.into(),
        request_headers_timeout: Some(milliseconds(10_000)),
        request_timeout: Some(milliseconds(60_000)),
        stream_idle_timeout: Some(milliseconds(300_000)),
        stream_flush_timeout: Some(milliseconds(5_000)),
        max_request_headers_kb: Some(number(60)),
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: Some(milliseconds(3_600_000)),
            headers_with_underscores_action: HeadersWithUnderscoresAction::RejectRequest.into(),
            ..Default::default()
        }),
        http2_protocol_options: Some(Http2ProtocolOptions {
            max_concurrent_streams: Some(number(256)),
            // A stream's window bounds what the filters can hold of its body.
            initial_stream_window_size: Some(number(BUFFER_LIMIT_BYTES)),
            initial_connection_window_size: Some(number(BUFFER_LIMIT_BYTES)),
            ..Default::default()
        }),
        early_header_mutation_extensions: vec![TypedExtensionConfig {
            name: "envoy.http.early_header_mutation.header_mutation".into(),
            typed_config: Some(pack_any(HeaderMutation {
                mutations: [names::INTERNAL_PREFIX, "x-envoy-"].map(remove_prefix).to_vec(),
            })),
        }],
        http_filters: http_filters(),
        local_reply_config: Some(local_replies()),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: Some(config_source),
            route_config_name: ROUTES.into(),
        })),
        ..Default::default()
    }
}

fn http_filters() -> Vec<HttpFilter> {
    let mut filters = vec![typed("envoy.filters.http.set_filter_state", pack_any(keep_client_path()))];
    filters.push(discovered(TOKENS, pack_any(token::nothing()), &[]));
    filters.push(slot(plugin::CHAIN));
    filters.push(typed(
        "envoy.filters.http.router",
        pack_any(Router { suppress_envoy_headers: true, ..Default::default() }),
    ));
    filters
}

fn keep_client_path() -> SetFilterState {
    let path = FilterStateValue {
        key: Some(filter_state_value::Key::ObjectKey(CLIENT_PATH.into())),
        factory_key: "envoy.string".into(),
        value: Some(filter_state_value::Value::FormatString(text_format("%PATH(NQ)%"))),
        ..Default::default()
    };
    SetFilterState { on_request_headers: vec![path], ..Default::default() }
}

/// A plugin's place: a native 503 until its configuration arrives.
fn slot(name: &str) -> HttpFilter {
    let unconfigured = HttpFault {
        abort: Some(FaultAbort {
            percentage: Some(FractionalPercent { numerator: 100, ..Default::default() }),
            error_type: Some(fault_abort::ErrorType::HttpStatus(503)),
            ..Default::default()
        }),
        ..Default::default()
    };
    discovered(name, pack_any(unconfigured), &["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"])
}

/// The place of a filter whose configuration comes by discovery, and what stands there until then.
fn discovered(name: &str, until_then: Any, type_urls: &[&str]) -> HttpFilter {
    let mut config_source = ads();
    config_source.initial_fetch_timeout = Some(milliseconds(1000));
    let source = ExtensionConfigSource {
        config_source: Some(config_source),
        type_urls: type_urls.iter().map(|url| (*url).to_owned()).chain([until_then.type_url.clone()]).collect(),
        apply_default_config_without_warming: true,
        default_config: Some(until_then),
    };
    HttpFilter { name: name.to_owned(), config_type: Some(ConfigType::ConfigDiscovery(source)), ..Default::default() }
}

pub(super) fn text_format(text: &str) -> SubstitutionFormatString {
    use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source, substitution_format_string::Format};
    let text =
        DataSource { specifier: Some(data_source::Specifier::InlineString(text.to_owned())), ..Default::default() };
    SubstitutionFormatString { format: Some(Format::TextFormatSource(text)), ..Default::default() }
}
