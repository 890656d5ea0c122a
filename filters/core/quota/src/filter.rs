use std::rc::Rc;

use weir_config::{FailMode, QuotaConfig};
use weir_exchange::{Party, Principal, RateLimit, RateLimitStatus, Shared, Step, duration};
use weir_host::{Base, Flow, Host, Level, Message, StreamFilter};
use weir_llm::Schema;
use weir_llm::error::ClientError;

use crate::counter::{self, Reserved};
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
            reservations: Vec::new(),
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
    reservations: Vec<Reservation>,
    /// It lacks units, and will be woken.
    waits: bool,
    admitted: bool,
}

/// One limit, and the unit of it that this request has reserved.
#[derive(Debug)]
struct Reservation {
    limit: RateLimit,
    window: Window,
    /// `Unit`: it has its unit.
    reserved: Reserved,
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
        self.reserve_all(host)
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
        self.reserve_lacking(host);
        self.decide(host)
    }

    fn on_log(&mut self, host: &mut dyn Host) {
        if self.reservations.is_empty() {
            return;
        }
        self.leases.gone(host.stream());
        // The client left while the control plane was asked: nothing went on, so nothing was used.
        if !self.admitted {
            self.release(host);
        }
    }
}

impl QuotaStream {
    /// Takes a unit of every limit, from what this Envoy holds, else waits for a lease, which it asks for unless somebody has.
    fn reserve_all(&mut self, host: &mut dyn Host) -> Flow {
        let now = host.now();
        let reservation = |limit: &RateLimit| Reservation {
            limit: limit.clone(),
            window: Window::at(now, limit.window_seconds),
            reserved: Reserved::Empty,
        };
        self.reservations = self.principal.rate_limits.iter().map(reservation).collect();
        self.reserve_lacking(host);
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
    fn reserve_lacking(&mut self, host: &mut dyn Host) {
        let now = host.now();
        for reservation in self.reservations.iter_mut().filter(|reservation| !reservation.has_unit()) {
            let limit = &reservation.limit;
            // It may have waited into the next one.
            reservation.window = Window::at(now, limit.window_seconds);
            reservation.reserved = match limit.limit {
                0 => Reserved::Exhausted { pending: false },
                _ => counter::reserve(host, &limit.counter, reservation.window.start_s, limit.limit),
            };
            if reservation.has_unit() {
                self.leases.used(&self.principal.tenant_id, &limit.counter, reservation.window.start_s);
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
        let lacking = self.lacking().map(|reservation| CounterWindow {
            tenant_id: self.principal.tenant_id.clone(),
            counter: reservation.limit.counter.clone(),
            start_s: reservation.window.start_s,
            limit: reservation.limit.limit,
        });
        if !self.leases.wait(host.stream(), lacking.collect()) {
            return self.without_answer(host, "too many requests wait for leases");
        }
        self.waits = true;
        Flow::Pause
    }

    fn admit(&mut self) -> Flow {
        self.admitted = true;
        if let Some(reservation) = self.tightest() {
            self.shared.prepare(|request| request.rate_limit = Some(reservation.status()));
        }
        Flow::Continue
    }

    fn refuse(&mut self, host: &mut dyn Host) -> Flow {
        host.count(REFUSED, 1);
        let now = host.now();
        let Some(reservation) = self.exhausted().max_by_key(|reservation| reservation.window.end_s) else {
            return self.without_answer(host, "a request was refused without a limit");
        };
        // Where others may give back what they hold, waiting for the window's end is not needed.
        let retry_after_s = match reservation.reserved {
            Reserved::Exhausted { pending: true } => 1,
            Reserved::Exhausted { pending: false } | Reserved::Empty | Reserved::Unit(_) => {
                reservation.window.remaining_s(now).max(1)
            }
        };
        let message = format!(
            "The limit of {} requests in {} is used up. Try again in {}.",
            reservation.limit.limit,
            duration(reservation.limit.window_seconds.into()),
            duration(retry_after_s),
        );
        self.shared.prepare(|request| request.rate_limit = Some(reservation.status()));
        self.release(host);
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
                self.release(host);
                let message = "The request's limits cannot be checked at the moment. Try again.";
                let error = ClientError::new(503, "quota_unavailable", message);
                Flow::Reply(self.shared.refuse_for(self.schema, &error, 1))
            }
        }
    }

    /// Puts back the units of a request that does not go on.
    fn release(&mut self, host: &mut dyn Host) {
        for reservation in self.reservations.iter_mut().filter(|reservation| reservation.has_unit()) {
            counter::release(host, &reservation.limit.counter, reservation.window.start_s);
            reservation.reserved = Reserved::Empty;
        }
    }

    fn lacking(&self) -> impl Iterator<Item = &Reservation> {
        self.reservations.iter().filter(|reservation| !reservation.has_unit())
    }

    fn exhausted(&self) -> impl Iterator<Item = &Reservation> {
        self.reservations.iter().filter(|reservation| matches!(reservation.reserved, Reserved::Exhausted { .. }))
    }

    fn has_all(&self) -> bool {
        self.lacking().next().is_none()
    }

    /// Of the limits that this request counts against, the one that will be reached first.
    fn tightest(&self) -> Option<&Reservation> {
        self.reservations
            .iter()
            .filter(|reservation| reservation.has_unit())
            .min_by_key(|reservation| reservation.remaining())
    }
}

impl Reservation {
    fn has_unit(&self) -> bool {
        matches!(self.reserved, Reserved::Unit(_))
    }

    fn remaining(&self) -> u64 {
        match self.reserved {
            Reserved::Unit(remaining) => remaining.min(self.limit.limit),
            Reserved::Empty | Reserved::Exhausted { .. } => 0,
        }
    }

    /// What the client is told of it.
    fn status(&self) -> RateLimitStatus {
        let window_end = u64::try_from(self.window.end_s).unwrap_or_default().saturating_mul(1_000_000);
        RateLimitStatus { limit: self.limit.limit, remaining: self.remaining(), window_end }
    }
}
