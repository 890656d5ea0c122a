//! Secrets that Weir makes: API keys, gateway tokens, session tokens and their like.
//!
//! Each is 256 random bits behind a readable prefix. Only its SHA-256 is kept: with that much entropy a plain digest
//! cannot be searched, and looking one up needs no comparison of secrets.

use aws_lc_rs::{digest, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

/// Which kind of secret, told by its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// What an app sends: `weir_` and 43 characters of base64url.
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
            Self::ApiKey => "weir_",
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
    Ok(SecretString::from(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes))))
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

/// The first 12 characters of a key, by which people tell keys apart. 42 of its 256 random bits are in them.
pub fn shown_prefix(key: &SecretString) -> String {
    key.expose_secret().chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_prefix_and_43_characters() {
        let key = generate(SecretKind::ApiKey).unwrap();
        let rest = key.expose_secret().strip_prefix("weir_").unwrap();
        assert_eq!(rest.len(), 43);
        assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert_eq!(shown_prefix(&key).len(), 12);
        assert_ne!(key.expose_secret(), generate(SecretKind::ApiKey).unwrap().expose_secret());
    }

    #[test]
    fn digest_is_sha256() {
        // FIPS 180-4's example "abc".
        assert_eq!(&sha256("abc")[..4], &[0xba, 0x78, 0x16, 0xbf]);
    }
}
