use std::net::IpAddr;
use std::rc::Rc;

use weir_config::api_key::{KeyForm, PREFIX};
use weir_config::names;
use weir_host::{Headers, Host, Message};
use weir_llm::{Operation, Schema};

/// Keys of one request that are looked at.
const MOST_KEYS: usize = 4;

/// Why no key could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialError {
    /// None of the headers holds one.
    #[error(
        "No API key was given. Send it as `authorization: Bearer <key>`, `x-api-key`, `api-key` or `x-goog-api-key`."
    )]
    Missing,
    /// They hold different ones of Weir's, or one of them was sent several times.
    #[error("Several API keys were given. Send one.")]
    Conflicting,
    /// There are several tokens, or one that is too long.
    #[error("Several tokens were given, or one that is too long. Send one, of at most 16 KiB.")]
    Token,
    /// The key has Weir's form and a wrong checksum.
    #[error("The API key is not valid.")]
    Invented,
}

/// The keys that may be the client's, in `authorization: Bearer` (RFC 6750), `x-api-key`, `api-key` and `x-goog-api-key`; at least one, each
/// once, in the order in which they are to be tried. Where one is of Weir's form it is the only one: what else stands there is meant for
/// somebody else. The same key may stand in several headers. Another scheme than Bearer is no key of ours.
pub(crate) fn read_keys(headers: &Headers) -> Result<Vec<&[u8]>, CredentialError> {
    let mut found: Vec<&[u8]> = Vec::new();
    for (name, value) in headers.iter() {
        let key = match name {
            b"authorization" => bearer(value),
            b"x-api-key" | b"api-key" | b"x-goog-api-key" => Some(value.trim_ascii()),
            _ => None,
        };
        let Some(key) = key.filter(|key| !key.is_empty()) else { continue };
        // Envoy joins headers of one name by commas, and no key holds one.
        if key.contains(&b',') {
            return Err(CredentialError::Conflicting);
        }
        if !found.contains(&key) {
            found.push(key);
        }
    }
    if found.iter().any(|key| is_weirs(key)) {
        found.retain(|key| is_weirs(key));
        if found.len() > 1 {
            return Err(CredentialError::Conflicting);
        }
    }
    if found.len() > MOST_KEYS {
        return Err(CredentialError::Conflicting);
    }
    match found.first() {
        None => Err(CredentialError::Missing),
        Some(key) if KeyForm::of(key) == KeyForm::Invented => Err(CredentialError::Invented),
        Some(_) => Ok(found),
    }
}

/// The parameter of a query in which clients of some schemas may show their key.
const KEY_PARAMETER: &str = "key";

/// The request's headers. A key that stands in the query of a schema whose clients are known by their key's header becomes that header,
/// unless there is one already, and leaves the path, which logs and later filters read. So does one of Weir's in any other query, where it
/// counts for nothing.
pub(crate) fn without_key_in_query(host: &mut dyn Host) -> Rc<Headers> {
    let headers = host.headers(Message::Request);
    let Some((path, query)) = headers.text(":path").split_once('?') else { return headers };
    let key_of = |parameter: &'_ str| match parameter.split_once('=') {
        Some((KEY_PARAMETER, key)) => Some(key.to_owned()),
        _ => (parameter == KEY_PARAMETER).then(String::new),
    };
    let Some(key) = query.split('&').find_map(key_of) else { return headers };
    let operation = Operation::of(headers.text(":method"), path, &|_| false);
    let schema = operation.map_or_else(|_| Schema::of_path(path, &|_| false), Operation::schema);
    let header = schema.credential_header().header;
    let counts = schema.client_header() == Some(header);
    let leaves = |parameter: &str| key_of(parameter).is_some_and(|key| counts || is_weirs(key.as_bytes()));
    if !query.split('&').any(leaves) {
        return headers;
    }
    let rest: Vec<&str> = query.split('&').filter(|parameter| !leaves(parameter)).collect();
    let path = if rest.is_empty() { path.to_owned() } else { [path, "?", rest.join("&").as_str()].concat() };
    // What cannot be changed is refused behind, since it shows no key.
    let is_shown = headers.get(header).is_some() || key.is_empty();
    let written = host.set_header(Message::Request, ":path", path.as_bytes());
    if counts && written.is_ok() && !is_shown {
        _ = host.set_header(Message::Request, header, key.as_bytes());
    }
    host.headers(Message::Request)
}

/// Bytes of a token's claims that are looked at.
const LONGEST_CLAIMS: usize = 16 * 1024;

/// A token that the proxy has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// As they stand in it, in base64url.
    pub(crate) claims: String,
    /// The id of the issuer whose keys have verified it; empty: the proxy does not say.
    pub(crate) issuer_id: String,
}

/// The token that the proxy has verified; what a client sends under the names of these headers the proxy has removed. Of several tokens
/// none counts.
pub(crate) fn read_token(headers: &Headers) -> Result<Option<Token>, CredentialError> {
    let Some(claims) = headers.get(names::HEADER_TOKEN_CLAIMS) else { return Ok(None) };
    let is_one = headers.iter().filter(|(name, _)| *name == names::HEADER_TOKEN_CLAIMS.as_bytes()).count() == 1;
    let prefix = names::HEADER_TOKEN_ISSUER_PREFIX.as_bytes();
    let mut issuers = headers.iter().filter_map(|(name, _)| std::str::from_utf8(name.strip_prefix(prefix)?).ok());
    let (issuer_id, is_of_one) = (issuers.next().unwrap_or_default().to_owned(), issuers.next().is_none());
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=".contains(byte);
    match std::str::from_utf8(claims) {
        Ok(claims)
            if is_one && is_of_one && claims.len() <= LONGEST_CLAIMS && claims.as_bytes().iter().all(is_base64url) =>
        {
            Ok(Some(Token { claims: claims.to_owned(), issuer_id }))
        }
        _ => Err(CredentialError::Token),
    }
}

/// What the proxy says where nothing was shown, or nothing that has the form of a token: a key, most often.
const NO_TOKEN: [&str; 2] =
    ["Jwt is missing", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"];

/// Why the proxy did not take a token for good, in its words; `None`: there was none.
pub(crate) fn token_failure(host: &dyn Host) -> Option<String> {
    let path = ["metadata", "filter_metadata", names::METADATA_TOKENS, names::METADATA_TOKEN_FAILURE, "message"];
    host.property_text(&path).filter(|reason| !reason.is_empty() && !NO_TOKEN.contains(&reason.as_str()))
}

/// The address that a request came from, as the outermost of the operator's proxies saw it. Each of them, and then Envoy itself, has put
/// at the end of `x-forwarded-for` from whom it got the request; what stands further left came with it, and can say anything. `None`: there
/// are not so many entries, or it is no address.
pub(crate) fn client_address(headers: &Headers, trusted_hops: u8) -> Option<IpAddr> {
    let forwarded = std::str::from_utf8(headers.get("x-forwarded-for")?).ok()?;
    let address: IpAddr = forwarded.rsplit(',').nth(usize::from(trusted_hops))?.trim().parse().ok()?;
    Some(address.to_canonical())
}

fn is_weirs(key: &[u8]) -> bool {
    key.starts_with(PREFIX.as_bytes())
}

/// What follows the scheme, which is told apart without regard to case (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.trim_ascii().split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

#[cfg(test)]
mod tests {
    use weir_host::Headers;

    use super::{CredentialError, client_address, read_keys};

    #[test]
    fn keys_are_read_from_four_headers() {
        let check = |headers: &[(&str, &str)], expect: Result<&[&str], CredentialError>| {
            let shown: Headers = headers.iter().copied().collect();
            let expect = expect.map(|keys| keys.iter().map(|key| key.as_bytes()).collect::<Vec<_>>());
            assert_eq!(read_keys(&shown), expect, "{headers:?}");
        };
        check(&[], Err(CredentialError::Missing));
        check(&[("authorization", "Bearer weir_1")], Ok(&["weir_1"]));
        check(&[("authorization", "bEARER  weir_1 ")], Ok(&["weir_1"]));
        check(&[("authorization", "Bearer")], Err(CredentialError::Missing));
        check(&[("authorization", "Bearer ")], Err(CredentialError::Missing));
        check(&[("authorization", "Basic d2Vpcg==")], Err(CredentialError::Missing));
        check(&[("authorization", "Basic d2Vpcg=="), ("x-api-key", "weir_1")], Ok(&["weir_1"]));
        check(&[("x-api-key", "weir_1")], Ok(&["weir_1"]));
        check(&[("api-key", "weir_1"), ("x-api-key", "")], Ok(&["weir_1"]));
        check(&[("x-goog-api-key", "weir_1")], Ok(&["weir_1"]));
        check(&[("authorization", "Bearer weir_1"), ("x-api-key", "weir_1")], Ok(&["weir_1"]));
        check(&[("authorization", "Bearer weir_1"), ("x-api-key", "weir_2")], Err(CredentialError::Conflicting));
        check(&[("x-api-key", "weir_1"), ("x-api-key", "weir_2")], Err(CredentialError::Conflicting));
        check(&[("authorization", "Bearer weir_1,Bearer weir_2")], Err(CredentialError::Conflicting));
        check(&[("authorization", "Bearer sk-other"), ("x-api-key", "weir_1")], Ok(&["weir_1"]));
        check(&[("authorization", "Bearer sk-one"), ("api-key", "sk-two")], Ok(&["sk-one", "sk-two"]));
        check(&[("x-api-key", "weir_1_guessed")], Err(CredentialError::Invented));
        let many = [("api-key", "a"), ("api-key", "b"), ("api-key", "c"), ("api-key", "d"), ("api-key", "e")];
        check(&many, Err(CredentialError::Conflicting));
    }

    #[test]
    fn an_address_is_what_the_outermost_trusted_hop_saw() {
        let check = |forwarded: &str, trusted_hops: u8, expect: Option<&str>| {
            let headers: Headers = [("x-forwarded-for", forwarded)].into_iter().collect();
            let expect = expect.map(|address| address.parse().expect("an address"));
            assert_eq!(client_address(&headers, trusted_hops), expect, "{forwarded} {trusted_hops}");
        };
        check("10.0.0.9", 0, Some("10.0.0.9"));
        check("192.0.2.1, 10.0.0.9", 0, Some("10.0.0.9"));
        check("192.0.2.1,10.0.0.9", 1, Some("192.0.2.1"));
        check("6.6.6.6,192.0.2.1,10.0.0.9", 1, Some("192.0.2.1"));
        check("10.0.0.9", 1, None);
        check("unknown,10.0.0.9", 1, None);
        check("::ffff:192.0.2.1,10.0.0.9", 1, Some("192.0.2.1"));
        assert_eq!(client_address(&Headers::default(), 0), None);
    }
}
