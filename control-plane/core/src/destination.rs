//! Where a tenant's provider may not lead. A gateway calls providers from inside the operator's network, so a tenant that
//! names any address could reach what only that network can: metadata services, databases, the gateway itself.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use uuid::Uuid;
use weir_config::inside_address;

use crate::snapshot::BaseUrl;

/// Why only a platform admin may name this host, as [`BaseUrl`](crate::snapshot::BaseUrl) spells hosts; `None`: everybody
/// may. Judges the spelling alone: where a name leads is seen where a request is sent ([`found_outside`]).
pub fn inside(host: &str) -> Option<&'static str> {
    match host.parse() {
        Ok(address) => inside_address(address),
        Err(_) => inside_name(host),
    }
}

/// Last labels that are answered by the machine, its network or its cluster, and never by the public root: RFC 6761
/// (`localhost`, `test`, `invalid`), RFC 6762 (`local`, and the names of its appendix G), RFC 7686 (`onion`), RFC 8375 (`home.arpa`;
/// nothing else of `arpa` is a web server), RFC 9476 (`alt`), what ICANN has set aside (`internal`) or will not delegate (`corp`,
/// `home`, `mail`), and what resolvers, Kubernetes (`svc`, `cluster`) and Consul (`consul`) make up.
const INSIDE: [&str; 25] = [
    "localhost",
    "localdomain",
    "localdomain4",
    "localdomain6",
    "local",
    "internal",
    "intranet",
    "intra",
    "private",
    "corp",
    "home",
    "lan",
    "mail",
    "arpa",
    "svc",
    "cluster",
    "consul",
    "node",
    "service",
    "workgroup",
    "onion",
    "alt",
    "test",
    "invalid",
    "dhcp",
];

/// Names that are inside, and names of one label, which search domains complete.
fn inside_name(host: &str) -> Option<&'static str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.eq_ignore_ascii_case("localhost") {
        return Some("this machine");
    }
    let Some((_, last)) = host.rsplit_once('.') else { return Some("a name without a domain") };
    match INSIDE.iter().find(|name| last.eq_ignore_ascii_case(name)) {
        Some(&"localhost" | &"localdomain" | &"localdomain4" | &"localdomain6") => Some("this machine"),
        Some(_) => Some("a name of the local network"),
        None => None,
    }
}

/// What a provider's address must be once its host is resolved: outside, but for these addresses. `None`: anything, since the host is the
/// platform's, an address, or one that somebody who may has named although it is inside.
pub fn found_outside(tenant_id: Option<Uuid>, host: &str, allowed: &AllowedHosts) -> Option<Vec<IpAddr>> {
    let is_free = tenant_id.is_none() || host.parse::<IpAddr>().is_ok() || inside(host).is_some();
    (!is_free && !allowed.include(host)).then(|| allowed.addresses())
}

/// Hosts that an operator lets tenants name although they are inside: `vllm.models.svc.cluster.local`, `*.models.internal` (every
/// name below), `10.0.0.7`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<AllowedHost>);

/// One entry of [`AllowedHosts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    /// In lower case, as [`BaseUrl`](crate::snapshot::BaseUrl) spells hosts.
    host: String,
    /// Not the host itself, but every name below it.
    below: bool,
}

/// An entry that is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a host name, *.name or an address")]
pub struct AllowedHostError;

impl FromStr for AllowedHost {
    type Err = AllowedHostError;

    fn from_str(text: &str) -> Result<Self, AllowedHostError> {
        let (host, below) = text.trim().strip_prefix("*.").map_or((text.trim(), false), |host| (host, true));
        let address = host.parse::<Ipv6Addr>().map(|address| format!("[{address}]"));
        let url: BaseUrl =
            format!("http://{}/", address.as_deref().unwrap_or(host)).parse().map_err(|_| AllowedHostError)?;
        if url.port != 80 || !url.path_prefix.is_empty() || (below && url.host.parse::<IpAddr>().is_ok()) {
            return Err(AllowedHostError);
        }
        Ok(Self { host: url.host, below })
    }
}

impl AllowedHosts {
    /// These, and no others.
    pub fn new(hosts: Vec<AllowedHost>) -> Self {
        Self(hosts)
    }

    /// Those of them that are addresses.
    fn addresses(&self) -> Vec<IpAddr> {
        self.0.iter().filter(|allowed| !allowed.below).filter_map(|allowed| allowed.host.parse().ok()).collect()
    }

    /// Whether a tenant may name this host, as [`BaseUrl`](crate::snapshot::BaseUrl) spells hosts, though it is inside.
    pub fn include(&self, host: &str) -> bool {
        self.0.iter().any(|allowed| {
            if allowed.below {
                host.strip_suffix(allowed.host.as_str()).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
            } else {
                host == allowed.host
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for host in ["localhost.localdomain", "localhost4.localdomain4", "localhost6.LocalDomain6"] {
            check(host, Some("this machine"));
        }
        for host in [
            "vllm.models.svc",
            "wiki.corp",
            "nas.lan",
            "printer.home.arpa",
            "1.0.0.10.in-addr.arpa",
            "x.HOME",
            "db.intranet",
            "a.private",
            "api.service.consul",
            "x.Internal",
            "x.local",
            "x.onion",
            "x.test",
        ] {
            check(host, Some("a name of the local network"));
        }
        for host in ["api.example.com", "corp.example.com", "svc.io", "home.dev", "lan.example", "local.ai"] {
            check(host, None);
        }
    }

    /// A dot at the end makes a name absolute; a browser's spellings of numbers are none of ours.
    #[test]
    fn other_spellings_of_inside_hosts_are_inside_or_no_hosts() {
        for host in ["localhost.", "x.local.", "vllm.models.svc.cluster.local."] {
            assert!(inside(host).is_some(), "{host}");
        }
        for host in
            ["localhost.", "127.1", "0x7f.1", "2130706433", "127.0.0.1.", "%6cocalhost", "ｌocalhost", "[::1%25lo]"]
        {
            assert!(format!("https://{host}/").parse::<BaseUrl>().is_err(), "{host}");
        }
    }

    #[test]
    fn an_operator_may_let_tenants_name_inside_hosts() {
        let hosts = ["vllm.models.svc", "*.Models.internal", " 10.0.0.7", "fd00::7"];
        let allowed = AllowedHosts::new(hosts.map(|host| host.parse().unwrap()).to_vec());
        let check = |host: &str, expect| assert_eq!(allowed.include(host), expect, "{host}");
        check("vllm.models.svc", true);
        check("x.vllm.models.svc", false);
        check("a.models.internal", true);
        check("a.b.models.internal", true);
        check("models.internal", false);
        check("xmodels.internal", false);
        check("10.0.0.7", true);
        check("10.0.0.70", false);
        check("fd00::7", true);
        for wrong in ["", "*", "*.10.0.0.7", "http://a", "a/b", "a:8080", "a b", "*.*.a"] {
            assert_eq!(wrong.parse::<AllowedHost>(), Err(AllowedHostError), "{wrong}");
        }
    }

    #[test]
    fn where_a_tenants_name_leads_must_be_outside() {
        let allowed = AllowedHosts::new(["*.models.example", "10.0.0.7"].map(|host| host.parse().unwrap()).to_vec());
        let tenant = Some(Uuid::from_u128(1));
        let check = |tenant_id, host: &str, expect: Option<&[&str]>| {
            let expect = expect.map(|some| some.iter().map(|one| one.parse().unwrap()).collect());
            assert_eq!(found_outside(tenant_id, host, &allowed), expect, "{host}");
        };
        check(tenant, "api.example.com", Some(&["10.0.0.7"]));
        check(None, "api.example.com", None);
        // Only a platform admin can have named these, or the operator has them in the list.
        check(tenant, "vllm.models.svc", None);
        check(tenant, "10.0.0.9", None);
        check(tenant, "a.models.example", None);
    }
}
