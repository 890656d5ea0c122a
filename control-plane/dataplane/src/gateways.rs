use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use weir_core::gateway::Gateway;
use weir_core::secret::sha256;
use weir_store::{Store, StoreError};

/// How long a token's gateway is known without asking again. A deleted gateway is forgotten earlier ([`Gateways::forget`]).
const LIFETIME: Duration = Duration::from_secs(10);
/// How long a wrong token is known to be wrong.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(1);
/// How long a token's gateway is known while the database is away, so that Envoys stay connected.
const STALE: Duration = Duration::from_secs(600);
/// How long a token's gateway that is known is asked for anew, before what is known must do.
const PATIENCE: Duration = Duration::from_millis(300);
/// Tokens kept at most.
const CAPACITY: usize = 1000;

/// Finds gateways by their tokens. Cheap to clone.
#[derive(Clone)]
pub struct Gateways {
    store: Store,
    /// By the token's digest.
    known: Arc<Mutex<HashMap<[u8; 32], Known>>>,
    changes: Arc<watch::Sender<u64>>,
}

#[derive(Clone)]
struct Known {
    gateway: Option<Gateway>,
    at: Instant,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < if self.gateway.is_some() { LIFETIME } else { UNKNOWN_LIFETIME }
    }
}

impl Gateways {
    /// Gateways of this store.
    pub fn new(store: Store) -> Self {
        Self { store, known: Arc::default(), changes: Arc::default() }
    }

    /// The gateway that a token stands for, if any. Fails if the database is away and the token has not been seen lately.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Gateway>, StoreError> {
        let digest = sha256(token);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh()) {
            return Ok(known.gateway.clone());
        }
        let patience = if known.is_some() { PATIENCE } else { Duration::MAX };
        let asked = tokio::time::timeout(patience, self.store.gateway_by_token(&digest)).await;
        match asked.unwrap_or(Err(StoreError::Away)) {
            Ok(gateway) => {
                let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if all.len() >= CAPACITY {
                    all.retain(|_, known| known.is_fresh());
                }
                if all.len() < CAPACITY {
                    all.insert(digest, Known { gateway: gateway.clone(), at: Instant::now() });
                }
                Ok(gateway)
            }
            Err(error) => match known {
                Some(Known { gateway: Some(gateway), at }) if at.elapsed() < STALE => Ok(Some(gateway)),
                _ => Err(error),
            },
        }
    }

    /// Asks again for every token, those of open streams included: a gateway has changed.
    pub fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// Counts the changes of gateways: at each, the token of an open stream may have become invalid.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// The token of an `authorization: Bearer …` header.
pub(crate) fn bearer(value: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(value?).ok()?.strip_prefix("Bearer ").filter(|token| !token.is_empty())
}
