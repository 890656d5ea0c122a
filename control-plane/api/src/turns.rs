//! Turns for what takes a core or a connection for a while: few at once for each who asks, and few in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// Who has turns at the moment. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    most_of_one: usize,
    most_in_all: usize,
    taken: Arc<Mutex<HashMap<Option<Uuid>, usize>>>,
}

/// The right to go on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    holder: Option<Uuid>,
}

impl Turns {
    /// So many at once for one holder, and so many in all.
    pub(crate) fn new(most_of_one: usize, most_in_all: usize) -> Self {
        Self { most_of_one, most_in_all, taken: Arc::default() }
    }

    /// A turn for a tenant, a user, or the platform; `None`: as many as may be are taken.
    pub(crate) fn take(&self, holder: Option<Uuid>) -> Option<Turn> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.most_in_all {
            return None;
        }
        let own = taken.get(&holder).copied().unwrap_or_default();
        if own >= self.most_of_one {
            return None;
        }
        taken.insert(holder, own + 1);
        Some(Turn { turns: self.clone(), holder })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.holder) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_few_turns_and_all_together_have_few() {
        let turns = Turns::new(2, 8);
        let tenant = |number| Some(Uuid::from_u128(number));
        let mut held: Vec<Turn> = (0..2).map(|_| turns.take(tenant(1)).unwrap()).collect();
        assert!(turns.take(tenant(1)).is_none());
        held.push(turns.take(None).expect("others have theirs"));
        held.remove(0);
        held.push(turns.take(tenant(1)).expect("one was given back"));
        held.extend((2..).map_while(|number| turns.take(tenant(number))));
        assert_eq!(held.len(), 8);
        held.clear();
        assert!(turns.taken.lock().unwrap().is_empty());
    }
}
