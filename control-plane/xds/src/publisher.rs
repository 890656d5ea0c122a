use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use weir_core::snapshot::Snapshot;

use crate::build::{Policy, fragment, set};
use crate::resource::{Fragment, Owner};
use crate::{ResourceSet, Scope, Settings};

/// What every Envoy should have by now.
#[derive(Debug)]
pub struct View {
    /// Everything up to this revision is in here.
    pub revision: u64,
    fragments: Arc<BTreeMap<Owner, Arc<Fragment>>>,
    /// Put together when an Envoy of that scope first asks, and then with every snapshot.
    sets: Mutex<BTreeMap<Scope, Arc<ResourceSet>>>,
}

impl View {
    /// The configuration of an Envoy of that scope.
    pub fn resources(&self, scope: Scope) -> Arc<ResourceSet> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.entry(scope).or_insert_with(|| Arc::new(together(&self.fragments, scope, None))).clone()
    }

    fn known(&self) -> BTreeMap<Scope, Arc<ResourceSet>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn together(fragments: &BTreeMap<Owner, Arc<Fragment>>, scope: Scope, before: Option<&ResourceSet>) -> ResourceSet {
    let included = |owner| fragments.get(&owner).map(|fragment| (owner, fragment.clone()));
    let fragments = match scope {
        Scope::Everyone => fragments.clone(),
        Scope::Tenant(tenant) => [None, Some(tenant)].into_iter().filter_map(included).collect(),
    };
    set(fragments, before)
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

    /// Serves this snapshot of everybody's policy from now on, also an older one than what was served: a backup was restored.
    pub fn publish(&self, snapshot: &Snapshot) {
        let before = self.views.borrow().clone();
        let policies = Policy::by_owner(snapshot);
        let fragments =
            policies.into_iter().map(|(owner, policy)| (owner, self.fragment(owner, &policy, before.as_deref())));
        self.serve(fragments.collect(), snapshot.revision, before.as_deref());
    }

    /// Serves this snapshot of some owners' policies from now on, beside what is served of others. Of everybody's policy all is served up to
    /// this revision then; the snapshot may be newer.
    pub fn publish_owners(&self, snapshot: &Snapshot, owners: &BTreeSet<Owner>, revision: u64) {
        let before = self.views.borrow().clone();
        let mut fragments = before.as_ref().map(|before| BTreeMap::clone(&before.fragments)).unwrap_or_default();
        let mut policies = Policy::by_owner(snapshot);
        for owner in owners {
            match policies.remove(owner) {
                Some(policy) => fragments.insert(*owner, self.fragment(*owner, &policy, before.as_deref())),
                None => fragments.remove(owner),
            };
        }
        let revision = before.as_ref().map_or(revision, |before| before.revision.max(revision));
        self.serve(fragments, revision, before.as_deref());
    }

    fn serve(&self, fragments: BTreeMap<Owner, Arc<Fragment>>, revision: u64, before: Option<&View>) {
        let fragments = Arc::new(fragments);
        let known = before.map(View::known).unwrap_or_default();
        let sets = known
            .into_iter()
            // What only we hold, here and in the view before, is no Envoy's any more; one that comes has it put together anew.
            .filter(|(_, set)| Arc::strong_count(set) > 2)
            .map(|(scope, set)| {
                let new = together(&fragments, scope, Some(&set));
                // Sessions compare by address whether there is anything new for them.
                (scope, if new.changed_since(Some(&set)).is_empty() { set } else { Arc::new(new) })
            })
            .collect();
        self.views.send_replace(Some(Arc::new(View { revision, fragments, sets: Mutex::new(sets) })));
    }

    /// What an owner's policy makes, or what it made before if that is the same: not everything that a policy says goes to Envoy.
    fn fragment(&self, owner: Owner, policy: &Policy, before: Option<&View>) -> Arc<Fragment> {
        let made = fragment(owner, policy, &self.settings);
        let known = before.and_then(|before| before.fragments.get(&owner));
        known.filter(|known| ***known == made).cloned().unwrap_or_else(|| Arc::new(made))
    }

    /// Says that the changes up to this revision leave Envoy's configuration as it is.
    pub fn advance(&self, revision: u64) {
        self.views.send_if_modified(|view| {
            let Some(before) = view.as_ref().filter(|view| view.revision < revision) else { return false };
            *view = Some(Arc::new(View {
                revision,
                fragments: before.fragments.clone(),
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
    use weir_core::snapshot::Provider;

    use super::*;
    use crate::ModuleSource;

    #[test]
    fn only_the_owner_that_changed_is_made_anew() {
        let provider = |number: u128, host: &str| Provider {
            id: Uuid::from_u128(number),
            tenant_id: Some(Uuid::from_u128(100 + number)),
            name: "provider".into(),
            schema: weir_llm::Schema::default(),
            base_url: format!("http://{host}").parse().unwrap(),
            credential: Some("sk-1".into()),
            authentication: None,
            query: String::new(),
            also_speaks: vec![],
            preset: None,
            capabilities: weir_core::capabilities::CapabilityOverrides::NONE,
        };
        let publisher = Publisher::new(Settings::new(ModuleSource::File { path: "/weir.wasm".into() }));
        let publish = |revision, providers: [Provider; 2]| {
            publisher.publish(&Snapshot { revision, providers: providers.into(), ..Snapshot::default() });
            publisher.subscribe().borrow().clone().unwrap().resources(Scope::Everyone)
        };
        let changed = |after: &ResourceSet, before| after.changed_since(Some(before));
        let first = publish(1, [provider(1, "a"), provider(2, "a")]);
        // A provider without a pool is no cluster: what it is called makes no resource another one.
        let same = publish(2, [provider(1, "b"), provider(2, "a")]);
        assert_eq!(changed(&same, &first), []);
        let rotated = Provider { credential: Some("sk-2".into()), ..provider(2, "a") };
        let after = publish(3, [provider(1, "b"), rotated]);
        assert_eq!(changed(&after, &first), [Some(Uuid::from_u128(102))]);

        // Of some owners: what is said of others does not count, and who has nothing any more is gone.
        let snapshot =
            Snapshot { revision: 9, providers: vec![provider(1, "c"), provider(3, "a")], ..Snapshot::default() };
        let owners = [103, 102].map(|number| Some(Uuid::from_u128(number)));
        publisher.publish_owners(&snapshot, &owners.into(), 7);
        let view = publisher.subscribe().borrow().clone().unwrap();
        assert_eq!(view.revision, 7);
        let last = view.resources(Scope::Everyone);
        assert_eq!(changed(&last, &after), [Some(Uuid::from_u128(102)), Some(Uuid::from_u128(103))]);
        assert!(last.fragment(Some(Uuid::from_u128(102))).is_none());
        assert!(last.fragment(Some(Uuid::from_u128(101))).is_some());
        publisher.publish_owners(&Snapshot::default(), &BTreeSet::new(), 3);
        assert_eq!(publisher.revision(), Some(7), "what is served of all does not become less by what some have");

        let restored = publish(2, [provider(1, "b"), provider(2, "a")]);
        assert_eq!(publisher.revision(), Some(2));
        assert!(restored.fragment(Some(Uuid::from_u128(103))).is_none(), "it was made after the backup");
    }

    #[test]
    fn what_no_envoy_has_is_forgotten_with_the_next_snapshot() {
        let module = ModuleSource::File { path: "/weir.wasm".into() };
        let publisher = Publisher::new(Settings::new(module));
        let view = || publisher.subscribe().borrow().clone().unwrap();
        let publish = |revision| publisher.publish(&Snapshot { revision, ..Snapshot::default() });
        publish(1);
        let kept = view().resources(Scope::Everyone);
        drop(view().resources(Scope::Tenant(Uuid::nil())));
        assert_eq!(view().known().len(), 2);
        publish(2);
        assert_eq!(view().known().into_keys().collect::<Vec<_>>(), [Scope::Everyone]);
        assert!(Arc::ptr_eq(&kept, &view().resources(Scope::Everyone)), "nothing has changed for it");
    }
}
