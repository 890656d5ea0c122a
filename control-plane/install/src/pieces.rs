//! What Weir needs in a bootstrap, cut out of the one that `make run` runs.

use std::net::IpAddr;

use crate::error::InstallError;
use crate::lines::{Lines, indented};
use crate::settings::{EnvoySettings, Form};

const BOOTSTRAP: &str = include_str!("../../../envoy/bootstrap.yaml");

/// The internal listener, as a cluster of the Envoy that it is in.
const GATEWAY_CLUSTER: &str = "\
- name: weir_gateway
  type: STATIC
  connect_timeout: 1s
  per_connection_buffer_limit_bytes: 67108864
  load_assignment:
    cluster_name: weir_gateway
    endpoints:
    - lb_endpoints:
      - endpoint: { address: { envoy_internal_address: { server_listener_name: weir } } }
";

/// What makes internal listeners possible.
pub(crate) const INTERNAL_LISTENERS: &str = "\
- name: envoy.bootstrap.internal_listener
  typed_config:
    \"@type\": type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener
    # An answer goes on as fast as its client reads.
    buffer_size_kb: 1024
";

/// The first line of the cluster that leads to the control plane.
const CONTROL_PLANE: &str = "  - name: weir_control_plane\n";

/// What the internal listener does to headers besides. Envoy adds no address of a connection that has none, so the operator's own listener,
/// which has added the client's, would be no hop in `X-Forwarded-For` while it is one in `X-Forwarded-Client-Cert`. With this it is one in
/// both, and a gateway that trusts no hop knows no address.
const HOP: &str =
    "- append: { header: { key: x-forwarded-for, value: unknown }, append_action: APPEND_IF_EXISTS_OR_ADD }";

/// All of it.
pub(crate) fn whole(settings: &EnvoySettings) -> Result<String, InstallError> {
    let filled = filled(settings)?;
    let lines: Vec<&str> =
        filled.lines().filter(|line| !line.starts_with('#')).skip_while(|line| line.is_empty()).collect();
    Ok(lines.join("\n") + "\n")
}

/// The items of a list below `static_resources`, or the keys below `dynamic_resources`, with this indentation.
pub(crate) fn below(path: [&str; 2], width: usize, settings: &EnvoySettings) -> Result<Vec<String>, InstallError> {
    let filled = filled(settings)?;
    let lines = Lines::of(&filled);
    let [outer, inner] = path;
    let mut range = 0..lines.0.len();
    for key in [outer, inner].into_iter().filter(|key| !key.is_empty()) {
        range = lines.find(range, key).map_or(0..0, |at| lines.below(at));
    }
    let mut made: Vec<String> = lines.0.get(range).unwrap_or_default().iter().map(|line| (*line).to_owned()).collect();
    if settings.bootstrap.is_some() && settings.form == Form::InternalListener {
        match inner {
            "listeners" => made = made.iter().flat_map(|line| internal(line)).collect(),
            "clusters" => made.extend(GATEWAY_CLUSTER.lines().map(|line| format!("  {line}"))),
            _ => {}
        }
    }
    let borrowed: Vec<&str> = made.iter().map(String::as_str).collect();
    Ok(indented(&borrowed, width))
}

/// The filter chain for hosts by SNI, as an item of a listener's `filter_chains`, with this indentation. The listener is the operator's, so
/// the connection manager sees clients as it would on a port of its own.
pub(crate) fn chain(width: usize, settings: &EnvoySettings) -> Result<Vec<String>, InstallError> {
    let filled = filled(settings)?;
    let lines = Lines::of(&filled);
    let mut range = 0..lines.0.len();
    for key in ["static_resources", "listeners"] {
        range = lines.find(range, key).map_or(0..0, |at| lines.below(at));
    }
    let listener = lines.0.get(range).unwrap_or_default();
    let filters = listener.iter().skip_while(|line| line.trim_start() != "- filters:").skip(1);
    let filters: Vec<&str> = filters.copied().collect();
    let hosts: Vec<String> = settings.sni.iter().map(|host| format!("{host:?}")).collect();
    let file = |path: &Option<String>| path.clone().unwrap_or_default();
    let head = format!(
        "\
- name: weir
  filter_chain_match: {{ server_names: [{}] }}
  transport_socket:
    name: envoy.transport_sockets.tls
    typed_config:
      \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
      common_tls_context:
        alpn_protocols: [h2, http/1.1]
        tls_certificates: [{{ certificate_chain: {{ filename: {:?} }}, private_key: {{ filename: {:?} }} }}]
  filters:
",
        hosts.join(", "),
        file(&settings.certificate),
        file(&settings.private_key),
    );
    let mut made: Vec<String> = head.lines().map(str::to_owned).collect();
    made.extend(indented(&filters, 2));
    let borrowed: Vec<&str> = made.iter().map(String::as_str).collect();
    Ok(indented(&borrowed, width))
}

/// Of the listener: it has no address, and whoever leads to it has seen the client.
fn internal(line: &str) -> Vec<String> {
    let content = line.trim_start();
    let lines = match content {
        address if address.starts_with("address: { socket_address:") => vec!["internal_listener: {}"],
        "use_remote_address: true" => vec!["use_remote_address: false"],
        "mutations:" => vec![content, HOP],
        other => vec![other],
    };
    let margin = line.strip_suffix(content).unwrap_or_default();
    lines.into_iter().map(|content| format!("{margin}{content}")).collect()
}

fn filled(settings: &EnvoySettings) -> Result<String, InstallError> {
    let (xds, xds_port) = address("--control-plane", &settings.control_plane)?;
    let (listen, listen_port) = address("--listen", &settings.listen)?;
    let mut made = BOOTSTRAP.to_owned();
    for (name, value) in [
        ("WEIR_GATEWAY_ADDRESS", listen),
        ("WEIR_GATEWAY_PORT", &listen_port.to_string()),
        ("WEIR_ENVOY_ADMIN_PORT", &settings.admin_port.to_string()),
        ("WEIR_XDS_ADDRESS", xds),
        ("WEIR_XDS_PORT", &xds_port.to_string()),
        ("WEIR_TOKEN_SDS_FILE", &settings.token_file),
        ("WEIR_ENVOY_MAX_HEAP_BYTES", &settings.max_heap_bytes.to_string()),
        ("WEIR_NODE_ID", &settings.node_id),
        ("WEIR_NODE_CLUSTER", &settings.node_cluster),
    ] {
        made = made.replace(&format!("${{{name}}}"), value);
    }
    if let Some(authority) = &settings.control_plane_ca {
        made = made.replace(CONTROL_PLANE, &[CONTROL_PLANE, &tls(xds, authority)].concat());
    }
    Ok(made)
}

/// TLS to the control plane, whose certificate must be of this authority and for this host.
fn tls(host: &str, authority: &str) -> String {
    let is_address = host.parse::<IpAddr>().is_ok();
    let kind = if is_address { "IP_ADDRESS" } else { "DNS" };
    // No client asks for an address by SNI.
    let sni = if is_address { String::new() } else { format!("        sni: {host:?}\n") };
    format!(
        "    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
{sni}        common_tls_context:
          alpn_protocols: [h2]
          validation_context:
            trusted_ca: {{ filename: {authority:?} }}
            match_typed_subject_alt_names: [{{ san_type: {kind}, matcher: {{ exact: {host:?} }} }}]
"
    )
}

/// What is to be known of the way to the control plane.
pub(crate) fn note_on_encryption(settings: &EnvoySettings) -> Result<Option<String>, InstallError> {
    let (host, _) = address("--control-plane", &settings.control_plane)?;
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let note = format!(
        "NOTHING ON THE WAY TO {host} IS ENCRYPTED: the gateway's token, providers' credentials and the filters' module, which somebody in \
         between could read or replace. Give the control plane a certificate and this command --control-plane-ca, unless something else \
         encrypts that way."
    );
    Ok((settings.control_plane_ca.is_none() && !is_here).then_some(note))
}

fn address<'a>(option: &'static str, value: &'a str) -> Result<(&'a str, u16), InstallError> {
    let parts = value.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    let wrong = || InstallError::Address { option, value: value.to_owned() };
    let (host, port) = parts.ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // What could end the string that it is put into is no host.
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:_".contains(c);
    if host.is_empty() || !host.chars().all(plain) { Err(wrong()) } else { Ok((host, port)) }
}
