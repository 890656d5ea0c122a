use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::rc::Rc;

use weir_config::{AuthConfig, Entries};
use weir_exchange::{Catalog, Principal};
use weir_host::Micros;

use crate::bounded::Bounded;
use crate::entries::KnownEntries;
use crate::{Answer, Denial, Digest};

/// After a look-up that failed, stale principals are used for so long without asking again, so that a control plane that
/// is away does not cost each request the callout's deadline.
const AWAY: Micros = 1_000_000;

/// Look-ups which one VM makes in a second of keys that it does not remember as good, of each kind of key, and how many it may save up.
/// What anybody can make up must not keep the control plane busy.
const LOOKUPS_A_SECOND: u64 = 100;
const LOOKUPS_SAVED: u64 = 500;

/// Keys that are remembered for having had their streams ended. Of more, all look-ups under way are made again.
const MOST_ENDED: usize = 1024;

/// Issuers that have a budget of their own at a time.
const MOST_ISSUERS: usize = 64;

/// Models that are kept of each caller whom nobody knows, until it is asked for again.
const MOST_MODELS: usize = 8;
/// Characters of a model's name that are kept.
const LONGEST_MODEL: usize = 256;

const SMALLEST_SWEEP: usize = 64;

/// Who stands behind which key, as far as one VM knows. Bounded; all times come from the caller.
///
/// What is known is used without asking only while the VM hears of changes ([`PrincipalCache::set_watched`]). Else the
/// control plane is asked for each request, and what is known is for the time when it does not answer.
#[derive(Default)]
pub struct PrincipalCache {
    state: Cell<State>,
}

impl fmt::Debug for PrincipalCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PrincipalCache").finish_non_exhaustive()
    }
}

/// Who is calling, and the models of their tenant.
pub type Identity = (Rc<Principal>, Rc<Catalog>);

/// What the cache says about a key.
#[derive(Clone, Debug)]
pub enum Known {
    /// The key is good.
    Active(Rc<Principal>, Rc<Catalog>),
    /// The key is not good.
    Denied(Denial),
    /// The control plane must be asked; the ticket goes with its answer.
    Unsure(Ticket),
    /// The same, as what was answered may tell what held before the key's streams were ended.
    Outdated(Ticket),
}

/// When a look-up was sent, counted in invalidations, and what need not be answered.
#[derive(Clone, Debug)]
pub struct Ticket {
    generation: u64,
    /// The catalog of the tenant that the key belonged to when it was last asked for. Kept here, since it may be forgotten before the
    /// answer comes.
    catalog: Option<NamedCatalog>,
    /// Of which budget it was taken; none: the key was good before.
    budget: Option<Vouched>,
    /// Requests that were refused without asking, since it was last asked for.
    refused: u64,
    /// Models that were asked for meanwhile.
    models: Vec<String>,
    /// Lists of entries that the VM has. Kept here, as the catalog is.
    entries: Vec<Entries>,
}

/// Who stands up for what a client has shown. Each kind has its budget of look-ups, so that who can make up one does not use up what another
/// needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Who has issued a token that the proxy has verified, by a digest of its name.
    ByIssuer(Digest),
    /// The checksum of a key, which says that Weir made it: nobody's dummy, though who knows the form can invent some. Or the certificate of a
    /// connection, to which the client may have added what it likes.
    ByChecksum,
    /// Anybody can make it up.
    ByNobody,
}

#[derive(Clone, Debug)]
struct NamedCatalog {
    tenant_id: String,
    revision: u64,
    catalog: Rc<Catalog>,
}

impl Ticket {
    /// Lists of entries that are known, for the control plane to leave them out.
    pub fn known_entries(&self) -> &[Entries] {
        &self.entries
    }

    /// Requests that were refused without asking, since the control plane was last asked.
    pub fn refused_since(&self) -> u64 {
        self.refused
    }

    /// Some of the models that the refused requests asked for, since the control plane was last asked.
    pub fn refused_models(&self) -> &[String] {
        &self.models
    }

    /// The tenant whose catalog is known, and of which revision, for the control plane to leave it out.
    pub fn known_catalog(&self) -> Option<(&str, u64)> {
        self.catalog.as_ref().map(|known| (known.tenant_id.as_str(), known.revision))
    }
}

#[derive(Debug, Default)]
struct State {
    active: Bounded<Active>,
    denied: Bounded<Denied>,
    /// Keys that were good when they were last asked for, whatever was forgotten of them since: they are no guesses.
    were_good: Bounded<()>,
    catalogs: HashMap<String, Versioned>,
    sweep_at: usize,
    generation: u64,
    /// By ids of keys, the generation in which their streams were last ended.
    ended: HashMap<String, u64>,
    /// The same for all keys that are not there any more.
    others_ended: u64,
    /// Counted up when everything that is known becomes doubtful.
    era: u64,
    entries: KnownEntries,
    away_until: Micros,
    watched: bool,
    /// By issuer, as long as there are not too many.
    issuers: HashMap<Digest, Budget>,
    other_issuers: Budget,
    checked: Budget,
    others: Budget,
}

/// Look-ups that may be made.
#[derive(Debug)]
struct Budget {
    left: u64,
    /// Until when they were added up.
    at: Micros,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: LOOKUPS_SAVED, at: 0 }
    }
}

impl Budget {
    /// Adds up what came since.
    fn earn(&mut self, now: Micros) {
        // A clock that was set back adds nothing, and is the clock from now on.
        let earned = now.saturating_sub(self.at).saturating_mul(LOOKUPS_A_SECOND) / 1_000_000;
        if earned > 0 || now < self.at {
            self.left = self.left.saturating_add(earned).min(LOOKUPS_SAVED);
            self.at = now;
        }
    }

    /// Whether nothing is missing from it.
    fn is_whole(&mut self, now: Micros) -> bool {
        self.earn(now);
        self.left == LOOKUPS_SAVED
    }

    /// Takes one, if there is one.
    fn take(&mut self, now: Micros) -> bool {
        self.earn(now);
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    /// One that was taken was for a good key.
    fn give_back(&mut self) {
        self.left = self.left.saturating_add(1).min(LOOKUPS_SAVED);
    }
}

#[derive(Debug)]
struct Denied {
    at: Micros,
    denial: Denial,
    /// Requests that were refused by it.
    refused: u64,
    /// Models that some of them asked for.
    models: BTreeSet<String>,
}

#[derive(Debug)]
struct Active {
    stored_at: Micros,
    era: u64,
    revision: u64,
    principal: Rc<Principal>,
}

#[derive(Debug)]
struct Versioned {
    era: u64,
    revision: u64,
    catalog: Rc<Catalog>,
}

impl PrincipalCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether what must be forgotten reaches this VM from now on.
    pub fn set_watched(&self, watched: bool) {
        self.with(|state| {
            if std::mem::replace(&mut state.watched, watched) != watched {
                // An answer that was asked for before may tell of what has changed unheard in between.
                state.next_generation();
            }
        });
    }

    /// What is known about a key now.
    pub fn look_up(&self, digest: &Digest, now: Micros, config: &AuthConfig) -> Known {
        self.with(|state| {
            let lifetime = seconds(config.principal_lifetime_s);
            let is_away = state.is_away(now);
            let known = match (is_away, state.watched) {
                (true, _) => state.usable(digest, now, lifetime.saturating_add(seconds(config.principal_stale_s))),
                (false, true) if state.is_certain(digest, now) => state.usable(digest, now, lifetime),
                (false, _) => None,
            };
            if let Some((principal, catalog)) = known {
                return match expired(&principal, now) {
                    true => Known::Denied(Denial::Expired),
                    false => Known::Active(principal, catalog),
                };
            }
            let may_be_denied = state.watched || is_away;
            if let Some(denied) = state.denied.get_mut(digest)
                && may_be_denied
                && now.checked_sub(denied.at).is_some_and(|age| age < seconds(config.unknown_key_lifetime_s))
            {
                denied.refused = denied.refused.saturating_add(1);
                return Known::Denied(denied.denial);
            }
            Known::Unsure(state.ticket(digest))
        })
    }

    /// Whether the control plane may be asked for a key: always if it was good before, else within a budget, to which the answer that the
    /// key is good gives back what it took. So the budget bounds guesses, and how many keys that are not known are asked for at a time.
    pub fn may_ask(&self, digest: &Digest, vouched: Vouched, ticket: &mut Ticket, now: Micros) -> bool {
        self.with(|state| {
            if state.were_good.get(digest).is_some() {
                return true;
            }
            ticket.budget = Some(vouched);
            state.budget(vouched, now).take(now)
        })
    }

    /// Takes in the control plane's answer, and says what holds for the request that asked. An answer to a look-up that was
    /// sent before the last invalidation holds for that request only: it may tell what has just been revoked. One that was sent before
    /// the key's streams were ended holds for none.
    pub fn answered(&self, digest: Digest, ticket: Ticket, answer: Answer, now: Micros, config: &AuthConfig) -> Known {
        self.with(|state| {
            state.away_until = 0;
            let current = ticket.generation == state.generation;
            let answer = match answer {
                Answer::Active { principal, .. } if expired(&principal, now) => Answer::Denied(Denial::Expired),
                other => other,
            };
            match answer {
                Answer::Denied(denial) => {
                    state.active.remove(&digest);
                    state.were_good.remove(&digest);
                    if current {
                        let denied = Denied { at: now, denial, refused: 0, models: BTreeSet::new() };
                        state.denied.insert(digest, denied, config.principal_capacity);
                    }
                    Known::Denied(denial)
                }
                Answer::Active { principal, catalog, catalog_revision, revision } => {
                    if let Some(vouched) = ticket.budget {
                        state.budget(vouched, now).give_back();
                    }
                    state.were_good.insert(digest, (), config.principal_capacity);
                    state.entries.add(&principal);
                    if state.has_ended_since(&principal.key_id, ticket.generation) {
                        return Known::Outdated(state.ticket(&digest));
                    }
                    let named = ticket.catalog.as_ref().filter(|named| named.tenant_id == principal.tenant_id);
                    let Some(catalog) = catalog.map(Rc::new).or_else(|| named.map(|named| Rc::clone(&named.catalog)))
                    else {
                        // Nobody had asked for it to be left out.
                        return Known::Unsure(ticket);
                    };
                    let catalog = state.newest_catalog(&principal.tenant_id, catalog, catalog_revision, current);
                    let era = state.era;
                    let known = state.active.get(&digest).filter(|known| known.era == era);
                    if current && revision >= known.map_or(0, |known| known.revision) {
                        state.denied.remove(&digest);
                        let active = Active { stored_at: now, era, revision, principal: Rc::clone(&principal) };
                        state.active.insert(digest, active, config.principal_capacity);
                    }
                    Known::Active(principal, catalog)
                }
            }
        })
    }

    /// Notes which model somebody asked for whom nobody knows. Told when they are asked for again.
    pub fn note_refused_model(&self, digest: &Digest, model: &str) {
        self.with(|state| {
            if let Some(denied) = state.denied.get_mut(digest)
                && denied.models.len() < MOST_MODELS
            {
                denied.models.insert(model.chars().take(LONGEST_MODEL).collect());
            }
        });
    }

    /// The control plane did not answer: the principal that was known, if it may still be used.
    pub fn unanswered(&self, digest: &Digest, now: Micros, config: &AuthConfig) -> Option<Identity> {
        let longest = seconds(config.principal_lifetime_s).saturating_add(seconds(config.principal_stale_s));
        self.with(|state| {
            state.away_until = now.saturating_add(AWAY);
            state.usable(digest, now, longest).filter(|(principal, _)| !expired(principal, now))
        })
    }

    /// Something may have changed unheard: whatever is known is asked for again before it is used, but is still there for the
    /// time when the control plane does not answer. What comes then replaces it, even if it is older: a backup may have been
    /// restored.
    pub fn doubt_everything(&self) {
        self.with(|state| {
            state.era = state.era.wrapping_add(1);
            // The control plane is there: what is doubtful is asked for.
            state.away_until = 0;
            state.denied.clear();
            state.next_generation();
        });
    }

    /// Forgets all keys and catalogs: none is usable before it was asked for again.
    pub fn forget_everything(&self) {
        self.with(|state| {
            state.active.clear();
            state.denied.clear();
            state.catalogs.clear();
            state.next_generation();
        });
    }

    /// Forgets these keys, also the ones known to be unknown. What is not 32 bytes long names no key.
    pub fn forget_keys<'a>(&self, digests: impl IntoIterator<Item = &'a [u8]>) {
        self.with(|state| {
            for digest in digests.into_iter().filter_map(|digest| Digest::try_from(digest).ok()) {
                state.active.remove(&digest);
                state.denied.remove(&digest);
            }
            state.next_generation();
        });
    }

    /// Forgets the keys and the catalogs of these tenants.
    pub fn forget_tenants<'a>(&self, tenants: impl IntoIterator<Item = &'a str>) {
        let tenants: HashSet<&str> = tenants.into_iter().collect();
        self.with(|state| {
            state.active.retain(|active| !tenants.contains(active.principal.tenant_id.as_str()));
            state.catalogs.retain(|tenant, _| !tenants.contains(tenant.as_str()));
            // Whose an expired key was is not kept, and it may have been made valid again; a rule may know now whom none knew.
            state.denied.retain(|denied| denied.denial == Denial::Unknown);
            state.next_generation();
        });
    }

    /// The streams of these keys end, and with them requests whose look-up is under way: it does not count any more.
    pub fn end_streams<'a>(&self, key_ids: impl ExactSizeIterator<Item = &'a str>) {
        self.with(|state| {
            state.next_generation();
            if state.ended.len().saturating_add(key_ids.len()) > MOST_ENDED {
                state.ended.clear();
                state.others_ended = state.generation;
                return;
            }
            state.ended.extend(key_ids.map(|key_id| (key_id.to_owned(), state.generation)));
        });
    }

    /// Keys that are held as good.
    pub fn len(&self) -> usize {
        self.with(|state| state.active.len())
    }

    /// Whether no key is held as good.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lends the state to `act`, which never calls back into the cache.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.take();
        let result = act(&mut state);
        self.state.set(state);
        result
    }
}

impl State {
    fn ticket(&self, digest: &Digest) -> Ticket {
        let denied = self.denied.get(digest);
        let refused = denied.map_or(0, |denied| denied.refused);
        let models = denied.map(|denied| denied.models.iter().cloned().collect()).unwrap_or_default();
        let (catalog, entries) = (self.catalog_of(digest), self.entries.all());
        Ticket { generation: self.generation, catalog, budget: None, refused, models, entries }
    }

    fn has_ended_since(&self, key_id: &str, generation: u64) -> bool {
        self.ended.get(key_id).is_some_and(|ended| generation < *ended) || generation < self.others_ended
    }

    fn budget(&mut self, vouched: Vouched, now: Micros) -> &mut Budget {
        match vouched {
            Vouched::ByIssuer(issuer) => self.budget_of(issuer, now),
            Vouched::ByChecksum => &mut self.checked,
            Vouched::ByNobody => &mut self.others,
        }
    }

    /// Each issuer has its own, so that none uses up what another needs; those beyond [`MOST_ISSUERS`] at a time share one.
    fn budget_of(&mut self, issuer: Digest, now: Micros) -> &mut Budget {
        if self.issuers.len() >= MOST_ISSUERS && !self.issuers.contains_key(&issuer) {
            self.issuers.retain(|_, budget| !budget.is_whole(now));
        }
        let has_room = self.issuers.len() < MOST_ISSUERS;
        match self.issuers.entry(issuer) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if has_room => new.insert(Budget { at: now, ..Budget::default() }),
            Entry::Vacant(_) => &mut self.other_issuers,
        }
    }

    /// The principal of a key that was stored less than `usable_for` ago, with its tenant's catalog.
    fn usable(&self, digest: &Digest, now: Micros, usable_for: Micros) -> Option<Identity> {
        let active = self.active.get(digest).filter(|active| now.saturating_sub(active.stored_at) < usable_for)?;
        let catalog = &self.catalogs.get(&active.principal.tenant_id)?.catalog;
        Some((Rc::clone(&active.principal), Rc::clone(catalog)))
    }

    /// Of the tenant's known catalog and the one that was just answered, the newer; kept if `keep`.
    fn newest_catalog(&mut self, tenant: &str, catalog: Rc<Catalog>, revision: u64, keep: bool) -> Rc<Catalog> {
        if let Some(known) = self.catalogs.get(tenant)
            && known.era == self.era
            && known.revision >= revision
        {
            return Rc::clone(&known.catalog);
        }
        if keep {
            self.sweep();
            self.catalogs.insert(tenant.into(), Versioned { era: self.era, revision, catalog: Rc::clone(&catalog) });
        }
        catalog
    }

    /// The catalog that need not be answered with this key. One that is doubtful must be: a backup may have been restored, and its
    /// revision mean something else.
    fn catalog_of(&self, digest: &Digest) -> Option<NamedCatalog> {
        let tenant_id = &self.active.get(digest)?.principal.tenant_id;
        let known = self.catalogs.get(tenant_id).filter(|known| known.era == self.era)?;
        let (tenant_id, catalog) = (tenant_id.clone(), Rc::clone(&known.catalog));
        Some(NamedCatalog { tenant_id, revision: known.revision, catalog })
    }

    /// Whether a key was asked for since everything was last doubted, and by a clock that has not been set back since: how old it is
    /// could not be told.
    fn is_certain(&self, digest: &Digest, now: Micros) -> bool {
        self.active.get(digest).is_some_and(|active| active.era == self.era && active.stored_at <= now)
    }

    /// Whether a look-up failed a moment ago. A clock that is set back makes that moment no longer.
    fn is_away(&self, now: Micros) -> bool {
        now < self.away_until && self.away_until.saturating_sub(now) <= AWAY
    }

    /// Drops the catalogs of tenants none of whose keys is held, at a cost that is constant per insertion over time.
    fn sweep(&mut self) {
        if self.catalogs.len() < self.sweep_at.max(SMALLEST_SWEEP) {
            return;
        }
        let used: HashSet<&str> = self.active.values().map(|active| active.principal.tenant_id.as_str()).collect();
        self.catalogs.retain(|tenant, _| used.contains(tenant.as_str()));
        self.sweep_at = self.catalogs.len().saturating_mul(2);
    }

    fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }
}

fn seconds(seconds: u64) -> Micros {
    seconds.saturating_mul(1_000_000)
}

fn expired(principal: &Principal, now: Micros) -> bool {
    principal.expires_at.is_some_and(|expires_at| expires_at <= now)
}
