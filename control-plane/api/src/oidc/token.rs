//! What an issuer's tokens must say: OpenID Connect Core 1.0, 3.1.3.7, and Back-Channel Logout 1.0, 2.6.

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use weir_core::json::Object;

/// Seconds by which the issuer's clock and ours may differ.
const SKEW_S: u64 = 60;
/// Bytes of the longest token.
const LONGEST: usize = 64 * 1024;
/// Signatures that the issuer's public keys verify: never a shared secret, never none.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// By which a logout token is known.
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// None of the issuer's keys is the one that it names.
    #[error("it names a key that the issuer does not have")]
    UnknownKey,
    /// No JWT, another algorithm, another signature, another issuer or audience, or it is not its time.
    #[error("it is not signed by the issuer, for this client, for now")]
    Invalid,
    /// Made for another authorised party.
    #[error("it was made for another client")]
    OtherClient,
    /// It begins in the future.
    #[error("it was made in the future: the clocks differ by more than a minute")]
    Future,
    /// It answers another request.
    #[error("it does not answer this sign-in")]
    Nonce,
    /// It is no logout token, or one that names nobody.
    #[error("it is no logout token")]
    NoLogout,
}

/// The claims of a token that is the issuer's and for this client. `now_s`: seconds since 1970.
pub(crate) fn verify(
    token: &str,
    keys: &JwkSet,
    issuer: &str,
    client_id: &str,
    now_s: i64,
) -> Result<Object, TokenError> {
    let header = Some(token).filter(|token| token.len() <= LONGEST).and_then(|token| decode_header(token).ok());
    let header = header.filter(|header| ALGORITHMS.contains(&header.alg)).ok_or(TokenError::Invalid)?;
    let may_sign = |key: &&Jwk| {
        let has_name = header.kid.is_none() || key.common.key_id == header.kid;
        has_name && !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption))
    };
    let mut candidates = keys.keys.iter().filter(may_sign).peekable();
    if candidates.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    let mut validation = Validation::new(header.alg);
    validation.leeway = SKEW_S;
    validation.validate_nbf = true;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let claims = candidates
        .filter_map(|key| DecodingKey::from_jwk(key).ok())
        .find_map(|key| decode::<Object>(token, &key, &validation).ok())
        .ok_or(TokenError::Invalid)?
        .claims;
    let is_one_of_several = claims.get("aud").and_then(Value::as_array).is_some_and(|audience| audience.len() > 1);
    match claims.get("azp") {
        Some(party) if party.as_str() != Some(client_id) => return Err(TokenError::OtherClient),
        None if is_one_of_several => return Err(TokenError::OtherClient),
        Some(_) | None => {}
    }
    let made_at = claims.get("iat").and_then(Value::as_f64).ok_or(TokenError::Invalid)?;
    if made_at > now_s as f64 + SKEW_S as f64 {
        return Err(TokenError::Future);
    }
    Ok(claims)
}

/// Refuses an ID token that answers another request, or says nothing of whom.
pub(crate) fn expect_nonce(claims: &Object, nonce: &str) -> Result<(), TokenError> {
    let is_ours = claims.get("nonce").and_then(Value::as_str) == Some(nonce);
    if is_ours { Ok(()) } else { Err(TokenError::Nonce) }
}

/// Whom a logout token is about: the subject, the issuer's session, or both.
pub(crate) fn logout(claims: &Object) -> Result<(Option<&str>, Option<&str>), TokenError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let is_logout = claims.get("events").and_then(Value::as_object).is_some_and(|events| events.contains_key(LOGOUT));
    // An ID token is never taken for one.
    let whom = (text("sub"), text("sid"));
    if is_logout && !claims.contains_key("nonce") && whom != (None, None) {
        Ok(whom)
    } else {
        Err(TokenError::NoLogout)
    }
}
