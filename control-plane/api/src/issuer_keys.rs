//! Reads the keys of the issuers whose tokens Envoys verify, again and again, so that one that is gone is noticed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use weir_core::audit_head::hex;
use weir_core::secret::sha256;
use weir_store::{IssuerToRead, Store, StoreError};

use crate::oidc::{Asking, Keys};

/// How often it is looked whose keys are to be read.
const EVERY: Duration = Duration::from_secs(2);
/// Issuers that are asked at a time.
const AT_A_TIME: u8 = 20;
/// How long one of them may take, so that nobody's makes the others wait.
const LONGEST: Duration = Duration::from_secs(10);
const WHAT: &str = "its keys";
/// What makes a key another one: RFC 7638, 3.2, and what Envoy finds it by, or reads instead.
const PARTS: [&str; 10] = ["kid", "alg", "kty", "crv", "n", "e", "x", "y", "k", "x5c"];

/// Reads keys for as long as it is not dropped. `authorities`: whom to trust for `https`, in PEM, as Envoys do; `None`: the web's.
pub async fn watch_issuer_keys(store: Store, authorities: Option<PathBuf>) {
    loop {
        tokio::time::sleep(EVERY).await;
        match read_due(&store, authorities.as_deref()).await {
            Ok(()) => {}
            // That it is away is logged by who looks at it all the time, and what was not read now is later.
            Err(error) if error.is_away() => {}
            Err(error) => tracing::error!(%error, "the keys of token issuers are not read"),
        }
    }
}

async fn read_due(store: &Store, authorities: Option<&Path>) -> Result<(), StoreError> {
    for issuer in store.issuers_unread(AT_A_TIME).await? {
        store.note_issuer_keys(&issuer, Err("its keys were not read in time")).await?;
    }
    let due = store.issuers_to_read(AT_A_TIME).await?;
    let read = due.iter().map(async |issuer| {
        let asked = tokio::time::timeout(LONGEST, digests(store, issuer, authorities)).await;
        let read = asked.unwrap_or_else(|_| Err("reading its keys takes too long".into()));
        if let Err(failure) = &read {
            tracing::warn!(issuer = %issuer.id, failure, "the keys of a token issuer cannot be read");
        }
        store.note_issuer_keys(issuer, read.as_deref().map_err(String::as_str)).await
    });
    join_all(read).await.into_iter().collect()
}

async fn digests(store: &Store, issuer: &IssuerToRead, authorities: Option<&Path>) -> Result<Vec<String>, String> {
    let url = &issuer.jwks_url;
    let origin = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let asking = Asking { tenant_id: issuer.tenant_id, issuer: &origin, allowed: store.allowed_hosts(), authorities };
    let keys: Keys = asking.read(WHAT, url, None).await.map_err(|error| error.to_string())?;
    let mut digests: Vec<String> = keys.keys.iter().map(digest).collect();
    digests.sort_unstable();
    digests.dedup();
    if digests.is_empty() { Err("its keys: there are none".into()) } else { Ok(digests) }
}

/// SHA-256 of a key's parts, in hexadecimal.
fn digest(key: &Value) -> String {
    let parts = PARTS.map(|part| key.get(part).map(Value::to_string).unwrap_or_default());
    hex(&sha256(&parts.join("\0")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::digest;

    #[test]
    fn a_key_is_another_one_by_its_parts_and_by_nothing_else() {
        let key = json!({"kid": "a", "kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "sig"});
        let with = |part: &str, value: &str| {
            let mut other = key.clone();
            other[part] = value.into();
            digest(&other)
        };
        assert_eq!(with("use", "enc"), digest(&key));
        for part in ["kid", "n", "e", "alg", "k", "x5c"] {
            assert_ne!(with(part, "other"), digest(&key), "{part}");
        }
    }
}
