//! The code of an authorization, turned into who it is.

use aws_lc_rs::rand;
use axum::http::{HeaderValue, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use weir_core::json::Object;
use weir_core::secret::sha256;
use weir_store::SignInProvider;

use crate::oidc::OidcError;
use crate::oidc::issuer::{Asking, Issuers, Metadata};
use crate::oidc::token::{TokenError, expect_nonce, verify};

const TOKEN: &str = "the token endpoint";
const USERINFO: &str = "the userinfo endpoint";

/// What an authorization came back with, and what the sign-in began with.
pub(crate) struct Grant<'a> {
    pub(crate) code: &'a str,
    pub(crate) verifier: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) redirect_uri: &'a str,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    #[serde(default)]
    access_token: Option<SecretString>,
}

/// Exchanges the code, and gives the claims of the ID token, with those of the userinfo endpoint beside where claims are missing.
pub(crate) async fn exchange(
    issuers: &Issuers,
    provider: &SignInProvider,
    asking: &Asking<'_>,
    grant: &Grant<'_>,
    now_s: i64,
) -> Result<Object, OidcError> {
    let metadata = issuers.metadata(provider, asking).await?;
    let (authorization, fields) = client(provider, &metadata);
    let mut all = vec![
        ("grant_type", "authorization_code"),
        ("code", grant.code),
        ("redirect_uri", grant.redirect_uri),
        ("code_verifier", grant.verifier),
    ];
    all.extend(fields.iter().map(|(name, value)| (*name, value.expose_secret())));
    let answer = asking.ask(TOKEN, &metadata.token_endpoint, authorization, Some(form(&all))).await?;
    if answer.status != StatusCode::OK {
        return Err(OidcError::Status { what: TOKEN, status: answer.status.as_u16() });
    }
    let tokens: Tokens = serde_json::from_slice(&answer.body).map_err(|_| OidcError::Malformed { what: TOKEN })?;
    let mut claims = issuers.verified(provider, asking, &tokens.id_token, now_s).await?;
    expect_nonce(&claims, grant.nonce)?;
    let names = &provider.settings.claims;
    let is_missing = |name: &String| !claims.contains_key(name.as_str());
    if [&names.email, &names.groups].into_iter().any(is_missing)
        && let (Some(url), Some(token)) = (&metadata.userinfo_endpoint, &tokens.access_token)
    {
        let said: Object = asking.read(USERINFO, url, Some(bearer(token)?)).await?;
        // Or it could be about somebody else (5.3.2).
        if said.get("sub") != claims.get("sub") {
            return Err(OidcError::Malformed { what: USERINFO });
        }
        for (name, value) in said {
            claims.entry(name).or_insert(value);
        }
    }
    match claims.get("sub") {
        Some(Value::String(subject)) if (1..=255).contains(&subject.len()) => Ok(claims),
        _ => Err(TokenError::Invalid.into()),
    }
}

impl Issuers {
    /// The claims of a token that holds. A key that is not known is looked for once more: the issuer may have changed its keys.
    pub(crate) async fn verified(
        &self,
        provider: &SignInProvider,
        asking: &Asking<'_>,
        token: &str,
        now_s: i64,
    ) -> Result<Object, OidcError> {
        let (issuer, client_id) = (&provider.settings.issuer, &provider.settings.client_id);
        let keys = self.keys(provider, asking, false).await?;
        match verify(token, &keys, issuer, client_id, now_s) {
            Err(TokenError::UnknownKey) => {
                let keys = self.keys(provider, asking, true).await?;
                Ok(verify(token, &keys, issuer, client_id, now_s)?)
            }
            verified => Ok(verified?),
        }
    }
}

/// How this client shows itself: by its secret in a header, in the body where the issuer takes no header, or by its id alone.
fn client(provider: &SignInProvider, metadata: &Metadata) -> (Option<HeaderValue>, Vec<(&'static str, SecretString)>) {
    let id = &provider.settings.client_id;
    let named = ("client_id", SecretString::from(id.as_str()));
    let Some(secret) = &provider.client_secret else { return (None, vec![named]) };
    let takes = |method: &str| {
        let methods = metadata.token_endpoint_auth_methods_supported.as_ref();
        // Basic is what holds where nothing is said.
        methods.map_or(method == "client_secret_basic", |methods| methods.iter().any(|one| one == method))
    };
    if !takes("client_secret_basic") && takes("client_secret_post") {
        return (None, vec![named, ("client_secret", secret.clone())]);
    }
    // Each is form-encoded first (RFC 6749, 2.3.1).
    let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret.expose_secret())));
    let header = HeaderValue::try_from(format!("Basic {pair}")).ok().map(|mut header| {
        header.set_sensitive(true);
        header
    });
    (header, vec![])
}

fn bearer(token: &SecretString) -> Result<HeaderValue, OidcError> {
    let header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
    let mut header = header.map_err(|_| OidcError::Malformed { what: TOKEN })?;
    header.set_sensitive(true);
    Ok(header)
}

/// Fields as a form or a query.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// 256 random bits in base64url; `None`: the system gave none.
pub(crate) fn random() -> Option<String> {
    let mut bytes = [0u8; 32];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

impl Grant<'_> {
    /// What is told of a verifier ahead (RFC 7636, 4.2, S256).
    pub(crate) fn challenge(verifier: &str) -> String {
        URL_SAFE_NO_PAD.encode(sha256(verifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_keeps_what_is_in_it() {
        assert_eq!(form(&[("a", "b c&d=e/ä"), ("x", "-._~")]), "a=b%20c%26d%3De%2F%C3%A4&x=-._~");
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let challenge = Grant::challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
