use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;
use weir_core::snapshot::{Provider, Snapshot};

use crate::build::{Policy, fragment};
use crate::resource::{Fragment, Owner};
use crate::{ResourceSet, Scope, Settings};

/// What every Envoy should have by now.
#[derive(Debug)]
pub struct View {
    /// Everything up to this revision is in here.
    pub revision: u64,
    snapshot: Arc<Snapshot>,
    fragments: Arc<BTreeMap<Owner, Arc<Fragment>>>,
    /// Put together when an Envoy of that scope first asks, and then with every snapshot.
    sets: Mutex<BTreeMap<Scope, Arc<ResourceSet>>>,
}

impl View {
    /// The configuration of an Envoy of that scope.
    pub fn resources(&self, scope: Scope) -> Arc<ResourceSet> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.entry(scope).or_insert_with(|| Arc::new(together(&self.fragments, scope))).clone()
    }

    fn known(&self) -> BTreeMap<Scope, Arc<ResourceSet>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn together(fragments: &BTreeMap<Owner, Arc<Fragment>>, scope: Scope) -> ResourceSet {
    let included = |owner| fragments.get(&owner).map(|fragment| (owner, fragment.clone()));
    ResourceSet::new(match scope {
        Scope::Everyone => fragments.clone(),
        Scope::Tenant(tenant) => [None, Some(tenant)].into_iter().filter_map(included).collect(),
    })
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

    /// Serves this snapshot from now on. An older one than what is served changes nothing. Resources are made only for owners whose
    /// policy differs from the one before.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        let before = self.views.borrow().clone();
        if before.as_ref().is_some_and(|before| before.revision > snapshot.revision) {
            return;
        }
        let fragments = Arc::new(self.fragments(&snapshot, before.as_deref()));
        let known = before.as_ref().map(|before| before.known()).unwrap_or_default();
        let sets = known
            .into_iter()
            // What only we hold, here and in the view before, is no Envoy's any more; one that comes has it put together anew.
            .filter(|(_, set)| Arc::strong_count(set) > 2)
            .map(|(scope, set)| {
                let new = together(&fragments, scope);
                // Sessions compare by address whether there is anything new for them.
                (scope, if new.changed_since(Some(&set)).is_empty() { set } else { Arc::new(new) })
            })
            .collect();
        let revision = snapshot.revision;
        self.views.send_replace(Some(Arc::new(View { revision, snapshot, fragments, sets: Mutex::new(sets) })));
    }

    fn fragments(&self, snapshot: &Snapshot, before: Option<&View>) -> BTreeMap<Owner, Arc<Fragment>> {
        let mut earlier = before.map(|before| Policy::by_owner(&before.snapshot)).unwrap_or_default();
        let known = |owner: &Owner| before?.fragments.get(owner);
        let fragments = Policy::by_owner(snapshot).into_iter().map(|(owner, policy)| {
            let unchanged = earlier.remove(&owner).is_some_and(|earlier| is_same(&earlier, &policy));
            let kept = known(&owner).filter(|_| unchanged).cloned();
            let made = kept.unwrap_or_else(|| {
                let made = fragment(owner, &policy, &self.settings);
                // Not everything that a policy says goes to Envoy.
                known(&owner).filter(|known| ***known == made).cloned().unwrap_or_else(|| Arc::new(made))
            });
            (owner, made)
        });
        fragments.collect()
    }

    /// Says that the changes up to this revision leave Envoy's configuration as it is.
    pub fn advance(&self, revision: u64) {
        self.views.send_if_modified(|view| {
            let Some(before) = view.as_ref().filter(|view| view.revision < revision) else { return false };
            *view = Some(Arc::new(View {
                revision,
                snapshot: before.snapshot.clone(),
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

fn is_same(one: &Policy, other: &Policy) -> bool {
    let same_providers = || one.providers.iter().zip(&other.providers).all(|(one, other)| is_same_provider(one, other));
    one.providers.len() == other.providers.len() && one.pools == other.pools && same_providers()
}

/// Whether nothing about it differs, field by field: one that is added to the type must be added here.
fn is_same_provider(one: &Provider, other: &Provider) -> bool {
    let Provider {
        id,
        tenant_id,
        name,
        schema,
        base_url,
        credential,
        authentication,
        query,
        also_speaks,
        preset,
        capabilities,
    } = one;
    let exposed = |one: &Option<SecretString>| one.as_ref().map(|one| one.expose_secret().to_owned());
    *id == other.id
        && *tenant_id == other.tenant_id
        && *name == other.name
        && *schema == other.schema
        && *base_url == other.base_url
        && exposed(credential) == exposed(&other.credential)
        && *authentication == other.authentication
        && *query == other.query
        && *also_speaks == other.also_speaks
        && *preset == other.preset
        && *capabilities == other.capabilities
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

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
            publisher.publish(Arc::new(Snapshot { revision, providers: providers.into(), ..Snapshot::default() }));
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
    }

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
