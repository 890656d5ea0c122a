use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A range of addresses (RFC 4632), for example `10.0.0.0/8` or `2001:db8::/32`. An address without a length is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    address: IpAddr,
    length: u8,
}

/// Why a text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// It is not an address with a length.
    #[error("must be a range of addresses such as 10.0.0.0/8 or 2001:db8::/32")]
    Malformed,
    /// Bits behind the length are set: it is not clear what was meant.
    #[error("has bits behind the length of its prefix")]
    HostBits,
}

impl Cidr {
    /// Whether an address is within the range. An IPv4 address that is written as an IPv6 one is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => self.holds(&own.octets(), &other.octets()),
            (IpAddr::V6(own), IpAddr::V6(other)) => self.holds(&own.octets(), &other.octets()),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether two addresses have the prefix in common.
    fn holds(&self, own: &[u8], other: &[u8]) -> bool {
        (0_u16..).zip(own).zip(other).all(|((place, own), other)| (own ^ other) & self.mask(place) == 0)
    }

    /// The bits of the octet at this place that are of the prefix.
    fn mask(&self, place: u16) -> u8 {
        let of_prefix = u32::from(u16::from(self.length).saturating_sub(place.saturating_mul(8)).min(8));
        u8::MAX.checked_shl(8_u32.saturating_sub(of_prefix)).unwrap_or(0)
    }

    /// Whether bits behind the prefix are set.
    fn has_host_bits(&self) -> bool {
        let is_set = |octets: &[u8]| (0_u16..).zip(octets).any(|(place, octet)| octet & !self.mask(place) != 0);
        match self.address {
            IpAddr::V4(address) => is_set(&address.octets()),
            IpAddr::V6(address) => is_set(&address.octets()),
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::Malformed)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            // One spelling: no sign, no leading zero.
            Some(digits) => {
                let length: u8 = digits.parse().map_err(|_| CidrError::Malformed)?;
                (length <= most && length.to_string() == digits).then_some(length).ok_or(CidrError::Malformed)?
            }
        };
        let cidr = Self { address, length };
        if cidr.has_host_bits() { Err(CidrError::HostBits) } else { Ok(cidr) }
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cidr, CidrError};

    #[test]
    fn a_range_holds_what_begins_as_it_does() {
        let check = |cidr: &str, address: &str, expect: bool| {
            let range: Cidr = cidr.parse().expect("a range");
            assert_eq!(range.contains(address.parse().expect("an address")), expect, "{cidr} {address}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("10.0.0.0/8", "::10.1.2.3", false);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7/32", "192.0.2.8", false);
        check("0.0.0.0/0", "255.0.0.1", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("2001:db8::/33", "2001:db8:7fff::1", true);
        check("2001:db8::/33", "2001:db8:8000::1", false);
        check("::/0", "2001:db8::1", true);
        check("::/0", "10.0.0.1", false);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let check = |text: &str, expect| assert_eq!(text.parse::<Cidr>(), Err(expect), "{text}");
        for text in
            ["", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0/8", "::/129", "a/8", "10.0.0.0/8/8"]
        {
            check(text, CidrError::Malformed);
        }
        check("10.0.0.1/8", CidrError::HostBits);
        check("2001:db8::1/32", CidrError::HostBits);
    }
}
