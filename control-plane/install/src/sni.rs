//! The operator's listener that takes a filter chain of Weir's.

use serde_json::Value;

use crate::error::InstallError;
use crate::merge::items;
use crate::routes::is_name;
use crate::settings::EnvoySettings;

const INSPECTOR: &str = "envoy.filters.listener.tls_inspector";
/// What Weir's own listener holds of a body, in bytes.
const BUFFER: u64 = 64 << 20;

/// Its place in the list, if a chain for these hosts can be added without a change for others.
pub(crate) fn listener(bootstrap: &Value, name: &str, settings: &EnvoySettings) -> Result<usize, InstallError> {
    let listeners = items(&bootstrap["static_resources"]["listeners"]);
    let found = listeners.iter().position(|listener| listener["name"] == name);
    let place = found.ok_or_else(|| InstallError::NoListener(name.to_owned()))?;
    let listener = listeners.get(place).unwrap_or(&Value::Null);
    let is_inspector = |filter: &Value| {
        let kind = filter["typed_config"]["@type"].as_str().unwrap_or_default();
        filter["name"] == INSPECTOR || kind.ends_with(".TlsInspector")
    };
    if !items(&listener["listener_filters"]).iter().any(is_inspector) {
        return Err(InstallError::NoInspector(name.to_owned()));
    }
    for chain in items(&listener["filter_chains"]) {
        let hosts = items(&chain["filter_chain_match"]["server_names"]);
        if let Some(host) = settings.sni.iter().find(|host| hosts.iter().any(|one| one == host.as_str())) {
            return Err(InstallError::TakenHost { listener: name.to_owned(), host: host.clone() });
        }
    }
    match settings.sni.iter().find(|host| !is_name(host.strip_prefix("*.").unwrap_or(host))) {
        Some(host) => Err(InstallError::Name { option: "--sni", value: host.clone() }),
        None => Ok(place),
    }
}

/// What there is to know of it.
pub(crate) fn notes(bootstrap: &Value, name: &str) -> Vec<String> {
    let listeners = items(&bootstrap["static_resources"]["listeners"]);
    let limit = listeners.iter().find(|listener| listener["name"] == name);
    let limit = limit.and_then(|listener| listener["per_connection_buffer_limit_bytes"].as_u64()).unwrap_or(1 << 20);
    let small = (limit < BUFFER).then(|| {
        format!(
            "Listener `{name}` holds {limit} bytes of a body, so larger requests to Weir are refused with 413. Set its \
             per_connection_buffer_limit_bytes to {BUFFER} if that suits its other hosts, or choose another --form."
        )
    });
    let direct = "Weir's chain counts no hop of its own: `trusted_hops` of the gateway is how many proxies stand before this Envoy.";
    std::iter::once(direct.to_owned()).chain(small).collect()
}

/// Takes Weir's chain out again, so that what is left can be compared with what was there.
pub(crate) fn take_out(bootstrap: &mut Value, name: &str) {
    let listeners = bootstrap["static_resources"]["listeners"].as_array_mut();
    let found = listeners.into_iter().flatten().find(|listener| listener["name"] == name);
    let chains = found.and_then(|listener| listener["filter_chains"].as_array_mut());
    if let Some(chains) = chains.filter(|chains| chains.first().is_some_and(|chain| chain["name"] == "weir")) {
        chains.remove(0);
    }
}
