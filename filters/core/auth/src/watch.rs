use prost::Message;
use weir_host::Micros;
use weir_proto::dataplane::{EndedStreams, WatchRequest, WatchResponse};

use crate::PrincipalCache;

/// The longest wait between two attempts to open the stream, in ticks.
const LONGEST_WAIT: u32 = 32;

/// The shortest time between two messages that only tell how many records wait.
const TELL_EVERY: Micros = 5_000_000;

/// One VM's side of the `Watch` stream: what must be forgotten, as it is committed, and how many usage records wait for the control
/// plane. The shell moves the bytes, one message at a time, and says when the stream closed.
#[derive(Debug)]
pub struct Watch {
    vm: String,
    node: String,
    applied_revision: u64,
    /// As the open stream was told last.
    told_waiting: u64,
    told_at: Micros,
    open: bool,
    /// Whether the open stream has brought a message.
    heard: bool,
    /// Ticks until the next attempt to open.
    wait: u32,
    /// Attempts in a row that brought no message.
    failures: u32,
    /// Keys whose streams under way are to be ended.
    to_end: Vec<String>,
    /// What became of them, to be told with the next message.
    ended: Vec<EndedStreams>,
}

/// A message that cannot be read: everything was forgotten, and the stream must be closed and opened anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of the Watch stream cannot be decoded")]
pub struct WatchError(#[from] prost::DecodeError);

impl Watch {
    /// For the VM of this name, which is drawn at random, on the proxy of this `node.id`.
    pub fn new(vm: impl Into<String>, node: impl Into<String>) -> Self {
        Self {
            vm: vm.into(),
            node: node.into(),
            applied_revision: 0,
            told_waiting: 0,
            told_at: 0,
            open: false,
            heard: false,
            wait: 0,
            failures: 0,
            to_end: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// To be called on every tick; `waiting`: usage records that are not acknowledged. `Some`: open the stream now, and send this first;
    /// if it cannot be opened, call [`Watch::closed`].
    pub fn tick(&mut self, waiting: usize) -> Option<Vec<u8>> {
        if self.open {
            return None;
        }
        if let Some(wait) = self.wait.checked_sub(1) {
            self.wait = wait;
            return None;
        }
        self.open = true;
        self.heard = false;
        Some(self.request(waiting))
    }

    /// What to send if the open stream was told of another number of waiting records, and not a moment ago.
    pub fn news(&mut self, waiting: usize, now: Micros) -> Option<Vec<u8>> {
        let is_due = self.open && self.heard && now >= self.told_at.saturating_add(TELL_EVERY);
        (is_due && count(waiting) != self.told_waiting).then(|| {
            self.told_at = now;
            self.request(waiting)
        })
    }

    /// A message came in: does what it says and gives the acknowledgement to send.
    pub fn message(&mut self, cache: &PrincipalCache, bytes: &[u8], waiting: usize) -> Result<Vec<u8>, WatchError> {
        let message = WatchResponse::decode(bytes).inspect_err(|_| cache.forget_everything())?;
        self.failures = 0;
        cache.set_watched(true);
        match (message.forget_everything, std::mem::replace(&mut self.heard, true)) {
            // How each stream begins. It tells of no change, only that there may have been some.
            (true, false) => cache.doubt_everything(),
            (true, true) => cache.forget_everything(),
            (false, _) => {}
        }
        if !message.forget_keys_sha256.is_empty() {
            cache.forget_keys(message.forget_keys_sha256.iter().map(Vec::as_slice));
        }
        if !message.forget_tenants.is_empty() {
            cache.forget_tenants(message.forget_tenants.iter().map(String::as_str));
        }
        if !message.end_streams_of_keys.is_empty() {
            cache.end_streams(message.end_streams_of_keys.iter().map(String::as_str));
        }
        self.to_end.extend(message.end_streams_of_keys);
        // A stream begins where the control plane says, which is lower after a backup was restored.
        self.applied_revision = match message.forget_everything {
            true => message.revision,
            false => self.applied_revision.max(message.revision),
        };
        Ok(self.request(waiting))
    }

    /// The keys whose streams are to be ended, each once.
    pub fn take_to_end(&mut self) -> Vec<String> {
        std::mem::take(&mut self.to_end)
    }

    /// Streams that were to be ended are over. Gives the message to send; `None`: the stream is closed, and nobody waits for it.
    /// `waiting`: usage records that wait for delivery.
    pub fn ended(&mut self, ended: Vec<EndedStreams>, waiting: usize) -> Option<Vec<u8>> {
        self.ended = ended;
        self.open.then(|| self.request(waiting))
    }

    /// The stream is closed, or could not be opened. The wait until the next attempt doubles with each failure in a row.
    pub fn closed(&mut self, cache: &PrincipalCache) {
        cache.set_watched(false);
        self.open = false;
        self.wait = 1_u32.checked_shl(self.failures).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
    }

    /// All changes up to this one have been applied in this VM.
    pub fn applied_revision(&self) -> u64 {
        self.applied_revision
    }

    fn request(&mut self, waiting: usize) -> Vec<u8> {
        self.told_waiting = count(waiting);
        let request = WatchRequest {
            vm: self.vm.clone(),
            node: self.node.clone(),
            applied_revision: self.applied_revision,
            waiting_records: Some(self.told_waiting),
            ended_streams: std::mem::take(&mut self.ended),
        };
        request.encode_to_vec()
    }
}

fn count(waiting: usize) -> u64 {
    u64::try_from(waiting).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use weir_proto::dataplane::{WatchRequest, WatchResponse};

    use super::Watch;
    use crate::PrincipalCache;

    fn ticks_until_open(watch: &mut Watch) -> usize {
        (1..100).find(|_| watch.tick(0).is_some()).expect("opens again")
    }

    #[test]
    fn messages_are_acknowledged_with_their_revision() {
        let mut watch = Watch::new("vm", "node");
        let cache = PrincipalCache::new();
        let opened = watch.tick(3).expect("opens on the first tick");
        let expect = |applied_revision, waiting| WatchRequest {
            vm: "vm".into(),
            node: "node".into(),
            applied_revision,
            waiting_records: Some(waiting),
            ..Default::default()
        };
        assert_eq!(WatchRequest::decode(opened.as_slice()), Ok(expect(0, 3)));
        let mut check = |revision, forget_everything, acknowledged| {
            let message = WatchResponse { revision, forget_everything, ..Default::default() };
            let answer = watch.message(&cache, &message.encode_to_vec(), 0).expect("is decodable");
            assert_eq!(WatchRequest::decode(answer.as_slice()), Ok(expect(acknowledged, 0)));
        };
        check(7, true, 7);
        check(9, false, 9);
        check(8, false, 9);
        check(3, true, 3);
    }

    #[test]
    fn waiting_records_are_told_when_their_number_changes_and_not_too_often() {
        let (mut watch, cache) = (Watch::new("vm", "node"), PrincipalCache::new());
        let told = |message: Option<Vec<u8>>| {
            message.map(|bytes| WatchRequest::decode(bytes.as_slice()).expect("a message").waiting_records)
        };
        let second = 1_000_000;
        assert_eq!(watch.news(4, 100 * second), None, "no stream is open");
        assert_eq!(told(watch.tick(0)), Some(Some(0)));
        assert_eq!(watch.news(4, 100 * second), None, "the control plane has not said yet that it listens");
        let hello = WatchResponse { revision: 1, forget_everything: true, ..Default::default() }.encode_to_vec();
        assert_eq!(told(watch.message(&cache, &hello, 4).ok()), Some(Some(4)));
        assert_eq!(watch.news(4, 100 * second), None, "nothing new");
        assert_eq!(told(watch.news(9, 101 * second)), Some(Some(9)));
        assert_eq!(watch.news(0, 105 * second), None, "a moment ago");
        assert_eq!(told(watch.news(0, 106 * second)), Some(Some(0)));
        watch.closed(&cache);
        assert_eq!(watch.news(7, 200 * second), None);
    }

    #[test]
    fn it_opens_again_more_and_more_slowly() {
        let mut watch = Watch::new("vm", "node");
        let mut waits = vec![ticks_until_open(&mut watch)];
        let cache = PrincipalCache::new();
        for _ in 0..8 {
            watch.closed(&cache);
            waits.push(ticks_until_open(&mut watch));
        }
        assert_eq!(waits, [1, 2, 3, 5, 9, 17, 33, 33, 33]);
        let message = WatchResponse { revision: 1, ..Default::default() }.encode_to_vec();
        assert!(watch.message(&cache, &message, 0).is_ok());
        watch.closed(&cache);
        assert_eq!(ticks_until_open(&mut watch), 2, "a stream that worked is soon opened again");
    }

    #[test]
    fn a_message_that_cannot_be_read_is_an_error() {
        assert!(Watch::new("vm", "node").message(&PrincipalCache::new(), b"\xff", 0).is_err());
    }
}
