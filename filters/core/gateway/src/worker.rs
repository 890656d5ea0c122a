use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::{Rc, Weak};

use uuid::{Builder, Uuid};
use weir_auth::PrincipalCache;
use weir_exchange::{Bodies, Exchange, ExchangeTable, Shared};
use weir_guardrails::ProfileCache;
use weir_host::{
    CallError, CallId, Callouts, Contexts, Headers, Host, HttpAnswer, HttpError, Micros, RootHost, StreamHost, StreamId,
};
use weir_metering::Outbox;
use weir_quota::Leases;

use crate::ending::Ending;
use crate::stream::Driven;
use crate::watcher::Watcher;

/// What one worker keeps, whichever configurations come and go: in Envoy's wasm a VM, of which there is one for each of its
/// threads.
pub struct Worker {
    pub(crate) principals: Rc<PrincipalCache>,
    pub(crate) profiles: Rc<ProfileCache>,
    pub(crate) bodies: Rc<Bodies>,
    pub(crate) outbox: Rc<Outbox>,
    pub(crate) leases: Rc<Leases>,
    pub(crate) callouts: Callouts,
    /// Streams that wait for leases.
    awaiting: RefCell<HashMap<StreamId, Weak<RefCell<Driven>>>>,
    /// Streams that were woken where they could make no callout, and hold on.
    held: RefCell<Vec<Waiter>>,
    /// Callouts of streams that a root context made, with its place in the order of their making.
    handed_on: RefCell<HashMap<CallId, (u32, Waiter)>>,
    /// Callouts that ended with their root context.
    lost: RefCell<Vec<(CallId, Waiter)>>,
    pub(crate) watcher: RefCell<Watcher>,
    ending: RefCell<Vec<Ending>>,
    exchanges: RefCell<ExchangeTable>,
    /// Root contexts made so far.
    roots: Cell<u32>,
    random: Box<dyn Fn() -> u64>,
}

/// A stream that waits for something.
type Waiter = (StreamId, Weak<RefCell<Driven>>);

/// What came of a callout.
pub(crate) enum Answered<'a> {
    ControlPlane(Result<&'a [u8], CallError>),
    Http(Result<&'a HttpAnswer, HttpError>),
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Worker").field("roots", &self.roots).finish_non_exhaustive()
    }
}

impl Worker {
    /// With nothing in it. `random` draws numbers that nobody can guess from the ones before: a worker that takes the place of
    /// another must not have its names.
    pub fn new(random: Box<dyn Fn() -> u64>) -> Rc<Self> {
        let name = Builder::from_random_bytes(bytes(&random)).into_uuid().to_string();
        let (principals, outbox) = (Rc::new(PrincipalCache::new()), Rc::new(Outbox::new(random())));
        Rc::new(Self {
            principals: Rc::clone(&principals),
            profiles: Rc::new(ProfileCache::new()),
            bodies: Rc::new(Bodies::new()),
            outbox: Rc::clone(&outbox),
            leases: Rc::new(Leases::new(name.clone(), random())),
            callouts: Callouts::default(),
            awaiting: RefCell::default(),
            held: RefCell::default(),
            handed_on: RefCell::default(),
            lost: RefCell::default(),
            watcher: RefCell::new(Watcher::new(name, principals, outbox)),
            ending: RefCell::default(),
            exchanges: RefCell::new(ExchangeTable::new(random())),
            roots: Cell::new(0),
            random,
        })
    }

    /// The place of a new root context in the order in which this worker's were made.
    pub(crate) fn next_root(&self) -> u32 {
        self.roots.set(self.roots.get().wrapping_add(1));
        self.roots.get()
    }

    /// A stream may wait for a lease: then it is woken when the lease comes.
    pub(crate) fn await_lease(&self, id: StreamId, stream: &Rc<RefCell<Driven>>) {
        if self.leases.is_waiting(id)
            && let Ok(mut awaiting) = self.awaiting.try_borrow_mut()
        {
            awaiting.insert(id, Rc::downgrade(stream));
        }
    }

    /// A stream is over: nobody needs to find it.
    pub(crate) fn gone(&self, id: StreamId) {
        if let Ok(mut awaiting) = self.awaiting.try_borrow_mut() {
            awaiting.remove(&id);
        }
    }

    /// A call of [`Leases`]'s that a stream made was answered. What streams lack after that is asked for by a tick: a call that a stream
    /// makes ends with it, and one that has what it needs may end while the control plane grants.
    pub(crate) fn leased(&self, host: &mut dyn Contexts, call: CallId, answer: Result<&[u8], CallError>) {
        self.leases.on_call(host, call, answer);
        while let Some((id, stream)) = self.next_woken() {
            self.enter(host, id, &stream, &mut |host, driven| driven.on_wake(host));
            self.note_held(id, &stream);
        }
    }

    /// A stream that was woken from another one may wait for a callout that it could not make there.
    fn note_held(&self, id: StreamId, stream: &Rc<RefCell<Driven>>) {
        let is_held = stream.try_borrow().is_ok_and(|driven| driven.is_held()) && !self.leases.is_waiting(id);
        if is_held && let Ok(mut held) = self.held.try_borrow_mut() {
            held.push((id, Rc::downgrade(stream)));
        }
    }

    /// The same for one that a root context made, and on each tick of one: wakes the streams for which a lease has come, or none will,
    /// and those that could make no callout before. What they ask is asked by the root context of this place, and answered to it.
    pub(crate) fn wake(&self, host: &mut dyn RootHost, root: u32) {
        while let Some((id, stream)) = self.next_woken() {
            self.wake_from(host, root, id, &stream);
        }
        let held = self.held.try_borrow_mut().map(|mut held| std::mem::take(&mut *held)).unwrap_or_default();
        for (id, stream) in held {
            if let Some(stream) = stream.upgrade() {
                self.wake_from(host, root, id, &stream);
            }
        }
        let lost = self.lost.try_borrow_mut().map(|mut lost| std::mem::take(&mut *lost)).unwrap_or_default();
        for (call, waiter) in lost {
            self.hand_on(host, root, call, &waiter, Answered::Http(Err(HttpError::Broken)));
        }
    }

    /// Hands on what came of a callout that this root context made. `false`: it was none of a stream's.
    pub(crate) fn answered(&self, host: &mut dyn RootHost, root: u32, call: CallId, answer: Answered<'_>) -> bool {
        let waiter = self.handed_on.try_borrow_mut().ok().and_then(|mut handed_on| handed_on.remove(&call));
        let Some((_, waiter)) = waiter else { return false };
        self.hand_on(host, root, call, &waiter, answer);
        true
    }

    /// A root context is gone, and its callouts with it: who waits for them is told on a tick of another.
    pub(crate) fn root_gone(&self, root: u32) {
        if let (Ok(mut handed_on), Ok(mut lost)) = (self.handed_on.try_borrow_mut(), self.lost.try_borrow_mut()) {
            let gone = handed_on.extract_if(|_, (by, _)| *by == root);
            lost.extend(gone.map(|(call, (_, waiter))| (call, waiter)));
        }
    }

    /// Ends the streams under way of these keys: the next piece of an answer becomes an error event, and what is silent is broken off by
    /// [`Worker::break_off_ended`].
    pub(crate) fn end_streams(&self, now: Micros, keys: Vec<String>) {
        let (Ok(exchanges), Ok(mut ending)) = (self.exchanges.try_borrow(), self.ending.try_borrow_mut()) else {
            return;
        };
        for key_id in keys {
            let is_keys = |exchange: &Exchange| {
                exchange.request().principal.as_ref().is_some_and(|principal| principal.key_id == key_id)
            };
            let streams = exchanges.end(now, is_keys);
            ending.push(Ending::new(key_id, streams, now));
        }
    }

    /// On each tick: breaks off what was ended a moment ago and has not gone by itself, and tells the control plane once all is over.
    pub(crate) fn break_off_ended(&self, host: &mut dyn RootHost, root: u32) {
        let (Ok(mut ending), Ok(mut watcher)) = (self.ending.try_borrow_mut(), self.watcher.try_borrow_mut()) else {
            return;
        };
        for one in ending.iter_mut() {
            one.go_on(host);
        }
        // Only the root context that opened the stream can send on it.
        if watcher.open_in() == Some(root) {
            let over: Vec<_> = ending.extract_if(.., |one| one.is_over()).map(Ending::into_report).collect();
            if !over.is_empty() {
                watcher.tell_ended(host, over);
            }
        } else if watcher.open_in().is_none() {
            // Nobody is there to be told.
            ending.retain(|one| !one.is_over());
        }
    }

    fn next_woken(&self) -> Option<(StreamId, Rc<RefCell<Driven>>)> {
        while let Some(id) = self.leases.next_woken() {
            let stream = self.awaiting.try_borrow_mut().ok().and_then(|mut awaiting| awaiting.remove(&id));
            if let Some(stream) = stream.and_then(|stream| stream.upgrade()) {
                return Some((id, stream));
            }
        }
        None
    }

    fn hand_on(&self, host: &mut dyn RootHost, root: u32, call: CallId, waiter: &Waiter, answer: Answered<'_>) {
        let (id, stream) = waiter;
        let Some(stream) = stream.upgrade() else { return };
        let calls = self.enter(host, *id, &stream, &mut |host, driven| match &answer {
            Answered::ControlPlane(answer) => driven.on_call(host, call, answer.clone()),
            Answered::Http(answer) => driven.on_http_answer(host, call, *answer),
        });
        self.note_callouts(root, *id, &stream, calls);
    }

    fn wake_from(&self, host: &mut dyn RootHost, root: u32, id: StreamId, stream: &Rc<RefCell<Driven>>) {
        let calls = self.enter(host, id, stream, &mut |host, driven| driven.on_wake(host));
        self.note_callouts(root, id, stream, calls);
    }

    fn note_callouts(&self, root: u32, id: StreamId, stream: &Rc<RefCell<Driven>>, calls: Vec<CallId>) {
        if let Ok(mut handed_on) = self.handed_on.try_borrow_mut() {
            handed_on.extend(calls.into_iter().map(|call| (call, (root, (id, Rc::downgrade(stream))))));
        }
    }

    /// Serves a stream that waits; gives the callouts that it made.
    fn enter<H: Contexts + ?Sized>(
        &self,
        host: &mut H,
        id: StreamId,
        stream: &Rc<RefCell<Driven>>,
        act: &mut dyn FnMut(&mut dyn StreamHost, &mut Driven),
    ) -> Vec<CallId> {
        let calls = host.in_stream(id, &mut |host| {
            if let Ok(mut driven) = stream.try_borrow_mut() {
                act(host, &mut driven);
            }
            self.await_lease(id, stream);
        });
        if calls.is_none() {
            self.leases.gone(id);
        }
        calls.unwrap_or_default()
    }

    /// The exchange of the stream that `host` stands for, made now if this worker has none.
    pub(crate) fn exchange(&self, host: &mut dyn Host) -> Shared {
        let now = host.now();
        match self.exchanges.try_borrow_mut() {
            Ok(mut exchanges) => exchanges.find_or_insert(host, || self.request_id(now)),
            Err(_) => Shared::new(Exchange::new(self.request_id(now), now)),
        }
    }

    /// A new exchange for the stream that `host` stands for.
    pub(crate) fn new_exchange(&self, host: &mut dyn Host) -> Shared {
        let now = host.now();
        let exchange = Exchange::new(self.request_id(now), now);
        match self.exchanges.try_borrow_mut() {
            Ok(mut exchanges) => exchanges.insert(host, exchange),
            Err(_) => Shared::new(exchange),
        }
    }

    /// The exchange of the attempt that `host` stands for and that came with these headers, if this worker has it.
    pub(crate) fn exchange_of_attempt(&self, host: &dyn Host, headers: &Headers) -> Option<Shared> {
        self.exchanges.try_borrow().ok()?.find_for_attempt(host, headers)
    }

    fn request_id(&self, now: Micros) -> Uuid {
        let [_, _, _, _, _, _, random @ ..] = bytes(&self.random);
        Builder::from_unix_timestamp_millis(now / 1000, &random).into_uuid()
    }
}

fn bytes(random: &dyn Fn() -> u64) -> [u8; 16] {
    ((u128::from(random()) << 64) | u128::from(random())).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use weir_host::fake::FakeHost;
    use weir_host::{CallId, Flow, Host, HostError, HttpAnswer, HttpCall, HttpError, StreamFilter, StreamHost};

    use super::{Answered, Worker};
    use crate::stream::{Driven, Stream};

    /// Asks as soon as it may, and holds the request until it is answered.
    #[derive(Default)]
    struct Asking {
        heard: Rc<RefCell<Vec<String>>>,
    }

    impl Asking {
        fn ask(&self, host: &mut dyn Host) -> Flow {
            let call = HttpCall { cluster: "c", authority: "a", path: "/", body: b"{}", timeout_ms: 1 };
            let asked = match host.http_call(&call) {
                Ok(_) => "asked",
                Err(HostError::NotNow) => "not now",
                Err(_) => "refused",
            };
            self.heard.borrow_mut().push(asked.into());
            Flow::Pause
        }
    }

    impl StreamFilter for Asking {
        fn on_request_headers(&mut self, _: &mut dyn Host, _: bool) -> Flow {
            Flow::Pause
        }
        fn on_wake(&mut self, host: &mut dyn Host) -> Flow {
            self.ask(host)
        }
        fn on_http_answer(&mut self, _: &mut dyn Host, _: CallId, answer: Result<&HttpAnswer, HttpError>) -> Flow {
            let heard = answer.map(|answer| answer.status.to_string()).unwrap_or_else(|error| error.to_string());
            self.heard.borrow_mut().push(heard);
            Flow::Continue
        }
    }

    /// A stream that is held, and what it hears.
    fn held() -> (Rc<RefCell<Driven>>, Rc<RefCell<Vec<String>>>) {
        let asking = Asking::default();
        let heard = Rc::clone(&asking.heard);
        let mut stream = Stream::from(Box::new(asking) as Box<dyn StreamFilter>);
        stream.on_request_headers(&mut FakeHost { stream: 5, ..FakeHost::default() }, true);
        (stream.driven(), heard)
    }

    #[test]
    fn what_a_stream_could_not_ask_a_root_context_asks_for_it_and_hands_on_the_answer() {
        let worker = Worker::new(Box::new(|| 1));
        let (stream, heard) = held();
        // Woken from another stream.
        let mut other = FakeHost { stream: 4, ..FakeHost::default() };
        let mut wake = |host: &mut dyn StreamHost, driven: &mut Driven| driven.on_wake(host);
        assert!(worker.enter(&mut other, 5, &stream, &mut wake).is_empty() && other.http_calls.is_empty());
        worker.note_held(5, &stream);

        let mut root = FakeHost { is_root: true, ..FakeHost::default() };
        worker.wake(&mut root, 1);
        worker.wake(&mut root, 1);
        let [call] = root.http_calls.as_slice() else { panic!("{:?}", root.http_calls) };
        let (id, answer) = (call.id, HttpAnswer { status: 200, body: Vec::new() });
        assert!(!worker.answered(&mut root, 1, id + 1, Answered::Http(Ok(&answer))), "nobody's");
        assert!(worker.answered(&mut root, 1, id, Answered::Http(Ok(&answer))));
        assert!(!worker.answered(&mut root, 1, id, Answered::Http(Ok(&answer))), "twice");
        assert_eq!((root.resumed, &*heard.borrow()), (1, &["not now", "asked", "200"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_callout_that_ended_with_its_root_context_is_told_by_another() {
        let worker = Worker::new(Box::new(|| 1));
        let (stream, heard) = held();
        let (left, _) = held();
        let mut root = FakeHost { is_root: true, ..FakeHost::default() };
        worker.note_held(5, &stream);
        worker.note_held(6, &left);
        worker.wake(&mut root, 1);
        assert_eq!(root.http_calls.len(), 2);
        drop(left);
        worker.root_gone(2);
        worker.wake(&mut root, 3);
        assert_eq!(root.resumed, 0, "another one's");
        worker.root_gone(1);
        worker.wake(&mut root, 2);
        assert_eq!((root.resumed, heard.borrow().last().cloned()), (1, Some("no answer came".to_owned())));
        assert!(worker.handed_on.borrow().is_empty() && worker.lost.borrow().is_empty());
    }
}
