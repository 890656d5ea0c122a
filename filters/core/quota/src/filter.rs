use std::rc::Rc;

use weir_config::names::POOL_HEADER;
use weir_config::{FailMode, Limit, QuotaConfig, Unit};
use weir_exchange::{Party, Principal, Shared, Step};
use weir_host::{Base, CallError, CallId, Flow, Host, Level, Message, StreamFilter};
use weir_llm::error::ClientError;
use weir_llm::{Schema, input_beyond_bytes};

use crate::Leases;
use crate::estimate::{Bounds, Unbounded};
use crate::leases::Failure;
use crate::own;
use crate::refusal::Refusal;
use crate::reservation::Reservation;

/// Preference (RFC 7240) of a client that wants to be told what is left of its budgets. Headers of Weir's own names never get here:
/// the listener removes them.
const PREFERENCE: &str = "weir-budget";

/// Requests refused by a limit.
const REFUSED: &str = "weir_quota_refused";
/// Requests that another pool served, since a limit said so.
const FELL_OVER: &str = "weir_quota_fell_over";
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
            reservation: Reservation::default(),
            waits: false,
            admitted: false,
            asks_for_budget: false,
            own: None,
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
    reservation: Reservation,
    /// It lacks units, and will be woken.
    waits: bool,
    admitted: bool,
    /// The client wants to know what is left of its budgets, and may.
    asks_for_budget: bool,
    /// The question of a caller about themselves, if that is what was asked.
    own: Option<CallId>,
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
        if let Some(about) = own::about(operation.kind()) {
            return match own::ask(host, &self.config.control_plane, &principal, about) {
                Ok(call) => {
                    self.own = Some(call);
                    Flow::Pause
                }
                Err(error) => {
                    host.log(Level::Warn, &format!("weir.quota: the control plane could not be asked: {error}"));
                    self.refuse_own(&own::unavailable())
                }
            };
        }
        if !operation.has_body() || principal.limits.is_empty() {
            return self.admit();
        }
        self.asks_for_budget = asks_for_budget(host, &principal);
        self.reserve(host, &principal)
    }

    fn on_request_body(&mut self, _host: &mut dyn Host, _held: usize, _end_of_stream: bool) -> Flow {
        if self.admitted { Flow::Continue } else { Flow::Pause }
    }

    fn on_call(&mut self, host: &mut dyn Host, call: CallId, answer: Result<&[u8], CallError>) -> Flow {
        if self.own.take_if(|own| *own == call).is_none() {
            return if self.admitted { Flow::Continue } else { Flow::Pause };
        }
        match own::answer(host, answer) {
            Ok(reply) => Flow::Reply(reply),
            Err(error) => self.refuse_own(&error),
        }
    }

    fn on_wake(&mut self, host: &mut dyn Host) -> Flow {
        if !self.waits {
            return if self.admitted { Flow::Continue } else { Flow::Pause };
        }
        self.waits = false;
        let failure = self.leases.take_failure(host.stream());
        if let Some(Failure::NoAnswer(reason)) = failure {
            return self.without_answer(host, &reason);
        }
        self.reservation.reserve(host, &self.leases);
        match failure {
            // Unless a new window has begun meanwhile, what is granted next would be lost as well.
            Some(Failure::Lost(windows)) if self.reservation.lacks_any_of(&windows) => {
                self.without_answer(host, "a lease was granted and could not be kept")
            }
            _ => self.decide(host),
        }
    }

    fn on_log(&mut self, host: &mut dyn Host) {
        if self.reservation.is_empty() {
            return;
        }
        self.leases.gone(host.stream());
        if !self.admitted {
            // The client left while the control plane was asked.
            return self.reservation.release(host);
        }
        let Self { shared, reservation, leases, .. } = self;
        if shared.read(|exchange| reservation.settle(host, leases, exchange)).is_none() {
            host.log(Level::Error, "weir.quota: a stream's state was in use when it ended");
        }
    }
}

impl QuotaStream {
    fn refuse_own(&self, error: &ClientError) -> Flow {
        Flow::Reply(match error.status {
            429 | 503 => self.shared.refuse_for(self.schema, error, 1),
            _ => self.shared.refuse(self.schema, error),
        })
    }

    /// Reserves what the request takes of every limit, of what this Envoy holds, else waits for a lease, which it asks for unless
    /// somebody has.
    fn reserve(&mut self, host: &mut dyn Host, principal: &Principal) -> Flow {
        self.reservation = match self.estimate(host, principal) {
            Ok(reservation) => reservation,
            Err(unbounded) => {
                host.count(REFUSED, 1);
                let error = ClientError::new(400, "cost_not_bounded", unbounded.message());
                return Flow::Reply(self.shared.refuse(self.schema, &error));
            }
        };
        self.reservation.reserve(host, &self.leases);
        let flow = self.decide(host);
        if self.waits {
            let stream = host.stream();
            self.leases.ask(host, &self.config, Some(stream));
            // The control plane cannot be asked.
            if let Some(Failure::NoAnswer(reason)) = self.leases.take_failure(stream) {
                self.waits = false;
                return self.without_answer(host, &reason);
            }
        }
        flow
    }

    /// What the request takes at most of all limits that hold for it.
    fn estimate(&self, host: &dyn Host, principal: &Principal) -> Result<Reservation, Unbounded> {
        let counts_input = |unit| matches!(unit, Unit::InputTokens | Unit::TotalTokens | Unit::Money);
        let looks = principal.limits.iter().any(|limit| counts_input(limit.unit));
        let (worker, now) = (self.leases.worker(), host.now());
        let reserved = self.shared.read(|exchange| {
            let request = exchange.request();
            let beyond_bytes = if looks {
                match request.body.bytes.clone() {
                    Some(bytes) => input_beyond_bytes(&bytes),
                    None => host
                        .body(Message::Request, 0, request.body.length)
                        .ok()
                        .and_then(|body| input_beyond_bytes(&body)),
                }
            } else {
                Some(0)
            };
            let model = request.body.head.as_ref().map_or("", |head| head.model.as_str());
            let bounds = Bounds::of(request, beyond_bytes);
            Reservation::new(principal, model, &bounds, worker, now)
        });
        reserved.unwrap_or(Err(Unbounded::Input))
    }

    fn decide(&mut self, host: &mut dyn Host) -> Flow {
        if self.reservation.refused_by().is_some() {
            match self.reservation.fall_over() {
                Some(pool) if self.fall_over(host, &pool) => {}
                Some(_) | None => return self.refuse(host),
            }
        }
        if self.reservation.is_complete() {
            return self.admit();
        }
        // Who goes on without an answer does so at once.
        let is_patient = self.config.fail_mode == FailMode::Closed && !self.reservation.only_warns();
        if !self.leases.wait(host.stream(), self.reservation.lacking(), is_patient) {
            return self.without_answer(host, "too many requests wait for leases");
        }
        self.waits = true;
        Flow::Pause
    }

    /// Leads the request to another pool. `false`: it cannot be.
    fn fall_over(&mut self, host: &mut dyn Host, pool: &str) -> bool {
        if host.set_header(Message::Request, POOL_HEADER, pool.as_bytes()).is_err() {
            return false;
        }
        host.count(FELL_OVER, 1);
        host.clear_route_cache();
        self.shared.prepare(|request| request.pool_id = Some(pool.to_owned())).is_some()
    }

    fn admit(&mut self) -> Flow {
        self.admitted = true;
        let further = self.reservation.admit();
        let status = |units: &[Unit]| self.reservation.tightest(units).map(|part| part.status());
        let requests = status(&[Unit::Requests]);
        let tokens = status(&[Unit::TotalTokens, Unit::InputTokens, Unit::OutputTokens]);
        if requests.is_some() || tokens.is_some() {
            self.shared.prepare(|request| (request.rate_limit, request.token_limit) = (requests, tokens));
        }
        let budget = self.reservation.budget().filter(|_| self.asks_for_budget);
        if budget.is_some() {
            self.shared.prepare(|request| request.budget = budget);
        }
        if let Some(further) = further {
            self.shared.prepare(|request| request.attempt_budget = Some(Rc::new(further)));
        }
        Flow::Continue
    }

    fn refuse(&mut self, host: &mut dyn Host) -> Flow {
        host.count(REFUSED, 1);
        let now = host.now();
        let Some(part) = self.reservation.refused_by() else {
            return self.without_answer(host, "a request was refused without a limit");
        };
        let Refusal { error, retry_after_s, helps_to_wait } = Refusal::of(part, now);
        let status = Some(part.status());
        match part.limit.unit {
            Unit::Requests => {
                self.shared.prepare(|request| request.rate_limit = status);
            }
            Unit::InputTokens | Unit::OutputTokens | Unit::TotalTokens => {
                self.shared.prepare(|request| request.token_limit = status);
            }
            Unit::ConcurrentRequests | Unit::Money => {}
        }
        self.reservation.release(host);
        let mut reply = match retry_after_s {
            Some(seconds) => self.shared.refuse_for(self.schema, &error, seconds),
            None => self.shared.refuse(self.schema, &error),
        };
        if !helps_to_wait {
            reply.headers.push(("x-should-retry".into(), "false".into()));
        }
        Flow::Reply(reply)
    }

    fn without_answer(&mut self, host: &mut dyn Host, reason: &str) -> Flow {
        host.log(Level::Debug, &format!("weir.quota: a request has no lease: {reason}"));
        if self.reservation.only_warns() {
            return self.admit();
        }
        match self.config.fail_mode {
            FailMode::Open => {
                host.count(FAILED_OPEN, 1);
                self.admit()
            }
            FailMode::Closed => {
                self.reservation.release(host);
                let message = "The request's limits cannot be checked at the moment. Try again.";
                let error = ClientError::new(503, "quota_unavailable", message);
                Flow::Reply(self.shared.refuse_for(self.schema, &error, 1))
            }
        }
    }
}

/// Whether a request says so with [`PREFERENCE`], and its key may ask for limits.
fn asks_for_budget(host: &dyn Host, principal: &Principal) -> bool {
    let is_told = |limit: &Rc<Limit>| limit.unit == Unit::Money && limit.is_told;
    let prefers = |value: String| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(PREFERENCE));
    principal.limits.iter().any(is_told)
        && principal.may_ask(own::LIMITS_OPERATION)
        && host.header_text(Message::Request, "prefer").is_some_and(prefers)
}
