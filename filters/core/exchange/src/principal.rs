use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use weir_config::{Cidr, GuardrailProfile, Limit};
use weir_host::Micros;
use weir_llm::OutputBounds;

use crate::FindingKey;

/// Who is calling, and what holds for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// The caller's tenant.
    pub tenant_id: String,
    /// The key that was shown.
    pub key_id: String,
    /// The models that the key may use; `None`: every model of its tenant.
    pub allowed_models: Option<Vec<String>>,
    /// The names of the operations that the key may be used for; `None`: all.
    pub allowed_operations: Option<Vec<String>>,
    /// From where the key may be used; empty: from everywhere.
    pub source_cidrs: Vec<Cidr>,
    /// How many entries of `x-forwarded-for` are believed, behind the one that Envoy itself adds.
    pub trusted_hops: u8,
    /// The guardrail profile that holds for it, if any.
    pub guardrail_profile: Option<Rc<NamedProfile>>,
    /// What it is held to.
    pub limits: Vec<Rc<Limit>>,
    /// When the key stops being valid, if ever.
    pub expires_at: Option<Micros>,
    /// The committed change that all of this reflects; 0 without a control plane.
    pub revision: u64,
    /// In which way it was shown.
    pub way_in: WayIn,
    /// Ways in that each request must show, whatever else it shows.
    pub required_ways_in: Vec<WayIn>,
    /// Its tenant's keys for what guardrails find, of this time and the next; none where no profile holds.
    pub finding_keys: Vec<Arc<FindingKey>>,
}

/// A way in which a client shows who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WayIn {
    /// By an API key.
    #[default]
    Key,
    /// By a token that the proxy has verified.
    Token,
    /// By its certificate.
    Workload,
}

impl WayIn {
    /// Reads the name by which the control plane calls it.
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "key" => Some(Self::Key),
            "token" => Some(Self::Token),
            "workload" => Some(Self::Workload),
            _ => None,
        }
    }

    /// What a client must send, for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::Key => "an API key",
            Self::Token => "a token of a known issuer",
            Self::Workload => "a certificate of a known workload",
        }
    }
}

/// A guardrail profile and its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedProfile {
    /// Stays the same when the profile changes.
    pub id: String,
    /// What it says.
    pub profile: GuardrailProfile,
}

impl Principal {
    /// The key for what guardrails find at this time, if there is one.
    pub fn finding_key(&self, now: Micros) -> Option<&Arc<FindingKey>> {
        self.finding_keys.iter().find(|key| key.holds(now))
    }

    /// Whether the key may use a model of this name.
    pub fn may_use(&self, model: &str) -> bool {
        self.allowed_models.as_ref().is_none_or(|models| models.iter().any(|allowed| allowed == model))
    }

    /// Whether the key may be used for an operation of this name.
    pub fn may_ask(&self, operation: &str) -> bool {
        self.allowed_operations.as_ref().is_none_or(|operations| operations.iter().any(|allowed| allowed == operation))
    }

    /// Whether the key may be used from an address; `None`: it is not known from where.
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        self.source_cidrs.is_empty()
            || address.is_some_and(|address| self.source_cidrs.iter().any(|range| range.contains(address)))
    }
}

/// The models of one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Sorted by name.
    models: Vec<CatalogModel>,
    /// What some of them require.
    required_ways_in: Vec<WayIn>,
}

/// One model that a tenant has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogModel {
    /// The name that clients ask for.
    pub name: String,
    /// The pool that serves it.
    pub pool_id: String,
    /// Unix time in seconds, for the list of models.
    pub created_at_s: i64,
    /// Who provides it, for the list of models.
    pub owner: String,
    /// What it costs at most; `None`: a member of the pool has no price.
    pub dearest: Option<DearestPrices>,
    /// Ways in by which nobody asks for it.
    pub refused_ways_in: Vec<WayIn>,
    /// Ways in that everybody who asks for it must show.
    pub required_ways_in: Vec<WayIn>,
    /// What is decided about the most output tokens of an answer.
    pub output_bounds: OutputBounds,
}

/// What a model costs at most, whichever member of its pool serves it and however it bills it, in pico-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DearestPrices {
    /// A token of the input.
    pub input: u64,
    /// A token of the output.
    pub output: u64,
    /// A request, besides its tokens.
    pub request: u64,
}

impl Catalog {
    /// A catalog of these models.
    pub fn new(mut models: Vec<CatalogModel>) -> Self {
        models.sort_by(|one, other| one.name.cmp(&other.name));
        let is_required = |way: &WayIn| models.iter().any(|model| model.required_ways_in.contains(way));
        let required_ways_in = [WayIn::Key, WayIn::Token, WayIn::Workload].into_iter().filter(is_required).collect();
        Self { models, required_ways_in }
    }

    /// Ways in that some of the models require.
    pub fn required_ways_in(&self) -> &[WayIn] {
        &self.required_ways_in
    }

    /// The model of this name.
    pub fn find(&self, name: &str) -> Option<&CatalogModel> {
        let index = self.models.binary_search_by(|model| model.name.as_str().cmp(name)).ok()?;
        self.models.get(index)
    }

    /// All models, by name.
    pub fn models(&self) -> &[CatalogModel] {
        &self.models
    }
}
