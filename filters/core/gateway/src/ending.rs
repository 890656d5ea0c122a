use weir_exchange::{ENDED_BY_POLICY, Exchange, WeakShared};
use weir_host::{Level, Micros, Reply, RootHost, StreamHost, StreamId};
use weir_llm::Operation;
use weir_llm::error::ClientError;
use weir_proto::dataplane::EndedStreams;

/// How long a stream may wait for a piece that becomes its last event.
const PATIENCE: Micros = 300_000;
/// How long the last event has to reach the client before the connection is broken off, which may overtake it.
const TO_BE_READ: Micros = 100_000;

/// The streams of one key that an administrator has ended.
#[derive(Debug)]
pub(crate) struct Ending {
    key_id: String,
    streams: u32,
    left: Vec<(StreamId, WeakShared)>,
    last_byte: Micros,
}

impl Ending {
    pub(crate) fn new(key_id: String, left: Vec<(StreamId, WeakShared)>, now: Micros) -> Self {
        Self { key_id, streams: u32::try_from(left.len()).unwrap_or(u32::MAX), left, last_byte: now }
    }

    /// Breaks off what has had its time.
    pub(crate) fn go_on(&mut self, host: &mut dyn RootHost) {
        let now = host.now();
        let before = self.left.len();
        self.left.retain(|(stream, exchange)| {
            let Some(exchange) = exchange.upgrade() else { return false };
            let Some(how) = exchange.read(|exchange| How::of(exchange, now)) else { return true };
            if how != How::NotYet {
                host.in_stream(*stream, &mut |host| how.break_off(host));
            }
            // It is looked at until it is gone.
            true
        });
        if self.left.len() < before {
            self.last_byte = now;
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    pub(crate) fn into_report(self) -> EndedStreams {
        EndedStreams {
            key_id: self.key_id,
            streams: self.streams,
            last_byte_unix_ms: i64::try_from(self.last_byte / 1000).unwrap_or(i64::MAX),
        }
    }
}

/// How a stream is broken off.
#[derive(Clone, Debug, PartialEq)]
enum How {
    NotYet,
    /// The client has a part of the answer.
    Reset,
    /// It has nothing yet.
    Answer(Reply),
}

impl How {
    fn of(exchange: &Exchange, now: Micros) -> Self {
        let Some(ended) = exchange.ended() else { return Self::NotYet };
        let due = ended.told_at.map_or(ended.at.saturating_add(PATIENCE), |told| told.saturating_add(TO_BE_READ));
        // A clock that was set back makes nothing wait for longer.
        if now < due && now >= ended.at {
            return Self::NotYet;
        }
        if exchange.attempt().is_some_and(|attempt| attempt.is_passed_on) {
            return Self::Reset;
        }
        let schema = exchange.request().operation.map(Operation::schema).unwrap_or_default();
        let error = ClientError::new(403, "ended_by_policy", "An administrator has ended this request.");
        let headers = vec![("content-type".into(), "application/json".into())];
        Self::Answer(Reply { status: 403, headers, body: error.body(schema), code: ENDED_BY_POLICY })
    }

    fn break_off(&self, host: &mut dyn StreamHost) {
        let done = match self {
            Self::NotYet => Ok(()),
            Self::Reset => host.reset(),
            Self::Answer(reply) => host.reply(reply, &format!("weir.{ENDED_BY_POLICY}")),
        };
        if done.is_err() {
            host.log(Level::Error, "weir: the proxy refused to break off a stream that was ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use weir_exchange::{Attempt, Exchange, ExchangeTable, Shared};
    use weir_host::fake::FakeHost;

    use super::{Ending, PATIENCE, TO_BE_READ};

    /// A stream of a worker, and its streams that were ended at 1 s.
    fn ended(prepare: impl FnOnce(&mut Exchange)) -> (Shared, Ending) {
        let mut table = ExchangeTable::new(7);
        let mut stream = FakeHost { stream: 5, ..FakeHost::default() };
        let shared = table.insert(&mut stream, Exchange::new(Uuid::nil(), 0));
        shared.write(prepare);
        let other = table.end(1_000_000, |exchange| !exchange.request().id.is_nil());
        assert!(other.is_empty(), "another's");
        let left = table.end(1_000_000, |_| true);
        assert!(table.end(1_000_001, |_| true).is_empty(), "once");
        (shared, Ending::new("key".into(), left, 1_000_000))
    }

    fn at(now: u64) -> FakeHost {
        FakeHost { is_root: true, now: 1_000_000 + now, ..FakeHost::default() }
    }

    #[test]
    fn a_silent_stream_is_broken_off_and_the_control_plane_told_when_it_is_gone() {
        let passed_on = Attempt { is_passed_on: true, ..Attempt::default() };
        let (shared, mut ending) = ended(|exchange| exchange.begin_attempt(passed_on));
        let mut early = at(PATIENCE - 1);
        ending.go_on(&mut early);
        assert_eq!((early.resets, ending.is_over()), (0, false));
        let mut due = at(PATIENCE);
        ending.go_on(&mut due);
        assert_eq!((due.resets, due.replies.len(), ending.is_over()), (1, 0, false));
        drop(shared);
        ending.go_on(&mut at(400_000));
        assert!(ending.is_over());
        let report = ending.into_report();
        assert_eq!((report.key_id.as_str(), report.streams, report.last_byte_unix_ms), ("key", 1, 1_400));
    }

    #[test]
    fn one_that_was_told_has_time_to_be_read_and_one_without_an_answer_gets_one() {
        let passed_on = Attempt { is_passed_on: true, ..Attempt::default() };
        let (shared, mut ending) = ended(|exchange| exchange.begin_attempt(passed_on));
        shared.write(|exchange| exchange.told_end(1_000_000 + PATIENCE));
        let mut early = at(PATIENCE + TO_BE_READ - 1);
        ending.go_on(&mut early);
        assert_eq!(early.resets, 0);
        let mut due = at(PATIENCE + TO_BE_READ);
        ending.go_on(&mut due);
        assert_eq!(due.resets, 1);

        let (_shared, mut ending) = ended(|exchange| exchange.begin_attempt(Attempt::default()));
        let mut due = at(PATIENCE);
        ending.go_on(&mut due);
        let [(reply, details)] = due.replies.as_slice() else { panic!("{:?}", due.replies) };
        assert_eq!((reply.status, reply.code, details.as_str()), (403, "ended_by_policy", "weir.ended_by_policy"));
    }
}
