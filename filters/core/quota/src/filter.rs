use std::rc::Rc;

use prost::Message as _;
use weir_config::{FailMode, QuotaConfig};
use weir_exchange::{Decider, Exchange, Principal, RateLimit, Shared};
use weir_host::{CallError, CallId, Flow, Host, Level, Message, Micros, StreamFilter};
use weir_llm::Schema;
use weir_llm::error::ClientError;
use weir_proto::dataplane::{AcquireQuotaRequest, AcquireQuotaResponse, QuotaDemand};

use crate::Window;
use crate::counter::{self, Taken};
use crate::window::duration;

/// Requests refused by a limit.
const REFUSED: &str = "weir_quota_refused";
/// Leases that the control plane did not answer.
const LEASES_FAILED: &str = "weir_quota_leases_failed";
/// Requests admitted without a lease, because the configuration says so.
const FAILED_OPEN: &str = "weir_quota_failed_open";

/// `weir.quota` with one configuration.
#[derive(Debug)]
pub struct QuotaPlugin {
    config: Rc<QuotaConfig>,
}

impl QuotaPlugin {
    /// From a configuration that was checked.
    pub fn new(config: QuotaConfig) -> Self {
        Self { config: Rc::new(config) }
    }

    /// Its part in one stream.
    pub fn stream(&self, shared: Shared) -> QuotaStream {
        QuotaStream {
            config: Rc::clone(&self.config),
            shared: shared.held_by(Decider::Quota),
            schema: Schema::default(),
            demands: Vec::new(),
            call: None,
            admitted: false,
        }
    }
}

/// Holds one request to its caller's limits.
#[derive(Debug)]
pub struct QuotaStream {
    config: Rc<QuotaConfig>,
    shared: Shared,
    schema: Schema,
    /// One for each limit.
    demands: Vec<Demand>,
    call: Option<CallId>,
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
        let known = self.shared.read(|exchange| Some((exchange.operation?, exchange.principal.clone()?)));
        let Some((operation, principal)) = known.flatten() else {
            host.log(Level::Error, "weir.quota: no caller is known; weir.auth must stand before weir.quota");
            let path = host.header_text(Message::Request, ":path").unwrap_or_default();
            let schema = Schema::of_path(&path, &|name| host.header(Message::Request, name).is_some());
            let message = "The gateway is not set up correctly: weir.auth must stand before weir.quota.";
            return Flow::Reply(self.shared.refuse(schema, &ClientError::new(503, "gateway_misconfigured", message)));
        };
        self.schema = operation.schema();
        if !operation.has_body() || principal.rate_limits.is_empty() {
            return self.admit(host.now());
        }
        self.take_all(host, &principal)
    }

    fn on_request_body(&mut self, _host: &mut dyn Host, _held: usize, _end_of_stream: bool) -> Flow {
        if self.admitted { Flow::Continue } else { Flow::Pause }
    }

    fn on_call(&mut self, host: &mut dyn Host, call: CallId, answer: Result<&[u8], CallError>) -> Flow {
        if self.call != Some(call) {
            return if self.admitted { Flow::Continue } else { Flow::Pause };
        }
        self.call = None;
        let answer = answer.map_err(|error| error.to_string()).and_then(|bytes| {
            AcquireQuotaResponse::decode(bytes).map_err(|error| format!("the answer cannot be decoded: {error}"))
        });
        match answer.and_then(|response| self.take_granted(host, &response)) {
            Ok(()) if self.has_all() => self.admit(host.now()),
            Ok(()) => self.refuse(host),
            Err(reason) => self.without_answer(host, &reason),
        }
    }

    fn on_response_headers(&mut self, host: &mut dyn Host, _end_of_stream: bool) -> Flow {
        if !self.admitted {
            return Flow::Continue;
        }
        let Some(demand) = self.tightest() else { return Flow::Continue };
        let headers = demand.headers(host.now());
        // `weir.provider` has told them where the answer is its own; by now the window may end sooner.
        let are_told = |exchange: &Exchange| headers.iter().all(|header| exchange.told.contains(header));
        if self.shared.is_as_written(host) && self.shared.read(are_told) == Some(true) {
            return Flow::Continue;
        }
        for (name, value) in headers {
            if host.set_header(Message::Response, name, value.as_bytes()).is_err() {
                host.log(Level::Warn, "weir.quota: a response header could not be set");
            }
        }
        Flow::Continue
    }

    fn on_log(&mut self, host: &mut dyn Host) {
        // The client left while the control plane was asked: nothing went on, so nothing was used.
        if !self.admitted {
            self.give_back(host);
        }
    }
}

impl QuotaStream {
    /// Takes a unit of every limit, from what this Envoy holds, else by asking for a lease.
    fn take_all(&mut self, host: &mut dyn Host, principal: &Principal) -> Flow {
        let now = host.now();
        for limit in &principal.rate_limits {
            let window = Window::at(now, limit.window_seconds);
            let taken = match limit.limit {
                0 => Taken::Exhausted,
                _ => counter::take(host, &limit.counter, window.start_s, limit.limit),
            };
            self.demands.push(Demand { limit: limit.clone(), window, taken });
        }
        if self.demands.iter().any(|demand| demand.taken == Taken::Exhausted) {
            return self.refuse(host);
        }
        if self.has_all() {
            return self.admit(host.now());
        }
        let wanted = self.lacking().map(|demand| QuotaDemand {
            counter: demand.limit.counter.clone(),
            window_start_unix_s: demand.window.start_s,
            minimum: 1,
            wanted: (demand.limit.limit.saturating_mul(self.config.lease_percent) / 100).max(1),
        });
        let request = AcquireQuotaRequest { tenant_id: principal.tenant_id.clone(), demands: wanted.collect() };
        let control_plane = &self.config.control_plane;
        let message = request.encode_to_vec();
        match host.call(&control_plane.cluster, "AcquireQuota", &message, control_plane.timeout_ms) {
            Ok(call) => {
                self.call = Some(call);
                Flow::Pause
            }
            Err(error) => self.without_answer(host, &error.to_string()),
        }
    }

    /// Takes this request's units of what was granted, and leaves the rest to the next requests.
    fn take_granted(&mut self, host: &mut dyn Host, response: &AcquireQuotaResponse) -> Result<(), String> {
        let lacking = self.lacking().count();
        let mut grants = response.grants.iter();
        if response.grants.len() != lacking {
            return Err(format!("{} grants were answered to {lacking} demands", response.grants.len()));
        }
        for demand in self.demands.iter_mut().filter(|demand| !demand.has_unit()) {
            let (counter, start) = (&demand.limit.counter, demand.window.start_s);
            let Some(grant) =
                grants.next().filter(|grant| grant.counter == *counter && grant.window_start_unix_s == start)
            else {
                return Err("a grant is not for the counter that was demanded".into());
            };
            demand.taken = match grant.granted.checked_sub(1) {
                Some(rest) => {
                    counter::put(host, counter, start, rest, grant.remaining, grant.limit.max(1));
                    Taken::Unit(rest.saturating_add(grant.remaining))
                }
                None => {
                    counter::exhaust(host, counter, start, demand.limit.limit);
                    // Another worker may have got a lease in the meantime.
                    match counter::take(host, counter, start, demand.limit.limit) {
                        Taken::Unit(remaining) => Taken::Unit(remaining),
                        Taken::Empty | Taken::Exhausted => Taken::Exhausted,
                    }
                }
            };
        }
        Ok(())
    }

    fn admit(&mut self, now: Micros) -> Flow {
        self.admitted = true;
        if let Some(demand) = self.tightest() {
            self.shared.write(|exchange| exchange.told.extend(demand.headers(now)));
        }
        Flow::Continue
    }

    fn refuse(&mut self, host: &mut dyn Host) -> Flow {
        host.count(REFUSED, 1);
        let now = host.now();
        let Some(demand) = self.exhausted().max_by_key(|demand| demand.window.end_s) else {
            return self.without_answer(host, "a request was refused without a limit");
        };
        let retry_after_s = demand.window.remaining_s(now).max(1);
        let message = format!(
            "The limit of {} requests in {} is used up. Try again in {}.",
            demand.limit.limit,
            duration(demand.limit.window_seconds.into()),
            duration(retry_after_s),
        );
        let headers = demand.headers(now);
        self.give_back(host);
        let error = ClientError::new(429, "rate_limit_exceeded", message);
        let mut reply = self.shared.refuse_for(self.schema, &error, retry_after_s);
        reply.headers.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Flow::Reply(reply)
    }

    fn without_answer(&mut self, host: &mut dyn Host, reason: &str) -> Flow {
        host.count(LEASES_FAILED, 1);
        host.log(Level::Warn, &format!("weir.quota: no lease: {reason}"));
        match self.config.fail_mode {
            FailMode::Open => {
                host.count(FAILED_OPEN, 1);
                self.admit(host.now())
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
        self.demands.iter().filter(|demand| demand.taken == Taken::Exhausted)
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
            Taken::Empty | Taken::Exhausted => 0,
        }
    }

    /// OpenAI's rate limit headers.
    fn headers(&self, now: Micros) -> [(&'static str, String); 3] {
        [
            ("x-ratelimit-limit-requests", self.limit.limit.to_string()),
            ("x-ratelimit-remaining-requests", self.remaining().to_string()),
            ("x-ratelimit-reset-requests", duration(self.window.remaining_s(now))),
        ]
    }
}
