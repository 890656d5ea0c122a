//! Configuration of the plugins, deployments in endpoints' metadata, and base URLs.

use std::fmt::Debug;

use weir_config::{
    AuthConfig, Check, Deployment, GuardrailsConfig, MeteringConfig, ProviderConfig, QuotaConfig, RouteConfig, parse,
};
use weir_core::snapshot::BaseUrl;

/// The bytes are the configuration of every plugin at once.
///
/// What is accepted can be written and is then read as the same; what is refused names a field.
pub fn check(data: &[u8]) {
    check_one::<AuthConfig>(data);
    check_one::<RouteConfig>(data);
    check_one::<QuotaConfig>(data);
    check_one::<GuardrailsConfig>(data);
    check_one::<MeteringConfig>(data);
    check_one::<ProviderConfig>(data);
    check_one::<Deployment>(data);
}

fn check_one<T: serde::de::DeserializeOwned + serde::Serialize + Check + PartialEq + Debug>(data: &[u8]) {
    match parse::<T>(data) {
        Ok(config) => {
            let written = serde_json::to_vec(&config).expect("a configuration can be written");
            assert_eq!(parse::<T>(&written).as_ref(), Ok(&config), "it is another one when read again");
        }
        Err(error) => assert!(!error.field.is_empty() && !error.reason.is_empty()),
    }
}

/// The bytes are what an admin wrote as a provider's base URL.
///
/// What is accepted is written so that it is read as the same, and nothing in it can end or extend a header, a path or a
/// host name.
pub fn check_base_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = text.parse::<BaseUrl>() else { return };
    assert!(text.len() <= 500);
    assert_eq!(url.to_string().parse::<BaseUrl>().as_ref(), Ok(&url), "{url} is another one when read again");
    assert_ne!(url.port, 0);
    assert!(!url.host.is_empty() && url.host.len() <= 253);
    let plain =
        |text: &str, more: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(byte as char));
    assert!(plain(&url.host, "-_.:") && !url.host.bytes().any(|byte| byte.is_ascii_uppercase()), "{}", url.host);
    assert!(!url.host.contains(':') || url.host.parse::<std::net::Ipv6Addr>().is_ok());
    assert!(plain(&url.path_prefix, "-._~/"), "{}", url.path_prefix);
    assert!(url.path_prefix.is_empty() || url.path_prefix.starts_with('/') && !url.path_prefix.ends_with('/'));
    assert!(url.path_prefix.split('/').all(|segment| segment != ".." && segment != "."));
}
