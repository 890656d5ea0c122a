use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use envoy_types::pb::google::protobuf::Any;
use prost::Message as _;
use uuid::Uuid;

/// Kinds of configuration that an Envoy subscribes to, in the order in which changes are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// Where requests can go (CDS).
    Cluster,
    /// Provider credentials (SDS).
    Secret,
    /// Configuration of the plugins (ECDS).
    Plugin,
    /// The listener, for an Envoy whose bootstrap has none (LDS).
    Listener,
    /// What is answered where no pool serves, and where the pools' own come from (RDS).
    Route,
    /// Which cluster serves a pool, and within which times (VHDS).
    VirtualHost,
}

impl ResourceType {
    /// All of them, in the order in which changes are delivered: what is referred to comes before what refers to it.
    pub const ALL: [Self; 6] =
        [Self::Cluster, Self::Secret, Self::Plugin, Self::Listener, Self::Route, Self::VirtualHost];

    /// The name by which xDS calls this type.
    pub fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            Self::Plugin => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Self::VirtualHost => "type.googleapis.com/envoy.config.route.v3.VirtualHost",
        }
    }

    /// The type of that name, if it is served.
    pub fn of_type_url(type_url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.type_url() == type_url)
    }

    /// Whether it is of no use before what it refers to is there.
    pub(crate) fn refers_to_others(self) -> bool {
        matches!(self, Self::Listener | Self::Route | Self::VirtualHost)
    }

    /// Whether a first request without names asks for everything of this type.
    pub(crate) fn may_be_wildcard(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener | Self::VirtualHost)
    }
}

/// One named piece of configuration.
#[derive(Clone, PartialEq)]
pub struct Resource {
    /// Hash of the content; equal content has an equal version on every replica of the control plane.
    pub version: Arc<str>,
    /// As Envoy reads it.
    pub body: Any,
}

/// Bodies are left out: a secret's body is the credential.
impl std::fmt::Debug for Resource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Resource").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Resource {
    /// A resource whose version is the hash of its encoding.
    ///
    /// A prost map encodes in random order, so that the encoding says what the content is only while no map in it has more
    /// than one entry. The builders keep to that, and a test builds everything many times over to hold it.
    pub(crate) fn new(body: Any) -> Self {
        let version = version_of(&body);
        Self { version: version.into(), body }
    }
}

pub(crate) fn version_of(body: &Any) -> String {
    let hash = digest::digest(&digest::SHA256, &body.encode_to_vec());
    // 64 bits tell versions of one resource apart, and are of no use for guessing a secret's content.
    hash.as_ref().iter().take(8).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Whose policy a resource comes from; `None`: the platform's, or everybody's.
pub(crate) type Owner = Option<Uuid>;
/// In a set: what is made of all owners in it. No tenant has this id.
pub(crate) const OF_ALL: Owner = Some(Uuid::max());

/// The resources of one owner. It is made anew when the owner's policy changes, and shared as it is by all sets and sessions until then.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fragment {
    by_type: BTreeMap<ResourceType, BTreeMap<Arc<str>, Arc<Resource>>>,
    /// Its issuers of tokens, for the one filter that verifies all of them.
    pub(crate) verifiers: Vec<Verifier>,
}

/// An issuer of tokens, as Envoy verifies them.
#[derive(Debug, PartialEq)]
pub(crate) struct Verifier {
    /// The header that its tokens come in.
    pub(crate) header: String,
    /// A filter that knows no other issuer and remembers nothing, encoded: filters that are put one behind the other, encoded, are one that
    /// knows all of their issuers, in this order.
    pub(crate) encoded: Vec<u8>,
    /// The same that remembers what was verified, and the issuer's name in it; `None`: it may not.
    pub(crate) remembering: Option<(String, Vec<u8>)>,
}

impl Fragment {
    /// The resource of that type and name.
    pub(crate) fn get(&self, kind: ResourceType, name: &str) -> Option<&Arc<Resource>> {
        self.by_type.get(&kind)?.get(name)
    }

    /// All resources of a type, by name.
    pub(crate) fn all(&self, kind: ResourceType) -> impl Iterator<Item = (&Arc<str>, &Arc<Resource>)> {
        self.by_type.get(&kind).into_iter().flatten()
    }

    pub(crate) fn insert(&mut self, kind: ResourceType, name: String, resource: Resource) {
        self.by_type.entry(kind).or_default().insert(name.into(), Arc::new(resource));
    }
}

/// Everything that an Envoy of one scope can subscribe to.
///
/// A name is in one fragment: it holds an id that belongs to one owner for good.
#[derive(Debug, Default)]
pub struct ResourceSet {
    /// In the order of owners, so that two sets are compared in one pass.
    fragments: Vec<(Owner, Arc<Fragment>)>,
    /// Made when somebody first asks for a name of whatever owner.
    owners: OnceLock<HashMap<(ResourceType, Arc<str>), Owner>>,
}

/// Two sets are equal if their owners' fragments are.
impl PartialEq for ResourceSet {
    fn eq(&self, other: &Self) -> bool {
        self.fragments == other.fragments
    }
}

impl ResourceSet {
    pub(crate) fn new(fragments: BTreeMap<Owner, Arc<Fragment>>) -> Self {
        Self { fragments: fragments.into_iter().collect(), owners: OnceLock::new() }
    }

    /// The resource of that type and name.
    pub fn get(&self, kind: ResourceType, name: &str) -> Option<&Arc<Resource>> {
        self.fragment(self.owner(kind, name)?)?.get(kind, name)
    }

    /// All resources of a type, by owner and name.
    pub fn all(&self, kind: ResourceType) -> impl Iterator<Item = (&Arc<str>, &Arc<Resource>)> {
        self.fragments.iter().flat_map(move |(_, fragment)| fragment.all(kind))
    }

    /// What this owner has in here.
    pub(crate) fn fragment(&self, owner: Owner) -> Option<&Arc<Fragment>> {
        let at = self.fragments.binary_search_by_key(&owner, |(owner, _)| *owner).ok()?;
        self.fragments.get(at).map(|(_, fragment)| fragment)
    }

    /// Whose fragment has this resource.
    pub(crate) fn owner(&self, kind: ResourceType, name: &str) -> Option<Owner> {
        let owners = self.owners.get_or_init(|| {
            let names = self.fragments.iter().flat_map(|(owner, fragment)| {
                fragment.by_type.iter().flat_map(|(kind, all)| all.keys().map(|name| ((*kind, name.clone()), *owner)))
            });
            names.collect()
        });
        owners.get(&(kind, Arc::from(name))).copied()
    }

    /// Owners whose fragment is another object than before, or is new or gone.
    pub(crate) fn changed_since(&self, before: Option<&Self>) -> Vec<Owner> {
        let mut before = before.map(|before| before.fragments.as_slice()).unwrap_or_default().iter().peekable();
        let mut changed = Vec::new();
        for (owner, fragment) in &self.fragments {
            while let Some((gone, _)) = before.next_if(|(earlier, _)| earlier < owner) {
                changed.push(*gone);
            }
            match before.next_if(|(same, _)| same == owner) {
                Some((_, earlier)) if Arc::ptr_eq(earlier, fragment) => {}
                Some(_) | None => changed.push(*owner),
            }
        }
        changed.extend(before.map(|(gone, _)| *gone));
        changed
    }
}

/// Which part of the policy an Envoy gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A gateway that serves every tenant.
    Everyone,
    /// A gateway that serves one tenant, by its own policy and the platform's.
    Tenant(Uuid),
}

impl Scope {
    /// Whether something of this owner (`None`: the platform) is in scope.
    pub fn includes(self, owner: Option<Uuid>) -> bool {
        match (self, owner) {
            (Self::Everyone, _) | (Self::Tenant(_), None) => true,
            (Self::Tenant(tenant), Some(owner)) => tenant == owner,
        }
    }
}
