//! Writing everything that is encrypted anew, under the first master key, while control planes serve.

use secrecy::SecretString;
use sqlx::AssertSqlSafe;
use uuid::Uuid;
use weir_core::encryption::Purpose;

use crate::{CHECK_OWNER, Store, StoreError};

/// Rows that are read at a time.
const BATCH: i64 = 200;
/// Where secrets of resources are.
const SECRETS: [(&str, &str); 2] =
    [("providers", "credential_encrypted"), ("sign_in_providers", "client_secret_encrypted")];

/// What has become of what is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rekeyed {
    /// Rows that were written anew.
    pub rewritten: u64,
    /// Rows that were under the first key already.
    pub current: u64,
    /// Providers, of models or for signing in, whose secret, and API keys whose digest, no key of the ring reads. They stay as they are.
    pub unreadable: Vec<Uuid>,
}

impl Store {
    /// Encrypts everything anew that is not under the first master key. Can be broken off and begun again: what is done stays done. A
    /// row that is written meanwhile keeps what was written.
    pub async fn rekey(&self) -> Result<Rekeyed, StoreError> {
        let mut rekeyed = Rekeyed::default();
        for (table, column) in SECRETS {
            self.rekey_secrets(table, column, &mut rekeyed).await?;
        }
        self.rekey_key_digests(&mut rekeyed).await?;
        self.rekey_results(&mut rekeyed).await?;
        // Last: while the check is under the old key, a start without it is refused.
        if rekeyed.unreadable.is_empty() {
            self.rekey_check(&mut rekeyed).await?;
        }
        Ok(rekeyed)
    }

    async fn rekey_secrets(&self, table: &str, column: &str, rekeyed: &mut Rekeyed) -> Result<(), StoreError> {
        let mut last = Uuid::nil();
        loop {
            let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(format!(
                "SELECT id, {column} FROM {table} WHERE id > $1 AND {column} IS NOT NULL ORDER BY id LIMIT $2"
            )))
            .bind(last)
            .bind(BATCH)
            .fetch_all(&self.admin)
            .await?;
            let Some((id, _)) = rows.last() else { return Ok(()) };
            last = *id;
            for (id, old) in rows {
                match self.anew(Purpose::ProviderCredential, id, &old) {
                    Ok(None) => rekeyed.current += 1,
                    Ok(Some(new)) => {
                        let written = sqlx::query(AssertSqlSafe(format!(
                            "UPDATE {table} SET {column} = $3 WHERE id = $1 AND {column} = $2"
                        )))
                        .bind(id)
                        .bind(&old)
                        .bind(new)
                        .execute(&self.admin)
                        .await?;
                        rekeyed.rewritten += written.rows_affected();
                    }
                    Err(_) => rekeyed.unreadable.push(id),
                }
            }
        }
    }

    /// What no key reads is of no use to anybody, and goes within a day.
    async fn rekey_results(&self, rekeyed: &mut Rekeyed) -> Result<(), StoreError> {
        let mut last = (Uuid::nil(), Vec::new());
        loop {
            let rows: Vec<(Uuid, Vec<u8>, Vec<u8>)> = sqlx::query_as(
                "SELECT actor_id, key_sha256, result_encrypted FROM idempotency_keys
                 WHERE (actor_id, key_sha256) > ($1, $2) ORDER BY actor_id, key_sha256 LIMIT $3",
            )
            .bind(last.0)
            .bind(&last.1)
            .bind(BATCH)
            .fetch_all(&self.admin)
            .await?;
            let Some((actor_id, key_sha256, _)) = rows.last() else { return Ok(()) };
            last = (*actor_id, key_sha256.clone());
            for (actor_id, key_sha256, old) in rows {
                match self.anew(Purpose::StoredResult, actor_id, &old) {
                    Ok(None) => rekeyed.current += 1,
                    Ok(Some(new)) => {
                        let written = sqlx::query(
                            "UPDATE idempotency_keys SET result_encrypted = $4
                             WHERE actor_id = $1 AND key_sha256 = $2 AND result_encrypted = $3",
                        )
                        .bind(actor_id)
                        .bind(key_sha256)
                        .bind(&old)
                        .bind(new)
                        .execute(&self.admin)
                        .await?;
                        rekeyed.rewritten += written.rows_affected();
                    }
                    Err(_) => {}
                }
            }
        }
    }

    async fn rekey_check(&self, rekeyed: &mut Rekeyed) -> Result<(), StoreError> {
        let (old,): (Vec<u8>,) =
            sqlx::query_as("SELECT text_encrypted FROM encryption_check").fetch_one(&self.admin).await?;
        match self.anew(Purpose::Check, CHECK_OWNER, &old).map_err(StoreError::from)? {
            None => rekeyed.current += 1,
            Some(new) => {
                sqlx::query("UPDATE encryption_check SET text_encrypted = $1").bind(new).execute(&self.admin).await?;
                rekeyed.rewritten += 1;
            }
        }
        Ok(())
    }

    /// The same text under the first key; `None`: it is.
    fn anew(
        &self,
        purpose: Purpose,
        owner: Uuid,
        ciphertext: &[u8],
    ) -> Result<Option<Vec<u8>>, weir_core::encryption::EncryptionError> {
        if self.encryption.is_current(ciphertext) {
            return Ok(None);
        }
        let text: SecretString = self.encryption.decrypt(purpose, owner, ciphertext)?;
        self.encryption.encrypt(purpose, owner, &text).map(Some)
    }
}
