use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use uuid::{Builder, Uuid};
use weir_auth::PrincipalCache;
use weir_exchange::{Bodies, Exchange, ExchangeTable, Shared};
use weir_guardrails::ProfileCache;
use weir_host::{Base, Headers, Host, Micros};
use weir_metering::Outbox;

use crate::proxy::Proxy;
use crate::watcher::Watcher;

/// What one VM keeps, whichever configurations come and go: Envoy makes a VM per worker, and one for the main thread.
pub(crate) struct Vm {
    pub(crate) principals: Rc<PrincipalCache>,
    pub(crate) profiles: Rc<ProfileCache>,
    pub(crate) bodies: Rc<Bodies>,
    pub(crate) outbox: Rc<Outbox>,
    pub(crate) watcher: RefCell<Watcher>,
    exchanges: RefCell<ExchangeTable>,
    random: Random,
}

thread_local! {
    static VM: Rc<Vm> = Rc::new(Vm::new());
}

impl Vm {
    fn new() -> Self {
        let random = Random::default();
        let name = Builder::from_random_bytes(random.bytes()).into_uuid().to_string();
        let principals = Rc::new(PrincipalCache::new());
        Self {
            principals: Rc::clone(&principals),
            profiles: Rc::new(ProfileCache::new()),
            bodies: Rc::new(Bodies::new()),
            outbox: Rc::new(Outbox::new(random.number())),
            watcher: RefCell::new(Watcher::new(name, principals)),
            exchanges: RefCell::new(ExchangeTable::new(random.number())),
            random,
        }
    }

    /// This VM.
    pub(crate) fn here() -> Rc<Self> {
        VM.with(Rc::clone)
    }

    /// The exchange of the stream that `host` stands for, made now if this VM has none.
    pub(crate) fn exchange(&self, host: &mut Proxy) -> Shared {
        let now = host.now();
        match self.exchanges.try_borrow_mut() {
            Ok(mut exchanges) => exchanges.find_or_insert(host, || self.request_id(now)),
            Err(_) => Shared::new(Exchange::new(self.request_id(now), now)),
        }
    }

    /// A new exchange for the stream that `host` stands for.
    pub(crate) fn new_exchange(&self, host: &mut Proxy) -> Shared {
        let now = host.now();
        let exchange = Exchange::new(self.request_id(now), now);
        match self.exchanges.try_borrow_mut() {
            Ok(mut exchanges) => exchanges.insert(host, exchange),
            Err(_) => Shared::new(exchange),
        }
    }

    /// The exchange of the attempt that `host` stands for and that came with these headers, if this VM has it.
    pub(crate) fn exchange_of_attempt(&self, host: &dyn Host, headers: &Headers) -> Option<Shared> {
        self.exchanges.try_borrow().ok()?.find_for_attempt(host, headers)
    }

    fn request_id(&self, now: Micros) -> Uuid {
        let [_, _, _, _, _, _, random @ ..] = self.random.bytes();
        Builder::from_unix_timestamp_millis(now / 1000, &random).into_uuid()
    }
}

/// Numbers that nobody can guess from the ones before: SipHash of a count, under keys that the host drew when the VM was born.
#[derive(Default)]
struct Random {
    keys: RandomState,
    count: Cell<u64>,
}

impl Random {
    fn number(&self) -> u64 {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        self.keys.hash_one(count)
    }

    fn bytes(&self) -> [u8; 16] {
        ((u128::from(self.number()) << 64) | u128::from(self.number())).to_le_bytes()
    }
}
