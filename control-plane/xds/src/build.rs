//! Envoy resources from a snapshot: the same snapshot gives the same resources, on every replica.

mod cluster;

mod listener;
mod local_reply;
mod plugin;
mod pool;
mod route;
mod scalar;
mod secret;
mod signing;
mod token;

pub use local_reply::local_replies_yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;
use weir_core::destination::AllowedHosts;
use weir_core::snapshot::{Keys, Pool, Provider, Snapshot, TokenIssuer};

use crate::resource::{Fragment, OF_ALL, Owner};
use crate::{Resource, ResourceSet, ResourceType, Scope};

/// Name of the one route configuration.
pub(crate) const ROUTES: &str = "weir.routes";
/// Name of the listener, for an Envoy whose bootstrap has none.
pub(crate) const LISTENER: &str = "weir.listener";
/// Name of the filter that verifies tokens, and of its slot.
pub(crate) const TOKENS: &str = "weir.tokens";
/// Bytes that Envoy may hold of a body. Above [`BODY_LIMIT_BYTES`], so that the route plugin's refusal comes first.
pub(crate) const BUFFER_LIMIT_BYTES: u32 = 64 * 1024 * 1024;

/// Largest request body, in bytes: 50 MiB.
pub const BODY_LIMIT_BYTES: u64 = 50 * 1024 * 1024;

/// What the operator decides, and no tenant can change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where Envoy finds the filters' code.
    pub module: ModuleSource,
    /// Path, on Envoy's machine, of the authorities that a provider's certificate may come from.
    /// Envoy has no notion of the system's own; on Debian they are in `/etc/ssl/certs/ca-certificates.crt`.
    pub upstream_ca_file: String,
    /// Port of the listener that is served by LDS, for an Envoy whose bootstrap has none.
    pub listener_port: u16,
    /// Hosts that tenants may name although they are inside the operator's network.
    pub tenant_provider_hosts: AllowedHosts,
    /// Bytes of request bodies that one worker holds at a time, at least [`BODY_LIMIT_BYTES`]. Envoy takes up to twice as much
    /// memory for them.
    pub bodies_in_flight_bytes: u64,
}

impl Settings {
    /// Debian's authorities, port 18080, no inside hosts for tenants, and 256 MiB of bodies.
    pub fn new(module: ModuleSource) -> Self {
        Self {
            module,
            upstream_ca_file: "/etc/ssl/certs/ca-certificates.crt".into(),
            listener_port: 18080,
            tenant_provider_hosts: AllowedHosts::default(),
            bodies_in_flight_bytes: 256 * 1024 * 1024,
        }
    }
}

/// Where Envoy finds the filters' code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleSource {
    /// It asks the control plane, over the cluster that its bootstrap has for it.
    ControlPlane {
        /// SHA-256 of the module, in lower-case hexadecimal digits: its name there, and what Envoy checks it against.
        sha256: String,
    },
    /// It is in a file on Envoy's machine.
    File {
        /// Absolute path.
        path: String,
    },
}

/// The policy of one owner, as parts of a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy<'a> {
    pub(crate) providers: Vec<&'a Provider>,
    pub(crate) pools: Vec<&'a Pool>,
    pub(crate) issuers: Vec<&'a TokenIssuer>,
}

impl<'a> Policy<'a> {
    /// The policies of all owners that have one, in the order of ids; the platform has one in any case.
    pub(crate) fn by_owner(snapshot: &'a Snapshot) -> BTreeMap<Owner, Self> {
        let mut policies = BTreeMap::from([(None, Self::default())]);
        for provider in &snapshot.providers {
            policies.entry(provider.tenant_id).or_default().providers.push(provider);
        }
        for pool in &snapshot.pools {
            policies.entry(pool.tenant_id).or_default().pools.push(pool);
        }
        for issuer in &snapshot.token_issuers {
            policies.entry(issuer.tenant_id).or_default().issuers.push(issuer);
        }
        policies
    }
}

/// Everything that an Envoy of this scope can subscribe to.
pub fn build(snapshot: &Snapshot, settings: &Settings, scope: Scope) -> ResourceSet {
    let policies = Policy::by_owner(snapshot).into_iter().filter(|(owner, _)| scope.includes(*owner));
    let fragments = policies.map(|(owner, policy)| (owner, Arc::new(fragment(owner, &policy, settings)))).collect();
    set(fragments, None)
}

/// The set of these owners' fragments, with what is made of all of them. `before`: the set that it takes the place of, whose parts are kept where
/// they are the same.
pub(crate) fn set(mut fragments: BTreeMap<Owner, Arc<Fragment>>, before: Option<&ResourceSet>) -> ResourceSet {
    let together = token::together(&fragments);
    let known = before.and_then(|before| before.fragment(OF_ALL)).filter(|known| ***known == together).cloned();
    fragments.insert(OF_ALL, known.unwrap_or_else(|| Arc::new(together)));
    ResourceSet::new(fragments)
}

/// What one owner's policy makes. The platform's has what is there for everybody as well.
pub(crate) fn fragment(owner: Owner, policy: &Policy, settings: &Settings) -> Fragment {
    let providers: BTreeMap<Uuid, &Provider> = policy.providers.iter().map(|one| (one.id, *one)).collect();
    let mut fragment = Fragment::default();
    for pool in &policy.pools {
        for (name, cluster) in pool::clusters(pool, &providers, settings) {
            fragment.insert(ResourceType::Cluster, name, Resource::new(cluster));
        }
        let (name, host) = route::of_pool(pool, &providers);
        fragment.insert(ResourceType::VirtualHost, name, Resource::new(host));
    }
    for provider in &policy.providers {
        if let Some(credential) = provider.shown_credential() {
            let name = secret_of_provider(provider.id);
            let body = secret::credential(&name, &credential);
            fragment.insert(ResourceType::Secret, name, Resource::new(body));
        }
    }
    for issuer in &policy.issuers {
        if let Keys::At { server, .. } = &issuer.keys {
            let name = token::cluster_of_issuer(issuer.id);
            let body = cluster::of_keys(name.clone(), issuer.tenant_id, server, settings);
            fragment.insert(ResourceType::Cluster, name, Resource::new(body));
        }
        fragment.verifiers.push(token::verifier(issuer));
    }
    if owner.is_none() {
        fragment.insert(ResourceType::Route, ROUTES.into(), Resource::new(route::routes()));
        fragment.insert(ResourceType::Listener, LISTENER.into(), Resource::new(listener::listener(settings)));
        for (name, resource) in plugin::plugins(settings) {
            fragment.insert(ResourceType::Plugin, name, resource);
        }
    }
    fragment
}

fn members<'a>(
    pool: &'a Pool,
    providers: &'a BTreeMap<Uuid, &'a Provider>,
) -> impl Iterator<Item = (&'a weir_core::snapshot::Member, &'a Provider)> {
    // The store holds that a pool's providers have the pool's owner, so that none is out of scope here.
    pool.members.iter().filter_map(|member| Some((member, *providers.get(&member.provider_id)?)))
}

pub(crate) fn cluster_of_deployment(id: Uuid) -> String {
    format!("weir.deployment.{id}")
}

pub(crate) fn cluster_of_pool(id: Uuid) -> String {
    format!("weir.pool.{id}")
}

pub(crate) fn secret_of_provider(id: Uuid) -> String {
    format!("weir.credential.{id}")
}

#[cfg(test)]
mod tests;
