//! The identity of a workload (SPIFFE-ID, sections 2.1 to 2.4).

/// Bytes of one at most.
const LONGEST: usize = 2048;

/// A SPIFFE id that is well formed: `spiffe://trust-domain/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiffeId(String);

impl SpiffeId {
    /// Reads one; `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("spiffe://").filter(|_| text.len() <= LONGEST)?;
        let (trust_domain, path) = match rest.split_once('/') {
            Some((trust_domain, path)) => (trust_domain, Some(path)),
            None => (rest, None),
        };
        let is_path = path.is_none_or(|path| path.split('/').all(is_segment));
        (is_trust_domain(trust_domain) && is_path).then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What vouches for it.
    pub fn trust_domain(&self) -> &str {
        let rest = self.0.strip_prefix("spiffe://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }
}

/// Whether this may be the name of a trust domain: 1 to 255 lower-case letters, digits, `.`, `-` and `_`.
pub(super) fn is_trust_domain(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    (1..=255).contains(&name.len()) && name.bytes().all(is_known)
}

/// Whether this may be one part of a path: letters, digits, `.`, `-` and `_`, and neither `.` nor `..`.
pub(super) fn is_segment(segment: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_well_formed_is_an_identity() {
        let check = |text: &str, trust_domain: Option<&str>| {
            let id = SpiffeId::parse(text);
            assert_eq!(id.as_ref().map(SpiffeId::trust_domain), trust_domain, "{text}");
        };
        check("spiffe://example.org/ns/apps/sa/chat", Some("example.org"));
        check("spiffe://example.org", Some("example.org"));
        check("spiffe://Example.org/a", None);
        check("spiffe://example.org/", None);
        check("spiffe://example.org/a//b", None);
        check("spiffe://example.org/a/../b", None);
        check("spiffe://example.org/a%2Fb", None);
        check("spiffe://example.org:8443/a", None);
        check("spiffe://example.org/a?b", None);
        check("spiffe:///a", None);
        check("https://example.org/a", None);
        check(&format!("spiffe://example.org/{}", "a".repeat(2048)), None);
    }
}
