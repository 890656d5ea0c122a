use std::collections::BTreeSet;

use uuid::Uuid;
use weir_core::snapshot::{Snapshot, UnreadableProvider};
use weir_xds::Publisher;

/// Hands policies to xDS, and says what is missing from them.
pub(crate) struct Policies {
    publisher: Publisher,
    /// What was said last: a damaged row is one line, not one with every change.
    said: Vec<UnreadableProvider>,
}

impl Policies {
    pub(crate) fn new(publisher: Publisher) -> Self {
        Self { publisher, said: Vec::new() }
    }

    pub(crate) fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// Everybody's.
    pub(crate) fn publish(&mut self, snapshot: Snapshot) {
        self.say(&snapshot, |_| true);
        self.publisher.publish(&snapshot);
    }

    /// That of these owners, which holds of theirs all up to this revision.
    pub(crate) fn publish_owners(&mut self, snapshot: Snapshot, owners: &BTreeSet<Option<Uuid>>, revision: u64) {
        self.say(&snapshot, |owner| owners.contains(&owner));
        self.publisher.publish_owners(&snapshot, owners, revision);
    }

    /// Says what is missing of the owners who were read.
    fn say(&mut self, snapshot: &Snapshot, is_read: impl Fn(Option<Uuid>) -> bool) {
        let (before, mut now): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.said).into_iter().partition(|said| is_read(said.tenant_id));
        for provider in snapshot.unreadable.iter().filter(|provider| !before.contains(provider)) {
            let (id, reason) = (provider.id.to_string(), &provider.reason);
            tracing::error!(provider_id = id, reason, "a provider cannot be read, so that no Envoy has it");
        }
        for provider in before.iter().filter(|said| snapshot.unreadable.iter().all(|provider| provider.id != said.id)) {
            tracing::info!(
                provider_id = provider.id.to_string(),
                "a provider that could not be read can be, or is gone"
            );
        }
        now.extend(snapshot.unreadable.iter().cloned());
        metrics::gauge!("weir_unreadable_providers").set(now.len() as f64);
        self.said = now;
    }

    /// Nothing that Envoys are configured with has changed up to this revision.
    pub(crate) fn advance(&self, revision: u64) {
        self.publisher.advance(revision);
    }
}
