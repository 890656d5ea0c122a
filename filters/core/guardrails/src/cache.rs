use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use weir_config::ConfigError;
use weir_exchange::NamedProfile;

use crate::Profile;
use crate::scan::Engines;

/// Profiles that are found without reading them, since the very same one is used again.
const MOST_RECENT: usize = 8;

/// Memory of the profiles that each VM keeps ready, in bytes; of more those go that were not used for longest.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What a profile takes besides its lists and patterns.
const BYTES_OF_ONE: usize = 8 * 1024;

/// Versions of one profile that are kept: it holds together with others for some callers, and streams begin under the one before.
const MOST_VERSIONS: usize = 8;

/// Profiles that one VM has made ready, by their id and what they say: a profile that changes is another one. Bounded.
#[derive(Debug, Default)]
pub struct ProfileCache {
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    profiles: HashMap<Rc<NamedProfile>, Kept>,
    recent: VecDeque<(Rc<NamedProfile>, Profile)>,
    /// There are as many as there are sets of types to look for, so that they need no bound of their own.
    engines: Engines,
    /// Memory of all profiles.
    bytes: usize,
    /// Counts what was asked for.
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    ready: Profile,
    bytes: usize,
    used: u64,
}

impl ProfileCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The profile, ready to scan. Only the first request under a profile waits for that.
    pub(crate) fn ready(&self, profile: &Rc<NamedProfile>) -> Result<Profile, ConfigError> {
        // Nothing in here calls back, so it is never lent twice; if it were, this request would pay for itself.
        let Ok(mut state) = self.state.try_borrow_mut() else { return Profile::compile(&profile.profile) };
        if let Some((_, ready)) = state.recent.iter().find(|(known, _)| Rc::ptr_eq(known, profile)) {
            return Ok(ready.clone());
        }
        let ready = state.read(profile)?;
        if state.recent.len() >= MOST_RECENT {
            state.recent.pop_front();
        }
        state.recent.push_back((Rc::clone(profile), ready.clone()));
        Ok(ready)
    }
}

impl State {
    fn read(&mut self, profile: &Rc<NamedProfile>) -> Result<Profile, ConfigError> {
        self.clock = self.clock.saturating_add(1);
        if let Some(known) = self.profiles.get_mut(profile) {
            known.used = self.clock;
            return Ok(known.ready.clone());
        }
        let ready = Profile::compile_with(&profile.profile, &mut self.engines)?;
        let lists = profile.profile.rules.iter().filter_map(|rule| rule.custom.as_ref());
        let of_lists = lists.map(|custom| custom.entries.bytes()).fold(BYTES_OF_ONE, usize::saturating_add);
        let bytes = of_lists.saturating_add(ready.bytes());
        while self.versions(&profile.id) >= MOST_VERSIONS {
            self.forget_oldest(Some(&profile.id));
        }
        while self.bytes.saturating_add(bytes) > MOST_BYTES && !self.profiles.is_empty() {
            self.forget_oldest(None);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        let kept = Kept { ready: ready.clone(), bytes, used: self.clock };
        self.profiles.insert(Rc::clone(profile), kept);
        Ok(ready)
    }

    fn versions(&self, id: &str) -> usize {
        self.profiles.keys().filter(|profile| profile.id == id).count()
    }

    /// Forgets what was not used for longest, of one id or of all.
    fn forget_oldest(&mut self, id: Option<&str>) {
        let of_id = self.profiles.iter().filter(|(profile, _)| id.is_none_or(|id| profile.id == id));
        let Some(oldest) = of_id.min_by_key(|(_, kept)| kept.used).map(|(profile, _)| Rc::clone(profile)) else {
            return;
        };
        if let Some(kept) = self.profiles.remove(&oldest) {
            self.bytes = self.bytes.saturating_sub(kept.bytes);
        }
        self.recent.retain(|(recent, _)| *recent != oldest);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use weir_config::{
        Action, CustomKind, CustomRule, Entries, FindingType, GuardrailProfile, GuardrailRule, RuleDirection,
    };
    use weir_exchange::NamedProfile;

    use super::{MOST_BYTES, MOST_VERSIONS, ProfileCache};
    use crate::Direction;

    fn profile(id: &str, action: Action) -> Rc<NamedProfile> {
        let rule = GuardrailRule::new(FindingType::Email, action, RuleDirection::Both);
        let profile = GuardrailProfile::new("p", vec![rule]);
        Rc::new(NamedProfile { id: id.into(), profile })
    }

    fn with_list(id: &str, entries: impl Iterator<Item = String>) -> Rc<NamedProfile> {
        let custom = CustomRule {
            name: "list".into(),
            kind: CustomKind::Keywords,
            entries: Entries::new(entries.collect()),
            case_sensitive: false,
            parts_of_words: false,
        };
        let plain = GuardrailRule::new(FindingType::Custom, Action::Redact, RuleDirection::Both);
        let rule = GuardrailRule { custom: Some(custom), ..plain };
        Rc::new(NamedProfile { id: id.into(), profile: GuardrailProfile::new("p", vec![rule]) })
    }

    #[test]
    fn a_profile_is_made_ready_once_and_anew_when_it_changes() {
        let cache = ProfileCache::new();
        let does = |id, action| cache.ready(&profile(id, action)).unwrap().apply(Direction::Input, "a@b.io").action;
        assert_eq!(does("p", Action::Flag), Action::Flag);
        assert_eq!(does("p", Action::Flag), Action::Flag);
        assert_eq!(cache.state.borrow().profiles.len(), 1);
        assert_eq!(does("p", Action::Block), Action::Block);
        assert_eq!(cache.state.borrow().profiles.len(), 2);
    }

    #[test]
    fn versions_of_a_profile_with_a_list_do_not_add_up() {
        let cache = ProfileCache::new();
        let mut first = None;
        for version in 0..40 {
            let list = with_list("p", (0..5000).map(|number| format!("host{number}of{version}")));
            cache.ready(&list).unwrap();
            first.get_or_insert_with(|| Rc::downgrade(&list));
            assert!(cache.state.borrow().profiles.len() <= MOST_VERSIONS);
        }
        assert_eq!(first.unwrap().strong_count(), 0, "the first version is still held");
    }

    #[test]
    fn the_cache_is_bounded_by_memory_and_keeps_what_is_used() {
        let cache = ProfileCache::new();
        let used = profile("used", Action::Flag);
        cache.ready(&used).unwrap();
        for number in 0..60 {
            let list = with_list(&number.to_string(), (0..10_000).map(|entry| format!("word {entry} {number}")));
            cache.ready(&list).unwrap();
            cache.ready(&profile("used", Action::Flag)).unwrap();
            let state = cache.state.borrow();
            let kept: usize = state.profiles.values().map(|kept| kept.bytes).sum();
            assert!(kept <= MOST_BYTES && kept == state.bytes, "{kept}");
        }
        let state = cache.state.borrow();
        assert!(state.profiles.contains_key(&used));
        assert!((10..60).contains(&state.profiles.len()), "{}", state.profiles.len());
        assert!(state.recent.iter().all(|(recent, _)| state.profiles.contains_key(recent)));
    }

    #[test]
    fn what_cannot_be_made_ready_is_not_kept() {
        let cache = ProfileCache::new();
        let empty = GuardrailProfile::new("p", Vec::new());
        let empty = Rc::new(NamedProfile { id: "p".into(), profile: empty });
        assert_eq!(cache.ready(&empty).unwrap_err().field, "rules");
        assert!(cache.state.borrow().profiles.is_empty() && cache.state.borrow().recent.is_empty());
    }
}
