//! What a gateway (a fleet of Envoys with one token) asks, and what it is answered.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_config::{GuardrailProfile, Unit};
pub use weir_config::{Limit, LimitAction, LimitedModels, Period, Window};

use crate::finding_key::FindingKey;
use crate::ways_in::{Way, WaysIn};

/// Who asks: found by the digest of the token that an Envoy shows, never by what a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Immutable.
    pub id: Uuid,
    /// For people.
    pub name: String,
    /// `None`: it serves all tenants.
    pub tenant_id: Option<Uuid>,
    /// How many proxies of the operator's stand before it.
    pub trusted_hops: u8,
    /// Whether it believes certificates that those proxies say they saw.
    pub trusts_forwarded_certificates: bool,
    /// In which ways apps may or must show who they are here.
    pub ways_in: WaysIn,
}

impl Gateway {
    /// Whether this gateway may act for a tenant.
    pub fn serves(&self, tenant_id: Uuid) -> bool {
        self.tenant_id.is_none_or(|own| own == tenant_id)
    }
}

/// What is known about who has shown an API key, a token or a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Whether the key may be used.
    pub status: CredentialStatus,
    /// Set if and only if the key is active.
    pub principal: Option<Principal>,
    /// Set if and only if the key is active.
    pub catalog: Option<Catalog>,
    /// The committed revision that this answer reflects.
    pub revision: u64,
}

/// State of an API key, or of who comes in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialStatus {
    /// It may be used.
    Active,
    /// There is no such key in the gateway's scope.
    Unknown,
    /// An administrator withdrew it.
    Revoked,
    /// Its time is over.
    Expired,
    /// An administrator put it out of use, maybe for a time.
    Disabled,
    /// It is of a way in that is refused here.
    WayRefused,
    /// No rule knows who has shown a token or a certificate.
    NoRule,
    /// A rule names a user who is not there.
    NoUser,
    /// What a token or a certificate says cannot be read, or is less than it must be.
    Malformed,
}

/// Who is calling, and what holds for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The tenant.
    pub tenant_id: Uuid,
    /// The key.
    pub key_id: Uuid,
    /// `None`: every model of the catalog.
    pub allowed_models: Option<Vec<String>>,
    /// `None`: every operation.
    pub allowed_operations: Option<Vec<String>>,
    /// Ranges of addresses from which the key may be used; empty: from everywhere.
    pub source_cidrs: Vec<String>,
    /// How many proxies of the operator's stand before the gateway that asks.
    pub trusted_hops: u8,
    /// What holds of the key's own profile and its tenant's.
    pub guardrail_profile: Option<PrincipalProfile>,
    /// What it is held to.
    pub limits: Vec<Limit>,
    /// `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// In which way it was shown.
    pub way_in: Way,
    /// Ways in that each request of the tenant by this gateway must show.
    pub required_ways_in: Vec<Way>,
    /// The tenant's keys for what guardrails find; none where no profile holds.
    pub finding_keys: Vec<FindingKey>,
}

/// How the other end of a connection, and those before it, have shown who they are: the URIs of certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Of the connection's own.
    pub uris: Vec<String>,
    /// As proxies before this gateway saw them, from left to right; empty where one saw none.
    pub forwarded_uris: Vec<String>,
}

impl Peer {
    /// The URIs that count, where so many proxies of the operator's stand before the gateway: with none what the connection itself shows, else
    /// what the outermost of them saw, if the gateway trusts forwarded certificates. What stands further left came with the request, and can
    /// say anything; the connection itself shows the last proxy.
    pub fn counted(&self, trusted_hops: u8, trusts_forwarded: bool) -> &[String] {
        match usize::from(trusted_hops).checked_sub(1) {
            None => &self.uris,
            Some(_) if !trusts_forwarded => &[],
            Some(from_right) => self.forwarded_uris.len().checked_sub(from_right + 1).map_or(&[], |index| {
                self.forwarded_uris
                    .get(index..=index)
                    .filter(|uris| uris.iter().all(|uri| !uri.is_empty()))
                    .unwrap_or_default()
            }),
        }
    }
}

/// A guardrail profile that holds for a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalProfile {
    /// Immutable.
    pub id: Uuid,
    /// What it says.
    pub profile: GuardrailProfile,
}

/// The models that one tenant's clients can ask for: its own and the platform's; of two with one name its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The tenant.
    pub tenant_id: Uuid,
    /// The committed change that last changed it, or a later one.
    pub revision: u64,
    /// In the order of names; `None`: the asker has them.
    pub models: Option<Vec<CatalogModel>>,
}

/// A catalog that whoever asks has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCatalog {
    /// Its tenant.
    pub tenant_id: Uuid,
    /// Its revision.
    pub revision: u64,
}

/// One model of a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogModel {
    /// The name that clients ask for.
    pub name: String,
    /// The pool that serves it.
    pub pool_id: Uuid,
    /// For the list of models.
    pub created_at: DateTime<Utc>,
    /// Who offers it, for the list of models ("owned_by"): the tenant's name, or `platform`.
    pub owner: String,
    /// What it costs at most; `None`: a member of the pool has no price.
    pub dearest: Option<DearestPrices>,
    /// In which ways who asks for it may or must show who they are.
    pub ways_in: WaysIn,
    /// The most output tokens of a request that names none, where a limit counts them; `None`: none is set.
    pub default_max_tokens: Option<u64>,
    /// The most output tokens that a request may name; `None`: anything.
    pub max_tokens_cap: Option<u64>,
}

/// What a model costs at most, whichever member of its pool serves it and however it bills it, in pico-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DearestPrices {
    /// A token of the input.
    pub input: u64,
    /// A token of the output.
    pub output: u64,
    /// A request, besides its tokens.
    pub request: u64,
}

/// Units of one counter that a gateway would like to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaDemand {
    /// See [`Counter`].
    pub counter: String,
    /// Start of the window, Unix time in seconds.
    pub window_start_unix_s: i64,
    /// The least that is of use: fewer are not granted. 0: only what was granted to the demand of this id already.
    pub minimum: u64,
    /// What the gateway would like to hold; read of gateways that name no holder.
    pub wanted: u64,
    /// Units that requests which wait for the answer lack; read of gateways that name a holder.
    pub waiting: u64,
    /// Names it among all demands of its holder, so that it is granted something once however often it is made; read of limits that
    /// administrators wrote. Empty: each is another.
    pub id: String,
}

/// How leases of units are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// A holder that says nothing for so long has lost its lease: all that it held counts as spent.
    pub lifetime: Duration,
    /// An Envoy that asked for units of a counter shares in it for so long.
    pub active_for: Duration,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(10), active_for: Duration::from_secs(15) }
    }
}

/// What became so far of all that one Envoy was granted of a counter in one window. Totals: the same again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuotaSettlement {
    /// Whose counter.
    pub tenant_id: Uuid,
    /// See [`Counter`].
    pub counter: String,
    /// Start of the window, Unix time in seconds.
    pub window_start_unix_s: i64,
    /// Names the Envoy for as long as it runs.
    pub holder: String,
    /// Units that requests took.
    pub spent: u64,
    /// Units that nobody took and the Envoy no longer has.
    pub returned: u64,
}

/// The answer to a [`QuotaDemand`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaGrant {
    /// The demand's.
    pub counter: String,
    /// The demand's.
    pub window_start_unix_s: i64,
    /// 0: refused.
    pub granted: u64,
    /// What remains for everybody in this window after this grant.
    pub remaining: u64,
    /// What one window holds; 0 for a counter that does not exist.
    pub limit: u64,
    /// Of a refusal: how long not to ask again, in milliseconds. 0: until the window ends.
    pub ask_again_ms: u32,
}

/// What limits count, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Requests of one key in one minute: `key/<id>/requests/60`.
    KeyRequestsPerMinute {
        /// The key.
        key_id: Uuid,
    },
}

impl Counter {
    /// Reads a name; `None`: there is no such counter.
    pub fn parse(name: &str) -> Option<Self> {
        let key_id = name.strip_prefix("key/")?.strip_suffix("/requests/60")?;
        let counter = Self::KeyRequestsPerMinute { key_id: key_id.parse().ok()? };
        // One spelling only: an uppercase id would otherwise be a second counter for the same key.
        (counter.name() == name).then_some(counter)
    }

    /// The name.
    pub fn name(self) -> String {
        match self {
            Self::KeyRequestsPerMinute { key_id } => format!("key/{key_id}/requests/60"),
        }
    }

    /// What it counts.
    pub fn unit(self) -> Unit {
        match self {
            Self::KeyRequestsPerMinute { .. } => Unit::Requests,
        }
    }

    /// The time in which it counts.
    pub fn window(self) -> Window {
        match self {
            Self::KeyRequestsPerMinute { .. } => Window::of_seconds(60),
        }
    }

    /// The limit of so many units on it.
    pub fn limit(self, amount: u64) -> Limit {
        Limit::new(self.name(), self.unit(), self.window(), amount)
    }
}

/// The counter of a limit that administrators wrote: `limit/<id>`, with `.<generation>` where that is not 0, and with `/<member>` where each
/// of a kind has one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitCounter<'a> {
    /// The limit.
    pub limit_id: Uuid,
    /// How often what it counts, or when, was changed. What was counted before is not of the same units, or windows.
    pub generation: u64,
    /// Which one of the kind; empty: it is the only one.
    pub member: &'a str,
}

/// Bytes of a member's name: a label's value, or a model's name.
const LONGEST_MEMBER: usize = 1000;

impl<'a> LimitCounter<'a> {
    const PREFIX: &'static str = "limit/";

    /// Whether a name is one of these.
    pub fn is_name(name: &str) -> bool {
        name.starts_with(Self::PREFIX)
    }

    /// Reads a name; `None`: there is no such counter.
    pub fn parse(name: &'a str) -> Option<Self> {
        let rest = name.strip_prefix(Self::PREFIX)?;
        let (limit, member) = rest.split_once('/').unwrap_or((rest, ""));
        let (id, generation) = limit.split_once('.').unwrap_or((limit, "0"));
        let counter = Self { limit_id: id.parse().ok()?, generation: generation.parse().ok()?, member };
        let is_text = member.len() <= LONGEST_MEMBER && !member.contains('\0');
        // One spelling only, as of other counters.
        (is_text && counter.name() == name).then_some(counter)
    }

    /// The name.
    pub fn name(&self) -> String {
        let Self { limit_id, generation, member } = self;
        let generation = if *generation == 0 { String::new() } else { format!(".{generation}") };
        let member = if member.is_empty() { String::new() } else { format!("/{member}") };
        format!("limit/{limit_id}{generation}{member}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_forwarded_is_what_the_outermost_trusted_hop_saw() {
        let check = |forwarded: &[&str], trusted_hops: u8, expect: &[&str]| {
            let forwarded_uris = forwarded.iter().map(|uri| (*uri).to_owned()).collect();
            let peer = Peer { uris: vec!["spiffe://own".into()], forwarded_uris };
            assert_eq!(peer.counted(trusted_hops, true), expect, "{forwarded:?} {trusted_hops}");
            let own: &[&str] = if trusted_hops == 0 { &["spiffe://own"] } else { &[] };
            assert_eq!(peer.counted(trusted_hops, false), own, "{forwarded:?} {trusted_hops}");
        };
        check(&["spiffe://spoofed"], 0, &["spiffe://own"]);
        check(&[], 0, &["spiffe://own"]);
        check(&["spiffe://a"], 1, &["spiffe://a"]);
        check(&["spiffe://spoofed", "spiffe://a"], 1, &["spiffe://a"]);
        check(&["spiffe://spoofed", "spiffe://a", "spiffe://proxy"], 2, &["spiffe://a"]);
        check(&["spiffe://spoofed", ""], 1, &[]);
        check(&["spiffe://a"], 2, &[]);
        check(&[], 1, &[]);
    }

    #[test]
    fn a_counter_has_one_spelling() {
        let id = "0198c0de-0000-7000-8000-00000000abcd";
        let check = |name: &str, valid| assert_eq!(Counter::parse(name).is_some(), valid, "{name}");
        check(&format!("key/{id}/requests/60"), true);
        check(&format!("key/{}/requests/60", id.to_uppercase()), false);
        check(&format!("key/{id}/requests/61"), false);
        check(&format!("tenant/{id}/requests/60"), false);
        check("key//requests/60", false);
        let check = |name: &str, member: Option<&str>| {
            assert_eq!(LimitCounter::parse(name).map(|counter| counter.member), member, "{name}");
        };
        check(&format!("limit/{id}"), Some(""));
        check(&format!("limit/{id}/a/b c"), Some("a/b c"));
        check(&format!("limit/{id}.12/a"), Some("a"));
        check(&format!("limit/{id}.0"), None);
        check(&format!("limit/{id}.012"), None);
        check(&format!("limit/{id}."), None);
        check(&format!("limit/{id}/"), None);
        check(&format!("limit/{}", id.to_uppercase()), None);
        check(&format!("limit/{id}/a\0"), None);
        check("limit/", None);
    }
}
