use weir_config::{Limit, Period};
use weir_exchange::{Exchange, Principal, RateLimitStatus};
use weir_host::{Base, Micros};

use crate::Leases;
use crate::counter::{self, Reserved};
use crate::estimate::Estimate;
use crate::leases::{CounterWindow, Lack};
use crate::settlement::Settlement;

/// What one request has reserved of the limits that apply to it: what it takes of each, or, once it is decided, nothing of any.
#[derive(Debug, Default)]
pub(crate) struct Reservation {
    tenant_id: String,
    parts: Vec<Part>,
}

/// One limit, and what of it is reserved.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) limit: Limit,
    pub(crate) period: Period,
    estimate: Estimate,
    pub(crate) reserved: Reserved,
}

impl Reservation {
    /// For a caller of whose limits nothing is reserved yet.
    pub(crate) fn new(principal: &Principal, now: Micros) -> Self {
        let part = |limit: &Limit| Part {
            limit: limit.clone(),
            period: limit.window.period_at(seconds(now)),
            estimate: Estimate::of(limit.unit),
            reserved: Reserved::Lacking,
        };
        Self { tenant_id: principal.tenant_id.clone(), parts: principal.limits.iter().map(part).collect() }
    }

    /// Reserves what it can of what is lacking, of what this Envoy holds.
    pub(crate) fn reserve(&mut self, host: &mut dyn Base, leases: &Leases) {
        let now = host.now();
        for part in self.parts.iter_mut().filter(|part| !part.is_reserved()) {
            let limit = &part.limit;
            // It may have waited into the next one.
            part.period = limit.window.period_at(seconds(now));
            part.reserved = if part.estimate.units > limit.amount {
                Reserved::Exhausted { pending: false }
            } else {
                counter::reserve(host, &limit.counter, part.period.start_s, limit.amount, part.estimate.units)
            };
            if part.is_reserved() {
                leases.used(&self.tenant_id, &limit.counter, part.period.start_s);
            }
        }
    }

    /// Gives up all of it: the request does not go on.
    pub(crate) fn release(&mut self, host: &mut dyn Base) {
        for part in self.parts.iter_mut().filter(|part| part.is_reserved()) {
            counter::release(host, &part.limit.counter, part.period.start_s, part.estimate.units);
            part.reserved = Reserved::Lacking;
        }
    }

    /// The request went on and is over: what it did not take is free again.
    pub(crate) fn settle(&mut self, host: &mut dyn Base, leases: &Leases, exchange: &Exchange) {
        for part in self.parts.iter_mut().filter(|part| part.is_reserved()) {
            let counter = &part.limit.counter;
            let unused = part.estimate.units.saturating_sub(Settlement::of(part.limit.unit, exchange).units);
            if unused > 0 {
                counter::release(host, counter, part.period.start_s, unused);
                leases.used(&self.tenant_id, counter, part.period.start_s);
            }
            part.reserved = Reserved::Lacking;
        }
    }

    /// Whether no limit applies.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether it has all that it takes.
    pub(crate) fn is_complete(&self) -> bool {
        self.parts.iter().all(Part::is_reserved)
    }

    /// What it lacks, for as long as that is not refused.
    pub(crate) fn lacking(&self) -> Vec<Lack> {
        let lack = |part: &Part| Lack {
            window: CounterWindow {
                tenant_id: self.tenant_id.clone(),
                counter: part.limit.counter.clone(),
                start_s: part.period.start_s,
                limit: part.limit.amount,
            },
            units: part.estimate.units,
        };
        self.parts.iter().filter(|part| !part.is_reserved()).map(lack).collect()
    }

    /// Of the limits that refuse it, the one that does for longest.
    pub(crate) fn refused_by(&self) -> Option<&Part> {
        let refuses = |part: &&Part| matches!(part.reserved, Reserved::Exhausted { .. });
        self.parts.iter().filter(refuses).max_by_key(|part| part.period.end_s)
    }

    /// Of the limits that it counts against, the one that will be reached first.
    pub(crate) fn tightest(&self) -> Option<&Part> {
        self.parts.iter().filter(|part| part.is_reserved()).min_by_key(|part| part.remaining())
    }
}

impl Part {
    fn is_reserved(&self) -> bool {
        matches!(self.reserved, Reserved::Units { .. })
    }

    fn remaining(&self) -> u64 {
        match self.reserved {
            Reserved::Units { remaining } => remaining.min(self.limit.amount),
            Reserved::Lacking | Reserved::Exhausted { .. } => 0,
        }
    }

    /// What the client is told of it.
    pub(crate) fn status(&self) -> RateLimitStatus {
        let window_end = u64::try_from(self.period.end_s).unwrap_or_default().saturating_mul(1_000_000);
        RateLimitStatus { limit: self.limit.amount, remaining: self.remaining(), window_end }
    }
}

fn seconds(now: Micros) -> i64 {
    i64::try_from(now / 1_000_000).unwrap_or(i64::MAX)
}
