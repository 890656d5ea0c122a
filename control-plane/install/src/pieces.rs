//! What Weir needs in a bootstrap, cut out of the one that `make run` runs.

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

/// All of it.
pub(crate) fn whole(settings: &EnvoySettings) -> Result<String, InstallError> {
    let mut lines = Vec::new();
    for line in BOOTSTRAP.lines().filter(|line| !line.starts_with('#')).skip_while(|line| line.is_empty()) {
        lines.push(filled(line, settings)?);
    }
    Ok(lines.join("\n") + "\n")
}

/// The items of a list below `static_resources`, or the keys below `dynamic_resources`, with this indentation.
pub(crate) fn below(path: [&str; 2], width: usize, settings: &EnvoySettings) -> Result<Vec<String>, InstallError> {
    let lines = Lines::of(BOOTSTRAP);
    let [outer, inner] = path;
    let mut range = 0..lines.0.len();
    for key in [outer, inner].into_iter().filter(|key| !key.is_empty()) {
        range = lines.find(range, key).map_or(0..0, |at| lines.below(at));
    }
    let mut made = Vec::new();
    for line in lines.0.get(range).unwrap_or_default() {
        made.push(filled(line, settings)?);
    }
    if settings.bootstrap.is_some() && settings.form == Form::InternalListener {
        match inner {
            "listeners" => made.iter_mut().for_each(internal),
            "clusters" => made.extend(GATEWAY_CLUSTER.lines().map(|line| format!("  {line}"))),
            _ => {}
        }
    }
    let borrowed: Vec<&str> = made.iter().map(String::as_str).collect();
    Ok(indented(&borrowed, width))
}

/// Of the listener: it has no address, and whoever leads to it has seen the client.
fn internal(line: &mut String) {
    let spaces = line.len() - line.trim_start().len();
    let content = line.split_off(spaces);
    let with = match content.as_str() {
        address if address.starts_with("address: { socket_address:") => "internal_listener: {}",
        "use_remote_address: true" => "use_remote_address: false",
        other => other,
    };
    line.push_str(with);
}

fn filled(line: &str, settings: &EnvoySettings) -> Result<String, InstallError> {
    let (xds, xds_port) = address("--control-plane", &settings.control_plane)?;
    let (listen, listen_port) = address("--listen", &settings.listen)?;
    let mut made = line.to_owned();
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
    Ok(made)
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
