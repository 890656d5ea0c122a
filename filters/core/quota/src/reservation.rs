use std::rc::Rc;

use weir_config::{Limit, LimitAction, Period, Unit};
use weir_exchange::{BudgetStatus, Exchange, Principal, RateLimitStatus};
use weir_host::{Base, Micros};

use crate::Leases;
use crate::counter::{self, Reserved};
use crate::estimate::{Bounds, Unbounded};
use crate::further::{Further, FurtherAttempts};
use crate::leases::{CounterWindow, Lack};
use crate::settlement::Taken;

/// What one request has reserved of the limits that hold for it: what it takes of each, or, once it is decided, nothing of any.
#[derive(Debug, Default)]
pub(crate) struct Reservation {
    tenant_id: String,
    parts: Vec<Part>,
}

/// One limit, and what of it is reserved.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) limit: Rc<Limit>,
    /// Under what this worker finds what is held.
    counter: String,
    pub(crate) period: Period,
    /// What the request takes at most.
    pub(crate) units: u64,
    pub(crate) reserved: Reserved,
    /// It was refused, and goes on all the same: another pool serves it.
    is_waived: bool,
    /// The request went on without a lease: all that it takes is debited at the end.
    is_on_credit: bool,
    /// What attempts after the first have reserved.
    further: Option<Rc<Further>>,
}

impl Reservation {
    /// For a caller of whose limits nothing is reserved yet, who asks for a model and takes so much at most. Refused where a limit that
    /// refuses cannot be kept.
    pub(crate) fn new(
        principal: &Principal,
        model: &str,
        bounds: &Bounds,
        worker: &str,
        now: Micros,
    ) -> Result<Self, Unbounded> {
        let mut parts = Vec::with_capacity(principal.limits.len());
        for limit in &principal.limits {
            let Some(counter) = limit.counter_of(model) else { continue };
            let units = match (bounds.units(limit.unit), &limit.action) {
                (Ok(units), _) => units,
                // It only counts: what is not reserved is debited at the end.
                (Err(_), LimitAction::Warn) => 0,
                (Err(unbounded), LimitAction::Refuse | LimitAction::FallOver(_)) => return Err(unbounded),
            };
            let counter = match limit.unit {
                Unit::ConcurrentRequests => counter::of_worker(&counter, worker),
                Unit::Requests | Unit::InputTokens | Unit::OutputTokens | Unit::TotalTokens | Unit::Money => counter,
            };
            let period = limit.window.period_at(seconds(now));
            let reserved = Reserved::Lacking;
            parts.push(Part {
                limit: Rc::clone(limit),
                counter,
                period,
                units,
                reserved,
                is_waived: false,
                is_on_credit: false,
                further: None,
            });
        }
        Ok(Self { tenant_id: principal.tenant_id.clone(), parts })
    }

    /// Reserves what it can of what is lacking, of what this Envoy holds.
    pub(crate) fn reserve(&mut self, host: &mut dyn Base, leases: &Leases) {
        self.try_reserve(host, leases);
        // What others of this worker did not take may lie ready.
        if !self.is_complete() && leases.put_back(host) {
            self.try_reserve(host, leases);
        }
    }

    fn try_reserve(&mut self, host: &mut dyn Base, leases: &Leases) {
        let now = host.now();
        for part in self.parts.iter_mut().filter(|part| !part.is_decided()) {
            let limit = &part.limit;
            // It may have waited into the next one.
            part.period = limit.window.period_at(seconds(now));
            part.reserved = if part.never_fits() {
                Reserved::Exhausted { pending: false }
            } else {
                counter::reserve(host, &part.counter, part.period.start_s, limit.amount, part.units)
            };
            if part.is_reserved() {
                leases.used(&self.tenant_id, &part.counter, part.period.start_s);
            }
        }
    }

    /// Gives up all of it: the request does not go on.
    pub(crate) fn release(&mut self, host: &mut dyn Base) {
        for part in self.parts.iter_mut().filter(|part| part.is_reserved()) {
            counter::release(host, &part.counter, part.period.start_s, part.units);
            part.reserved = Reserved::Lacking;
        }
    }

    /// The request goes on, also without what it lacks. Answers who must have room for further attempts; `None`: nobody.
    pub(crate) fn admit(&mut self) -> Option<FurtherAttempts> {
        let mut further = Vec::new();
        for part in &mut self.parts {
            part.is_on_credit = !part.is_reserved() && !part.is_waived;
            if part.is_reserved() && part.limit.unit == Unit::Money && part.limit.action != LimitAction::Warn {
                let one = Further::new(&part.counter, part.period.start_s, part.units);
                part.further = Some(Rc::clone(&one));
                further.push(one);
            }
        }
        (!further.is_empty()).then_some(FurtherAttempts(further))
    }

    /// The request went on and is over: what it did not take is free again, and what it took beyond is debited.
    pub(crate) fn settle(&mut self, host: &mut dyn Base, leases: &Leases, exchange: &Exchange) {
        let has_figures = |part: &Part| !matches!(part.limit.unit, Unit::Requests | Unit::ConcurrentRequests);
        let taken = Taken::of(exchange, self.parts.iter().any(has_figures));
        for part in self.parts.iter_mut().filter(|part| part.is_reserved() || part.is_on_credit) {
            let further = part.further.as_ref().map_or(0, |further| further.reserved());
            let reserved = if part.is_reserved() { part.units.saturating_add(further) } else { 0 };
            let took = match part.limit.action {
                LimitAction::Warn => taken.units(part.limit.unit),
                LimitAction::Refuse | LimitAction::FallOver(_) => taken.at_most(part.limit.unit, part.units),
            };
            match part.limit.unit {
                // Whoever waits for it waits now.
                Unit::ConcurrentRequests => {
                    counter::settle(host, &part.counter, part.period.start_s, reserved, took);
                }
                Unit::Requests | Unit::InputTokens | Unit::OutputTokens | Unit::TotalTokens | Unit::Money => {
                    leases.settle_later(&part.counter, part.period.start_s, reserved, took)
                }
            }
            leases.used(&self.tenant_id, &part.counter, part.period.start_s);
            (part.reserved, part.is_on_credit) = (Reserved::Lacking, false);
        }
    }

    /// Whether no limit applies.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether it has all that it takes.
    pub(crate) fn is_complete(&self) -> bool {
        self.parts.iter().all(Part::is_decided)
    }

    /// Whether all that it lacks is of limits that refuse nobody.
    pub(crate) fn only_warns(&self) -> bool {
        self.parts.iter().filter(|part| !part.is_decided()).all(|part| part.limit.action == LimitAction::Warn)
    }

    /// What it lacks, for as long as that is not refused.
    pub(crate) fn lacking(&self) -> Vec<Lack> {
        let lack = |part: &Part| Lack {
            window: CounterWindow {
                tenant_id: self.tenant_id.clone(),
                counter: part.counter.clone(),
                start_s: part.period.start_s,
                limit: part.limit.amount,
            },
            units: part.units,
        };
        self.parts.iter().filter(|part| !part.is_decided()).map(lack).collect()
    }

    /// Whether it lacks units of one of these.
    pub(crate) fn lacks_any_of(&self, windows: &[CounterWindow]) -> bool {
        self.lacking().iter().any(|lack| windows.contains(&lack.window))
    }

    /// Of the limits that refuse it, the one that does for longest.
    pub(crate) fn refused_by(&self) -> Option<&Part> {
        self.parts.iter().filter(|part| part.refuses()).max_by_key(|part| part.period.end_s)
    }

    /// The pool that serves it instead, if all that refuse it name one: the first of them. None where another limit of money holds that
    /// refuses: that pool may be dearer than what was reserved.
    pub(crate) fn fall_over(&mut self) -> Option<String> {
        let counts_money = |part: &Part| part.limit.unit == Unit::Money && part.limit.action != LimitAction::Warn;
        if self.parts.iter().any(|part| counts_money(part) && !part.refuses() && !part.is_waived) {
            return None;
        }
        let pool = |part: &Part| match &part.limit.action {
            LimitAction::FallOver(pool) => Some(pool.clone()),
            LimitAction::Refuse | LimitAction::Warn => None,
        };
        let pools: Option<Vec<String>> = self.parts.iter().filter(|part| part.refuses()).map(pool).collect();
        let first = pools?.into_iter().next()?;
        self.parts.iter_mut().filter(|part| part.refuses()).for_each(|part| part.is_waived = true);
        Some(first)
    }

    /// Of the limits of these units that it counts against, the one that will be reached first.
    pub(crate) fn tightest(&self, units: &[Unit]) -> Option<&Part> {
        let counts = |part: &&Part| {
            let counts = part.limit.action != LimitAction::Warn && part.period.ends();
            part.is_reserved() && counts && units.contains(&part.limit.unit)
        };
        self.parts.iter().filter(counts).min_by_key(|part| part.remaining())
    }

    /// Of the budgets that it counts against and of which callers may be told, what is left of the one that will be reached first.
    pub(crate) fn budget(&self) -> Option<BudgetStatus> {
        let is_told = |part: &&Part| {
            let limit = &part.limit;
            part.is_reserved() && limit.unit == Unit::Money && limit.action != LimitAction::Warn && limit.is_told
        };
        let part = self.parts.iter().filter(is_told).min_by_key(|part| part.remaining())?;
        let RateLimitStatus { limit, remaining, window_end } = part.status();
        Some(BudgetStatus { limit, remaining, window_end: part.period.ends().then_some(window_end) })
    }
}

impl Part {
    fn is_reserved(&self) -> bool {
        matches!(self.reserved, Reserved::Units { .. })
    }

    fn is_decided(&self) -> bool {
        // Who is asked in vain for a limit that only warns is not asked again.
        let is_told = matches!(self.reserved, Reserved::Exhausted { .. }) && self.limit.action == LimitAction::Warn;
        self.is_reserved() || self.is_waived || is_told
    }

    fn refuses(&self) -> bool {
        !self.is_waived && matches!(self.reserved, Reserved::Exhausted { .. }) && self.limit.action != LimitAction::Warn
    }

    /// Whether the request takes more than any window has.
    pub(crate) fn never_fits(&self) -> bool {
        self.units > self.limit.amount && self.limit.action != LimitAction::Warn
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
