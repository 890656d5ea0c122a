//! Attempts to sign in, and how many there may be.
//!
//! Kept in Postgres, so that all replicas count together, and a restart forgives nothing. Each row is an attempt that was let
//! through, so the limits bound the table too.

use uuid::Uuid;
use weir_core::secret::sha256;

use crate::{Store, StoreError};

/// Failed attempts for one account from one address, or in one browser that it has signed in with.
const MOST_BY_PAIR: i64 = 10;
/// Failed attempts from one address, whatever the account: an office may share one.
const MOST_BY_ADDRESS: i64 = 50;
/// Failed attempts for one account from anywhere.
const MOST_BY_ACCOUNT: i64 = 100;
/// Failed attempts in all: each costs a deliberately slow hash.
const MOST_IN_ALL: i64 = 1_000;

/// An attempt that may go on.
#[derive(Clone, Debug)]
pub struct LoginAttempt {
    email_sha256: Vec<u8>,
    address_sha256: [u8; 32],
    /// Empty: no browser has shown one.
    device_sha256: Vec<u8>,
}

/// Whether somebody may try to sign in now.
#[derive(Clone, Debug)]
pub enum LoginAdmission {
    /// The attempt counts as failed until [`Store::forgive_login`].
    Admitted(LoginAttempt),
    /// Too many have failed.
    Refused {
        /// Seconds until the next attempt may be made, at least 1.
        retry_after_s: u64,
    },
}

impl Store {
    /// Notes an attempt to sign in to an account from an address, and says whether it may go on. It counts before the password
    /// is looked at, so that many at once are no more; one that is refused does not count, or the wait would never end.
    ///
    /// Within 15 minutes at most 10 attempts fail for an account from one address. An address from which the account was not
    /// signed in to within 90 days is further bound to 50 failures in all, to 100 of the account from anywhere, and to 1,000
    /// of everybody: so a guesser is slowed down, however many addresses it has, and the administrator is not.
    ///
    /// `device` is the secret that a browser keeps since a sign-in in it. To one in which the account was signed in to within 90 days
    /// only 10 failures of its own apply: whoever shares its address cannot hold it up.
    pub async fn admit_login(
        &self,
        email: &str,
        address: &str,
        device: Option<&str>,
    ) -> Result<LoginAdmission, StoreError> {
        // By the rule that the account is found by, which depends on the database: by another, some spellings of one account
        // would be counted apart.
        let (email_sha256,): (Vec<u8>,) = sqlx::query_as("SELECT sha256(convert_to(lower($1), 'UTF8'))")
            .bind(as_text(email))
            .fetch_one(&self.admin)
            .await?;
        let device_sha256 = device.map(|device| sha256(device).to_vec()).unwrap_or_default();
        let attempt = LoginAttempt { email_sha256, address_sha256: sha256(address), device_sha256 };
        // Looked at before anything is written, so that a flood writes nothing.
        if let Some(retry_after_s) = self.failures(&attempt).await?.wait(0) {
            return Ok(LoginAdmission::Refused { retry_after_s });
        }
        let id = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO login_attempts (id, email_sha256, address_sha256, device_sha256) VALUES ($1, $2, $3, $4)",
        )
        .bind(id)
        .bind(&attempt.email_sha256)
        .bind(attempt.address_sha256)
        .bind(&attempt.device_sha256)
        .execute(&self.admin)
        .await?;
        // And after, with those that came at the same time.
        if let Some(retry_after_s) = self.failures(&attempt).await?.wait(1) {
            sqlx::query("DELETE FROM login_attempts WHERE id = $1").bind(id).execute(&self.admin).await?;
            return Ok(LoginAdmission::Refused { retry_after_s });
        }
        Ok(LoginAdmission::Admitted(attempt))
    }

    /// The attempt was successful: what failed before for this account from this address or in this browser is forgiven, and the
    /// address is known, as is the browser, which keeps `device` from now on. What failed from there for other accounts is not: else
    /// whoever has one could try others without end.
    pub async fn forgive_login(&self, attempt: &LoginAttempt, device: Option<&str>) -> Result<(), StoreError> {
        sqlx::query(
            "WITH forgiven AS (DELETE FROM login_attempts WHERE email_sha256 = $1
                                   AND (address_sha256 = $2 OR (device_sha256 = $3 AND $3 <> ''::bytea))),
                  kept AS (INSERT INTO login_devices (email_sha256, device_sha256)
                               SELECT $1, $4 WHERE $4::bytea IS NOT NULL
                               ON CONFLICT (email_sha256, device_sha256) DO UPDATE SET at = now())
             INSERT INTO login_addresses (email_sha256, address_sha256) VALUES ($1, $2)
             ON CONFLICT (email_sha256, address_sha256) DO UPDATE SET at = now()",
        )
        .bind(&attempt.email_sha256)
        .bind(attempt.address_sha256)
        .bind(&attempt.device_sha256)
        .bind(device.map(sha256))
        .execute(&self.admin)
        .await?;
        Ok(())
    }

    async fn failures(&self, attempt: &LoginAttempt) -> Result<Failures, StoreError> {
        let failures = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE account AND address) AS by_pair,
                    count(*) FILTER (WHERE address) AS by_address,
                    count(*) FILTER (WHERE account) AS by_account,
                    count(*) FILTER (WHERE account AND device) AS by_device,
                    count(*) AS in_all,
                    min(left_s) FILTER (WHERE account AND address) AS pair_left_s,
                    min(left_s) FILTER (WHERE address) AS address_left_s,
                    min(left_s) FILTER (WHERE account) AS account_left_s,
                    min(left_s) FILTER (WHERE account AND device) AS device_left_s,
                    min(left_s) AS all_left_s,
                    EXISTS (SELECT 1 FROM login_devices WHERE email_sha256 = $1 AND device_sha256 = $3
                                AND at > now() - interval '90 days') AS known_device,
                    EXISTS (SELECT 1 FROM login_addresses WHERE email_sha256 = $1 AND address_sha256 = $2
                                AND at > now() - interval '90 days') AS known
             FROM (SELECT email_sha256 = $1 AS account, address_sha256 = $2 AS address, device_sha256 = $3 AS device,
                          ceil(extract(epoch FROM at + interval '15 minutes' - now()))::bigint AS left_s
                   FROM login_attempts WHERE at > now() - interval '15 minutes') recent",
        )
        .bind(&attempt.email_sha256)
        .bind(attempt.address_sha256)
        .bind(&attempt.device_sha256)
        .fetch_one(&self.admin)
        .await?;
        Ok(failures)
    }
}

/// Postgres knows no text with NUL, and so no such account.
pub(crate) fn as_text(email: &str) -> &str {
    if email.contains('\0') { "" } else { email }
}

/// What has failed within 15 minutes, and when the oldest of each kind is over.
#[derive(sqlx::FromRow)]
struct Failures {
    by_pair: i64,
    by_address: i64,
    by_account: i64,
    by_device: i64,
    in_all: i64,
    pair_left_s: Option<i64>,
    address_left_s: Option<i64>,
    account_left_s: Option<i64>,
    device_left_s: Option<i64>,
    all_left_s: Option<i64>,
    known: bool,
    known_device: bool,
}

impl Failures {
    /// Seconds to wait; `None`: none. `own` of the attempts counted is the one that asks.
    fn wait(&self, own: i64) -> Option<u64> {
        let elsewhere = !self.known && !self.known_device;
        let limits = [
            (self.known_device, self.by_device, MOST_BY_PAIR, self.device_left_s),
            (!self.known_device, self.by_pair, MOST_BY_PAIR, self.pair_left_s),
            (elsewhere, self.by_address, MOST_BY_ADDRESS, self.address_left_s),
            (elsewhere, self.by_account, MOST_BY_ACCOUNT, self.account_left_s),
            (elsewhere, self.in_all, MOST_IN_ALL, self.all_left_s),
        ];
        let waits = limits.into_iter().filter(|(applies, count, most, _)| *applies && count - own >= *most);
        waits.map(|(_, _, _, left_s)| u64::try_from(left_s.unwrap_or(1)).unwrap_or(1).max(1)).max()
    }
}
