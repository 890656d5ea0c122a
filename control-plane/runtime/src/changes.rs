use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use uuid::Uuid;
use weir_core::change::{Affected, ChangeKind};
use weir_dataplane::{ChangeHub, Gateways, chain};
use weir_store::{Store, StoreError};

use crate::policies::Policies;

/// How long a committed change goes unnoticed at most when its notification was lost.
const POLL: Duration = Duration::from_millis(250);

/// Those who are told of committed changes.
pub(crate) struct Followers {
    pub(crate) policies: Policies,
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
pub(crate) async fn follow(store: Store, mut followers: Followers, known: u64) {
    let mut cursor = Cursor { known, due: Due::Of(BTreeSet::new()) };
    let mut hints = std::pin::pin!(store.listen());
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tokio::select! {
            _ = hints.next() => {}
            _ = poll.tick() => {}
        }
        match catch_up(&store, &mut followers, &mut cursor).await {
            Ok(()) if std::mem::take(&mut away) => {
                tracing::info!(revision = cursor.known, "changes are followed again");
            }
            Ok(()) => {}
            // Everything goes on with what is known; one line says so.
            Err(error) if !std::mem::replace(&mut away, true) => {
                tracing::error!(error, revision = cursor.known, "changes cannot be followed for now");
            }
            Err(_) => {}
        }
    }
}

/// How far the changes were followed.
struct Cursor {
    /// Everything up to this revision was told to the filters.
    known: u64,
    /// What of it changes that with which Envoy is configured, and was not published yet.
    due: Due,
}

/// Whose policy is to be read again.
#[derive(Debug, PartialEq)]
enum Due {
    Of(BTreeSet<Option<Uuid>>),
    Everybodys,
}

impl Due {
    fn add(&mut self, affected: Affected) {
        match (affected, &mut *self) {
            (Affected::Owner(owner), Self::Of(owners)) => {
                owners.insert(owner);
            }
            (Affected::Everything, _) => *self = Self::Everybodys,
            (Affected::Nothing, _) | (Affected::Owner(_), Self::Everybodys) => {}
        }
    }
}

/// Hands on everything that is new, or says why it could not. A policy that cannot be read keeps no revocation from being told.
async fn catch_up(store: &Store, followers: &mut Followers, cursor: &mut Cursor) -> Result<(), String> {
    let mut asked = std::pin::pin!(in_time(ANSWER, store.changes_since(cursor.known)));
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
    let last = changes.last().map(|change| change.revision);
    if let Some(last) = last {
        cursor.known = last;
        changes.iter().for_each(|change| cursor.due.add(change.configuration));
        if changes.iter().any(|change| matches!(change.kind, ChangeKind::Gateway { .. } | ChangeKind::Unknown)) {
            followers.gateways.forget();
        }
        metrics::gauge!("weir_revision").set(last as f64);
        tracing::debug!(revision = last, changes = changes.len(), "changes were committed");
        // A catalog's change waits there until the Envoy has the routes that it leads to.
        followers.hub.publish(changes);
    }
    match &cursor.due {
        Due::Of(owners) if owners.is_empty() => {
            if let Some(last) = last {
                followers.policies.advance(last);
            }
        }
        Due::Of(owners) => {
            let read = in_time(SNAPSHOT, store.snapshot_of(owners.iter().copied())).await;
            let snapshot = read.map_err(|error| chain(&error))?;
            followers.policies.publish_owners(snapshot, owners, cursor.known);
        }
        Due::Everybodys => {
            let snapshot = in_time(SNAPSHOT, store.snapshot()).await.map_err(|error| chain(&error))?;
            followers.policies.publish(snapshot);
        }
    }
    cursor.due = Due::Of(BTreeSet::new());
    Ok(())
}

async fn in_time<T>(limit: Duration, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(limit, read).await.unwrap_or(Err(StoreError::Away))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_read_again_until_it_is_not_known_whose() {
        let mut due = Due::Of(BTreeSet::new());
        let tenant = Some(Uuid::from_u128(1));
        for affected in [Affected::Nothing, Affected::Owner(tenant), Affected::Owner(None), Affected::Owner(tenant)] {
            due.add(affected);
        }
        assert_eq!(due, Due::Of(BTreeSet::from([None, tenant])));
        due.add(Affected::Everything);
        due.add(Affected::Owner(tenant));
        assert_eq!(due, Due::Everybodys);
    }
}
