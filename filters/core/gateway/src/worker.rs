use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use uuid::{Builder, Uuid};
use weir_auth::PrincipalCache;
use weir_exchange::{Bodies, Exchange, ExchangeTable, Shared};
use weir_guardrails::ProfileCache;
use weir_host::{Headers, Host, Micros};
use weir_metering::Outbox;

use crate::watcher::Watcher;

/// What one worker keeps, whichever configurations come and go: in Envoy's wasm a VM, of which there is one for each of its
/// threads.
pub struct Worker {
    pub(crate) principals: Rc<PrincipalCache>,
    pub(crate) profiles: Rc<ProfileCache>,
    pub(crate) bodies: Rc<Bodies>,
    pub(crate) outbox: Rc<Outbox>,
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
