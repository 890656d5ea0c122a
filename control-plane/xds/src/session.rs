use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use weir_config::plugin;

use crate::resource::Owner;
use crate::{Resource, ResourceSet, ResourceType};

/// Bytes of resources after which a response is closed.
const RESPONSE_BYTES: usize = 512 * 1024;

/// What one connected Envoy asked for, was told, and made of it; decides what it is told next.
///
/// Rules that hold here:
/// - Make before break. Listeners and routes are held back while what they refer to is unsent or unacknowledged, and
///   clusters are removed last, when nothing refers to them any more. Secrets and plugins never wait for clusters: Envoy
///   acknowledges a cluster only once it is warm, and for that it needs them. Clusters that are new go before those that change:
///   a pool that gets a member must not lead to it before its name is resolved.
/// - One response of a type is under way at a time, and its names are kept: Envoy's refusal may not name the resource.
/// - What was refused is not sent again until the configuration changes, or until [`Session::try_again`].
/// - A name that does not exist is answered as removed, once.
/// - Plugins go one in a response: Envoy stops reading a response at the first plugin that it refuses. Of all else as much goes
///   as is some hundred kilobytes, so that a thousand Envoys that come at once do not hold a thousand configurations in memory.
///
/// What is kept of an Envoy, and the work for a change, are as large as what it has not acknowledged yet: of owners whose
/// fragment it has acknowledged whole, nothing is kept, and they are not looked at until their fragment is another object.
#[derive(Debug, Default)]
pub struct Session {
    subscriptions: BTreeMap<ResourceType, Subscription>,
    offered: Option<(Arc<ResourceSet>, u64)>,
    last_nonce: u64,
    sent: Option<u64>,
    applied: Option<u64>,
}

#[derive(Debug, Default)]
struct Subscription {
    /// Everything of this type.
    wildcard: bool,
    names: BTreeSet<Arc<str>>,
    /// Those of them that may not exist, of which Envoy was told neither that nor anything else.
    unanswered: BTreeSet<Arc<str>>,
    /// Owners of whose fragment Envoy may lack something, or have what is gone. Of all others it has what it subscribes to, as it is
    /// offered, and none of their names is in `told`, `held` and `refused`.
    open: BTreeSet<Owner>,
    /// What Envoy was told of each name: a version, or that there is none.
    told: BTreeMap<Arc<str>, Option<Arc<str>>>,
    /// What Envoy has acknowledged, in whatever version.
    held: BTreeSet<Arc<str>>,
    refused: BTreeSet<Arc<str>>,
    under_way: Option<UnderWay>,
    /// Whether it still waits for a first response, be it empty: until then Envoy does not start.
    expects_answer: bool,
}

#[derive(Debug)]
struct UnderWay {
    nonce: String,
    names: Vec<Arc<str>>,
    revision: u64,
}

/// A response to be sent.
#[derive(Debug)]
pub struct Push {
    /// Of what type.
    pub kind: ResourceType,
    /// To be given back with the acknowledgement.
    pub nonce: String,
    /// The revision that it brings Envoy nearer to.
    pub revision: u64,
    /// New and changed resources.
    pub resources: Vec<(Arc<str>, Arc<Resource>)>,
    /// Names that are gone, or never were.
    pub removed: Vec<Arc<str>>,
}

/// What became of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Envoy took it.
    Acknowledged {
        /// Of what type it was.
        kind: ResourceType,
    },
    /// Envoy refused it, or a part of it that it did not name.
    Refused {
        /// Of what type it was.
        kind: ResourceType,
        /// All that was in it.
        names: Vec<Arc<str>>,
        /// As Envoy says it.
        reason: String,
        /// The revision it belonged to.
        revision: u64,
    },
}

impl Session {
    /// What Envoy should have from now on.
    pub fn offer(&mut self, resources: Arc<ResourceSet>, revision: u64) {
        let before = self.offered.replace((resources, revision)).map(|(before, _)| before);
        let Some((resources, _)) = &self.offered else { return };
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, resources)) {
            return;
        }
        let changed = resources.changed_since(before.as_deref());
        for (kind, subscription) in &mut self.subscriptions {
            for owner in &changed {
                subscription.reopen(*kind, *owner, before.as_deref());
            }
            subscription.close(*kind, resources);
        }
        ResourceType::ALL.into_iter().for_each(|kind| self.try_again(kind));
    }

    /// Sends what was refused once more.
    pub fn try_again(&mut self, kind: ResourceType) {
        if let Some(subscription) = self.subscriptions.get_mut(&kind) {
            for name in std::mem::take(&mut subscription.refused) {
                subscription.told.remove(&name);
                if subscription.names.contains(&name) {
                    subscription.unanswered.insert(name);
                }
            }
        }
    }

    /// How many names of a type are kept because Envoy has asked for them or says that it has them.
    pub fn known_names(&self, kind: ResourceType) -> usize {
        self.subscriptions.get(&kind).map_or(0, |one| one.names.len().max(one.held.len()))
    }

    /// Takes a request: subscriptions, and what became of an earlier response.
    pub fn receive(&mut self, kind: ResourceType, request: &DeltaDiscoveryRequest) -> Option<Outcome> {
        let first = !self.subscriptions.contains_key(&kind);
        let offered = self.offered.as_ref().map(|(resources, _)| resources.as_ref());
        let subscription = self.subscriptions.entry(kind).or_default();
        if first {
            subscription.wildcard = kind.may_be_wildcard() && request.resource_names_subscribe.is_empty();
            subscription.expects_answer = request.initial_resource_versions.is_empty();
            subscription.open.extend(offered.map(|set| set.changed_since(None)).unwrap_or_default());
        }
        for name in &request.resource_names_subscribe {
            if name == "*" {
                subscription.reopen_all(kind, offered);
                subscription.wildcard = true;
            } else {
                // Whoever subscribes again has forgotten what it was told.
                subscription.reopen_owner_of(kind, name, offered);
                subscription.told.remove(name.as_str());
                subscription.held.remove(name.as_str());
                subscription.names.insert(name.as_str().into());
                subscription.unanswered.insert(name.as_str().into());
            }
        }
        for name in &request.resource_names_unsubscribe {
            if name == "*" {
                subscription.reopen_all(kind, offered);
                subscription.wildcard = false;
                continue;
            }
            subscription.reopen_owner_of(kind, name, offered);
            subscription.names.remove(name.as_str());
            subscription.unanswered.remove(name.as_str());
            subscription.told.remove(name.as_str());
            subscription.held.remove(name.as_str());
            subscription.refused.remove(name.as_str());
        }
        for (name, version) in &request.initial_resource_versions {
            subscription.told.insert(name.as_str().into(), Some(version.as_str().into()));
            subscription.held.insert(name.as_str().into());
        }
        let under_way = subscription.under_way.take_if(|under_way| under_way.nonce == request.response_nonce);
        let outcome = under_way.map(|under_way| match &request.error_detail {
            None => {
                subscription.acknowledged(&under_way.names);
                Outcome::Acknowledged { kind }
            }
            Some(error) => {
                let UnderWay { names, revision, .. } = under_way;
                subscription.refused.extend(names.iter().cloned());
                Outcome::Refused { kind, names, reason: error.message.clone(), revision }
            }
        });
        if let Some(resources) = offered {
            subscription.close(kind, resources);
        }
        outcome
    }

    /// The next response, if anything may be sent now.
    pub fn next_push(&mut self) -> Option<Push> {
        let (resources, revision) = self.offered.clone()?;
        let mut under_way = Vec::new();
        for kind in ResourceType::ALL {
            let Some(subscription) = self.subscriptions.get(&kind) else { continue };
            if subscription.under_way.is_some() {
                under_way.push(kind);
                continue;
            }
            let changed = subscription.next(kind, &resources);
            let removed = if kind == ResourceType::Cluster { vec![] } else { subscription.removed(kind, &resources) };
            if changed.is_empty() && removed.is_empty() && !subscription.expects_answer {
                continue;
            }
            // At its start Envoy waits for routes, and refuses everything anyway until the plugins are there.
            let held_back = match subscription.expects_answer {
                true => under_way.contains(&ResourceType::Cluster),
                false => !under_way.is_empty(),
            };
            if !(kind.refers_to_others() && held_back) {
                return Some(self.push(kind, revision, changed, removed));
            }
        }
        if !under_way.is_empty() {
            return None;
        }
        let clusters = self.subscriptions.get(&ResourceType::Cluster)?;
        let removed = clusters.removed(ResourceType::Cluster, &resources);
        (!removed.is_empty()).then(|| self.push(ResourceType::Cluster, revision, vec![], removed))
    }

    fn push(
        &mut self,
        kind: ResourceType,
        revision: u64,
        resources: Vec<(Arc<str>, Arc<Resource>)>,
        removed: Vec<Arc<str>>,
    ) -> Push {
        self.last_nonce += 1;
        let nonce = self.last_nonce.to_string();
        let subscription = self.subscriptions.entry(kind).or_default();
        let told = resources.iter().map(|(name, resource)| (name.clone(), Some(resource.version.clone())));
        subscription.told.extend(told);
        subscription.told.extend(removed.iter().map(|name| (name.clone(), None)));
        for name in resources.iter().map(|(name, _)| name).chain(&removed) {
            subscription.unanswered.remove(name);
        }
        subscription.expects_answer = false;
        subscription.under_way = Some(UnderWay {
            nonce: nonce.clone(),
            names: resources.iter().map(|(name, _)| name).chain(&removed).cloned().collect(),
            revision,
        });
        Push { kind, nonce, revision, resources, removed }
    }

    /// The revision up to which everything has been sent, once for each.
    pub fn newly_sent(&mut self) -> Option<u64> {
        let revision = self.settled().then_some(self.offered.as_ref()?.1)?;
        (self.sent.replace(revision) != Some(revision)).then_some(revision)
    }

    /// The revision up to which everything has been acknowledged, once for each.
    pub fn newly_applied(&mut self) -> Option<u64> {
        let clean = |one: &Subscription| one.under_way.is_none() && one.refused.is_empty();
        let applied = self.settled() && self.subscriptions.values().all(clean);
        let revision = applied.then_some(self.offered.as_ref()?.1)?;
        (self.applied.replace(revision) != Some(revision)).then_some(revision)
    }

    /// Whether nothing waits to be sent. An Envoy that has asked for clusters alone is still starting.
    fn settled(&self) -> bool {
        let Some((resources, _)) = &self.offered else { return false };
        let started =
            [ResourceType::Plugin, ResourceType::Route].iter().any(|kind| self.subscriptions.contains_key(kind));
        started
            && self.subscriptions.iter().all(|(kind, subscription)| {
                !subscription.expects_answer
                    && subscription.news(*kind, resources).next().is_none()
                    && subscription.removed(*kind, resources).is_empty()
            })
    }
}

impl Subscription {
    fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    fn acknowledged(&mut self, names: &[Arc<str>]) {
        for name in names {
            match self.told.get(name) {
                Some(Some(_)) => self.held.insert(name.clone()),
                _ => self.held.remove(name),
            };
            // A name that Envoy asks for is told once that it does not exist; of others there is nothing to remember.
            if !self.names.contains(name) && self.told.get(name) == Some(&None) {
                self.told.remove(name);
            }
        }
    }

    /// Looks at an owner's resources again. `before` is what was offered until now, of which Envoy has all if the owner was not open.
    fn reopen(&mut self, kind: ResourceType, owner: Owner, before: Option<&ResourceSet>) {
        if !self.open.insert(owner) {
            return;
        }
        let Some(fragment) = before.and_then(|before| before.fragment(owner)) else { return };
        for (name, resource) in fragment.all(kind).filter(|(name, _)| self.wildcard || self.names.contains(*name)) {
            self.told.insert(name.clone(), Some(resource.version.clone()));
            self.held.insert(name.clone());
        }
    }

    fn reopen_all(&mut self, kind: ResourceType, offered: Option<&ResourceSet>) {
        for owner in offered.map(|offered| offered.changed_since(None)).unwrap_or_default() {
            self.reopen(kind, owner, offered);
        }
    }

    fn reopen_owner_of(&mut self, kind: ResourceType, name: &str, offered: Option<&ResourceSet>) {
        if let Some(owner) = offered.and_then(|offered| offered.owner(kind, name)) {
            self.reopen(kind, owner, offered);
        }
    }

    /// Forgets what is known of owners of whose fragment Envoy has all that it wants.
    fn close(&mut self, kind: ResourceType, resources: &ResourceSet) {
        if self.under_way.is_some() {
            return;
        }
        let complete = |owner: &Owner| {
            let Some(fragment) = resources.fragment(*owner) else { return true };
            fragment.all(kind).filter(|(name, _)| self.wants(name)).all(|(name, resource)| {
                self.told.get(name).and_then(Option::as_ref) == Some(&resource.version)
                    && self.held.contains(name)
                    && !self.refused.contains(name)
            })
        };
        let complete: Vec<Owner> = self.open.iter().copied().filter(complete).collect();
        for owner in complete {
            self.open.remove(&owner);
            for (name, _) in resources.fragment(owner).into_iter().flat_map(|fragment| fragment.all(kind)) {
                self.told.remove(name);
                self.held.remove(name);
                self.unanswered.remove(name);
            }
        }
    }

    /// What Envoy lacks, or has in another version.
    fn news<'a>(
        &'a self,
        kind: ResourceType,
        resources: &'a ResourceSet,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Arc<Resource>)> {
        let fragments = self.open.iter().filter_map(|owner| resources.fragment(*owner));
        fragments.flat_map(move |fragment| fragment.all(kind)).filter(|(name, resource)| {
            self.wants(name)
                && self.told.get(*name).and_then(Option::as_ref) != Some(&resource.version)
                && !self.refused.contains(*name)
        })
    }

    /// What goes in the next response.
    fn next(&self, kind: ResourceType, resources: &ResourceSet) -> Vec<(Arc<str>, Arc<Resource>)> {
        match kind {
            ResourceType::Plugin => self.next_plugin(resources),
            ResourceType::Cluster => self.next_clusters(resources),
            ResourceType::Secret | ResourceType::Listener | ResourceType::Route | ResourceType::VirtualHost => {
                some(self.news(kind, resources))
            }
        }
    }

    /// One. What attempts pass goes before what leads to them, and while Envoy refuses it nothing else does: requests would
    /// find no way on, or two versions of the module would meet in one request.
    fn next_plugin(&self, resources: &ResourceSet) -> Vec<(Arc<str>, Arc<Resource>)> {
        if self.refused.contains(plugin::PROVIDER) {
            return vec![];
        }
        let news = || self.news(ResourceType::Plugin, resources);
        let first = news().find(|(name, _)| ***name == *plugin::PROVIDER).or_else(|| news().next());
        first.map(|(name, resource)| (name.clone(), resource.clone())).into_iter().collect()
    }

    /// What Envoy does not have yet, or if there is nothing such what it has in another version.
    fn next_clusters(&self, resources: &ResourceSet) -> Vec<(Arc<str>, Arc<Resource>)> {
        let news = || self.news(ResourceType::Cluster, resources);
        let new = some(news().filter(|(name, _)| !self.held.contains(*name)));
        if new.is_empty() { some(news()) } else { new }
    }

    fn removed(&self, kind: ResourceType, resources: &ResourceSet) -> Vec<Arc<str>> {
        // An owner's names are looked for where they are likely to be: with thousands of owners, making the table of all names costs more.
        let exists = |name: &str| {
            let mut open = self.open.iter().filter_map(|owner| resources.fragment(*owner));
            match self.open.len() {
                0..=8 => open.any(|fragment| fragment.get(kind, name).is_some()),
                _ => resources.get(kind, name).is_some(),
            }
        };
        let gone = |name: &&Arc<str>| !exists(name);
        let unanswered = self.unanswered.iter().filter(|name| !self.told.contains_key(*name));
        let unanswered = unanswered.filter(|name| resources.get(kind, name).is_none());
        let told = self.told.iter().filter(|(_, version)| version.is_some()).map(|(name, _)| name);
        // Of what it refused in another version Envoy still has the one before.
        let held = self.held.iter().filter(|name| !self.told.contains_key(*name));
        let names: BTreeSet<&Arc<str>> = unanswered.chain(told.chain(held).filter(gone)).collect();
        names.into_iter().cloned().collect()
    }
}

/// As many as are to go in one response, and at least one.
fn some<'a>(news: impl Iterator<Item = (&'a Arc<str>, &'a Arc<Resource>)>) -> Vec<(Arc<str>, Arc<Resource>)> {
    let mut bytes = 0;
    let fits = |(_, resource): &(&Arc<str>, &Arc<Resource>)| {
        let fits = bytes < RESPONSE_BYTES;
        bytes += resource.body.value.len();
        fits
    };
    news.take_while(fits).map(|(name, resource)| (name.clone(), resource.clone())).collect()
}

#[cfg(test)]
mod tests;
