//! What is kept of an API key: a digest under a master key, by which it is found, and its SHA-256, encrypted.
//!
//! The filters know keys by their SHA-256, so that is what they are told to forget, and what is needed to change the master key. Rows of a
//! control plane of the version before have nothing but the SHA-256; they are brought up to date when a control plane starts.

use secrecy::{ExposeSecret, SecretString};
use sqlx::AssertSqlSafe;
use uuid::Uuid;
use weir_core::encryption::{Encryption, EncryptionError, Purpose};

use crate::row::{bytea, from_bytea};
use crate::{Rekeyed, Store, StoreError};

/// Rows that are written at a time.
const BATCH: i64 = 1_000;

/// Whether a `key` has restrictions that control planes of the version before do not know.
pub(crate) const IS_RESTRICTED: &str =
    "(key.disabled OR key.allowed_operations IS NOT NULL OR key.source_cidrs IS NOT NULL)";

/// Whether no control plane of the version before can be there: since a day, or as this version made the database, all of it at once.
macro_rules! is_alone {
    () => {
        "(SELECT this.installed_on < now() - interval '1 day' OR this.installed_on < first.installed_on + interval '5 seconds'
          FROM _sqlx_migrations this JOIN _sqlx_migrations first ON first.version = 1 WHERE this.version = 39)"
    };
}
pub(crate) use is_alone;

/// What is kept of one key.
pub(crate) struct KeptKey {
    /// By it the key is found.
    pub(crate) hmac: Vec<u8>,
    /// Its SHA-256.
    pub(crate) encrypted: Vec<u8>,
}

impl KeptKey {
    /// Of a key with this SHA-256.
    pub(crate) fn of(encryption: &Encryption, id: Uuid, sha256: &[u8]) -> Result<Self, EncryptionError> {
        let digits = SecretString::from(bytea(sha256).as_str().unwrap_or_default().to_owned());
        let encrypted = encryption.encrypt(Purpose::KeyDigest, id, &digits)?;
        Ok(Self { hmac: encryption.lookup_digest(sha256)?, encrypted })
    }
}

/// The SHA-256 of a key from what is kept of it, also by a control plane of the version before; `None`: it cannot be read any more.
pub(crate) fn sha256_of(encryption: &Encryption, id: Uuid, kept: Vec<u8>) -> Option<Vec<u8>> {
    if kept.len() == 32 {
        return Some(kept);
    }
    let digits = encryption.decrypt(Purpose::KeyDigest, id, &kept).ok()?;
    from_bytea(&digits.expose_secret().into())
}

impl Store {
    /// Brings up to date what a control plane of the version before has kept of keys.
    pub(crate) async fn keep_key_digests(&self) -> Result<(), StoreError> {
        loop {
            let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
                "SELECT id, key_sha256 FROM api_keys
                 WHERE key_hmac IS NULL AND key_sha256 IS NOT NULL AND deleted_at IS NULL LIMIT $1",
            )
            .bind(BATCH)
            .fetch_all(&self.admin)
            .await?;
            if rows.is_empty() {
                return Ok(());
            }
            self.keep(rows.into_iter().map(|(id, sha256)| (id, sha256, None)).collect()).await?;
        }
    }

    /// Puts what is kept of keys under the first master key.
    pub(crate) async fn rekey_key_digests(&self, rekeyed: &mut Rekeyed) -> Result<(), StoreError> {
        let mut last = Uuid::nil();
        loop {
            let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
                "SELECT id, key_digest_encrypted FROM api_keys WHERE id > $1 AND key_digest_encrypted IS NOT NULL
                 ORDER BY id LIMIT $2",
            )
            .bind(last)
            .bind(BATCH)
            .fetch_all(&self.admin)
            .await?;
            let Some((id, _)) = rows.last() else { return Ok(()) };
            last = *id;
            let mut outdated = Vec::new();
            for (id, kept) in rows {
                if self.encryption.is_current(&kept) {
                    rekeyed.current += 1;
                    continue;
                }
                match sha256_of(&self.encryption, id, kept.clone()) {
                    Some(sha256) => outdated.push((id, sha256, Some(kept))),
                    None => rekeyed.unreadable.push(id),
                }
            }
            rekeyed.rewritten += self.keep(outdated).await?;
        }
    }

    /// Writes what is kept of keys, by ids, SHA-256 and what was kept before. One that was written or deleted meanwhile stays as it is.
    async fn keep(&self, keys: Vec<(Uuid, Vec<u8>, Option<Vec<u8>>)>) -> Result<u64, StoreError> {
        let kept = keys.iter().map(|(id, sha256, _)| KeptKey::of(&self.encryption, *id, sha256));
        let kept = kept.collect::<Result<Vec<_>, _>>()?;
        let (digests, encrypted): (Vec<_>, Vec<_>) = kept.into_iter().map(|kept| (kept.hmac, kept.encrypted)).unzip();
        let (ids, before): (Vec<_>, Vec<_>) = keys.into_iter().map(|(id, _, before)| (id, before)).unzip();
        let statement = format!(
            "UPDATE api_keys key SET key_hmac = kept.hmac, key_digest_encrypted = kept.encrypted,
                 key_sha256 = CASE WHEN NOT {IS_RESTRICTED} THEN key.key_sha256 END
             FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bytea[]) AS kept (id, hmac, encrypted, before)
             WHERE key.id = kept.id AND key.key_digest_encrypted IS NOT DISTINCT FROM kept.before AND key.deleted_at IS NULL"
        );
        let written = sqlx::query(AssertSqlSafe(statement))
            .bind(ids)
            .bind(digests)
            .bind(encrypted)
            .bind(before)
            .execute(&self.admin)
            .await?;
        Ok(written.rows_affected())
    }

    /// Forgets the digests that only control planes of the version before read, once there can be none any more.
    pub(crate) async fn forget_plain_key_digests(&self) -> Result<(), StoreError> {
        sqlx::query(concat!(
            "UPDATE api_keys SET key_sha256 = NULL
             WHERE key_sha256 IS NOT NULL AND (key_hmac IS NOT NULL OR deleted_at IS NOT NULL) AND ",
            is_alone!()
        ))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
