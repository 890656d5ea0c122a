use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

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
    /// Which cluster serves a pool (RDS).
    Route,
}

impl ResourceType {
    /// All of them, in the order in which changes are delivered: what is referred to comes before what refers to it.
    pub const ALL: [Self; 5] = [Self::Cluster, Self::Secret, Self::Plugin, Self::Listener, Self::Route];

    /// The name by which xDS calls this type.
    pub fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            Self::Plugin => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        }
    }

    /// The type of that name, if it is served.
    pub fn of_type_url(type_url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.type_url() == type_url)
    }

    /// Whether it is of no use before what it refers to is there.
    pub(crate) fn refers_to_others(self) -> bool {
        matches!(self, Self::Listener | Self::Route)
    }

    /// Whether a first request without names asks for everything of this type.
    pub(crate) fn may_be_wildcard(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }
}

/// One named piece of configuration.
#[derive(Clone, PartialEq)]
pub struct Resource {
    /// Hash of the content; equal content has an equal version on every replica of the control plane.
    pub version: String,
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
        Self { version, body }
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

/// Everything that an Envoy of one scope can subscribe to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceSet {
    by_type: BTreeMap<ResourceType, BTreeMap<String, Arc<Resource>>>,
}

impl ResourceSet {
    /// The resource of that type and name.
    pub fn get(&self, kind: ResourceType, name: &str) -> Option<&Arc<Resource>> {
        self.by_type.get(&kind)?.get(name)
    }

    /// All resources of a type, by name.
    pub fn all(&self, kind: ResourceType) -> impl Iterator<Item = (&String, &Arc<Resource>)> {
        self.by_type.get(&kind).into_iter().flatten()
    }

    pub(crate) fn insert(&mut self, kind: ResourceType, name: String, resource: Arc<Resource>) {
        self.by_type.entry(kind).or_default().insert(name, resource);
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
