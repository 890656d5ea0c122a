//! Provider credentials at rest.
//!
//! AES-256-GCM under one master key of 32 bytes. A ciphertext is one byte of version (1), the 12-byte nonce, the
//! encrypted text and the 16-byte tag. The owner's id is authenticated with it, so that a row's credential cannot be
//! moved to another row.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

const VERSION: u8 = 1;

/// Encrypts and decrypts with the master key; cheap to clone.
#[derive(Clone)]
pub struct Encryption {
    key: Arc<LessSafeKey>,
}

impl fmt::Debug for Encryption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Encryption(…)")
    }
}

/// Why a secret could not be encrypted or decrypted. Says nothing about the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// The master key is not 32 bytes.
    #[error("the master key must be 32 bytes (in base64: 44 characters)")]
    MasterKey,
    /// The system's source of randomness failed, or the text is far too long.
    #[error("could not encrypt")]
    Encrypt,
    /// Another master key, another owner, or a damaged ciphertext.
    #[error("could not decrypt: wrong master key or damaged data")]
    Decrypt,
    /// A later Weir wrote it.
    #[error("encrypted with the unknown version {0}")]
    Version(u8),
}

impl Encryption {
    /// Takes the master key as 32 bytes.
    pub fn new(master_key: &[u8]) -> Result<Self, EncryptionError> {
        let key = UnboundKey::new(&AES_256_GCM, master_key).map_err(|_| EncryptionError::MasterKey)?;
        Ok(Self { key: Arc::new(LessSafeKey::new(key)) })
    }

    /// Takes the master key in standard base64, as `openssl rand -base64 32` prints it.
    pub fn from_base64(master_key: &SecretString) -> Result<Self, EncryptionError> {
        let bytes = STANDARD.decode(master_key.expose_secret().trim()).map_err(|_| EncryptionError::MasterKey)?;
        Self::new(&bytes)
    }

    /// Encrypts a text for its owner.
    pub fn encrypt(&self, owner: Uuid, text: &SecretString) -> Result<Vec<u8>, EncryptionError> {
        let mut nonce = [0u8; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| EncryptionError::Encrypt)?;
        let mut sealed = text.expose_secret().as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(authenticated(VERSION, owner)),
                &mut sealed,
            )
            .map_err(|_| EncryptionError::Encrypt)?;
        let mut out = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Decrypts what was encrypted for the same owner.
    pub fn decrypt(&self, owner: Uuid, ciphertext: &[u8]) -> Result<SecretString, EncryptionError> {
        let (&version, rest) = ciphertext.split_first().ok_or(EncryptionError::Decrypt)?;
        if version != VERSION {
            return Err(EncryptionError::Version(version));
        }
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(EncryptionError::Decrypt)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| EncryptionError::Decrypt)?;
        let mut sealed = sealed.to_vec();
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(authenticated(version, owner)), &mut sealed)
            .map_err(|_| EncryptionError::Decrypt)?;
        let text = std::str::from_utf8(opened).map_err(|_| EncryptionError::Decrypt)?;
        Ok(SecretString::from(text.to_owned()))
    }
}

fn authenticated(version: u8, owner: Uuid) -> [u8; 17] {
    let mut out = [version; 17];
    out[1..].copy_from_slice(owner.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Uuid = Uuid::from_u128(1);

    #[test]
    fn only_the_same_key_and_owner_can_read() {
        let encryption = Encryption::new(&[7; 32]).unwrap();
        let sealed = encryption.encrypt(OWNER, &SecretString::from("sk-secret")).unwrap();
        assert_eq!(encryption.decrypt(OWNER, &sealed).unwrap().expose_secret(), "sk-secret");
        assert!(!sealed.windows(9).any(|window| window == b"sk-secret"));

        let check = |encryption: &Encryption, owner, sealed: &[u8], expect| {
            assert_eq!(encryption.decrypt(owner, sealed).unwrap_err(), expect);
        };
        check(&encryption, Uuid::from_u128(2), &sealed, EncryptionError::Decrypt);
        check(&Encryption::new(&[8; 32]).unwrap(), OWNER, &sealed, EncryptionError::Decrypt);
        check(&encryption, OWNER, &sealed[..10], EncryptionError::Decrypt);
        check(&encryption, OWNER, &[], EncryptionError::Decrypt);
        check(&encryption, OWNER, &[9, 1, 2], EncryptionError::Version(9));
        let mut damaged = sealed.clone();
        damaged[20] ^= 1;
        check(&encryption, OWNER, &damaged, EncryptionError::Decrypt);
    }

    #[test]
    fn two_encryptions_of_one_text_differ() {
        let encryption = Encryption::new(&[7; 32]).unwrap();
        let text = SecretString::from("same");
        assert_ne!(encryption.encrypt(OWNER, &text).unwrap(), encryption.encrypt(OWNER, &text).unwrap());
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Encryption::new(&[7; 32]).unwrap()), "Encryption(…)");
    }

    #[test]
    fn a_master_key_has_32_bytes() {
        assert_eq!(Encryption::new(&[7; 16]).unwrap_err(), EncryptionError::MasterKey);
        assert!(Encryption::from_base64(&SecretString::from(STANDARD.encode([7; 32]))).is_ok());
        assert!(Encryption::from_base64(&SecretString::from("not base64")).is_err());
    }
}
