use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use weir_config::ConfigError;
use weir_exchange::NamedProfile;

use crate::Profile;
use crate::scan::Engines;

/// Profiles that are found without reading them, since the very same one is used again.
const MOST_RECENT: usize = 8;

/// Profiles kept in each VM; when more are in use, all are made ready anew.
const MOST_PROFILES: usize = 1024;

/// Profiles that one VM has made ready, by their id and what they say: a profile that changes is another one. Bounded.
#[derive(Debug, Default)]
pub struct ProfileCache {
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    profiles: HashMap<Rc<NamedProfile>, Profile>,
    recent: VecDeque<(Rc<NamedProfile>, Profile)>,
    /// There are as many as there are sets of types to look for, so that they need no bound of their own.
    engines: Engines,
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
        if let Some(known) = self.profiles.get(profile) {
            return Ok(known.clone());
        }
        let ready = Profile::compile_with(&profile.profile, &mut self.engines)?;
        if self.profiles.len() >= MOST_PROFILES {
            self.profiles.clear();
        }
        self.profiles.insert(Rc::clone(profile), ready.clone());
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use weir_config::{Action, FindingType, GuardrailProfile, GuardrailRule, RuleDirection};
    use weir_exchange::NamedProfile;

    use super::{MOST_PROFILES, ProfileCache};
    use crate::Direction;

    fn profile(id: &str, action: Action) -> Rc<NamedProfile> {
        let rule = GuardrailRule::new(FindingType::Email, action, RuleDirection::Both);
        let profile = GuardrailProfile::new("p", vec![rule]);
        Rc::new(NamedProfile { id: id.into(), profile })
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
    fn the_cache_is_bounded() {
        let cache = ProfileCache::new();
        for number in 0..MOST_PROFILES * 2 + 5 {
            cache.ready(&profile(&number.to_string(), Action::Flag)).unwrap();
            assert!(cache.state.borrow().profiles.len() <= MOST_PROFILES);
        }
        assert_eq!(cache.state.borrow().profiles.len(), 5);
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
