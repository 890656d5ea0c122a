use std::rc::Rc;

use weir_config::{FailMode, QuotaConfig};
use weir_exchange::{Party, Principal, RateLimit, RateLimitStatus, Shared, Step, duration};
use weir_host::{Base, Flow, Host, Level, Message, StreamFilter};
use weir_llm::Schema;
use weir_llm::error::ClientError;

use crate::counter::{self, Taken};
use crate::leases::CounterWindow;
use crate::{Leases, Window};

/// Requests refused by a limit.
const REFUSED: &str = "weir_quota_refused";
/// Requests admitted without a lease, because the configuration says so.
const FAILED_OPEN: &str = "weir_quota_failed_open";

/// `weir.quota` with one configuration.
#[derive(Debug)]
pub struct QuotaPlugin {
    pub(crate) config: Rc<QuotaConfig>,
}

impl QuotaPlugin {
    /// How often [`QuotaPlugin::on_tick`] is to be called, in milliseconds.
    pub const TICK_MS: u32 = 200;

    /// From a configuration that was checked.
    pub fn new(config: QuotaConfig) -> Self {
        Self { config: Rc::new(config) }
    }

    /// Its part in one stream. `leases` are the worker's.
    pub fn stream(&self, shared: Shared, leases: Rc<Leases>) -> QuotaStream {
        QuotaStream {
            config: Rc::clone(&self.config),
            shared: shared.held_by(Party::Gateway(Step::Quota)),
            leases,
            schema: Schema::default(),
            principal: Rc::default(),
            demands: Vec::new(),
            waits: false,
            admitted: false,
        }
    }

    /// To be called on every tick: asks for what streams wait for and nobody has asked for, and tells what became of leases.
    pub fn on_tick(&self, host: &mut dyn Base, leases: &Leases) {
        leases.ask(host, &self.config, None);
        leases.settle(host, &self.config.control_plane);
    }
}

/// Holds one request to its caller's limits.
#[derive(Debug)]
pub struct QuotaStream {
    config: Rc<QuotaConfig>,
    shared: Shared,
    leases: Rc<Leases>,
    schema: Schema,
    principal: Rc<Principal>,
    /// One for each limit.
    demands: Vec<Demand>,
    /// It lacks units, and will be woken.
    waits: bool,
    admitted: bool,
}

/// One limit and what this request has of it.
#[derive(Debug)]
struct Demand {
    limit: RateLimit,
    window: Window,
    /// `Unit`: it has its unit.
    taken: Taken,
}

impl StreamFilter for QuotaStream {
    fn on_request_headers(&mut self, host: &mut dyn Host, _end_of_stream: bool) -> Flow {
        let known =
            self.shared.read(|exchange| Some((exchange.request().operation?, exchange.request().principal.clone()?)));
        let Some((operation, principal)) = known.flatten() else {
            host.log(Level::Error, "weir.quota: no caller is known; weir.auth must stand before weir.quota");
            let path = host.header_text(Message::Request, ":path").unwrap_or_default();
            let schema = Schema::of_path(&path, &|name| host.header(Message::Request, name).is_some());
            let message = "The gateway is not set up correctly: weir.auth must stand before weir.quota.";
            return Flow::Reply(self.shared.refuse(schema, &ClientError::new(503, "gateway_misconfigured", message)));
        };
        self.schema = operation.schema();
        if !operation.has_body() || principal.rate_limits.is_empty() {
            return self.admit();
        }
        self.principal = principal;
        self.take_all(host)
    }

    fn on_request_body(&mut self, _host: &mut dyn Host, _held: usize, _end_of_stream: bool) -> Flow {
        if self.admitted { Flow::Continue } else { Flow::Pause }
    }

    fn on_wake(&mut self, host: &mut dyn Host) -> Flow {
        if !self.waits {
            return if self.admitted { Flow::Continue } else { Flow::Pause };
        }
        self.waits = false;
        if let Some(reason) = self.leases.take_failure(host.stream()) {
            return self.without_answer(host, &reason);
        }
        self.take_lacking(host);
        self.decide(host)
    }

    fn on_log(&mut self, host: &mut dyn Host) {
        if self.demands.is_empty() {
            return;
        }
        self.leases.gone(host.stream());
        // The client left while the control plane was asked: nothing went on, so nothing was used.
        if !self.admitted {
            self.give_back(host);
        }
    }
}

impl QuotaStream {
    /// Takes a unit of every limit, from what this Envoy holds, else waits for a lease, which it asks for unless somebody has.
    fn take_all(&mut self, host: &mut dyn Host) -> Flow {
        let now = host.now();
        let demand = |limit: &RateLimit| Demand {
            limit: limit.clone(),
            window: Window::at(now, limit.window_seconds),
            taken: Taken::Empty,
        };
        self.demands = self.principal.rate_limits.iter().map(demand).collect();
        self.take_lacking(host);
        let flow = self.decide(host);
        if self.waits {
            let stream = host.stream();
            self.leases.ask(host, &self.config, Some(stream));
            // The control plane cannot be asked.
            if let Some(reason) = self.leases.take_failure(stream) {
                self.waits = false;
                return self.without_answer(host, &reason);
            }
        }
        flow
    }

    /// Takes what it can of the units that this request lacks.
    fn take_lacking(&mut self, host: &mut dyn Host) {
        let now = host.now();
        for demand in self.demands.iter_mut().filter(|demand| !demand.has_unit()) {
            let limit = &demand.limit;
            // It may have waited into the next one.
            demand.window = Window::at(now, limit.window_seconds);
            demand.taken = match limit.limit {
                0 => Taken::Exhausted { pending: false },
                _ => counter::take(host, &limit.counter, demand.window.start_s, limit.limit),
            };
            if demand.has_unit() {
                self.leases.used(&self.principal.tenant_id, &limit.counter, demand.window.start_s);
            }
        }
    }

    fn decide(&mut self, host: &mut dyn Host) -> Flow {
        if self.exhausted().next().is_some() {
            return self.refuse(host);
        }
        if self.has_all() {
            return self.admit();
        }
        let lacking = self.lacking().map(|demand| CounterWindow {
            tenant_id: self.principal.tenant_id.clone(),
            counter: demand.limit.counter.clone(),
            start_s: demand.window.start_s,
            limit: demand.limit.limit,
        });
        if !self.leases.wait(host.stream(), lacking.collect()) {
            return self.without_answer(host, "too many requests wait for leases");
        }
        self.waits = true;
        Flow::Pause
    }

    fn admit(&mut self) -> Flow {
        self.admitted = true;
        if let Some(demand) = self.tightest() {
            self.shared.prepare(|request| request.rate_limit = Some(demand.status()));
        }
        Flow::Continue
    }

    fn refuse(&mut self, host: &mut dyn Host) -> Flow {
        host.count(REFUSED, 1);
        let now = host.now();
        let Some(demand) = self.exhausted().max_by_key(|demand| demand.window.end_s) else {
            return self.without_answer(host, "a request was refused without a limit");
        };
        // Where others may give back what they hold, waiting for the window's end is not needed.
        let retry_after_s = match demand.taken {
            Taken::Exhausted { pending: true } => 1,
            Taken::Exhausted { pending: false } | Taken::Empty | Taken::Unit(_) => {
                demand.window.remaining_s(now).max(1)
            }
        };
        let message = format!(
            "The limit of {} requests in {} is used up. Try again in {}.",
            demand.limit.limit,
            duration(demand.limit.window_seconds.into()),
            duration(retry_after_s),
        );
        self.shared.prepare(|request| request.rate_limit = Some(demand.status()));
        self.give_back(host);
        let error = ClientError::new(429, "rate_limit_exceeded", message);
        Flow::Reply(self.shared.refuse_for(self.schema, &error, retry_after_s))
    }

    fn without_answer(&mut self, host: &mut dyn Host, reason: &str) -> Flow {
        host.log(Level::Debug, &format!("weir.quota: a request has no lease: {reason}"));
        match self.config.fail_mode {
            FailMode::Open => {
                host.count(FAILED_OPEN, 1);
                self.admit()
            }
            FailMode::Closed => {
                self.give_back(host);
                let message = "The request's limits cannot be checked at the moment. Try again.";
                let error = ClientError::new(503, "quota_unavailable", message);
                Flow::Reply(self.shared.refuse_for(self.schema, &error, 1))
            }
        }
    }

    /// Puts back the units of a request that does not go on.
    fn give_back(&mut self, host: &mut dyn Host) {
        for demand in self.demands.iter_mut().filter(|demand| demand.has_unit()) {
            counter::put_back(host, &demand.limit.counter, demand.window.start_s);
            demand.taken = Taken::Empty;
        }
    }

    fn lacking(&self) -> impl Iterator<Item = &Demand> {
        self.demands.iter().filter(|demand| !demand.has_unit())
    }

    fn exhausted(&self) -> impl Iterator<Item = &Demand> {
        self.demands.iter().filter(|demand| matches!(demand.taken, Taken::Exhausted { .. }))
    }

    fn has_all(&self) -> bool {
        self.lacking().next().is_none()
    }

    /// Of the limits that this request counts against, the one that will be reached first.
    fn tightest(&self) -> Option<&Demand> {
        self.demands.iter().filter(|demand| demand.has_unit()).min_by_key(|demand| demand.remaining())
    }
}

impl Demand {
    fn has_unit(&self) -> bool {
        matches!(self.taken, Taken::Unit(_))
    }

    fn remaining(&self) -> u64 {
        match self.taken {
            Taken::Unit(remaining) => remaining.min(self.limit.limit),
            Taken::Empty | Taken::Exhausted { .. } => 0,
        }
    }

    /// What the client is told of it.
    fn status(&self) -> RateLimitStatus {
        let window_end = u64::try_from(self.window.end_s).unwrap_or_default().saturating_mul(1_000_000);
        RateLimitStatus { limit: self.limit.limit, remaining: self.remaining(), window_end }
    }
}
