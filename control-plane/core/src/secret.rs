//! Secrets that Weir makes: API keys, gateway tokens, session tokens and their like.
//!
//! Each is 256 random bits behind a readable prefix. Only a digest is kept, and looking one up needs no comparison of secrets. With that
//! much entropy a plain SHA-256 cannot be searched; that of an API key is kept under the keyring all the same, since apps may bring keys
//! of their own ([`crate::encryption::Encryption::lookup_digest`]).

use aws_lc_rs::{digest, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use weir_config::api_key::{CHECKED_PREFIX, checksum};

/// Which kind of secret, told by its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// What an app sends; with a checksum ([`weir_config::api_key`]).
    ApiKey,
    /// What an Envoy shows to the control plane.
    GatewayToken,
    /// What an administrator's browser or script sends.
    SessionToken,
    /// What a browser is known by from one sign-in to the next.
    Device,
    /// What makes the first administrator.
    SetupToken,
    /// What a machine that administers sends.
    ServiceToken,
    /// What sets a user's password once.
    PasswordLink,
}

/// What service tokens begin with.
pub const SERVICE_TOKEN_PREFIX: &str = "weirt_";

impl SecretKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => CHECKED_PREFIX,
            Self::GatewayToken => "weirgw_",
            Self::SessionToken => "weirs_",
            Self::Device => "weird_",
            Self::SetupToken => "weirsetup_",
            Self::ServiceToken => SERVICE_TOKEN_PREFIX,
            Self::PasswordLink => "weirpw_",
        }
    }
}

/// The system's source of randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoRandomness;

/// Makes a new secret.
pub fn generate(kind: SecretKind) -> Result<SecretString, NoRandomness> {
    let mut bytes = [0u8; 32];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    let mut secret = format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes));
    match kind {
        SecretKind::ApiKey => secret.extend(checksum(secret.as_bytes()).map(char::from)),
        SecretKind::GatewayToken
        | SecretKind::SessionToken
        | SecretKind::Device
        | SecretKind::SetupToken
        | SecretKind::ServiceToken
        | SecretKind::PasswordLink => {}
    }
    Ok(SecretString::from(secret))
}

/// What is kept of a secret.
pub fn sha256(secret: &str) -> [u8; 32] {
    sha256_bytes(secret.as_bytes())
}

/// SHA-256 of any bytes.
pub fn sha256_bytes(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0u8; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// The first 12 characters of a key, by which people tell keys apart. 30 or 42 of its 256 random bits are in them.
pub fn shown_prefix(key: &SecretString) -> String {
    key.expose_secret().chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use weir_config::api_key::KeyForm;

    use super::*;

    #[test]
    fn a_key_has_its_prefix_its_checksum_and_no_twin() {
        let key = generate(SecretKind::ApiKey).unwrap();
        assert_eq!(KeyForm::of(key.expose_secret().as_bytes()), KeyForm::Checked);
        assert_eq!(shown_prefix(&key).len(), 12);
        assert_ne!(key.expose_secret(), generate(SecretKind::ApiKey).unwrap().expose_secret());
        let token = generate(SecretKind::GatewayToken).unwrap();
        assert_eq!(token.expose_secret().strip_prefix("weirgw_").map(str::len), Some(43));
    }

    #[test]
    fn digest_is_sha256() {
        // FIPS 180-4's example "abc".
        assert_eq!(&sha256("abc")[..4], &[0xba, 0x78, 0x16, 0xbf]);
    }
}
