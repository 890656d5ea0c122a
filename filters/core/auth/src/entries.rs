//! Lists of entries that the VM has, so that each comes once, however many callers have a profile with it.

use std::collections::HashMap;

use weir_config::{Entries, WeakEntries};
use weir_exchange::Principal;

/// The most lists that the control plane is told of.
const MOST_TOLD: usize = 256;

/// Those of the principals that are known.
#[derive(Debug, Default)]
pub(crate) struct KnownEntries(HashMap<[u8; 32], WeakEntries>);

impl KnownEntries {
    /// Takes in those of a principal. Those of nobody are forgotten.
    pub(crate) fn add(&mut self, principal: &Principal) {
        let profile = principal.guardrail_profile.iter();
        let custom = profile.flat_map(|named| &named.profile.rules).filter_map(|rule| rule.custom.as_ref());
        let mut custom = custom.peekable();
        if custom.peek().is_none() {
            return;
        }
        self.0.retain(|_, entries| entries.upgrade().is_some());
        for rule in custom {
            self.0.insert(*rule.entries.digest(), rule.entries.downgrade());
        }
    }

    /// Those that are there still.
    pub(crate) fn all(&self) -> Vec<Entries> {
        self.0.values().filter_map(WeakEntries::upgrade).take(MOST_TOLD).collect()
    }
}
