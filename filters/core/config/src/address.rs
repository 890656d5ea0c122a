//! Which addresses are inside an operator's network. The control plane judges by it what tenants name, and the filters where a name led.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is that does not lead to the public network; `None`: it does.
pub fn inside_address(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => inside_v4(address),
        IpAddr::V6(address) => inside_v6(address),
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
