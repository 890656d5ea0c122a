//! Passwords: argon2id with the crate's defaults (19 MiB, 2 passes, 1 lane: OWASP's recommendation).

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// How many hashes are computed at once: each takes 19 MiB and a core for a while.
static TURNS: Semaphore = Semaphore::const_new(4);

/// A hash of no password with the same cost as real ones, for users that do not exist: so that the time of an answer does
/// not tell whether they do.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$d2VpcndlaXJ3ZWlyd2Vpcg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Guesses, as a power of ten, that a password must withstand: what zxcvbn calls safely unguessable begins there.
const LEAST_GUESSES_LOG10: f64 = 8.0;

/// Why a password may not be chosen. It must have 12 to 256 characters and withstand a hundred million guesses by zxcvbn, which knows the
/// thirty thousand most common passwords, names and words, dates, keyboard walks and repeats, and takes the user's own address for one.
pub fn check_password(password: &str, email: Option<&str>) -> Result<(), &'static str> {
    if !(12..=256).contains(&password.chars().count()) {
        return Err("must have 12 to 256 characters");
    }
    // Whole, its name and its domain, and what these are made of.
    let email = email.unwrap_or_default();
    let own: Vec<&str> = std::iter::once(email).chain(email.split('@')).chain(email.split(['@', '.'])).collect();
    // Its work grows faster than the text; what follows makes a password only better.
    let begin: String = password.chars().take(72).collect();
    if zxcvbn::zxcvbn(&begin, &own).guesses_log10() < LEAST_GUESSES_LOG10 {
        return Err("is too easily guessed: it is common, or made of common words, repeats or your address");
    }
    Ok(())
}

/// A password could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct PasswordError;

/// The password's argon2id hash in PHC form, computed on a thread that may block.
pub async fn hash_password(password: SecretString) -> Result<String, PasswordError> {
    blocking(move || {
        let hash = Argon2::default().hash_password(password.expose_secret().as_bytes()).map_err(|_| PasswordError)?;
        Ok(hash.to_string())
    })
    .await?
}

/// Whether the password has this hash. The same work is done if there is no hash.
pub(crate) async fn verify_password(password: SecretString, hash: Option<String>) -> Result<bool, PasswordError> {
    blocking(move || {
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let same = Argon2::default().verify_password(password.expose_secret().as_bytes(), hash.as_str()).is_ok();
        same && exists
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
    let _turn = TURNS.acquire().await.map_err(|_| PasswordError)?;
    tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_is_easily_guessed_is_no_password() {
        for easy in [
            "short",
            "password1234",
            "aaaaaaaaaaaaaaaa",
            "qwertyuiop[]",
            "123456789012",
            "iloveyou2024",
            "abcabcabcabcabc",
            "maria.weber1",
        ] {
            assert!(check_password(easy, Some("maria.weber@acme.example")).is_err(), "{easy}");
        }
        for good in ["correct horse battery", "a long password", "vK3-tulip-Ozean-92", &"x7#Lq".repeat(40)] {
            assert_eq!(check_password(good, Some("maria.weber@acme.example")), Ok(()), "{good}");
        }
        assert!(check_password(&"ä".repeat(257), None).is_err());
    }

    #[tokio::test]
    async fn only_the_password_has_its_hash() {
        let hash = hash_password("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify_password("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!verify_password("correct horses".into(), Some(hash)).await.unwrap());
        assert!(!verify_password("correct horse".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn an_unknown_user_costs_as_much() {
        let hash = hash_password("correct horse".into()).await.unwrap();
        let time = async |hash: Option<String>| {
            let started = Instant::now();
            verify_password("wrong".into(), hash).await.unwrap();
            started.elapsed()
        };
        // Far apart, since other tests run at the same time: without the work it would be a thousandth.
        assert!(time(None).await * 20 > time(Some(hash)).await);
    }
}
