use weir_host::Headers;

/// Why no key could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialError {
    /// None of the headers holds one.
    #[error("No API key was given. Send it as `authorization: Bearer <key>`, `x-api-key` or `api-key`.")]
    Missing,
    /// They hold different ones, or one of them was sent several times.
    #[error("Several API keys were given. Send one.")]
    Conflicting,
}

/// The key that a client shows in `authorization: Bearer` (RFC 6750), `x-api-key` or `api-key`. The same key may stand in
/// several of them. Another scheme than Bearer is no key of ours.
pub(crate) fn read_key(headers: &Headers) -> Result<&[u8], CredentialError> {
    let mut found: Option<&[u8]> = None;
    for (name, value) in headers.iter() {
        let key = match name {
            b"authorization" => bearer(value),
            b"x-api-key" | b"api-key" => Some(value.trim_ascii()),
            _ => None,
        };
        let Some(key) = key.filter(|key| !key.is_empty()) else { continue };
        // Envoy joins headers of one name by commas, and no key holds one.
        if found.is_some_and(|found| found != key) || key.contains(&b',') {
            return Err(CredentialError::Conflicting);
        }
        found = Some(key);
    }
    found.ok_or(CredentialError::Missing)
}

/// What follows the scheme, which is told apart without regard to case (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.trim_ascii().split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

#[cfg(test)]
mod tests {
    use weir_host::Headers;

    use super::{CredentialError, read_key};

    fn check(headers: &[(&str, &str)], expect: Result<&str, CredentialError>) {
        let shown: Headers = headers.iter().copied().collect();
        assert_eq!(read_key(&shown), expect.map(str::as_bytes), "{headers:?}");
    }

    #[test]
    fn keys_are_read_from_three_headers() {
        check(&[], Err(CredentialError::Missing));
        check(&[("authorization", "Bearer weir_1")], Ok("weir_1"));
        check(&[("authorization", "bEARER  weir_1 ")], Ok("weir_1"));
        check(&[("authorization", "Bearer")], Err(CredentialError::Missing));
        check(&[("authorization", "Bearer ")], Err(CredentialError::Missing));
        check(&[("authorization", "Basic d2Vpcg==")], Err(CredentialError::Missing));
        check(&[("authorization", "Basic d2Vpcg=="), ("x-api-key", "weir_1")], Ok("weir_1"));
        check(&[("x-api-key", "weir_1")], Ok("weir_1"));
        check(&[("api-key", "weir_1"), ("x-api-key", "")], Ok("weir_1"));
        check(&[("authorization", "Bearer weir_1"), ("x-api-key", "weir_1")], Ok("weir_1"));
        check(&[("authorization", "Bearer weir_1"), ("x-api-key", "weir_2")], Err(CredentialError::Conflicting));
        check(&[("x-api-key", "weir_1"), ("x-api-key", "weir_2")], Err(CredentialError::Conflicting));
        check(&[("authorization", "Bearer weir_1,Bearer weir_2")], Err(CredentialError::Conflicting));
    }
}
