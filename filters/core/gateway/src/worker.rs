use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::{Rc, Weak};

use uuid::{Builder, Uuid};
use weir_auth::PrincipalCache;
use weir_exchange::{Bodies, Exchange, ExchangeTable, Shared};
use weir_guardrails::ProfileCache;
use weir_host::{CallError, CallId, Contexts, Headers, Host, Micros, StreamId};
use weir_metering::Outbox;
use weir_quota::Leases;

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
    /// Streams that wait for leases.
    awaiting: RefCell<HashMap<StreamId, Weak<RefCell<Driven>>>>,
    pub(crate) watcher: RefCell<Watcher>,
    exchanges: RefCell<ExchangeTable>,
    /// Root contexts made so far.
    roots: Cell<u32>,
    random: Box<dyn Fn() -> u64>,
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
        let principals = Rc::new(PrincipalCache::new());
        Rc::new(Self {
            principals: Rc::clone(&principals),
            profiles: Rc::new(ProfileCache::new()),
            bodies: Rc::new(Bodies::new()),
            outbox: Rc::new(Outbox::new(random())),
            leases: Rc::new(Leases::new(name.clone(), random())),
            awaiting: RefCell::default(),
            watcher: RefCell::new(Watcher::new(name, principals)),
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

    /// A call of [`Leases`]'s was answered. What streams lack after that is asked for by a tick: a call that a stream makes ends with
    /// it, and one that has what it needs may end while the control plane grants.
    pub(crate) fn leased(&self, host: &mut dyn Contexts, call: CallId, answer: Result<&[u8], CallError>) {
        self.leases.on_call(host, call, answer);
        self.wake(host);
    }

    /// Wakes the streams for which a lease has come, or none will.
    pub(crate) fn wake(&self, host: &mut dyn Contexts) {
        while let Some(id) = self.leases.next_woken() {
            let stream = self.awaiting.try_borrow_mut().ok().and_then(|mut awaiting| awaiting.remove(&id));
            let Some(stream) = stream.and_then(|stream| stream.upgrade()) else { continue };
            let is_there = host.in_stream(id, &mut |host| {
                if let Ok(mut driven) = stream.try_borrow_mut() {
                    driven.on_wake(host);
                }
                self.await_lease(id, &stream);
            });
            if !is_there {
                self.leases.gone(id);
            }
        }
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
