use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use weir_core::change::ChangeKind;
use weir_dataplane::{ChangeHub, Gateways, chain};
use weir_store::{Store, StoreError};
use weir_xds::Publisher;

/// How long a committed change goes unnoticed at most when its notification was lost.
const POLL: Duration = Duration::from_millis(250);

/// Those who are told of committed changes.
pub(crate) struct Followers {
    pub(crate) publisher: Publisher,
    pub(crate) hub: ChangeHub,
    pub(crate) gateways: Gateways,
}

/// How long the database may be silent before it counts as away.
const SILENCE: Duration = Duration::from_millis(1500);
/// How long it may take to tell of changes before it is asked anew. A connection whose other end is gone without a word would
/// hold up every later change.
const ANSWER: Duration = Duration::from_secs(10);
/// How long reading the policy may take before it is tried anew.
const SNAPSHOT: Duration = Duration::from_secs(30);

/// Follows the committed changes for ever, also over a time without the database.
pub(crate) async fn follow(store: Store, followers: Followers, mut known: u64) {
    let mut hints = std::pin::pin!(store.listen());
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tokio::select! {
            _ = hints.next() => {}
            _ = poll.tick() => {}
        }
        match catch_up(&store, &followers, known).await {
            Ok(revision) => {
                if std::mem::take(&mut away) {
                    tracing::info!(revision, "the database answers again");
                }
                known = revision;
            }
            // Everything goes on with what is known; one line says so.
            Err(error) if !std::mem::replace(&mut away, true) => {
                tracing::error!(error, revision = known, "changes cannot be followed for now");
            }
            Err(_) => {}
        }
    }
}

/// Hands on everything after `known`, and says up to where that was, or why it could not.
async fn catch_up(store: &Store, followers: &Followers, known: u64) -> Result<u64, String> {
    let mut asked = std::pin::pin!(in_time(ANSWER, store.changes_since(known)));
    let changes = match tokio::time::timeout(SILENCE, &mut asked).await {
        Ok(changes) => changes,
        Err(_) => {
            store.note_away(true);
            // A connection that is being opened is not given up: on a slow machine none would ever be.
            asked.await
        }
    };
    store.note_away(changes.as_ref().is_err_and(|error| error.is_away()));
    let changes = changes.map_err(|error| chain(&error))?;
    let Some(last) = changes.last().map(|change| change.revision) else { return Ok(known) };
    // Configuration first: a VM that forgets a catalog asks for routes that Envoy must have by then.
    if changes.iter().any(|change| change.affects_configuration) {
        let snapshot = in_time(SNAPSHOT, store.snapshot()).await.map_err(|error| chain(&error))?;
        followers.publisher.publish(Arc::new(snapshot));
    } else {
        followers.publisher.advance(last);
    }
    if changes.iter().any(|change| matches!(change.kind, ChangeKind::Gateway { .. })) {
        followers.gateways.forget();
    }
    metrics::gauge!("weir_revision").set(last as f64);
    tracing::debug!(revision = last, changes = changes.len(), "changes were committed");
    followers.hub.publish(changes);
    Ok(last)
}

async fn in_time<T>(limit: Duration, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(limit, read).await.unwrap_or(Err(StoreError::Away))
}
