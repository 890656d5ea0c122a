//! From where a request comes.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::{HeaderMap, request::Parts};

use crate::ApiState;
use crate::problem::Problem;

/// The client's address, as failed attempts to sign in are counted by.
#[derive(Clone, Debug)]
pub(crate) struct ClientAddress(pub(crate) String);

impl FromRequestParts<ApiState> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let address = address(parts, state.trusted_proxies);
        Ok(Self(address.map_or_else(|| "unknown".to_owned(), |address| network(address).to_string())))
    }
}

/// The client's address, as the audit log tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddress(pub(crate) Option<IpAddr>);

impl FromRequestParts<ApiState> for PeerAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Infallible> {
        Ok(Self(address(parts, state.trusted_proxies)))
    }
}

/// The client's address, as far as it is known.
pub(crate) fn address(parts: &Parts, trusted_proxies: u8) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    forwarded_for(&parts.headers, trusted_proxies).or(peer).map(|address| address.to_canonical())
}

/// What the outermost of so many proxies of ours saw: each appends to `x-forwarded-for` from whom it got the request. What
/// stands further left came with the request, and can say anything.
fn forwarded_for(headers: &HeaderMap, trusted_proxies: u8) -> Option<IpAddr> {
    let place = usize::from(trusted_proxies).checked_sub(1)?;
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or_default()).collect();
    lines.join(",").rsplit(',').nth(place)?.trim().parse().ok()
}

/// An IPv6 client has a /64 to choose its addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        let check = |lines: &[&str], trusted: u8, expect: Option<&str>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            assert_eq!(forwarded_for(&headers, trusted), expect.map(|address| address.parse().unwrap()), "{lines:?}");
        };
        check(&["1.1.1.1"], 0, None);
        check(&["6.6.6.6, 1.1.1.1"], 1, Some("1.1.1.1"));
        check(&["6.6.6.6", "1.1.1.1"], 1, Some("1.1.1.1"));
        check(&["6.6.6.6, 1.1.1.1, 10.0.0.1"], 2, Some("1.1.1.1"));
        check(&["1.1.1.1"], 2, None);
        check(&["1.1.1.1, nonsense"], 1, None);
        check(&[], 1, None);
    }

    #[test]
    fn a_v6_client_is_its_network() {
        let check = |address: &str, expect: &str| {
            assert_eq!(network(address.parse().unwrap()).to_string(), expect);
        };
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
        check("::ffff:1.2.3.4", "1.2.3.4");
        check("1.2.3.4", "1.2.3.4");
    }
}
