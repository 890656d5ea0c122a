use std::collections::HashMap;

use weir_host::Micros;

use crate::leases::{CounterWindow, Demand};

/// How often it is asked again what became of a demand, and for how long: the control plane remembers for ten minutes what it granted.
const EVERY: Micros = 1_000_000;
const FOR: Micros = 540_000_000;

/// Demands of one worker that may wait. What was granted to more is held by nobody until its window is over.
const MOST: usize = 1000;

/// Demands whose answer never came: the control plane may have granted something to them, which nobody holds. Each is made again under
/// its id, with the next one for its counter or, if nobody wants any of it, alone: what was granted is answered once more, and nothing
/// is granted twice.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    demands: HashMap<CounterWindow, Open>,
    next: Micros,
}

#[derive(Debug)]
struct Open {
    id: String,
    until: Option<Micros>,
}

impl Unanswered {
    /// The answer to this one does not come.
    pub(crate) fn add(&mut self, Demand { window, id, until, .. }: Demand) {
        if !id.is_empty() && self.demands.len() < MOST {
            self.demands.entry(window).or_insert(Open { id, until });
        }
    }

    /// The id under which a demand for this window is to be made, if one was not answered, and until when it is worth while if that is
    /// known.
    pub(crate) fn take(&mut self, window: &CounterWindow) -> Option<(String, Option<Micros>)> {
        self.demands.remove(window).map(|open| (open.id, open.until))
    }

    /// Those that are to be made again now, although nobody waits for them.
    pub(crate) fn due(&mut self, now: Micros) -> Vec<Demand> {
        if now < self.next || self.demands.is_empty() {
            return Vec::new();
        }
        self.next = now.saturating_add(EVERY);
        let mut due: Vec<Demand> = std::mem::take(&mut self.demands)
            .into_iter()
            .map(|(window, Open { id, until })| Demand {
                window,
                wanted: None,
                id,
                until: until.or(Some(now.saturating_add(FOR))),
            })
            .filter(|demand| demand.until.is_none_or(|until| now < until))
            .collect();
        due.sort_by(|one, other| one.window.cmp(&other.window));
        due
    }
}
