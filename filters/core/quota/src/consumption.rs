use std::collections::HashMap;

use weir_host::{Base, Micros};
use weir_proto::dataplane::QuotaSettlement;

use crate::counter;

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

impl Consumption {
    /// A unit was taken.
    pub(crate) fn note(&mut self, tenant_id: &str, counter: &str, window_start_s: i64) {
        if let Some(known) = self.counters.get_mut(counter) {
            if known.window_start_s != window_start_s {
                (known.window_start_s, known.spent, known.settled) = (window_start_s, None, (0, 0));
            }
            known.is_held = true;
            return;
        }
        if self.counters.len() < MOST_COUNTERS {
            let tenant_id = tenant_id.to_owned();
            let taken = Taken {
                tenant_id,
                window_start_s,
                spent: None,
                settled: (0, 0),
                settled_at: 0,
                is_held: true,
                held_at: 0,
            };
            self.counters.insert(counter.to_owned(), taken);
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
        self.counters.retain(|counter, taken| {
            if !taken.is_held {
                return now < taken.held_at.saturating_add(REMEMBERED);
            }
            taken.held_at = now;
            let start = taken.window_start_s;
            // Another worker's request is in a window that comes after.
            let Some(lease) = counter::held(host, counter, start) else { return false };
            let pace = lease.taken().saturating_sub(taken.spent.unwrap_or_default());
            let is_first = taken.spent.replace(lease.taken()).is_none();
            let kept = match keeps {
                Keeps::All => u64::MAX,
                Keeps::ItsPace if is_of_limit(counter) => pace.saturating_mul(KEPT_LOOKS_OF_LIMIT),
                Keeps::ItsPace => kept_at(pace, lease.remaining, is_first),
            };
            counter::give_back_all_but(host, counter, start, kept);
            let Some(lease) = counter::held(host, counter, start) else { return false };
            let totals = (lease.spent(), lease.returned);
            let is_silent = is_of_limit(counter) && now >= taken.settled_at.saturating_add(HEARD);
            if totals != taken.settled || is_silent {
                taken.settled = totals;
                taken.settled_at = now;
                let (counter, worker) = counter::named(counter);
                settlements.push(QuotaSettlement {
                    tenant_id: taken.tenant_id.clone(),
                    holder: worker.unwrap_or(holder).to_owned(),
                    counter: counter.to_owned(),
                    window_start_unix_s: start,
                    spent: totals.0,
                    returned: totals.1,
                });
            }
            taken.is_held = pace > 0 || lease.units > 0 || lease.in_flight > 0 || lease.debt > 0;
            true
        });
        settlements
    }
}

/// Whether it is that of a limit that administrators wrote, and not of a key's requests a minute.
fn is_of_limit(counter: &str) -> bool {
    counter.starts_with("limit/")
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
