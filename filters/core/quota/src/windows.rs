use std::cmp::Ordering;

use crate::Lease;

/// Windows that are over and kept: more than a sliding one has parts, and those of calendars matter no longer.
const MOST_OVER: usize = 12;

/// What this Envoy holds of one counter, as it lies in shared data: the lease of the window at hand, and those of windows that are over,
/// which requests under way still belong to, or of which the control plane has not heard the last.
///
/// All in one value, since shared data never expires: a key for each window would stay for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Windows {
    at_hand: Lease,
    /// The oldest first. Nothing can be reserved of them: what comes back goes to the control plane.
    over: Vec<Lease>,
}

/// Which of the windows one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one that requests reserve of.
    AtHand,
    /// One before.
    Over,
}

impl Windows {
    /// Changes the lease of the window that starts then, which begins if it is later than all. `act` says whether there is something to
    /// write. `None`: that window is over, and nothing is known of it.
    pub(crate) fn change(&mut self, start_s: i64, act: impl FnOnce(&mut Lease) -> bool) -> Option<(Place, bool)> {
        match self.at_hand.window_start_s.cmp(&start_s) {
            Ordering::Equal => Some((Place::AtHand, act(&mut self.at_hand))),
            Ordering::Less => {
                let mut next = Lease { window_start_s: start_s, ..Lease::default() };
                let is_changed = act(&mut next);
                if is_changed {
                    self.pass_to(next);
                }
                Some((Place::AtHand, is_changed))
            }
            Ordering::Greater => {
                let lease = self.over.iter_mut().find(|lease| lease.window_start_s == start_s)?;
                let is_changed = act(lease);
                lease.give_back_all_but(0);
                Some((Place::Over, is_changed))
            }
        }
    }

    fn pass_to(&mut self, next: Lease) {
        let mut before = std::mem::replace(&mut self.at_hand, next);
        if before.granted == 0 && before.debt == 0 {
            return;
        }
        before.give_back_all_but(0);
        if self.over.len() >= MOST_OVER {
            self.over.remove(0);
        }
        self.over.push(before);
    }

    /// The lease of the window that starts then.
    pub(crate) fn lease(&self, start_s: i64) -> Option<(Place, Lease)> {
        if self.at_hand.window_start_s == start_s {
            return Some((Place::AtHand, self.at_hand));
        }
        let found = self.over.iter().find(|lease| lease.window_start_s == start_s)?;
        Some((Place::Over, *found))
    }

    /// Drops a window that is over. Answers whether it was there.
    pub(crate) fn forget(&mut self, start_s: i64) -> bool {
        let before = self.over.len();
        self.over.retain(|lease| lease.window_start_s != start_s);
        self.over.len() != before
    }

    /// As bytes: the leases one behind the other.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.at_hand.encode().to_vec();
        bytes.extend(self.over.iter().flat_map(Lease::encode));
        bytes
    }

    /// From bytes; `None` if they are none of [`Windows::encode`].
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (at_hand, over) = bytes.split_at_checked(Lease::LENGTH)?;
        if over.len() > MOST_OVER.saturating_mul(Lease::LENGTH) {
            return None;
        }
        let over = over.chunks(Lease::LENGTH).map(Lease::decode).collect::<Option<_>>()?;
        Some(Self { at_hand: Lease::decode(at_hand)?, over })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(units: u64) -> impl Fn(&mut Lease) -> bool {
        move |lease| {
            lease.granted += units;
            lease.add(units);
            true
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut windows = Windows::default();
        for start_s in 1..=20 {
            windows.change(start_s, granted(5));
            assert_eq!(Windows::decode(&windows.encode()).as_ref(), Some(&windows), "{start_s}");
        }
        let encoded = windows.encode();
        assert_eq!(encoded.len(), 13 * Lease::LENGTH, "a bounded number of windows");
        for length in [0, 1, Lease::LENGTH - 1, Lease::LENGTH + 1, encoded.len() - 1] {
            assert_eq!(Windows::decode(encoded.get(..length).unwrap()), None, "{length}");
        }
        assert_eq!(Windows::decode(&encoded.repeat(2)), None);
    }

    #[test]
    fn a_window_that_is_over_gives_back_what_it_holds_and_all_that_comes_back_to_it() {
        let mut windows = Windows::default();
        windows.change(1, granted(10));
        windows.change(1, |lease| {
            (lease.units, lease.in_flight) = (4, 6);
            true
        });
        assert_eq!(windows.change(2, granted(7)), Some((Place::AtHand, true)));
        let over = |windows: &Windows| windows.lease(1).map(|(place, lease)| (place, lease.units, lease.returned));
        assert_eq!(over(&windows), Some((Place::Over, 0, 4)));
        windows.change(1, |lease| {
            lease.settle(6, 1);
            true
        });
        assert_eq!(over(&windows), Some((Place::Over, 0, 9)));
        assert_eq!(windows.lease(1).map(|(_, lease)| lease.spent()), Some(1));
        assert_eq!(windows.lease(2).map(|(place, lease)| (place, lease.units)), Some((Place::AtHand, 7)));
        assert!(windows.forget(1) && !windows.forget(1) && !windows.forget(2));
        assert_eq!(windows.change(1, granted(1)), None);
    }

    #[test]
    fn a_window_does_not_begin_before_something_is_written_in_it() {
        let mut windows = Windows::default();
        windows.change(1, granted(3));
        assert_eq!(windows.change(2, |_| false), Some((Place::AtHand, false)));
        assert_eq!(windows.lease(1).map(|(place, lease)| (place, lease.units)), Some((Place::AtHand, 3)));
    }
}
