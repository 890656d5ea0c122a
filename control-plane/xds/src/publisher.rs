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
        let sets = before.as_ref().map(|before| before.known()).unwrap_or_default();
        let sets = sets
            .into_iter()
            // What only we hold, here and in the view before, is no Envoy's any more; one that comes has it built anew.
            .filter(|(_, set)| Arc::strong_count(set) > 2)
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ModuleSource;

    #[test]
    fn what_no_envoy_has_is_forgotten_with_the_next_snapshot() {
        let module = ModuleSource::File { path: "/weir.wasm".into() };
        let publisher = Publisher::new(Settings::new(module));
        let view = || publisher.subscribe().borrow().clone().unwrap();
        let publish = |revision| publisher.publish(Arc::new(Snapshot { revision, ..Snapshot::default() }));
        publish(1);
        let kept = view().resources(Scope::Everyone);
        drop(view().resources(Scope::Tenant(Uuid::nil())));
        assert_eq!(view().known().len(), 2);
        publish(2);
        assert_eq!(view().known().into_keys().collect::<Vec<_>>(), [Scope::Everyone]);
        assert!(Arc::ptr_eq(&kept, &view().resources(Scope::Everyone)), "nothing has changed for it");
    }
}
