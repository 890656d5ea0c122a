//! Where a tenant's provider leads.

use std::net::IpAddr;

use weir_config::Deployment;

use super::{Attempt, OPENAI, client, exchange, metadata};

const CHAT: &str = r#"{"messages":[{"role":"user","content":"hi"}],"model":"chat"}"#;

/// The status of the refusal of a deployment that must be outside, at this address; `None`: it was sent.
fn refusal(except: Option<&[&str]>, address: Option<&str>) -> Option<u16> {
    let mut deployment: Deployment = serde_json::from_slice(&metadata(OPENAI)).unwrap();
    let addresses = |some: &[&str]| some.iter().map(|one| one.parse::<IpAddr>().unwrap()).collect();
    deployment.outside_except = except.map(addresses);
    let mut host = client("/v1/chat/completions", &[]);
    if let Some(address) = address {
        host.properties.insert("upstream.address".into(), address.into());
    }
    let deployment = serde_json::to_string(&deployment).unwrap();
    match Attempt::send(host, Some(exchange()), &deployment, CHAT) {
        Ok(_) => None,
        Err(reply) => {
            assert_eq!(reply.code, "upstream_unavailable");
            assert!(!String::from_utf8_lossy(&reply.body).contains("secret"));
            Some(reply.status)
        }
    }
}

#[test]
fn a_name_that_leads_inside_gets_nothing() {
    let outside = Some(&[][..]);
    for inside in [
        "127.0.0.1:443",
        "10.1.2.3:80",
        "169.254.169.254:80",
        "192.168.0.1:8080",
        "[::1]:443",
        "[fd00::1]:443",
        "[::ffff:127.0.0.1]:443",
        "[fe80::1]:443",
    ] {
        assert_eq!(refusal(outside, Some(inside)), Some(503), "{inside}");
    }
    for unknown in [None, Some(""), Some("envoy://internal/x"), Some("/run/socket"), Some("1.1.1.1")] {
        assert_eq!(refusal(outside, unknown), Some(503), "{unknown:?}");
    }
    for address in ["1.1.1.1:443", "[2606:4700::1111]:443"] {
        assert_eq!(refusal(outside, Some(address)), None, "{address}");
    }
    // What the operator allows, and whoever may be anywhere.
    assert_eq!(refusal(Some(&["10.1.2.3", "fd00::1"]), Some("10.1.2.3:80")), None);
    assert_eq!(refusal(Some(&["10.1.2.3", "fd00::1"]), Some("[fd00::1]:80")), None);
    assert_eq!(refusal(Some(&["10.1.2.3"]), Some("10.1.2.4:80")), Some(503));
    assert_eq!(refusal(None, Some("127.0.0.1:443")), None);
    assert_eq!(refusal(None, None), None);
}
