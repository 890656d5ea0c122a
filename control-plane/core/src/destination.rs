//! Where a tenant's provider may not lead. A gateway calls providers from inside the operator's network, so a tenant that
//! names any address could reach what only that network can: metadata services, databases, the gateway itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why only a platform admin may name this host, as [`BaseUrl`](crate::snapshot::BaseUrl) spells hosts; `None`: everybody
/// may. Judges the spelling alone: where a public name resolves to is for the network's own rules.
pub fn inside(host: &str) -> Option<&'static str> {
    match host.parse() {
        Ok(IpAddr::V4(address)) => inside_v4(address),
        Ok(IpAddr::V6(address)) => inside_v6(address),
        Err(_) => inside_name(host),
    }
}

/// The special-purpose blocks of RFC 6890 that lead anywhere.
fn inside_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("an unspecified address"),
        [127, ..] => Some("a loopback address"),
        [169, 254, ..] => Some("a link-local address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("a private address"),
        [100, 64..=127, ..] => Some("a shared address"),
        [224..=239, ..] => Some("a multicast address"),
        [192, 0, 0, _] | [198, 18..=19, ..] | [240..=255, ..] => Some("a reserved address"),
        _ => None,
    }
}

/// Only global unicast (`2000::/3`, RFC 4291) leads outside, without the parts of it that carry an IPv4 address.
fn inside_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        // IPv4-mapped and -compatible, NAT64, 6to4, Teredo.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..] => {
            Some("an IPv4 address within an IPv6 address")
        }
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some("a private address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("a reserved address"),
    }
}

/// Names that resolvers answer from the machine or its network: RFC 6761 (`localhost`), RFC 6762 (`local`), `internal`, and
/// names of one label, which search domains complete.
fn inside_name(host: &str) -> Option<&'static str> {
    match host.rsplit_once('.').map(|(_, last)| last) {
        _ if host.eq_ignore_ascii_case("localhost") => Some("this machine"),
        None => Some("a name without a domain"),
        Some(last) if last.eq_ignore_ascii_case("localhost") => Some("this machine"),
        Some(last) if last.eq_ignore_ascii_case("local") || last.eq_ignore_ascii_case("internal") => {
            Some("a name of the local network")
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::BaseUrl;

    #[test]
    fn only_public_hosts_are_outside() {
        let check = |host: &str, expect: Option<&str>| {
            let url: BaseUrl = format!("https://{host}:8080/x").parse().unwrap();
            assert_eq!(inside(&url.host), expect, "{host}");
        };
        for host in ["api.openai.com", "localhost.example", "1.1.1.1", "11.0.0.1", "172.32.0.1", "[2606:4700::1111]"] {
            check(host, None);
        }
        for host in ["127.0.0.1", "127.255.0.9", "[::1]"] {
            check(host, Some("a loopback address"));
        }
        for host in ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "[fc00::1]", "[fd12::1]", "[fec0::1]"] {
            check(host, Some("a private address"));
        }
        for host in ["169.254.169.254", "[fe80::1]", "[febf::1]"] {
            check(host, Some("a link-local address"));
        }
        for host in ["0.0.0.0", "0.1.2.3", "[::]"] {
            check(host, Some("an unspecified address"));
        }
        for host in ["224.0.0.1", "239.1.1.1", "[ff02::1]"] {
            check(host, Some("a multicast address"));
        }
        for host in ["[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]", "[::127.0.0.1]", "[64:ff9b::a00:1]", "[2002:7f00:1::]"] {
            check(host, Some("an IPv4 address within an IPv6 address"));
        }
        for host in ["255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.0.192", "[4000::1]", "[100::1]"] {
            check(host, Some("a reserved address"));
        }
        check("100.100.100.200", Some("a shared address"));
        for host in ["localhost", "LOCALHOST", "a.localhost", "a.b.LocalHost"] {
            check(host, Some("this machine"));
        }
        check("metadata.google.internal", Some("a name of the local network"));
        check("postgres.svc.cluster.local", Some("a name of the local network"));
        check("postgres", Some("a name without a domain"));
    }
}
