use std::sync::Arc;

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

    pub(crate) fn publish(&mut self, mut snapshot: Snapshot) {
        let unreadable = std::mem::take(&mut snapshot.unreadable);
        metrics::gauge!("weir_unreadable_providers").set(unreadable.len() as f64);
        for provider in unreadable.iter().filter(|provider| !self.said.contains(provider)) {
            let (id, reason) = (provider.id.to_string(), &provider.reason);
            tracing::error!(provider_id = id, reason, "a provider cannot be read, so that no Envoy has it");
        }
        for provider in self.said.iter().filter(|said| unreadable.iter().all(|provider| provider.id != said.id)) {
            tracing::info!(
                provider_id = provider.id.to_string(),
                "a provider that could not be read can be, or is gone"
            );
        }
        self.said = unreadable;
        self.publisher.publish(Arc::new(snapshot));
    }

    /// Nothing that Envoys are configured with has changed up to this revision.
    pub(crate) fn advance(&self, revision: u64) {
        self.publisher.advance(revision);
    }
}
