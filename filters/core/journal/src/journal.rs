use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;

use prost::Message;
use weir_host::{Base, CallId, Level, Micros};

use crate::Kind;
use crate::adoption::Adoption;
use crate::partition::{Partition, Slot};

/// Waits between deliveries that fail: the first, and the longest. Each is twice the one before.
const FIRST_WAIT: Micros = 250_000;
const LONGEST_WAIT: Micros = 5_000_000;

/// Bytes in one delivery: a quarter of what gRPC servers accept by default.
const BATCH_BYTES: usize = 1024 * 1024;

/// How long a VM that found no partition does without one.
const PARTITION_RETRY: Micros = 10_000_000;

/// Added to a call's own deadline before its batch goes out again: the answer to a call of a plugin that was configured
/// anew in the meantime never comes.
const GRACE_MS: u64 = 1000;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Entries.
    pub entries: usize,
    /// Bytes of them together.
    pub bytes: usize,
}

/// To whom entries are delivered, and how.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The control plane's cluster.
    pub cluster: &'a str,
    /// How long an answer may take, in milliseconds.
    pub timeout_ms: u64,
    /// Entries in one delivery.
    pub batch: usize,
    /// The time between two deliveries that are not full, in milliseconds.
    pub flush_ms: u64,
}

/// Entries of one VM that the control plane does not have yet, as far as this VM knows. Those of VMs that died are taken in here
/// on ticks.
pub struct Journal {
    kind: &'static Kind,
    /// Tells this VM from all others of the proxy, also from those that are gone.
    owner: u64,
    state: Cell<State>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Journal").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    /// The first `in_flight` of them are under way.
    entries: VecDeque<Waiting>,
    /// Of their messages together.
    bytes: usize,
    in_flight: usize,
    /// Set once the call was made.
    call: Option<CallId>,
    deadline: Micros,
    next_due: Micros,
    failures: u32,
    /// Taken with the first entry.
    partition: Option<Partition>,
    partition_wanted_at: Micros,
    adoption: Adoption,
}

/// One entry, encoded once.
#[derive(Debug)]
struct Waiting {
    /// Room for the number that the partition gives it, then the entry.
    value: Vec<u8>,
    /// `None`: in this VM's memory alone.
    slot: Option<Slot>,
}

/// Bytes that a partition uses at the beginning of a value.
const SEQUENCE_BYTES: usize = 8;

impl Journal {
    /// Nothing waits. `owner`: drawn at random by each VM.
    pub fn new(kind: &'static Kind, owner: u64) -> Self {
        // 0 says that a partition is nobody's.
        Self { kind, owner: owner.max(1), state: Cell::default() }
    }

    /// Whether as much waits as may.
    pub fn is_full(&self, bounds: Bounds) -> bool {
        self.with(|state| state.is_full(bounds))
    }

    /// Takes in an entry. `false`: there is no room for it.
    pub fn push(&self, host: &mut dyn Base, bounds: Bounds, entry: &impl Message) -> bool {
        self.with(|state| {
            if state.is_full(bounds) {
                host.count(self.kind.overflowed, 1);
                return false;
            }
            let mut value = Vec::with_capacity(SEQUENCE_BYTES.saturating_add(entry.encoded_len()));
            value.extend_from_slice(&[0; SEQUENCE_BYTES]);
            // A vector takes whatever is written to it.
            let _ = entry.encode(&mut value);
            host.count(self.kind.taken, 1);
            state.take_in(host, self.kind, self.owner, value);
            true
        })
    }

    /// To be called on every tick of a plugin that delivers: tells the other VMs that this one lives, and takes in what those
    /// that died had kept.
    pub fn tick(&self, host: &mut dyn Base, bounds: Bounds, flush_ms: u64) {
        let Kind { plugin, entries, .. } = self.kind;
        self.with(|state| {
            if state.partition.as_mut().is_some_and(|partition| !partition.beat(host)) {
                host.log(Level::Warn, &format!("{plugin}: this VM was taken for dead; its {entries} are kept anew"));
                state.partition = None;
                state.keep_anew(host, self.kind, self.owner);
            }
            // What is not taken in now stays where it is.
            if !state.is_full(bounds) {
                state.adopt(host, self.kind, self.owner, flush_ms.saturating_mul(1000));
            }
        });
    }

    /// Sends the next batch if it is time to. To be called on ticks and after answers.
    pub fn deliver(&self, host: &mut dyn Base, to: Delivery<'_>) {
        let now = host.now();
        let answer_by = to.timeout_ms.saturating_add(GRACE_MS).saturating_mul(1000).saturating_add(now);
        // Ticks come every `flush_ms`, some a little early: half of it tells a tick from an answer in between.
        let flush = to.flush_ms.saturating_mul(500);
        let Some(message) = self.due(now, to.batch, flush, answer_by) else { return };
        match host.call(to.cluster, self.kind.method, &message, to.timeout_ms) {
            Ok(call) => self.with(|state| state.call = Some(call)),
            Err(error) => {
                let Kind { plugin, entries, .. } = self.kind;
                host.log(Level::Warn, &format!("{plugin}: {entries} cannot be sent: {error}"));
                self.with(|state| state.fail(now));
            }
        }
    }

    /// Entries that wait or are under way.
    pub fn len(&self) -> usize {
        self.with(|state| state.entries.len())
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the last delivery failed.
    pub fn is_failing(&self) -> bool {
        self.with(|state| state.failures > 0)
    }

    /// The next batch to send, if it is time. `answer_by`: when a batch whose answer has not come by then goes out again.
    /// `flush`: the shortest time between two batches that are not full.
    fn due(&self, now: Micros, batch: usize, flush: Micros, answer_by: Micros) -> Option<Vec<u8>> {
        self.with(|state| {
            if state.in_flight > 0 {
                if now < state.deadline {
                    return None;
                }
                state.fail(now);
            }
            let full = state.entries.len() >= batch && state.failures == 0;
            if state.entries.is_empty() || (now < state.next_due && !full) {
                return None;
            }
            let mut request = Vec::new();
            for waiting in state.entries.iter().take(batch.max(1)) {
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

    /// Whether this call is the batch under way. An answer to any other changes nothing: that batch went out again already.
    pub fn awaits(&self, call: CallId) -> bool {
        self.with(|state| state.in_flight > 0 && state.call == Some(call))
    }

    /// What `read` makes of each entry of the batch under way.
    pub fn under_way<T>(&self, read: impl Fn(&[u8]) -> T) -> Vec<T> {
        self.with(|state| state.entries.iter().take(state.in_flight).map(|waiting| read(waiting.message())).collect())
    }

    /// The control plane has the batch under way. Answers how many entries that was.
    pub fn acknowledged(&self, host: &mut dyn Base) -> usize {
        self.with(|state| state.acknowledged(host))
    }

    /// The batch under way failed, and goes out again. Answers how many entries that is.
    pub fn failed(&self, now: Micros) -> usize {
        self.with(|state| {
            let under_way = state.in_flight;
            state.fail(now);
            under_way
        })
    }

    /// Lends the state to `act`, which never calls back into the journal.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.take();
        let result = act(&mut state);
        self.state.set(state);
        result
    }
}

impl State {
    fn is_full(&self, bounds: Bounds) -> bool {
        self.entries.len() >= bounds.entries || self.bytes >= bounds.bytes
    }

    fn adopt(&mut self, host: &mut dyn Base, kind: &'static Kind, owner: u64, silence: Micros) {
        let Kind { plugin, entries, .. } = kind;
        let mut adoption = std::mem::take(&mut self.adoption);
        let (mut adopted, mut unreadable) = (0_u64, 0_u64);
        adoption.tick(host, kind.key, owner, silence, |host, message| {
            if !(kind.is_entry)(&message) {
                unreadable = unreadable.saturating_add(1);
                return;
            }
            adopted = adopted.saturating_add(1);
            self.take_in(host, kind, owner, [&[0; SEQUENCE_BYTES], message.as_slice()].concat());
        });
        self.adoption = adoption;
        if adopted > 0 {
            host.count(kind.adopted, adopted);
            host.log(Level::Warn, &format!("{plugin}: takes over {adopted} {entries} of a VM that died"));
        }
        if unreadable > 0 {
            host.count(kind.unreadable, unreadable);
            host.log(Level::Error, &format!("{plugin}: a VM that died left {unreadable} {entries} that are none"));
        }
    }

    fn take_in(&mut self, host: &mut dyn Base, kind: &'static Kind, owner: u64, value: Vec<u8>) {
        let mut waiting = Waiting { value, slot: None };
        self.protect(host, kind, owner, &mut waiting);
        self.bytes = self.bytes.saturating_add(waiting.value.len());
        self.entries.push_back(waiting);
    }

    /// Keeps an entry where it outlives this VM.
    fn protect(&mut self, host: &mut dyn Base, kind: &'static Kind, owner: u64, waiting: &mut Waiting) {
        if self.partition.is_none() && host.now() >= self.partition_wanted_at {
            self.partition = Partition::claim(host, kind.key, owner);
            if self.partition.is_none() {
                self.partition_wanted_at = host.now().saturating_add(PARTITION_RETRY);
                let Kind { plugin, entries, .. } = kind;
                host.log(Level::Error, &format!("{plugin}: shared data has no room; {entries} would die with this VM"));
            }
        }
        waiting.slot = self.partition.as_mut().and_then(|partition| partition.keep(host, &mut waiting.value).ok());
        if waiting.slot.is_none() {
            host.count(kind.unprotected, 1);
        }
    }

    fn keep_anew(&mut self, host: &mut dyn Base, kind: &'static Kind, owner: u64) {
        let mut entries = std::mem::take(&mut self.entries);
        // Whoever took this VM for dead delivers them as well.
        host.count(kind.taken, u64::try_from(entries.len()).unwrap_or_default());
        for waiting in &mut entries {
            self.protect(host, kind, owner, waiting);
        }
        self.entries = entries;
    }

    fn acknowledged(&mut self, host: &mut dyn Base) -> usize {
        let under_way = self.in_flight.min(self.entries.len());
        for waiting in self.entries.drain(..under_way) {
            self.bytes = self.bytes.saturating_sub(waiting.value.len());
            if let (Some(partition), Some(slot)) = (&mut self.partition, waiting.slot) {
                partition.acknowledge(host, slot);
            }
        }
        self.in_flight = 0;
        self.failures = 0;
        under_way
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
        self.value.get(SEQUENCE_BYTES..).unwrap_or_default()
    }
}
