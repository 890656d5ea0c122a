use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::fmt;

use prost::Message as _;
use weir_config::MeteringConfig;
use weir_host::{Base, CallId, Level, Micros};
use weir_proto::dataplane::{ReportUsageRequest, ReportUsageResponse, UsageRecord};

use crate::adoption::Adoption;
use crate::lane::{Lane, Place};
use crate::log_line::log_line;

/// Waits between deliveries that fail: the first, and the longest. Each is twice the one before.
const FIRST_WAIT: Micros = 250_000;
const LONGEST_WAIT: Micros = 5_000_000;

/// Bytes in one delivery: a quarter of what gRPC servers accept by default.
const BATCH_BYTES: usize = 1024 * 1024;

/// How long a VM that found no lane does without one.
const LANE_RETRY: Micros = 10_000_000;

/// Records that are to be delivered. Less those that the ledger has stored or rejected, this is what waits in a proxy's VMs:
/// when it is nothing, the proxy may end. What a VM took with it when it died stays in the difference, if that happens.
const TAKEN: &str = "weir_usage_records_taken";
/// Records that were taken over from VMs that died.
const ADOPTED: &str = "weir_usage_records_adopted";
/// Records that are in this VM's memory alone, and would die with it.
const UNPROTECTED: &str = "weir_usage_records_unprotected";
/// What a VM that died left and cannot be a record.
const UNREADABLE: &str = "weir_usage_records_unreadable";
/// Records that were written to the log, because there was no room for them.
const OVERFLOWED: &str = "weir_usage_records_overflowed";

/// Records of one VM that the ledger does not have yet, as far as this VM knows. They are delivered at least once, one
/// batch at a time and in their order; a batch that is not acknowledged goes out again.
///
/// Each record is also kept in the proxy's shared data, at the cost of one write, so that other VMs deliver it if this one
/// dies. Records of VMs that died are taken in here on ticks.
pub struct Outbox {
    /// Tells this VM from all others of the proxy, also from those that are gone.
    owner: u64,
    state: Cell<State>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outbox").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    /// The first `in_flight` of them are under way.
    records: VecDeque<Waiting>,
    /// Of their messages together.
    bytes: usize,
    in_flight: usize,
    /// Set once the call was made.
    call: Option<CallId>,
    deadline: Micros,
    next_due: Micros,
    failures: u32,
    /// Taken with the first record.
    lane: Option<Lane>,
    lane_wanted_at: Micros,
    adoption: Adoption,
}

/// One record, encoded once.
#[derive(Debug)]
struct Waiting {
    /// Room for the number that the lane gives it, then a `ReportUsageRequest` with this record alone: such messages one
    /// after the other are a request with all of their records.
    value: Vec<u8>,
    /// `None`: in this VM's memory alone.
    place: Option<Place>,
}

/// Bytes that a lane uses at the beginning of a value.
const LANE_BYTES: usize = 8;

/// What an answer means for the batch that was under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Records that the ledger has.
    pub stored: usize,
    /// Ids of records that it will never take, with its reasons. They are not sent again.
    pub rejected: Vec<(String, String)>,
    /// Records that go out again.
    pub retried: usize,
}

impl Outbox {
    /// An empty outbox. `owner`: drawn at random by each VM.
    pub fn new(owner: u64) -> Self {
        // 0 says that a lane is nobody's.
        Self { owner: owner.max(1), state: Cell::default() }
    }

    /// Whether new requests are to be refused, since their records might not find room.
    pub fn is_full(&self, config: &MeteringConfig) -> bool {
        self.with(|state| state.is_full(config.outbox_records, config.outbox_bytes))
    }

    /// Takes in a record. What was admitted is kept even if the outbox is full by now; only at twice its size, which takes
    /// more streams at once than a proxy should admit, a record goes to the log instead.
    pub fn push(&self, host: &mut dyn Base, config: &MeteringConfig, record: UsageRecord) {
        let request = ReportUsageRequest { records: vec![record] };
        self.with(|state| {
            if state.is_full(config.outbox_records.saturating_mul(2), config.outbox_bytes.saturating_mul(2)) {
                host.count(OVERFLOWED, 1);
                for record in &request.records {
                    host.log(Level::Error, &format!("weir.metering: no room for a record: {}", log_line(record)));
                }
                return;
            }
            let mut value = Vec::with_capacity(LANE_BYTES.saturating_add(request.encoded_len()));
            value.extend_from_slice(&[0; LANE_BYTES]);
            // A vector takes whatever is written to it.
            let _ = request.encode(&mut value);
            host.count(TAKEN, 1);
            state.take_in(host, self.owner, value);
        });
    }

    /// To be called on every tick of a plugin that delivers: tells the other VMs that this one lives, and takes in what those
    /// that died had kept.
    pub fn tick(&self, host: &mut dyn Base, config: &MeteringConfig) {
        self.with(|state| {
            if state.lane.as_mut().is_some_and(|lane| !lane.beat(host)) {
                host.log(Level::Warn, "weir.metering: this VM was taken for dead; its usage is kept anew");
                state.lane = None;
                state.keep_anew(host, self.owner);
            }
            // What is not taken in now stays where it is.
            if !state.is_full(config.outbox_records, config.outbox_bytes) {
                state.adopt(host, self.owner, config.flush_ms.saturating_mul(1000));
            }
        });
    }

    /// Records that wait or are under way.
    pub fn len(&self) -> usize {
        self.with(|state| state.records.len())
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next batch to send, as an encoded `ReportUsageRequest`, if it is time. After this, [`Outbox::sent`] or
    /// [`Outbox::not_sent`] is to be called. `answer_by`: when a batch whose answer has not come by then goes out again.
    /// `flush`: the shortest time between two batches that are not full.
    pub fn due(&self, now: Micros, batch: usize, flush: Micros, answer_by: Micros) -> Option<Vec<u8>> {
        self.with(|state| {
            if state.in_flight > 0 {
                if now < state.deadline {
                    return None;
                }
                state.fail(now);
            }
            let full = state.records.len() >= batch && state.failures == 0;
            if state.records.is_empty() || (now < state.next_due && !full) {
                return None;
            }
            let mut request = Vec::new();
            for waiting in state.records.iter().take(batch.max(1)) {
                let message = waiting.message();
                if state.in_flight > 0 && request.len().saturating_add(message.len()) > BATCH_BYTES {
                    break;
                }
                request.extend_from_slice(message);
                state.in_flight = state.in_flight.saturating_add(1);
            }
            state.call = None;
            state.deadline = answer_by;
            state.next_due = now.saturating_add(flush);
            Some(request)
        })
    }

    /// The batch went out with this call.
    pub fn sent(&self, call: CallId) {
        self.with(|state| state.call = Some(call));
    }

    /// The batch could not be sent.
    pub fn not_sent(&self, now: Micros) {
        self.with(|state| state.fail(now));
    }

    /// Whether this call is the batch under way.
    pub fn awaits(&self, call: CallId) -> bool {
        self.with(|state| state.in_flight > 0 && state.call == Some(call))
    }

    /// The batch under way was answered; `None`: it failed, and goes out again. An answer to any other call changes
    /// nothing: that batch went out again already.
    pub fn answered(&self, host: &mut dyn Base, call: CallId, response: Option<&ReportUsageResponse>) -> Answered {
        if !self.awaits(call) {
            return Answered::default();
        }
        self.with(|state| state.answered(host, response))
    }

    /// Lends the state to `act`, which never calls back into the outbox.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.take();
        let result = act(&mut state);
        self.state.set(state);
        result
    }
}

impl State {
    fn is_full(&self, records: usize, bytes: usize) -> bool {
        self.records.len() >= records || self.bytes >= bytes
    }

    fn adopt(&mut self, host: &mut dyn Base, owner: u64, silence: Micros) {
        let mut adoption = std::mem::take(&mut self.adoption);
        let (mut adopted, mut unreadable) = (0_u64, 0_u64);
        adoption.tick(host, owner, silence, |host, message| {
            // One such message would have every batch refused that it is in.
            if ReportUsageRequest::decode(message.as_slice()).is_err() {
                unreadable = unreadable.saturating_add(1);
                return;
            }
            adopted = adopted.saturating_add(1);
            self.take_in(host, owner, [&[0; LANE_BYTES], message.as_slice()].concat());
        });
        self.adoption = adoption;
        if adopted > 0 {
            host.count(ADOPTED, adopted);
            host.log(Level::Warn, &format!("weir.metering: takes over {adopted} usage records of a VM that died"));
        }
        if unreadable > 0 {
            host.count(UNREADABLE, unreadable);
            host.log(Level::Error, &format!("weir.metering: a VM that died left {unreadable} records that are none"));
        }
    }

    fn take_in(&mut self, host: &mut dyn Base, owner: u64, value: Vec<u8>) {
        let mut waiting = Waiting { value, place: None };
        self.protect(host, owner, &mut waiting);
        self.bytes = self.bytes.saturating_add(waiting.value.len());
        self.records.push_back(waiting);
    }

    /// Keeps a record where it outlives this VM.
    fn protect(&mut self, host: &mut dyn Base, owner: u64, waiting: &mut Waiting) {
        if self.lane.is_none() && host.now() >= self.lane_wanted_at {
            self.lane = Lane::claim(host, owner);
            if self.lane.is_none() {
                self.lane_wanted_at = host.now().saturating_add(LANE_RETRY);
                host.log(Level::Error, "weir.metering: shared data has no room; usage would die with this VM");
            }
        }
        waiting.place = self.lane.as_mut().and_then(|lane| lane.keep(host, &mut waiting.value).ok());
        if waiting.place.is_none() {
            host.count(UNPROTECTED, 1);
        }
    }

    fn keep_anew(&mut self, host: &mut dyn Base, owner: u64) {
        let mut records = std::mem::take(&mut self.records);
        // Whoever took this VM for dead delivers them as well.
        host.count(TAKEN, u64::try_from(records.len()).unwrap_or_default());
        for waiting in &mut records {
            self.protect(host, owner, waiting);
        }
        self.records = records;
    }

    fn answered(&mut self, host: &mut dyn Base, response: Option<&ReportUsageResponse>) -> Answered {
        let under_way = self.in_flight;
        let Some(response) = response else {
            self.fail(host.now());
            return Answered { retried: under_way, ..Answered::default() };
        };
        let stored = usize::try_from(response.stored).unwrap_or(usize::MAX);
        let mut answered = Answered::default();
        // Ids are read only where they matter.
        if !response.rejected.is_empty() || stored < under_way {
            let batch = self.records.iter().take(under_way);
            let ids: Vec<String> = batch.map(Waiting::id).collect();
            for id in &ids {
                let rejected = response.rejected.iter().find(|rejected| rejected.request_id == *id);
                answered.rejected.extend(rejected.map(|rejected| (id.clone(), rejected.reason.clone())));
            }
            let refused: HashSet<&str> = answered.rejected.iter().map(|(id, _)| id.as_str()).collect();
            let wanted: HashSet<&str> = ids.iter().map(String::as_str).filter(|id| !refused.contains(id)).collect();
            if stored < wanted.len() {
                // Which ones are stored is not said. Storing again does no harm, nor does being rejected again.
                self.fail(host.now());
                return Answered { retried: under_way, ..Answered::default() };
            }
        }
        answered.stored = under_way.saturating_sub(answered.rejected.len());
        for waiting in self.records.drain(..under_way.min(self.records.len())) {
            self.bytes = self.bytes.saturating_sub(waiting.value.len());
            if let (Some(lane), Some(place)) = (&mut self.lane, waiting.place) {
                lane.acknowledge(host, place);
            }
        }
        self.in_flight = 0;
        self.failures = 0;
        answered
    }

    fn fail(&mut self, now: Micros) {
        let wait = FIRST_WAIT.checked_shl(self.failures).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1).min(8);
        self.in_flight = 0;
        self.call = None;
        self.next_due = now.saturating_add(wait);
    }
}

impl Waiting {
    fn message(&self) -> &[u8] {
        self.value.get(LANE_BYTES..).unwrap_or_default()
    }

    /// The record's id; empty if the message is none, which nothing here makes.
    fn id(&self) -> String {
        let request = ReportUsageRequest::decode(self.message()).unwrap_or_default();
        request.records.into_iter().next().map(|record| record.request_id).unwrap_or_default()
    }
}
