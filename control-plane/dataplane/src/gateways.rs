mod tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use weir_core::gateway::Gateway;
use weir_core::secret::sha256;
use weir_store::{GatewayToken, Store, StoreError};

use self::tokens::{Found, Known, Tokens};

/// How long a token's gateway that is known is asked for anew, before what is known must do.
const PATIENCE: Duration = Duration::from_millis(300);

/// Finds gateways by their tokens. Cheap to clone.
#[derive(Clone)]
pub struct Gateways {
    store: Store,
    tokens: Arc<Mutex<Tokens>>,
    changes: Arc<watch::Sender<u64>>,
}

impl Gateways {
    /// Gateways of this store.
    pub fn new(store: Store) -> Self {
        Self { store, tokens: Arc::default(), changes: Arc::default() }
    }

    /// The gateway that a token stands for, if any. Fails if the database is away and the token has not been seen lately.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Gateway>, StoreError> {
        let digest = sha256(token);
        let (found, asked_at) = {
            let tokens = self.tokens();
            (tokens.find(&digest, Instant::now()), tokens.generation())
        };
        let known = match found {
            Found::Fresh(gateway) => return Ok(gateway),
            Found::Stale(gateway) => Some(gateway),
            Found::Nothing => None,
        };
        let patience = if known.is_some() { PATIENCE } else { Duration::MAX };
        let asked = tokio::time::timeout(patience, self.store.gateway_by_token(&digest)).await;
        match (asked.unwrap_or(Err(StoreError::Away)), known) {
            (Ok(token), _) => {
                let gateway = token.as_ref().map(|token| token.gateway.clone());
                self.tokens().remember(digest, token.map(Known::at_present), Instant::now(), asked_at);
                Ok(gateway)
            }
            (Err(_), Some(gateway)) => Ok(Some(gateway)),
            (Err(error), None) => Err(error),
        }
    }

    /// Asks again for every token, those of open streams included: a gateway has changed.
    pub fn forget(&self) {
        self.tokens().forget();
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// Counts the changes of gateways: at each, the token of an open stream may have become invalid.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Its end as this process counts time.
    fn at_present(token: GatewayToken) -> Self {
        let until = token.valid_until.map(|until| {
            let left = (until - chrono::Utc::now()).to_std().unwrap_or_default();
            Instant::now() + left
        });
        Self { gateway: token.gateway, until }
    }
}

/// The token of an `authorization: Bearer …` header.
pub(crate) fn bearer(value: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(value?).ok()?.strip_prefix("Bearer ").filter(|token| !token.is_empty())
}
