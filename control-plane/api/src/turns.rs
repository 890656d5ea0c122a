//! Turns for work that takes a core for a while: few at once for each tenant, and few in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// How much work is done at once for one tenant, or for the platform.
const MOST_OF_ONE: usize = 2;
/// How much work is done at once in all.
const MOST_IN_ALL: usize = 8;

/// Who works at the moment. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<Option<Uuid>, usize>>>);

/// The right to work, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    tenant_id: Option<Uuid>,
}

impl Turns {
    /// A turn for a tenant, or for the platform; `None`: as many as may be are under way.
    pub(crate) fn take(&self, tenant_id: Option<Uuid>) -> Option<Turn> {
        let mut working = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if working.values().sum::<usize>() >= MOST_IN_ALL {
            return None;
        }
        let own = working.entry(tenant_id).or_default();
        if *own >= MOST_OF_ONE {
            return None;
        }
        *own += 1;
        Some(Turn { turns: self.clone(), tenant_id })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut working = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = working.get_mut(&self.tenant_id) {
            *own -= 1;
            if *own == 0 {
                working.remove(&self.tenant_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_few_turns_and_all_together_have_few() {
        let turns = Turns::default();
        let tenant = |number| Some(Uuid::from_u128(number));
        let mut held: Vec<Turn> = (0..MOST_OF_ONE).map(|_| turns.take(tenant(1)).unwrap()).collect();
        assert!(turns.take(tenant(1)).is_none());
        held.push(turns.take(None).expect("others have theirs"));
        held.remove(0);
        held.push(turns.take(tenant(1)).expect("one was given back"));
        held.extend((2..).map_while(|number| turns.take(tenant(number))));
        assert_eq!(held.len(), MOST_IN_ALL);
        held.clear();
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
