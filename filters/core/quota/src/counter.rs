use weir_host::{Base, CAS_ABSENT, HostError, Level, Micros};

use crate::Lease;
use crate::windows::{Place, Windows};

/// Tries to change a shared value that others keep changing.
const TRIES: usize = 32;

/// What came of reserving units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// They were reserved.
    Units {
        /// So many are left, as far as is known here.
        remaining: u64,
    },
    /// This Envoy does not hold so many: the control plane must be asked.
    Lacking,
    /// This Envoy does not hold so many, and the control plane has refused more: for this window, or (`pending`) for now, since
    /// others may give back what they hold.
    Exhausted {
        /// Whether asking again soon may bring something.
        pending: bool,
    },
}

/// What lies in shared data about who holds this Envoy's leases.
const HOLDER: &str = "weir.quota.holder";

/// The name under which this Envoy holds leases, which is `own` if it has none yet: all its workers use one, for as long as it runs.
/// `None`: shared data has no room.
pub(crate) fn holder(host: &mut dyn Base, own: &str) -> Option<String> {
    for _ in 0..2 {
        if let Some((name, _)) = host.shared(HOLDER) {
            return String::from_utf8(name).ok();
        }
        match host.set_shared(HOLDER, own.as_bytes(), Some(CAS_ABSENT)) {
            Ok(()) => return Some(own.to_owned()),
            // Another worker was faster.
            Err(HostError::Conflict) => {}
            Err(HostError::NotNow | HostError::Refused) => return None,
        }
    }
    None
}

/// Reserves so many units of what this Envoy holds of a counter in the window that starts then. `limit` is the one that holds now.
pub(crate) fn reserve(host: &mut dyn Base, counter: &str, window_start_s: i64, limit: u64, units: u64) -> Reserved {
    let now = host.now();
    let mut reserved = Reserved::Lacking;
    let changed = change(host, counter, window_start_s, |lease| match lease.units.checked_sub(units) {
        Some(_) if lease.granted_limit > limit => {
            lease.give_back_all_but(0);
            reserved = Reserved::Lacking;
            true
        }
        Some(left) => {
            lease.units = left;
            lease.in_flight = lease.in_flight.saturating_add(units);
            reserved = Reserved::Units { remaining: left.saturating_add(lease.remaining) };
            true
        }
        None => {
            let refused = lease.refused_limit == limit && now < lease.refused_until;
            reserved = match refused {
                true => {
                    // What requests under way here do not take comes back as well.
                    let comes_back = lease.others_held != 0 || lease.in_flight > 0;
                    Reserved::Exhausted { pending: comes_back && lease.refused_until != u64::MAX }
                }
                false => Reserved::Lacking,
            };
            false
        }
    });
    // Of a window that is over nothing can be held.
    if changed == Changed::AtHand { reserved } else { Reserved::Lacking }
}

/// Reserves so many more units for a request that is under way. `false`: there is no room.
pub(crate) fn reserve_further(host: &mut dyn Base, counter: &str, window_start_s: i64, units: u64) -> bool {
    let mut is_reserved = false;
    let changed = change(host, counter, window_start_s, |lease| {
        is_reserved = lease.reserve_further(units);
        is_reserved
    });
    is_reserved && changed != Changed::Not
}

/// Puts back units that were reserved.
pub(crate) fn release(host: &mut dyn Base, counter: &str, window_start_s: i64, units: u64) {
    settle(host, counter, window_start_s, units, 0);
}

/// Requests that had reserved so many units are over, and took so many: in the window in which they were reserved, be it over.
pub(crate) fn settle(host: &mut dyn Base, counter: &str, window_start_s: i64, reserved: u64, took: u64) {
    change(host, counter, window_start_s, |lease| {
        lease.settle(reserved, took);
        true
    });
}

/// Separates the name of a counter from that of the worker which alone holds what lies under both.
const OF_WORKER: char = '\u{1f}';

/// Under what a worker keeps what it alone holds of a counter: what requests under way have of it is free again if their worker dies.
pub(crate) fn of_worker(counter: &str, worker: &str) -> String {
    format!("{counter}{OF_WORKER}{worker}")
}

/// The counter as the control plane knows it, and the worker that alone holds it; `None`: all of this Envoy do.
pub(crate) fn named(counter: &str) -> (&str, Option<&str>) {
    match counter.split_once(OF_WORKER) {
        Some((counter, worker)) => (counter, Some(worker)),
        None => (counter, None),
    }
}

/// Whether it is that of a limit that administrators wrote, and not of a key's requests a minute.
pub(crate) fn is_of_limit(counter: &str) -> bool {
    counter.starts_with("limit/")
}

/// Puts in units that were granted under a limit; `remaining` is what remains for everybody. `false`: they are lost.
pub(crate) fn put(
    host: &mut dyn Base,
    counter: &str,
    window_start_s: i64,
    units: u64,
    remaining: u64,
    limit: u64,
) -> bool {
    let changed = change(host, counter, window_start_s, |lease| {
        // What was granted under a higher limit goes with it.
        if lease.granted_limit > limit {
            lease.give_back_all_but(0);
        }
        lease.add(units);
        lease.granted = lease.granted.saturating_add(units);
        lease.remaining = remaining;
        lease.granted_limit = limit;
        true
    });
    changed == Changed::AtHand
}

/// Notes that the control plane grants no more in this window under this limit, and is not asked again before `until`
/// (`u64::MAX`: at all). `others_hold`: something that they may give back. `false`: that could not be noted.
pub(crate) fn exhaust(
    host: &mut dyn Base,
    counter: &str,
    window_start_s: i64,
    limit: u64,
    until: Micros,
    others_hold: bool,
) -> bool {
    let changed = change(host, counter, window_start_s, |lease| {
        lease.refused_limit = limit;
        lease.refused_until = until;
        lease.others_held = u64::from(others_hold);
        lease.remaining = 0;
        true
    });
    changed == Changed::AtHand
}

/// Takes out of a lease what will be given back: all units but so many.
pub(crate) fn give_back_all_but(host: &mut dyn Base, counter: &str, window_start_s: i64, kept: u64) {
    change(host, counter, window_start_s, |lease| lease.give_back_all_but(kept) > 0);
}

/// What this Envoy holds of a counter in this window, or held, as long as something of it is not settled.
pub(crate) fn held(host: &dyn Base, counter: &str, window_start_s: i64) -> Option<(Place, Lease)> {
    let (bytes, _) = host.shared(&key(counter))?;
    Windows::decode(&bytes)?.lease(window_start_s)
}

/// Drops what is known of a window that is over, since the control plane is told of all of it.
pub(crate) fn forget(host: &mut dyn Base, counter: &str, window_start_s: i64) {
    change_windows(host, counter, |windows| (Changed::Not, windows.forget(window_start_s)));
}

fn key(counter: &str) -> String {
    format!("weir.quota.counter.{counter}")
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    /// It holds, in the window that requests reserve of.
    AtHand,
    /// It holds, in one that is over.
    Over,
    /// The window is over and not known any longer, or the others were faster every time: then units are lost, never made.
    Not,
}

/// Changes a lease as one step, whatever other workers do. `act` may run several times and says whether there is something
/// to write.
fn change(host: &mut dyn Base, counter: &str, window_start_s: i64, mut act: impl FnMut(&mut Lease) -> bool) -> Changed {
    change_windows(host, counter, |windows| match windows.change(window_start_s, &mut act) {
        Some((Place::AtHand, is_changed)) => (Changed::AtHand, is_changed),
        Some((Place::Over, is_changed)) => (Changed::Over, is_changed),
        None => (Changed::Not, false),
    })
}

/// The same of all windows of a counter. `act` says what has become of the change if it can be written, and whether it must be.
fn change_windows(host: &mut dyn Base, counter: &str, mut act: impl FnMut(&mut Windows) -> (Changed, bool)) -> Changed {
    let key = key(counter);
    for _ in 0..TRIES {
        let (mut windows, cas) = match host.shared(&key) {
            Some((bytes, cas)) => (Windows::decode(&bytes).unwrap_or_default(), cas),
            None => (Windows::default(), CAS_ABSENT),
        };
        let (changed, is_changed) = act(&mut windows);
        if !is_changed {
            return changed;
        }
        match host.set_shared(&key, &windows.encode(), Some(cas)) {
            Ok(()) => return changed,
            Err(HostError::Conflict) => {}
            Err(HostError::NotNow | HostError::Refused) => {
                host.log(Level::Error, "weir.quota: a lease could not be written");
                return Changed::Not;
            }
        }
    }
    host.log(Level::Warn, "weir.quota: a lease was contended too long");
    Changed::Not
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use weir_host::fake::FakeHost;
    use weir_host::{Base, CallId, HostError, HttpCall, Level, Micros};

    use super::{Reserved, exhaust, put, release, reserve};

    /// Another worker that takes a unit between this one's reading and writing, so many times.
    struct Contended {
        host: FakeHost,
        other: FakeHost,
        interferences: usize,
        taken_by_other: usize,
    }

    impl Base for Contended {
        fn now(&self) -> Micros {
            self.host.now()
        }
        fn log(&mut self, level: Level, message: &str) {
            self.host.log(level, message);
        }
        fn count(&mut self, metric: &str, by: u64) {
            self.host.count(metric, by);
        }
        fn shared(&self, key: &str) -> Option<(Vec<u8>, u32)> {
            self.host.shared(key)
        }
        fn set_shared(&mut self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), HostError> {
            if let Some(left) = self.interferences.checked_sub(1) {
                self.interferences = left;
                release(&mut self.other, "c", 60, 1);
                self.taken_by_other +=
                    usize::from(matches!(reserve(&mut self.other, "c", 60, 9, 1), Reserved::Units { .. }));
            }
            self.host.set_shared(key, value, cas)
        }
        fn call(&mut self, cluster: &str, method: &str, message: &[u8], ms: u64) -> Result<CallId, HostError> {
            self.host.call(cluster, method, message, ms)
        }
        fn http_call(&mut self, call: &HttpCall<'_>) -> Result<CallId, HostError> {
            self.host.http_call(call)
        }
    }

    #[test]
    fn no_unit_is_made_or_lost_between_workers() {
        let check = |interferences: usize, absent: bool| {
            let host = FakeHost::default();
            let other = FakeHost { shared: Rc::clone(&host.shared), ..FakeHost::default() };
            let mut contended = Contended { host, other, interferences: 0, taken_by_other: 0 };
            if !absent {
                put(&mut contended, "c", 0, 5, 1, 9);
            }
            contended.interferences = interferences;
            put(&mut contended, "c", 60, 5, 0, 9);
            contended.interferences = interferences;
            let own =
                (0..9).filter(|_| matches!(reserve(&mut contended, "c", 60, 9, 1), Reserved::Units { .. })).count();
            assert_eq!(own, 5, "{interferences} interferences");
            assert_eq!(contended.taken_by_other, interferences * 2, "{interferences} interferences");
        };
        for interferences in [0, 1, 5] {
            check(interferences, true);
            check(interferences, false);
        }
    }

    #[test]
    fn what_was_granted_under_a_higher_limit_is_worth_nothing_under_a_lower_one() {
        let mut host = FakeHost::default();
        put(&mut host, "c", 0, 5, 4, 9);
        assert_eq!(reserve(&mut host, "c", 0, 12, 1), Reserved::Units { remaining: 8 }, "a higher one");
        assert_eq!(reserve(&mut host, "c", 0, 3, 1), Reserved::Lacking);
        assert_eq!(reserve(&mut host, "c", 0, 9, 1), Reserved::Lacking, "it is gone");
        put(&mut host, "c", 0, 5, 4, 9);
        put(&mut host, "c", 0, 1, 0, 3);
        assert_eq!(
            [reserve(&mut host, "c", 0, 3, 1), reserve(&mut host, "c", 0, 3, 1)],
            [Reserved::Units { remaining: 0 }, Reserved::Lacking]
        );
    }

    #[test]
    fn so_many_units_are_reserved_at_once_or_none() {
        let mut host = FakeHost::default();
        put(&mut host, "c", 0, 5, 4, 9);
        assert_eq!(reserve(&mut host, "c", 0, 9, 3), Reserved::Units { remaining: 6 });
        assert_eq!(reserve(&mut host, "c", 0, 9, 3), Reserved::Lacking);
        assert_eq!(reserve(&mut host, "c", 0, 9, 2), Reserved::Units { remaining: 4 }, "what is left is still there");
        release(&mut host, "c", 0, 3);
        exhaust(&mut host, "c", 0, 9, u64::MAX, false);
        assert_eq!(reserve(&mut host, "c", 0, 9, 4), Reserved::Exhausted { pending: false });
        assert_eq!(reserve(&mut host, "c", 0, 9, 3), Reserved::Units { remaining: 0 });
    }

    #[test]
    fn endless_contention_ends_without_a_unit() {
        let host = FakeHost::default();
        let other = FakeHost { shared: Rc::clone(&host.shared), ..FakeHost::default() };
        let mut contended = Contended { host, other, interferences: 0, taken_by_other: 0 };
        put(&mut contended, "c", 60, 5, 0, 9);
        contended.interferences = usize::MAX;
        assert_eq!(reserve(&mut contended, "c", 60, 9, 1), Reserved::Lacking);
    }
}
