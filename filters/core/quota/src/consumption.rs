use std::cmp::Ordering;
use std::collections::HashMap;

use weir_host::{Base, Micros};
use weir_proto::dataplane::QuotaSettlement;

use crate::counter;
use crate::windows::Place;

/// How often a worker looks at what it has taken from, in microseconds. What no request took a unit of in that time is given back.
const LOOK: Micros = 1_000_000;

/// How long an Envoy could go on at its pace with what it keeps, in looks: what it holds when it is killed is lost to the others
/// until the window ends, and while the control plane is away it gets nothing new. Where much remains for all, the latter counts.
const KEPT_LOOKS: u64 = 5;
/// Twice a minute, the only window there is: what is kept at any time lasts to the window's end, also if the pace doubles.
const KEPT_LOOKS_OF_MUCH: u64 = 120;

/// Much remains if what an Envoy keeps is such a part of it.
const MUCH: u64 = 10;

/// Of a limit with a counter in the control plane's own windows: what is lost to the others if this Envoy is killed is little.
const KEPT_LOOKS_OF_LIMIT: u64 = 2;

/// How often the control plane hears of what is held although nothing has changed.
const HEARD: Micros = 3_000_000;

/// Counters that a worker looks at. What is taken of more is not given back.
const MOST_COUNTERS: usize = 10_000;

/// How long a counter that nobody takes from is remembered.
const REMEMBERED: Micros = 120_000_000;

/// What an Envoy keeps of its leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// All that it holds.
    All,
    /// What it needs to go on for a while.
    ItsPace,
}

/// Which counters a worker has taken units of lately, so that what this Envoy holds and does not use goes back to the others.
#[derive(Debug, Default)]
pub(crate) struct Consumption {
    counters: HashMap<String, Taken>,
    /// Windows that are over, of which something was taken since the last look, or requests are under way still.
    over: HashMap<(String, i64), Taken>,
    next_look: Micros,
}

/// One counter in the window in which it was last taken from.
#[derive(Debug)]
struct Taken {
    tenant_id: String,
    window_start_s: i64,
    /// What this Envoy had spent at the last look; `None`: there was none in this window yet.
    spent: Option<u64>,
    /// What was last settled: spent and returned; and when.
    settled: (u64, u64),
    settled_at: Micros,
    /// Something was taken since the last look, or is held.
    is_held: bool,
    /// When it last was.
    held_at: Micros,
}

impl Taken {
    fn new(tenant_id: &str, window_start_s: i64) -> Self {
        Self {
            tenant_id: tenant_id.to_owned(),
            window_start_s,
            spent: None,
            settled: (0, 0),
            settled_at: 0,
            is_held: true,
            held_at: 0,
        }
    }
}

impl Consumption {
    /// A unit was taken, or put back.
    pub(crate) fn note(&mut self, tenant_id: &str, counter: &str, window_start_s: i64) {
        let Some(known) = self.counters.get_mut(counter) else {
            if self.counters.len() < MOST_COUNTERS {
                self.counters.insert(counter.to_owned(), Taken::new(tenant_id, window_start_s));
            }
            return;
        };
        let is_room = self.over.len() < MOST_COUNTERS;
        match known.window_start_s.cmp(&window_start_s) {
            Ordering::Equal => known.is_held = true,
            Ordering::Less => {
                let before = std::mem::replace(known, Taken::new(tenant_id, window_start_s));
                if before.is_held && is_room {
                    self.over.insert((counter.to_owned(), before.window_start_s), before);
                }
            }
            Ordering::Greater if is_room => {
                let over = self.over.entry((counter.to_owned(), window_start_s));
                over.or_insert_with(|| Taken::new(tenant_id, window_start_s)).is_held = true;
            }
            Ordering::Greater => {}
        }
    }

    /// What is to be told of leases, if it is time to. Gives back what this Envoy does not keep.
    pub(crate) fn settle(&mut self, host: &mut dyn Base, holder: &str, keeps: Keeps) -> Vec<QuotaSettlement> {
        let now = host.now();
        if now < self.next_look {
            return Vec::new();
        }
        self.next_look = now.saturating_add(LOOK);
        let mut settlements = Vec::new();
        self.over.retain(|(counter, _), taken| {
            let looked = taken.look(host, counter, holder, keeps);
            settlements.extend(looked.told);
            looked.is_known && taken.is_held
        });
        self.counters.retain(|counter, taken| {
            if !taken.is_held {
                return now < taken.held_at.saturating_add(REMEMBERED);
            }
            let looked = taken.look(host, counter, holder, keeps);
            settlements.extend(looked.told);
            looked.is_known
        });
        settlements
    }
}

/// What a look at one counter comes to.
#[derive(Default)]
struct Looked {
    told: Option<QuotaSettlement>,
    /// Something is known of it.
    is_known: bool,
}

impl Taken {
    fn look(&mut self, host: &mut dyn Base, counter: &str, holder: &str, keeps: Keeps) -> Looked {
        let now = host.now();
        self.held_at = now;
        let start = self.window_start_s;
        let Some((_, lease)) = counter::held(host, counter, start) else { return Looked::default() };
        let pace = lease.taken().saturating_sub(self.spent.unwrap_or_default());
        let is_first = self.spent.replace(lease.taken()).is_none();
        let kept = match keeps {
            Keeps::All => u64::MAX,
            Keeps::ItsPace if counter::is_of_limit(counter) => pace.saturating_mul(KEPT_LOOKS_OF_LIMIT),
            Keeps::ItsPace => kept_at(pace, lease.remaining, is_first),
        };
        counter::give_back_all_but(host, counter, start, kept);
        let Some((place, lease)) = counter::held(host, counter, start) else { return Looked::default() };
        let totals = (lease.spent(), lease.returned);
        let is_silent = counter::is_of_limit(counter) && now >= self.settled_at.saturating_add(HEARD);
        let mut told = None;
        if totals != self.settled || is_silent {
            self.settled = totals;
            self.settled_at = now;
            let (counter, worker) = counter::named(counter);
            told = Some(QuotaSettlement {
                tenant_id: self.tenant_id.clone(),
                holder: worker.unwrap_or(holder).to_owned(),
                counter: counter.to_owned(),
                window_start_unix_s: start,
                spent: totals.0,
                returned: totals.1,
            });
        }
        self.is_held = match place {
            Place::AtHand => pace > 0 || lease.units > 0 || lease.in_flight > 0 || lease.debt > 0,
            Place::Over => lease.in_flight > 0,
        };
        if place == Place::Over && !self.is_held {
            counter::forget(host, counter, start);
        }
        Looked { told, is_known: true }
    }
}

/// What is kept at a pace of so many units a look, while so many remain for all. The first look of a window comes early and has seen a
/// part of the pace only: where much remains, what it seems not to need is kept to the next.
fn kept_at(pace: u64, remaining: u64, is_first: bool) -> u64 {
    let (of_much, much) = (pace.saturating_mul(KEPT_LOOKS_OF_MUCH), remaining / MUCH);
    match of_much <= much {
        true if is_first => much,
        true => of_much,
        false => pace.saturating_mul(KEPT_LOOKS),
    }
}
