use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::fmt;

use weir_host::{CallId, Micros};
use weir_proto::dataplane::{ReportUsageRequest, ReportUsageResponse, UsageRecord};

/// Waits between deliveries that fail: the first, and the longest. Each is twice the one before.
const FIRST_WAIT: Micros = 250_000;
const LONGEST_WAIT: Micros = 5_000_000;

/// Records of one VM that the ledger does not have yet, as far as this VM knows. They are delivered at least once, one
/// batch at a time and in their order; a batch that is not acknowledged goes out again.
#[derive(Default)]
pub struct Outbox {
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
    records: VecDeque<UsageRecord>,
    in_flight: usize,
    /// Set once the call was made.
    call: Option<CallId>,
    deadline: Micros,
    next_due: Micros,
    failures: u32,
}

/// What an answer means for the batch that was under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Records that the ledger has.
    pub stored: usize,
    /// Records that it will never take, with its reasons. They are not sent again.
    pub rejected: Vec<(UsageRecord, String)>,
    /// Records that go out again.
    pub retried: usize,
}

impl Outbox {
    /// An empty outbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a record. It is kept in any case: what limits the outbox is that new requests are refused when it is full.
    pub fn push(&self, record: UsageRecord) {
        self.with(|state| state.records.push_back(record));
    }

    /// Records that wait or are under way.
    pub fn len(&self) -> usize {
        self.with(|state| state.records.len())
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next batch to send, if it is time. After this, [`Outbox::sent`] or [`Outbox::not_sent`] is to be called.
    /// `answer_by`: when a batch whose answer has not come by then goes out again. `flush`: the shortest time between two
    /// batches that are not full.
    pub fn due(&self, now: Micros, batch: usize, flush: Micros, answer_by: Micros) -> Option<ReportUsageRequest> {
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
            let records: Vec<UsageRecord> = state.records.iter().take(batch.max(1)).cloned().collect();
            state.in_flight = records.len();
            state.call = None;
            state.deadline = answer_by;
            state.next_due = now.saturating_add(flush);
            Some(ReportUsageRequest { records })
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
    pub fn answered(&self, call: CallId, response: Option<&ReportUsageResponse>, now: Micros) -> Answered {
        if !self.awaits(call) {
            return Answered::default();
        }
        self.with(|state| {
            let under_way = state.in_flight;
            let Some(response) = response else {
                state.fail(now);
                return Answered { retried: under_way, ..Answered::default() };
            };
            let reason = |record: &UsageRecord| {
                response.rejected.iter().find(|rejected| rejected.request_id == record.request_id)
            };
            let batch: Vec<UsageRecord> = state.records.drain(..under_way.min(state.records.len())).collect();
            let mut answered = Answered::default();
            let mut kept = Vec::new();
            for record in batch {
                match reason(&record) {
                    Some(rejected) => answered.rejected.push((record, rejected.reason.clone())),
                    None => kept.push(record),
                }
            }
            let distinct: HashSet<&str> = kept.iter().map(|record| record.request_id.as_str()).collect();
            if usize::try_from(response.stored).unwrap_or(usize::MAX) >= distinct.len() {
                answered.stored = kept.len();
                state.in_flight = 0;
                state.failures = 0;
            } else {
                // Which ones are stored is not said, and storing again does no harm.
                answered.retried = kept.len();
                for record in kept.into_iter().rev() {
                    state.records.push_front(record);
                }
                state.fail(now);
            }
            answered
        })
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
    fn fail(&mut self, now: Micros) {
        let wait = FIRST_WAIT.checked_shl(self.failures).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1).min(8);
        self.in_flight = 0;
        self.call = None;
        self.next_due = now.saturating_add(wait);
    }
}
