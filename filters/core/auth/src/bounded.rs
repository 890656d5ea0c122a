use std::collections::{HashMap, VecDeque};

use crate::Digest;

/// A map from digests that holds a bounded number of entries: the one written longest ago goes first.
#[derive(Debug)]
pub(crate) struct Bounded<V> {
    entries: HashMap<Digest, (u64, V)>,
    /// Writes in order. An entry written again or removed leaves an outdated element, told by its number.
    order: VecDeque<(Digest, u64)>,
    next: u64,
}

impl<V> Default for Bounded<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), next: 0 }
    }
}

impl<V> Bounded<V> {
    pub(crate) fn get(&self, digest: &Digest) -> Option<&V> {
        self.entries.get(digest).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, digest: &Digest) -> Option<&mut V> {
        self.entries.get_mut(digest).map(|(_, value)| value)
    }

    pub(crate) fn insert(&mut self, digest: Digest, value: V, capacity: usize) {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.entries.insert(digest, (number, value));
        self.order.push_back((digest, number));
        while self.entries.len() > capacity {
            let Some((oldest, number)) = self.order.pop_front() else { break };
            if self.is_current(&oldest, number) {
                self.entries.remove(&oldest);
            }
        }
        if self.order.len() > capacity.saturating_mul(2) {
            let entries = &self.entries;
            self.order.retain(|(digest, number)| entries.get(digest).is_some_and(|(current, _)| current == number));
        }
    }

    pub(crate) fn remove(&mut self, digest: &Digest) {
        self.entries.remove(digest);
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) {
        self.entries.retain(|_, (_, value)| keep(value));
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }

    fn is_current(&self, digest: &Digest, number: u64) -> bool {
        self.entries.get(digest).is_some_and(|(current, _)| *current == number)
    }
}

#[cfg(test)]
mod tests {
    use super::Bounded;

    #[test]
    fn the_oldest_write_goes_first_and_memory_stays_bounded() {
        let mut map = Bounded::default();
        for round in 0..1000_u32 {
            for key in 0..3_u8 {
                map.insert([key; 32], round, 3);
            }
        }
        assert!(map.order.len() <= 7, "{} outdated elements", map.order.len());
        map.insert([0; 32], 1000, 3);
        map.insert([9; 32], 1001, 3);
        let kept = |key: u8| map.get(&[key; 32]).copied();
        assert_eq!((kept(0), kept(1), kept(2), kept(9)), (Some(1000), None, Some(999), Some(1001)));
    }
}
