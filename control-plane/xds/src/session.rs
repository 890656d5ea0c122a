use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use weir_config::plugin;

use crate::{Resource, ResourceSet, ResourceType};

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
/// - Plugins go one in a response: Envoy stops reading a response at the first plugin that it refuses.
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
    names: BTreeSet<String>,
    /// What Envoy was told of each name: a version, or that there is none.
    told: BTreeMap<String, Option<String>>,
    /// What Envoy has acknowledged, in whatever version.
    held: BTreeSet<String>,
    refused: BTreeSet<String>,
    under_way: Option<UnderWay>,
    /// Whether it still waits for a first response, be it empty: until then Envoy does not start.
    expects_answer: bool,
}

#[derive(Debug)]
struct UnderWay {
    nonce: String,
    names: Vec<String>,
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
    pub resources: Vec<(String, Arc<Resource>)>,
    /// Names that are gone, or never were.
    pub removed: Vec<String>,
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
        names: Vec<String>,
        /// As Envoy says it.
        reason: String,
        /// The revision it belonged to.
        revision: u64,
    },
}

impl Session {
    /// What Envoy should have from now on.
    pub fn offer(&mut self, resources: Arc<ResourceSet>, revision: u64) {
        let changed = self.offered.as_ref().is_none_or(|(before, _)| !Arc::ptr_eq(before, &resources));
        self.offered = Some((resources, revision));
        if changed {
            ResourceType::ALL.into_iter().for_each(|kind| self.try_again(kind));
        }
    }

    /// Sends what was refused once more.
    pub fn try_again(&mut self, kind: ResourceType) {
        if let Some(subscription) = self.subscriptions.get_mut(&kind) {
            for name in std::mem::take(&mut subscription.refused) {
                subscription.told.remove(&name);
            }
        }
    }

    /// Takes a request: subscriptions, and what became of an earlier response.
    pub fn receive(&mut self, kind: ResourceType, request: &DeltaDiscoveryRequest) -> Option<Outcome> {
        let first = !self.subscriptions.contains_key(&kind);
        let subscription = self.subscriptions.entry(kind).or_default();
        if first {
            subscription.wildcard = kind.may_be_wildcard() && request.resource_names_subscribe.is_empty();
            subscription.expects_answer = request.initial_resource_versions.is_empty();
        }
        for name in &request.resource_names_subscribe {
            if name == "*" {
                subscription.wildcard = true;
            } else {
                // Whoever subscribes again has forgotten what it was told.
                subscription.told.remove(name);
                subscription.held.remove(name);
                subscription.names.insert(name.clone());
            }
        }
        for name in &request.resource_names_unsubscribe {
            if name == "*" {
                subscription.wildcard = false;
            }
            subscription.names.remove(name);
            subscription.told.remove(name);
            subscription.held.remove(name);
            subscription.refused.remove(name);
        }
        for (name, version) in &request.initial_resource_versions {
            subscription.told.insert(name.clone(), Some(version.clone()));
            subscription.held.insert(name.clone());
        }
        let under_way = subscription.under_way.take_if(|under_way| under_way.nonce == request.response_nonce)?;
        Some(match &request.error_detail {
            None => {
                subscription.acknowledged(&under_way.names);
                Outcome::Acknowledged { kind }
            }
            Some(error) => {
                let UnderWay { names, revision, .. } = under_way;
                subscription.refused.extend(names.iter().cloned());
                Outcome::Refused { kind, names, reason: error.message.clone(), revision }
            }
        })
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
            let mut changed = subscription.changed(kind, &resources);
            match kind {
                ResourceType::Plugin => subscription.next_plugin(&mut changed),
                ResourceType::Cluster => subscription.next_clusters(&mut changed),
                _ => {}
            }
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
        resources: Vec<(String, Arc<Resource>)>,
        removed: Vec<String>,
    ) -> Push {
        self.last_nonce += 1;
        let nonce = self.last_nonce.to_string();
        let subscription = self.subscriptions.entry(kind).or_default();
        let told = resources.iter().map(|(name, resource)| (name.clone(), Some(resource.version.clone())));
        subscription.told.extend(told);
        subscription.told.extend(removed.iter().map(|name| (name.clone(), None)));
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
                    && subscription.changed(*kind, resources).is_empty()
                    && subscription.removed(*kind, resources).is_empty()
            })
    }
}

impl Subscription {
    fn acknowledged(&mut self, names: &[String]) {
        for name in names {
            match self.told.get(name) {
                Some(Some(_)) => self.held.insert(name.clone()),
                _ => self.held.remove(name),
            };
        }
    }

    fn changed(&self, kind: ResourceType, resources: &ResourceSet) -> Vec<(String, Arc<Resource>)> {
        let is_news = |name: &String, resource: &Arc<Resource>| {
            self.told.get(name).and_then(Option::as_ref) != Some(&resource.version) && !self.refused.contains(name)
        };
        resources
            .all(kind)
            .filter(|(name, resource)| (self.wildcard || self.names.contains(*name)) && is_news(name, resource))
            .map(|(name, resource)| (name.clone(), resource.clone()))
            .collect()
    }

    /// Leaves the one that goes next. What attempts pass goes before what leads to them, and while Envoy refuses it nothing
    /// else does: requests would find no way on, or two versions of the module would meet in one request.
    fn next_plugin(&self, changed: &mut Vec<(String, Arc<Resource>)>) {
        if self.refused.contains(plugin::PROVIDER) {
            changed.clear();
        } else if let Some(first) = changed.iter().position(|(name, _)| name == plugin::PROVIDER) {
            changed.swap(0, first);
        }
        changed.truncate(1);
    }

    /// Leaves those that go next: what Envoy does not have yet, or else all.
    fn next_clusters(&self, changed: &mut Vec<(String, Arc<Resource>)>) {
        let is_new = |name: &String| !self.held.contains(name);
        if changed.iter().any(|(name, _)| is_new(name)) {
            changed.retain(|(name, _)| is_new(name));
        }
    }

    fn removed(&self, kind: ResourceType, resources: &ResourceSet) -> Vec<String> {
        let gone = |name: &&String| resources.get(kind, name).is_none();
        let unanswered = self.names.iter().filter(gone).filter(|name| !self.told.contains_key(*name));
        let told = self.told.iter().filter(|(_, version)| version.is_some()).map(|(name, _)| name);
        // Of what it refused in another version Envoy still has the one before.
        let held = self.held.iter().filter(|name| !self.told.contains_key(*name));
        let names: BTreeSet<&String> = unanswered.chain(told.chain(held).filter(gone)).collect();
        names.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
