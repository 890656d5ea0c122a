//! Reading a provider's base URL.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::snapshot::BaseUrl;

/// What is wrong with a base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Another scheme, or none.
    #[error("must begin with https:// or http://")]
    Scheme,
    /// User or password in the URL.
    #[error("must not contain a user or a password; use the field credential")]
    UserInfo,
    /// Empty, or not a host name or address.
    #[error("must name a host, such as api.openai.com, 10.0.0.1 or [::1]")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    Port,
    /// `?…` or `#…`.
    #[error("must not contain a query or a fragment")]
    Query,
    /// Something that does not belong into a path.
    #[error("the path may contain only letters, digits and -._~/ and no empty, . or .. segment")]
    Path,
    /// Longer than 500 characters.
    #[error("must have at most 500 characters")]
    Length,
}

impl BaseUrl {
    /// Whether both lead to the same server in the same way: scheme, host and port (RFC 6454, 4).
    pub fn same_origin(&self, other: &Self) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }

    /// Host and port, without the scheme's own, as clients write it (RFC 9110, 4.2.3).
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// What stands before the operations' paths: the path as it is written where it has a version in it, as every documented base
    /// URL of an API that has one does, and otherwise that path and `/v1`.
    pub fn base_path(&self) -> String {
        let path = &self.path_prefix;
        if path.split('/').any(is_version) { path.clone() } else { format!("{path}/v1") }
    }
}

/// Whether a segment names an API's version: `v1`, `v3`, `v1beta`, `v1alpha2`, `v1.1`.
fn is_version(segment: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = segment.strip_prefix(['v', 'V']) else { return false };
    let stage = rest.trim_start_matches(|character: char| character.is_ascii_digit());
    let named = ["alpha", "beta"].iter().find_map(|name| stage.strip_prefix(name));
    stage.len() < rest.len()
        && (stage.is_empty()
            || named.is_some_and(digits)
            || stage.strip_prefix('.').is_some_and(|minor| !minor.is_empty() && digits(minor)))
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    /// Reads `http(s)://host[:port][/path]`, with or without a version in it: see [`BaseUrl::base_path`].
    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        if text.len() > 500 {
            return Err(BaseUrlError::Length);
        }
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(BaseUrlError::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(BaseUrlError::Query);
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(BaseUrlError::UserInfo);
        }
        let (host, port) = host_and_port(authority)?;
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host, port, path_prefix: path_prefix(path)? })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.tls { "https://" } else { "http://" })?;
        if self.host.contains(':') {
            write!(formatter, "[{}]", self.host)?
        } else {
            formatter.write_str(&self.host)?
        }
        if self.port != if self.tls { 443 } else { 80 } {
            write!(formatter, ":{}", self.port)?;
        }
        formatter.write_str(&self.path_prefix)
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), BaseUrlError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or(BaseUrlError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| BaseUrlError::Host)?;
        let port = match after {
            "" => None,
            after => Some(after.strip_prefix(':').ok_or(BaseUrlError::Port)?),
        };
        (address.to_string(), port)
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        if !valid_host(host) {
            return Err(BaseUrlError::Host);
        }
        (host.to_ascii_lowercase(), port)
    };
    let port = match port {
        None => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port != 0).ok_or(BaseUrlError::Port)?)
        }
        Some(_) => return Err(BaseUrlError::Port),
    };
    Ok((host, port))
}

/// An IPv4 address, or labels of letters, digits, hyphens and underscores. A name whose last label is a number would be
/// read as an address by some resolvers (WHATWG URL), so it must be one.
fn valid_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let hexadecimal = |label: &str| label.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    let numeric_end =
        host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()) || hexadecimal(last));
    host.len() <= 253 && host.split('.').all(label) && (!numeric_end || host.parse::<Ipv4Addr>().is_ok())
}

fn path_prefix(path: &str) -> Result<String, BaseUrlError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    match path.strip_prefix('/') {
        None => Ok(String::new()),
        Some(rest) if rest.split('/').all(segment) => Ok(path.to_owned()),
        Some(_) => Err(BaseUrlError::Path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let check = |text: &str, expect: (bool, &str, u16, &str), written: &str| {
            let url: BaseUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((url.tls, url.host.as_str(), url.port, url.path_prefix.as_str()), expect, "{text}");
            assert_eq!(url.to_string(), written);
            assert_eq!(written.parse::<BaseUrl>().unwrap(), url);
        };
        check("https://api.openai.com", (true, "api.openai.com", 443, ""), "https://api.openai.com");
        check("https://api.openai.com/", (true, "api.openai.com", 443, ""), "https://api.openai.com");
        check("https://API.OpenAI.com/v1", (true, "api.openai.com", 443, "/v1"), "https://api.openai.com/v1");
        check("https://openrouter.ai/api/v1/", (true, "openrouter.ai", 443, "/api/v1"), "https://openrouter.ai/api/v1");
        check("https://a/v1/v1", (true, "a", 443, "/v1/v1"), "https://a/v1/v1");
        check("http://127.0.0.1:8080", (false, "127.0.0.1", 8080, ""), "http://127.0.0.1:8080");
        check("http://[::1]:8080/x", (false, "::1", 8080, "/x"), "http://[::1]:8080/x");
        check("HTTP://vllm_1:80/a/b", (false, "vllm_1", 80, "/a/b"), "http://vllm_1/a/b");
    }

    #[test]
    fn a_path_with_a_version_is_used_as_it_stands() {
        let check = |path: &str, expect: &str| {
            let url: BaseUrl = format!("https://h{path}").parse().unwrap();
            assert_eq!(url.base_path(), expect, "{path}");
        };
        check("", "/v1");
        check("/", "/v1");
        check("/v1", "/v1");
        check("/v1/", "/v1");
        check("/v2", "/v2");
        check("/api/v3", "/api/v3");
        check("/api/v1", "/api/v1");
        check("/openai/v1", "/openai/v1");
        check("/v1beta", "/v1beta");
        check("/v1beta/openai", "/v1beta/openai");
        check("/v1alpha2/x", "/v1alpha2/x");
        check("/v1.1", "/v1.1");
        check("/V1", "/V1");
        check("/v1/account/gateway/openai", "/v1/account/gateway/openai");
        check("/compatible-mode/v1", "/compatible-mode/v1");
        check("/openai", "/openai/v1");
        check("/api", "/api/v1");
        for no_version in ["/v", "/vllm", "/v1x", "/v1.", "/v1.x", "/1", "/v1betax", "/rev1", "/v-1"] {
            check(no_version, &format!("{no_version}/v1"));
        }
    }

    #[test]
    fn refuses_with_the_reason() {
        let check = |text: &str, expect| assert_eq!(text.parse::<BaseUrl>().unwrap_err(), expect, "{text}");
        check("api.openai.com", BaseUrlError::Scheme);
        check("ftp://a", BaseUrlError::Scheme);
        check("https://", BaseUrlError::Host);
        check("https://:443", BaseUrlError::Host);
        check("https://a..b", BaseUrlError::Host);
        check("https://1.2.3", BaseUrlError::Host);
        check("https://999.1.1.1", BaseUrlError::Host);
        check("https://2130706433", BaseUrlError::Host);
        check("https://0x7f000001", BaseUrlError::Host);
        check("https://127.0.0.0X1", BaseUrlError::Host);
        check("https://[::g]", BaseUrlError::Host);
        check("https://a b", BaseUrlError::Host);
        check("https://user:password@a", BaseUrlError::UserInfo);
        check("https://a:0", BaseUrlError::Port);
        check("https://a:65536", BaseUrlError::Port);
        check("https://a:", BaseUrlError::Port);
        check("https://a:+1", BaseUrlError::Port);
        check("https://a/?x=1", BaseUrlError::Query);
        check("https://a#x", BaseUrlError::Query);
        check("https://a//b", BaseUrlError::Path);
        check("https://a/../b", BaseUrlError::Path);
        check("https://a/%2e", BaseUrlError::Path);
        check(&format!("https://{}", "a".repeat(600)), BaseUrlError::Length);
    }
}
