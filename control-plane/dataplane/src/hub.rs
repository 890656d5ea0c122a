use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::broadcast;
use weir_core::change::Change;

/// Batches that a slow reader may lag behind; beyond it that reader starts over.
const BACKLOG: usize = 1024;

/// Where the runtime puts committed changes, and every open watch takes them from. Cheap to clone.
#[derive(Clone)]
pub struct ChangeHub {
    changes: broadcast::Sender<Arc<Vec<Change>>>,
    revision: Arc<AtomicU64>,
}

impl ChangeHub {
    /// A hub whose readers start from this revision.
    pub fn new(revision: u64) -> Self {
        Self { changes: broadcast::Sender::new(BACKLOG), revision: Arc::new(AtomicU64::new(revision)) }
    }

    /// Hands on committed changes, in their order and without gaps after those before.
    pub fn publish(&self, changes: Vec<Change>) {
        let Some(last) = changes.last() else { return };
        self.revision.store(last.revision, Ordering::Release);
        // Without an open watch nobody needs to know.
        let _ = self.changes.send(Arc::new(changes));
    }

    /// Changes from now on, and the revision that they follow.
    pub(crate) fn subscribe(&self) -> (broadcast::Receiver<Arc<Vec<Change>>>, u64) {
        // In this order a change that is published in between comes twice rather than not at all.
        let changes = self.changes.subscribe();
        (changes, self.revision.load(Ordering::Acquire))
    }

    /// How many take changes.
    pub(crate) fn watches(&self) -> usize {
        self.changes.receiver_count()
    }

    /// The last revision handed on.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }
}
