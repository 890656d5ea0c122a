//! Secrets at rest, under a keyring of master keys.
//!
//! AES-256-GCM. A ciphertext is one byte of version (2), the 8 bytes that tell the master key, the 12-byte nonce, the encrypted text and
//! the 16-byte tag. What it is for and the owner's id are authenticated with it, so that it cannot be moved to another row or another
//! use. The first key of the ring encrypts, each of them decrypts: so keys are changed while everything runs. Version 1, of a single
//! key and without a purpose, is still read.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use aws_lc_rs::{hmac, rand};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::audit_head::{AuditHead, from_hex, hex};
use crate::finding_key::{FindingKey, Week};
use crate::secret::sha256_bytes;

const OLD_VERSION: u8 = 1;
const VERSION: u8 = 2;
/// Bytes by which a ciphertext tells its key: the first of a digest, which say nothing about 256 random bits.
const KEY_ID_LEN: usize = 8;
/// Keys at most: two while they are changed, a few more if that was broken off.
const MOST_KEYS: usize = 16;

/// What a text is encrypted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A provider's credential; the owner is the provider.
    ProviderCredential,
    /// The SHA-256 of an API key, in hexadecimal digits; the owner is the key. Told to gateways that must forget it.
    KeyDigest,
    /// The result of a request, kept for its repeats; the owner is who asked.
    StoredResult,
    /// What a browser keeps while its user is at an identity provider; it has no owner.
    SignIn,
    /// A known text, by which the keyring is known.
    Check,
}

impl Purpose {
    /// Written for ever.
    fn name(self) -> &'static str {
        match self {
            Self::ProviderCredential => "provider_credential",
            Self::KeyDigest => "key_digest",
            Self::StoredResult => "stored_result",
            Self::SignIn => "sign_in",
            Self::Check => "check",
        }
    }
}

/// Encrypts and decrypts with the master keys; cheap to clone.
#[derive(Clone)]
pub struct Encryption {
    /// Not empty.
    keys: Arc<[MasterKey]>,
}

struct MasterKey {
    id: [u8; KEY_ID_LEN],
    key: LessSafeKey,
    /// Of a purpose of its own, so that no digest tells anything of the other key.
    digests: hmac::Key,
    /// Of another purpose.
    lookups: hmac::Key,
    /// Another one: keys for what guardrails find follow from it.
    findings: hmac::Key,
    /// Signs heads of the audit log; of a purpose of its own, too.
    heads: Ed25519KeyPair,
}

impl fmt::Debug for Encryption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Encryption(…)")
    }
}

/// Why a secret could not be encrypted or decrypted. Says nothing about the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// A master key is not 32 bytes.
    #[error("the master key of line {line} must be 32 bytes (in base64: 44 characters)")]
    MasterKey {
        /// Its line in the keyring, from 1.
        line: usize,
    },
    /// There is no master key.
    #[error("there is no master key")]
    NoMasterKey,
    /// There are too many.
    #[error("there are more than {MOST_KEYS} master keys")]
    TooManyMasterKeys,
    /// The same key stands twice in the keyring.
    #[error("the master key of line {line} stands there twice")]
    MasterKeyTwice {
        /// Where it stands for the second time, from 1.
        line: usize,
    },
    /// The system's source of randomness failed, or the text is far too long.
    #[error("could not encrypt")]
    Encrypt,
    /// Another owner, another purpose, another master key, or a damaged ciphertext.
    #[error("could not decrypt: wrong master key or damaged data")]
    Decrypt,
    /// The keyring lacks the key.
    #[error("encrypted with a master key that is not in the keyring")]
    UnknownMasterKey,
    /// A later Weir wrote it.
    #[error("encrypted with the unknown version {0}")]
    Version(u8),
}

impl Encryption {
    /// Takes one master key as 32 bytes.
    pub fn new(master_key: &[u8]) -> Result<Self, EncryptionError> {
        Ok(Self { keys: [MasterKey::new(master_key, 1)?].into() })
    }

    /// By what a secret is told from another one without being read: a digest of it that is keyed with the first master key, for its
    /// owner and for what is kept of it. If something else is kept, by whomever, it is no longer the digest of the secret.
    pub fn digest(&self, owner: Uuid, kept: &[u8], secret: &SecretString) -> Option<Vec<u8>> {
        let mut context = hmac::Context::with_key(&self.keys.first()?.digests);
        context.update(owner.as_bytes());
        context.update(&sha256_bytes(kept));
        context.update(secret.expose_secret().as_bytes());
        Some(context.sign().as_ref().to_vec())
    }

    /// By what an API key is found: a digest of its SHA-256 that is keyed with each master key in turn, the first one first. Who only has
    /// what is stored can neither search for a key nor make one that counts.
    pub fn lookup_digests(&self, sha256: &[u8]) -> Vec<Vec<u8>> {
        self.keys.iter().map(|master| hmac::sign(&master.lookups, sha256).as_ref().to_vec()).collect()
    }

    /// The one of these that is stored: of the first master key.
    pub fn lookup_digest(&self, sha256: &[u8]) -> Result<Vec<u8>, EncryptionError> {
        let master = self.keys.first().ok_or(EncryptionError::NoMasterKey)?;
        Ok(hmac::sign(&master.lookups, sha256).as_ref().to_vec())
    }

    /// A tenant's key for what its guardrails find in a week; follows from the first master key.
    pub fn finding_key(&self, tenant_id: Uuid, week: Week) -> Option<FindingKey> {
        let mut context = hmac::Context::with_key(&self.keys.first()?.findings);
        context.update(tenant_id.as_bytes());
        context.update(&week.start_s.to_be_bytes());
        let key = context.sign().as_ref().try_into().ok()?;
        Some(FindingKey { key, week })
    }

    /// Signs what the audit log's chain has come to, with a key that follows from the first master key.
    pub fn sign_audit_head(&self, sequence: u64, hash: &[u8], at: DateTime<Utc>, dropped: bool) -> Option<AuditHead> {
        let key = &self.keys.first()?.heads;
        let hash = hex(hash);
        let signature = hex(key.sign(AuditHead::signed_text(sequence, &hash, at, dropped).as_bytes()).as_ref());
        Some(AuditHead { sequence, hash, at, dropped, public_key: hex(key.public_key().as_ref()), signature })
    }

    /// Whether a head was signed with a key that follows from one of these master keys, and is as it was signed.
    pub fn has_signed(&self, head: &AuditHead) -> bool {
        let text = AuditHead::signed_text(head.sequence, &head.hash, head.at, head.dropped);
        let Some(signature) = from_hex(&head.signature) else { return false };
        self.keys.iter().any(|master| {
            let key = UnparsedPublicKey::new(&ED25519, master.heads.public_key().as_ref());
            key.verify(text.as_bytes(), &signature).is_ok()
        })
    }

    /// Takes the master keys in standard base64, one a line, as `openssl rand -base64 32` prints them. The first one encrypts. Empty
    /// lines, and those that begin with `#`, are passed over.
    pub fn from_base64(master_keys: &SecretString) -> Result<Self, EncryptionError> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (index, text) in master_keys.expose_secret().lines().enumerate() {
            let (line, text) = (index + 1, text.trim());
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let bytes = STANDARD.decode(text).map_err(|_| EncryptionError::MasterKey { line })?;
            let key = MasterKey::new(&Zeroizing::new(bytes), line)?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(EncryptionError::MasterKeyTwice { line });
            }
            keys.push(key);
        }
        match keys.len() {
            0 => Err(EncryptionError::NoMasterKey),
            1..=MOST_KEYS => Ok(Self { keys: keys.into() }),
            _ => Err(EncryptionError::TooManyMasterKeys),
        }
    }

    /// Encrypts a text for a purpose and its owner, with the first master key.
    pub fn encrypt(&self, purpose: Purpose, owner: Uuid, text: &SecretString) -> Result<Vec<u8>, EncryptionError> {
        let master = self.keys.first().ok_or(EncryptionError::NoMasterKey)?;
        let mut nonce = [0u8; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| EncryptionError::Encrypt)?;
        // Room for the tag, so that the text is not moved, which would leave a copy behind.
        let mut sealed = Zeroizing::new(Vec::with_capacity(text.expose_secret().len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(text.expose_secret().as_bytes());
        master
            .key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(authenticated(&master.id, purpose, owner)),
                &mut *sealed,
            )
            .map_err(|_| EncryptionError::Encrypt)?;
        let mut out = Vec::with_capacity(1 + KEY_ID_LEN + NONCE_LEN + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&master.id);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Decrypts what was encrypted for the same purpose and owner.
    pub fn decrypt(&self, purpose: Purpose, owner: Uuid, ciphertext: &[u8]) -> Result<SecretString, EncryptionError> {
        let (&version, rest) = ciphertext.split_first().ok_or(EncryptionError::Decrypt)?;
        match version {
            OLD_VERSION => {
                let mut attempts = self.keys.iter().map(|master| master.open(&old_authenticated(owner), rest));
                attempts.find_map(Result::ok).ok_or(EncryptionError::Decrypt)
            }
            VERSION => {
                let (id, rest) = rest.split_at_checked(KEY_ID_LEN).ok_or(EncryptionError::Decrypt)?;
                let master =
                    self.keys.iter().find(|master| master.id == id).ok_or(EncryptionError::UnknownMasterKey)?;
                master.open(&authenticated(&master.id, purpose, owner), rest)
            }
            version => Err(EncryptionError::Version(version)),
        }
    }

    /// Whether a ciphertext is of the first master key and of this version, so that it needs not be written anew.
    pub fn is_current(&self, ciphertext: &[u8]) -> bool {
        let id = ciphertext.strip_prefix(&[VERSION]).and_then(|rest| rest.get(..KEY_ID_LEN));
        self.keys.first().is_some_and(|first| id == Some(&first.id[..]))
    }
}

impl MasterKey {
    fn new(bytes: &[u8], line: usize) -> Result<Self, EncryptionError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| EncryptionError::MasterKey { line })?;
        let named = Zeroizing::new([b"weir master key\n", bytes].concat());
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&sha256_bytes(&named)[..KEY_ID_LEN]);
        let master = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let of = |purpose: &[u8]| hmac::sign(&master, purpose);
        let key_of = |purpose: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, of(purpose).as_ref());
        let (digests, lookups) = (key_of(b"weir: digests of secrets"), key_of(b"weir: digests of API keys"));
        let findings = key_of(b"weir: keys of what guardrails find");
        let heads = Ed25519KeyPair::from_seed_unchecked(of(b"weir: heads of the audit log").as_ref());
        let heads = heads.map_err(|_| EncryptionError::MasterKey { line })?;
        Ok(Self { id, key: LessSafeKey::new(key), digests, lookups, findings, heads })
    }

    /// Opens a nonce and what follows it.
    fn open(&self, authenticated: &[u8], sealed: &[u8]) -> Result<SecretString, EncryptionError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(EncryptionError::Decrypt)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| EncryptionError::Decrypt)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(authenticated), &mut sealed)
            .map_err(|_| EncryptionError::Decrypt)?;
        let text = std::str::from_utf8(opened).map_err(|_| EncryptionError::Decrypt)?;
        Ok(SecretString::from(text.to_owned()))
    }
}

/// All parts have a fixed length, but for the last.
fn authenticated(id: &[u8; KEY_ID_LEN], purpose: Purpose, owner: Uuid) -> Vec<u8> {
    [&[VERSION][..], id, owner.as_bytes(), purpose.name().as_bytes()].concat()
}

fn old_authenticated(owner: Uuid) -> [u8; 17] {
    let mut out = [OLD_VERSION; 17];
    out[1..].copy_from_slice(owner.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Uuid = Uuid::from_u128(1);
    const PURPOSE: Purpose = Purpose::ProviderCredential;

    fn ring(keys: &[u8]) -> Encryption {
        let lines: Vec<String> = keys.iter().map(|key| STANDARD.encode([*key; 32])).collect();
        Encryption::from_base64(&lines.join("\n").into()).unwrap()
    }

    #[test]
    fn only_the_same_key_owner_and_purpose_can_read() {
        let encryption = ring(&[7]);
        let sealed = encryption.encrypt(PURPOSE, OWNER, &SecretString::from("sk-secret")).unwrap();
        assert_eq!(encryption.decrypt(PURPOSE, OWNER, &sealed).unwrap().expose_secret(), "sk-secret");
        assert!(!sealed.windows(9).any(|window| window == b"sk-secret"));

        let check = |encryption: &Encryption, purpose, owner, sealed: &[u8], expect| {
            assert_eq!(encryption.decrypt(purpose, owner, sealed).unwrap_err(), expect);
        };
        check(&encryption, PURPOSE, Uuid::from_u128(2), &sealed, EncryptionError::Decrypt);
        check(&encryption, Purpose::StoredResult, OWNER, &sealed, EncryptionError::Decrypt);
        check(&ring(&[8]), PURPOSE, OWNER, &sealed, EncryptionError::UnknownMasterKey);
        check(&encryption, PURPOSE, OWNER, &sealed[..5], EncryptionError::Decrypt);
        check(&encryption, PURPOSE, OWNER, &sealed[..15], EncryptionError::Decrypt);
        check(&encryption, PURPOSE, OWNER, &[], EncryptionError::Decrypt);
        check(&encryption, PURPOSE, OWNER, &[9, 1, 2], EncryptionError::Version(9));
        let mut damaged = sealed.clone();
        damaged[30] ^= 1;
        check(&encryption, PURPOSE, OWNER, &damaged, EncryptionError::Decrypt);
    }

    #[test]
    fn each_tenant_has_a_key_for_findings_each_week() {
        let (ring_, other) = (ring(&[7]), ring(&[8]));
        let week = |at: &str| Week::told_at(at.parse().unwrap()).next().unwrap();
        let (this, next) = (week("2026-12-02T00:00:00Z"), week("2026-12-09T00:00:00Z"));
        let key = |ring: &Encryption, tenant: u128, week| ring.finding_key(Uuid::from_u128(tenant), week).unwrap().key;
        let all = [key(&ring_, 1, this), key(&ring_, 2, this), key(&ring_, 1, next), key(&other, 1, this)];
        assert_eq!(all[0], key(&ring_, 1, this));
        assert!(!all[1..].contains(&all[0]));
        assert_eq!(all[0], key(&ring(&[7, 8]), 1, this), "of the first master key");
    }

    #[test]
    fn the_first_key_of_a_ring_writes_and_each_reads() {
        let text = SecretString::from("sk-secret");
        let [old, both, new] = [ring(&[7]), ring(&[8, 7]), ring(&[8])];
        let before = old.encrypt(PURPOSE, OWNER, &text).unwrap();
        assert_eq!(both.decrypt(PURPOSE, OWNER, &before).unwrap().expose_secret(), "sk-secret");
        assert!(old.is_current(&before) && !both.is_current(&before));
        let after = both.encrypt(PURPOSE, OWNER, &text).unwrap();
        assert!(both.is_current(&after) && new.is_current(&after));
        assert_eq!(new.decrypt(PURPOSE, OWNER, &after).unwrap().expose_secret(), "sk-secret");
        assert_eq!(old.decrypt(PURPOSE, OWNER, &after).unwrap_err(), EncryptionError::UnknownMasterKey);
    }

    #[test]
    fn what_version_1_wrote_is_read_with_each_key() {
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap();
        let mut sealed = b"sk-secret".to_vec();
        let nonce = [3; NONCE_LEN];
        LessSafeKey::new(key)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(old_authenticated(OWNER)),
                &mut sealed,
            )
            .unwrap();
        let old = [&[1][..], &nonce, &sealed].concat();
        for encryption in [ring(&[7]), ring(&[8, 7])] {
            assert_eq!(encryption.decrypt(PURPOSE, OWNER, &old).unwrap().expose_secret(), "sk-secret");
            assert!(!encryption.is_current(&old));
        }
        assert_eq!(ring(&[8]).decrypt(PURPOSE, OWNER, &old).unwrap_err(), EncryptionError::Decrypt);
        assert_eq!(ring(&[7]).decrypt(PURPOSE, Uuid::nil(), &old).unwrap_err(), EncryptionError::Decrypt);
    }

    #[test]
    fn two_encryptions_of_one_text_differ() {
        let text = SecretString::from("same");
        let encrypt = || ring(&[7]).encrypt(PURPOSE, OWNER, &text).unwrap();
        assert_ne!(encrypt(), encrypt());
    }

    #[test]
    fn a_digest_is_of_one_secret_one_owner_and_one_key() {
        let encryption = Encryption::new(&[7; 32]).unwrap();
        let digest = |encryption: &Encryption, owner: u128, kept: &[u8], secret: &str| {
            encryption.digest(Uuid::from_u128(owner), kept, &SecretString::from(secret))
        };
        let one = digest(&encryption, 1, b"kept", "secret");
        assert_eq!(one, digest(&encryption, 1, b"kept", "secret"));
        let other = Encryption::new(&[8; 32]).unwrap();
        for another in [
            digest(&other, 1, b"kept", "secret"),
            digest(&encryption, 2, b"kept", "secret"),
            digest(&encryption, 1, b"else", "secret"),
            digest(&encryption, 1, b"kept", "other"),
        ] {
            assert_ne!(one, another);
        }
    }

    #[test]
    fn a_key_is_found_by_each_key_of_the_ring_and_stored_by_the_first() {
        let [old, both, new] = [ring(&[7]), ring(&[8, 7]), ring(&[8])];
        let stored = old.lookup_digest(b"sha256").unwrap();
        assert!(both.lookup_digests(b"sha256").contains(&stored) && !new.lookup_digests(b"sha256").contains(&stored));
        assert_eq!(both.lookup_digest(b"sha256").unwrap(), new.lookup_digest(b"sha256").unwrap());
        assert_ne!(stored, old.lookup_digest(b"other").unwrap());
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", ring(&[7])), "Encryption(…)");
    }

    #[test]
    fn a_ring_has_different_keys_of_32_bytes() {
        let key = |byte: u8| STANDARD.encode([byte; 32]);
        let check = |text: String, expect| {
            assert_eq!(Encryption::from_base64(&SecretString::from(text)).map(drop), expect);
        };
        check(key(7), Ok(()));
        check(format!("# of November\n{}\n\n{}\n", key(7), key(8)), Ok(()));
        check(format!("{}\nnot base64\n", key(7)), Err(EncryptionError::MasterKey { line: 2 }));
        check(STANDARD.encode([7; 16]), Err(EncryptionError::MasterKey { line: 1 }));
        check(format!("{}\n{}", key(7), key(7)), Err(EncryptionError::MasterKeyTwice { line: 2 }));
        check("\n# none\n".into(), Err(EncryptionError::NoMasterKey));
        let many: Vec<String> = (0..17).map(key).collect();
        check(many.join("\n"), Err(EncryptionError::TooManyMasterKeys));
        assert_eq!(Encryption::new(&[7; 16]).unwrap_err(), EncryptionError::MasterKey { line: 1 });
    }
}
