use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::rc::Rc;

use prost::Message as _;
use weir_config::{ControlPlane, QuotaConfig};
use weir_host::{Base, CallError, CallId, Level, Micros, StreamId};
use weir_journal::{Bounds, Delivery, Journal, Kind};
use weir_proto::dataplane::{AcquireQuotaRequest, AcquireQuotaResponse, QuotaDemand, QuotaGrant, SettleQuotaRequest};

use crate::consumption::{Consumption, Keeps};
use crate::counter;
use crate::unanswered::Unanswered;

/// Calls for leases that the control plane did not answer.
const LEASES_FAILED: &str = "weir_quota_leases_failed";

/// Requests of one worker that wait for leases; more are refused.
const MOST_WAITING: usize = 1000;

/// Demands in one call, which the control plane bounds.
const MOST_DEMANDS: usize = 100;

/// The control plane has an Envoy ask again sooner than this only where others hold what they may give back.
const NOBODY_HOLDS_MS: u32 = 1000;

/// Added to a call's own deadline before it is made again.
const GRACE_MS: u64 = 1000;

/// The gRPC status of a control plane that cannot be reached, as while it is started anew, and how long requests wait then that would
/// else be refused: it is asked again on every tick. Once it is away for longer, they are refused at once.
const UNAVAILABLE: u32 = 14;
const RIDES_OUT: Micros = 5_000_000;

/// The gRPC status of a control plane that does not know a call, and how long it is not called then: what it grants is granted for
/// good, so nothing is given back.
const UNIMPLEMENTED: u32 = 12;
const NOT_SETTLED: Micros = 60_000_000;

/// Settlements of one worker that may wait, and those in one delivery. `FLUSH_MS`: the time between two deliveries.
const BOUNDS: Bounds = Bounds { entries: 20_000, bytes: 8 * 1024 * 1024 };
const BATCH: usize = 500;
const FLUSH_MS: u64 = 200;

static SETTLEMENTS: Kind = Kind {
    plugin: "weir.quota",
    entries: "settlements",
    key: "weir.settlement",
    method: "SettleQuota",
    is_entry: |bytes| SettleQuotaRequest::decode(bytes).is_ok(),
    taken: "weir_quota_settlements_taken",
    adopted: "weir_quota_settlements_adopted",
    unprotected: "weir_quota_settlements_unprotected",
    unreadable: "weir_quota_settlements_unreadable",
    overflowed: "weir_quota_settlements_overflowed",
};

/// A counter in one window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CounterWindow {
    pub(crate) tenant_id: String,
    pub(crate) counter: String,
    pub(crate) start_s: i64,
    /// What one window holds, as far as is known here.
    pub(crate) limit: u64,
}

/// What a request lacks of a counter.
#[derive(Clone, Debug)]
pub(crate) struct Lack {
    pub(crate) window: CounterWindow,
    pub(crate) units: u64,
}

/// What all requests that wait lack of a counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The least that lets one of them go on.
    minimum: u64,
    /// What lets all of them.
    waiting: u64,
}

/// What the control plane is asked for of a counter.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) window: CounterWindow,
    /// `None`: nothing but what was granted to this demand already.
    pub(crate) wanted: Option<Wanted>,
    /// Names it at the control plane, also when it is made again. Empty: it has no name, and is not made again.
    pub(crate) id: String,
    /// Until when it is worth while to make it again, if its answer did not come before.
    pub(crate) until: Option<Micros>,
}

/// Why a stream was woken without what it waits for.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The control plane's answer is not to be had.
    NoAnswer(Rc<str>),
    /// What it answered of these could not be kept: a later window has begun.
    Lost(Rc<[CounterWindow]>),
}

/// What one worker knows of leases: which it has asked for, the requests that wait for them, and what it has taken of which.
///
/// However many requests lack units of a counter, one call asks for them; the others wait for its answer and are then woken, in
/// the order in which they came. A call belongs to the stream that made it, and ends with it: then the next tick asks again.
pub struct Leases {
    /// The name under which this Envoy holds leases if no other worker has given it one.
    name: String,
    state: Cell<State>,
    settlements: Journal,
}

impl fmt::Debug for Leases {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Leases").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    holder: Option<String>,
    consumption: Consumption,
    calls: Vec<Asked>,
    /// While the control plane cannot be reached.
    outage: Option<Outage>,
    unanswered: Unanswered,
    /// Demands that were named so far.
    demands: u64,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    woken: VecDeque<StreamId>,
    /// Of those that were woken without what they wait for.
    failures: HashMap<StreamId, Failure>,
    /// Until then the control plane is taken for one that knows no settlements.
    not_settled_until: Micros,
    /// What requests that are over had reserved of counters in windows, and what they took: written together on the next tick, since each
    /// write costs as much as all else that a request does for a limit. What a worker that dies had not written stays reserved.
    over: HashMap<String, Vec<Over>>,
}

/// Requests of one window that are over.
#[derive(Clone, Copy, Debug)]
struct Over {
    start_s: i64,
    reserved: u64,
    took: u64,
}

/// The control plane could not be reached.
#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Micros,
    last_seen: Micros,
}

impl Outage {
    /// It could not be reached now. One that nobody has seen for as long as is waited is over.
    fn seen(outage: Option<Self>, now: Micros) -> Self {
        let since =
            outage.filter(|outage| now.saturating_sub(outage.last_seen) < RIDES_OUT).map_or(now, |outage| outage.since);
        Self { since, last_seen: now }
    }

    fn is_ridden_out(&self, now: Micros) -> bool {
        now.saturating_sub(self.since) < RIDES_OUT
    }
}

/// A call that is not answered yet.
#[derive(Debug)]
struct Asked {
    call: CallId,
    /// `None`: made outside of streams.
    by: Option<StreamId>,
    demands: Vec<Demand>,
    /// When the answer no longer comes: that to a call of a plugin that was configured anew in the meantime never does.
    deadline: Micros,
}

#[derive(Debug)]
struct Waiting {
    stream: StreamId,
    is_patient: bool,
    lacks: Vec<Lack>,
}

impl Leases {
    /// Nothing is known yet. `name` and `owner`: drawn at random by each worker.
    pub fn new(name: String, owner: u64) -> Self {
        Self { name, state: Cell::default(), settlements: Journal::new(&SETTLEMENTS, owner) }
    }

    /// Notes that units were taken or put back, so that what nobody takes any longer is given back.
    pub(crate) fn used(&self, tenant_id: &str, counter: &str, start_s: i64) {
        self.with(|state| state.consumption.note(tenant_id, counter, start_s));
    }

    /// The name of this worker, for what it alone holds.
    pub(crate) fn worker(&self) -> &str {
        &self.name
    }

    /// A request that had reserved so many units of a counter is over, and took so many: that is written soon.
    pub(crate) fn settle_later(&self, counter: &str, start_s: i64, reserved: u64, took: u64) {
        self.with(|state| {
            let Some(windows) = state.over.get_mut(counter) else {
                state.over.insert(counter.to_owned(), vec![Over { start_s, reserved, took }]);
                return;
            };
            match windows.iter_mut().find(|over| over.start_s == start_s) {
                Some(over) => {
                    over.reserved = over.reserved.saturating_add(reserved);
                    over.took = over.took.saturating_add(took);
                }
                None => windows.push(Over { start_s, reserved, took }),
            }
        });
    }

    /// Writes what requests that are over took. Answers whether there was something.
    pub(crate) fn put_back(&self, host: &mut dyn Base) -> bool {
        let over = self.with(|state| std::mem::take(&mut state.over));
        for (counter, windows) in &over {
            for Over { start_s, reserved, took } in windows {
                counter::settle(host, counter, *start_s, *reserved, *took);
            }
        }
        !over.is_empty()
    }

    /// Has a stream wait for these. `is_patient`: also while the control plane cannot be reached for a moment. `false`: too many wait.
    pub(crate) fn wait(&self, stream: StreamId, lacks: Vec<Lack>, is_patient: bool) -> bool {
        self.with(|state| {
            if state.waiting.len() >= MOST_WAITING {
                return false;
            }
            state.waiting.push(Waiting { stream, is_patient, lacks });
            true
        })
    }

    /// Whether a stream waits for a lease.
    pub fn is_waiting(&self, stream: StreamId) -> bool {
        self.with(|state| state.waiting.iter().any(|waiting| waiting.stream == stream))
    }

    /// Asks for all that streams wait for and nobody has asked for yet. `by`: the stream that `host` stands for, if any. What
    /// cannot be asked for fails at once: the streams that want it are woken. While the control plane cannot be reached for a moment,
    /// no stream asks for others that wait for it.
    pub(crate) fn ask(&self, host: &mut dyn Base, config: &QuotaConfig, by: Option<StreamId>) {
        self.with(|state| {
            let now = host.now();
            state.give_up(|asked| now >= asked.deadline);
            let is_ridden_out = state.outage.is_some_and(|outage| outage.is_ridden_out(now));
            let is_left =
                |waiting: &Waiting| is_ridden_out && by.is_some_and(|by| by != waiting.stream || waiting.is_patient);
            let asked: HashSet<&CounterWindow> =
                state.calls.iter().flat_map(|asked| &asked.demands).map(|demand| &demand.window).collect();
            let mut lacking: BTreeMap<&CounterWindow, Wanted> = BTreeMap::new();
            for Lack { window, units } in
                state.waiting.iter().filter(|waiting| !is_left(waiting)).flat_map(|waiting| &waiting.lacks)
            {
                if !asked.contains(window) {
                    let wanted = lacking.entry(window).or_insert(Wanted { minimum: *units, waiting: 0 });
                    wanted.minimum = wanted.minimum.min(*units);
                    wanted.waiting = wanted.waiting.saturating_add(*units);
                }
            }
            let lacking: Vec<(CounterWindow, Wanted)> =
                lacking.into_iter().map(|(window, wanted)| (window.clone(), wanted)).collect();
            let mut demands: Vec<Demand> =
                lacking.into_iter().map(|(window, wanted)| state.demand(window, wanted, &self.name)).collect();
            if by.is_none() {
                demands.extend(state.unanswered.due(now));
            }
            if demands.is_empty() {
                return;
            }
            let holder = state.holder(host, &self.name);
            let mut calls: BTreeMap<(&str, &str), Vec<Demand>> = BTreeMap::new();
            for demand in &demands {
                let holder = counter::named(&demand.window.counter).1.unwrap_or(&holder);
                calls.entry((&demand.window.tenant_id, holder)).or_default().push(demand.clone());
            }
            for ((_, holder), demands) in calls {
                for demands in demands.chunks(MOST_DEMANDS) {
                    state.ask(host, config, by, holder, demands);
                }
            }
        });
    }

    /// Whether this call is one of these.
    pub fn awaits(&self, call: CallId) -> bool {
        self.settlements.awaits(call) || self.with(|state| state.calls.iter().any(|asked| asked.call == call))
    }

    /// A call was answered: what was granted lies ready, and the streams that waited for it are woken. An answer to any other
    /// call changes nothing.
    pub fn on_call(&self, host: &mut dyn Base, call: CallId, answer: Result<&[u8], CallError>) {
        if !self.settlements.awaits(call) {
            return self.leased(host, call, answer);
        }
        match answer {
            Ok(_) => {
                self.settlements.acknowledged(host);
            }
            Err(error) if error.status == UNIMPLEMENTED => {
                self.settlements.acknowledged(host);
                let until = host.now().saturating_add(NOT_SETTLED);
                self.with(|state| state.not_settled_until = until);
            }
            Err(error) => {
                host.log(Level::Warn, &format!("weir.quota: settlements were not delivered and go out again: {error}"));
                self.settlements.failed(host.now());
            }
        }
    }

    /// Settles what this worker has taken of leases, and gives back what this Envoy does not use, unless the control plane does not
    /// take it now. To be called on every tick.
    pub(crate) fn settle(&self, host: &mut dyn Base, control_plane: &ControlPlane) {
        self.put_back(host);
        let keeps = if self.settlements.is_failing() { Keeps::All } else { Keeps::ItsPace };
        self.note_settlements(host, keeps);
        self.settlements.tick(host, BOUNDS, FLUSH_MS);
        self.settlements.deliver(host, delivery(control_plane));
    }

    fn note_settlements(&self, host: &mut dyn Base, keeps: Keeps) {
        let now = host.now();
        let settlements = self.with(|state| match state.holder(host, &self.name) {
            holder if holder.is_empty() || now < state.not_settled_until => Vec::new(),
            holder => state.consumption.settle(host, &holder, keeps),
        });
        for settlement in settlements {
            // One for which there is no room is made up for by the next.
            self.settlements.push(host, BOUNDS, &SettleQuotaRequest { settlements: vec![settlement] });
        }
    }

    fn leased(&self, host: &mut dyn Base, call: CallId, answer: Result<&[u8], CallError>) {
        self.with(|state| {
            let Some(index) = state.calls.iter().position(|asked| asked.call == call) else { return };
            let asked = state.calls.swap_remove(index);
            let now = host.now();
            state.outage = match answer {
                Err(CallError { status: UNAVAILABLE }) => Some(Outage::seen(state.outage, now)),
                Ok(_) | Err(_) => None,
            };
            if let Some(outage) = state.outage
                && outage.is_ridden_out(now)
            {
                return state.fail_impatient(host, asked.demands);
            }
            let answer = answer.map_err(|error| error.to_string()).and_then(|bytes| {
                AcquireQuotaResponse::decode(bytes).map_err(|error| format!("the answer cannot be decoded: {error}"))
            });
            match answer.and_then(|response| state.put(host, &asked.demands, &response)) {
                Ok(lost) => {
                    let failure = (!lost.is_empty()).then(|| Failure::Lost(lost.into()));
                    state.wake(&asked.demands, failure, |_| true);
                }
                Err(reason) => state.fail(host, asked.demands, &reason),
            }
        });
    }

    /// The next stream that is to look again, until there is none.
    pub fn next_woken(&self) -> Option<StreamId> {
        self.with(|state| state.woken.pop_front())
    }

    /// Why a stream was woken without what it waits for; `None`: it was not.
    pub(crate) fn take_failure(&self, stream: StreamId) -> Option<Failure> {
        self.with(|state| state.failures.remove(&stream))
    }

    /// A stream is over. Its calls are never answered: what may have been granted to them is asked for again.
    pub fn gone(&self, stream: StreamId) {
        self.with(|state| {
            state.waiting.retain(|waiting| waiting.stream != stream);
            state.woken.retain(|woken| *woken != stream);
            state.failures.remove(&stream);
            state.give_up(|asked| asked.by == Some(stream));
        });
    }

    /// Lends the state to `act`, which never calls back into these.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.take();
        let result = act(&mut state);
        self.state.set(state);
        result
    }
}

impl State {
    /// Empty while shared data has no room: then what is granted cannot be given back.
    fn holder(&mut self, host: &mut dyn Base, name: &str) -> String {
        if self.holder.is_none() {
            self.holder = counter::holder(host, name);
        }
        self.holder.clone().unwrap_or_default()
    }

    /// Puts what was granted where all workers take from. Answers for which windows that could not be done.
    fn put(
        &mut self,
        host: &mut dyn Base,
        asked: &[Demand],
        response: &AcquireQuotaResponse,
    ) -> Result<Vec<CounterWindow>, String> {
        if response.grants.len() != asked.len() {
            return Err(format!("{} grants were answered to {} demands", response.grants.len(), asked.len()));
        }
        let is_for = |grant: &QuotaGrant, window: &CounterWindow| {
            grant.counter == counter::named(&window.counter).0 && grant.window_start_unix_s == window.start_s
        };
        if !response.grants.iter().zip(asked).all(|(grant, demand)| is_for(grant, &demand.window)) {
            return Err("a grant is not for the counter that was demanded".into());
        }
        let now = host.now();
        let mut lost = Vec::new();
        for (grant, Demand { window, wanted, .. }) in response.grants.iter().zip(asked) {
            let (counter, start) = (&window.counter, window.start_s);
            let is_kept = match grant.granted {
                // Its first making was granted nothing, which says nothing about now.
                0 if wanted.is_none() => true,
                0 => {
                    let until = match grant.ask_again_ms {
                        0 => u64::MAX,
                        ms => now.saturating_add(u64::from(ms).saturating_mul(1000)),
                    };
                    let others_hold = (1..NOBODY_HOLDS_MS).contains(&grant.ask_again_ms);
                    counter::exhaust(host, counter, start, window.limit, until, others_hold)
                }
                // Under a limit that was raised since the caller was looked up: what was granted is worth something to it as well, or it
                // would ask again for ever.
                units => {
                    // What nobody takes is given back.
                    self.consumption.note(&window.tenant_id, counter, start);
                    counter::put(host, counter, start, units, grant.remaining, grant.limit.min(window.limit).max(1))
                }
            };
            if !is_kept {
                lost.push(window.clone());
            }
        }
        Ok(lost)
    }

    /// A demand for what is lacking, under the id of the last one for it if that was not answered.
    fn demand(&mut self, window: CounterWindow, wanted: Wanted, worker: &str) -> Demand {
        let (id, until) = match self.unanswered.take(&window) {
            Some(open) => open,
            None if !counter::is_of_limit(&window.counter) => (String::new(), None),
            None => {
                self.demands = self.demands.wrapping_add(1);
                (format!("{worker}/{}", self.demands), None)
            }
        };
        Demand { window, wanted: Some(wanted), id, until }
    }

    /// Calls whose answer does not come.
    fn give_up(&mut self, mut which: impl FnMut(&Asked) -> bool) {
        for asked in self.calls.extract_if(.., |asked| which(asked)) {
            asked.demands.into_iter().for_each(|demand| self.unanswered.add(demand));
        }
    }

    fn ask(
        &mut self,
        host: &mut dyn Base,
        config: &QuotaConfig,
        by: Option<StreamId>,
        holder: &str,
        demands: &[Demand],
    ) {
        let told = demands.iter().map(|Demand { window, wanted, id, .. }| QuotaDemand {
            counter: counter::named(&window.counter).0.to_owned(),
            window_start_unix_s: window.start_s,
            minimum: wanted.map_or(0, |wanted| wanted.minimum),
            wanted: wanted
                .map_or(0, |wanted| (window.limit.saturating_mul(config.lease_percent) / 100).max(wanted.waiting)),
            waiting: wanted.map_or(0, |wanted| wanted.waiting),
            id: id.clone(),
        });
        let tenant_id = demands.first().map(|demand| demand.window.tenant_id.clone()).unwrap_or_default();
        let request = AcquireQuotaRequest { tenant_id, demands: told.collect(), holder: holder.to_owned() };
        let demands = demands.to_vec();
        let control_plane = &config.control_plane;
        let wait = control_plane.timeout_ms.saturating_add(GRACE_MS).saturating_mul(1000);
        let deadline = host.now().saturating_add(wait);
        match host.call(&control_plane.cluster, "AcquireQuota", &request.encode_to_vec(), control_plane.timeout_ms) {
            Ok(call) => self.calls.push(Asked { call, by, demands, deadline }),
            Err(error) => self.fail(host, demands, &error.to_string()),
        }
    }

    fn fail(&mut self, host: &mut dyn Base, demands: Vec<Demand>, reason: &str) {
        host.count(LEASES_FAILED, 1);
        host.log(Level::Warn, &format!("weir.quota: no lease: {reason}"));
        self.wake(&demands, Some(Failure::NoAnswer(reason.into())), |_| true);
        demands.into_iter().for_each(|demand| self.unanswered.add(demand));
    }

    /// The control plane cannot be reached: who is patient waits on, to be asked for again on the next tick.
    fn fail_impatient(&mut self, host: &mut dyn Base, demands: Vec<Demand>) {
        host.count(LEASES_FAILED, 1);
        host.log(Level::Warn, "weir.quota: no lease yet: the control plane cannot be reached and is asked again");
        let reason = "the control plane cannot be reached";
        self.wake(&demands, Some(Failure::NoAnswer(reason.into())), |waiting| !waiting.is_patient);
        demands.into_iter().for_each(|demand| self.unanswered.add(demand));
    }

    /// Wakes those that wait for one of these and are meant.
    fn wake(&mut self, demands: &[Demand], failure: Option<Failure>, are_meant: fn(&Waiting) -> bool) {
        let concerned = |waiting: &Waiting| {
            let is_one = |lack: &Lack| demands.iter().any(|demand| demand.window == lack.window);
            are_meant(waiting) && waiting.lacks.iter().any(is_one)
        };
        let (woken, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(concerned);
        self.waiting = waiting;
        let woken: Vec<Waiting> = woken;
        if let Some(failure) = failure {
            self.failures.extend(woken.iter().map(|one| (one.stream, failure.clone())));
        }
        self.woken.extend(woken.into_iter().map(|one| one.stream));
    }
}

fn delivery(control_plane: &ControlPlane) -> Delivery<'_> {
    let ControlPlane { cluster, timeout_ms } = control_plane;
    Delivery { cluster, timeout_ms: *timeout_ms, batch: BATCH, flush_ms: FLUSH_MS }
}
