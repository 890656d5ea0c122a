use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use weir_core::snapshot::Snapshot;

use crate::{ResourceSet, Scope, Settings, build};

/// What every Envoy should have by now.
#[derive(Debug)]
pub struct View {
    /// Everything up to this revision is in here.
    pub revision: u64,
    snapshot: Arc<Snapshot>,
    settings: Arc<Settings>,
    /// Built when an Envoy of that scope first asks, and then with every snapshot.
    sets: Mutex<BTreeMap<Scope, Arc<ResourceSet>>>,
}

impl View {
    /// The configuration of an Envoy of that scope.
    pub fn resources(&self, scope: Scope) -> Arc<ResourceSet> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.entry(scope).or_insert_with(|| Arc::new(build(&self.snapshot, &self.settings, scope))).clone()
    }

    fn known(&self) -> BTreeMap<Scope, Arc<ResourceSet>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where the runtime puts each new snapshot, and every Envoy's session takes it from.
#[derive(Clone, Debug)]
pub struct Publisher {
    settings: Arc<Settings>,
    views: watch::Sender<Option<Arc<View>>>,
}

impl Publisher {
    /// A publisher with nothing to serve yet: Envoys that connect wait for the first snapshot.
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings), views: watch::Sender::new(None) }
    }

    /// Serves this snapshot from now on. An older one than what is served changes nothing.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        let before = self.views.borrow().clone();
        if before.as_ref().is_some_and(|before| before.revision > snapshot.revision) {
            return;
        }
        let sets = before.map(|before| before.known()).unwrap_or_default();
        let sets = sets
            .into_iter()
            .map(|(scope, set)| {
                let built = build(&snapshot, &self.settings, scope);
                // Sessions compare by address whether there is anything new for them.
                (scope, if built == *set { set } else { Arc::new(built) })
            })
            .collect();
        self.views.send_replace(Some(Arc::new(View {
            revision: snapshot.revision,
            snapshot,
            settings: self.settings.clone(),
            sets: Mutex::new(sets),
        })));
    }

    /// Says that the changes up to this revision leave Envoy's configuration as it is.
    pub fn advance(&self, revision: u64) {
        self.views.send_if_modified(|view| {
            let Some(before) = view.as_ref().filter(|view| view.revision < revision) else { return false };
            *view = Some(Arc::new(View {
                revision,
                snapshot: before.snapshot.clone(),
                settings: self.settings.clone(),
                sets: Mutex::new(before.known()),
            }));
            true
        });
    }

    /// The revision served now; `None` before the first snapshot.
    pub fn revision(&self) -> Option<u64> {
        self.views.borrow().as_ref().map(|view| view.revision)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Arc<View>>> {
        self.views.subscribe()
    }
}
