use prost::Message;
use weir_proto::dataplane::{WatchRequest, WatchResponse};

use crate::PrincipalCache;

/// The longest wait between two attempts to open the stream, in ticks.
const LONGEST_WAIT: u32 = 32;

/// One VM's side of the `Watch` stream: what must be forgotten, as it is committed. The shell moves the bytes, one message
/// at a time, and says when the stream closed.
#[derive(Debug)]
pub struct Watch {
    vm: String,
    node: String,
    applied_revision: u64,
    open: bool,
    /// Whether the open stream has brought a message.
    heard: bool,
    /// Ticks until the next attempt to open.
    wait: u32,
    /// Attempts in a row that brought no message.
    failures: u32,
}

/// A message that cannot be read: everything was forgotten, and the stream must be closed and opened anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of the Watch stream cannot be decoded")]
pub struct WatchError(#[from] prost::DecodeError);

impl Watch {
    /// For the VM of this name, which is drawn at random, on the proxy of this `node.id`.
    pub fn new(vm: impl Into<String>, node: impl Into<String>) -> Self {
        Self { vm: vm.into(), node: node.into(), applied_revision: 0, open: false, heard: false, wait: 0, failures: 0 }
    }

    /// To be called on every tick. `Some`: open the stream now, and send this first; if it cannot be opened, call
    /// [`Watch::closed`].
    pub fn tick(&mut self) -> Option<Vec<u8>> {
        if self.open {
            return None;
        }
        if let Some(wait) = self.wait.checked_sub(1) {
            self.wait = wait;
            return None;
        }
        self.open = true;
        self.heard = false;
        Some(self.request())
    }

    /// A message came in: does what it says and gives the acknowledgement to send.
    pub fn message(&mut self, cache: &PrincipalCache, bytes: &[u8]) -> Result<Vec<u8>, WatchError> {
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
        // A stream begins where the control plane says, which is lower after a backup was restored.
        self.applied_revision = match message.forget_everything {
            true => message.revision,
            false => self.applied_revision.max(message.revision),
        };
        Ok(self.request())
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

    fn request(&self) -> Vec<u8> {
        let request =
            WatchRequest { vm: self.vm.clone(), node: self.node.clone(), applied_revision: self.applied_revision };
        request.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use weir_proto::dataplane::{WatchRequest, WatchResponse};

    use super::Watch;
    use crate::PrincipalCache;

    fn ticks_until_open(watch: &mut Watch) -> usize {
        (1..100).find(|_| watch.tick().is_some()).expect("opens again")
    }

    #[test]
    fn messages_are_acknowledged_with_their_revision() {
        let mut watch = Watch::new("vm", "node");
        let cache = PrincipalCache::new();
        let opened = watch.tick().expect("opens on the first tick");
        let expect = |applied_revision| WatchRequest { vm: "vm".into(), node: "node".into(), applied_revision };
        assert_eq!(WatchRequest::decode(opened.as_slice()), Ok(expect(0)));
        let mut check = |revision, forget_everything, acknowledged| {
            let message = WatchResponse { revision, forget_everything, ..Default::default() };
            let answer = watch.message(&cache, &message.encode_to_vec()).expect("is decodable");
            assert_eq!(WatchRequest::decode(answer.as_slice()), Ok(expect(acknowledged)));
        };
        check(7, true, 7);
        check(9, false, 9);
        check(8, false, 9);
        check(3, true, 3);
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
        assert!(watch.message(&cache, &message).is_ok());
        watch.closed(&cache);
        assert_eq!(ticks_until_open(&mut watch), 2, "a stream that worked is soon opened again");
    }

    #[test]
    fn a_message_that_cannot_be_read_is_an_error() {
        assert!(Watch::new("vm", "node").message(&PrincipalCache::new(), b"\xff").is_err());
    }
}
