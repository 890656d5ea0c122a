use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use uuid::Uuid;
use weir_config::names::{EXCHANGE_HEADER, EXCHANGE_STATE};
use weir_host::{Headers, Host, Message, Micros, StreamId};

use crate::{Exchange, Party, Request};

/// A handle on a stream's exchange, held by each of its filters; the last to go frees it.
#[derive(Clone, Debug)]
pub struct Shared {
    exchange: Rc<RefCell<Exchange>>,
    /// Who decides by this handle.
    pub(crate) party: Party,
}

impl Shared {
    /// Makes a handle on a new exchange.
    pub fn new(exchange: Exchange) -> Self {
        Self::handle(Rc::new(RefCell::new(exchange)))
    }

    fn handle(exchange: Rc<RefCell<Exchange>>) -> Self {
        Self { exchange, party: Party::default() }
    }

    /// The same handle, for this one's decisions.
    #[must_use]
    pub fn held_by(self, party: Party) -> Self {
        Self { party, ..self }
    }

    /// Reads from the exchange. `None` if it is being changed by a caller further up, which is a defect and must not be a panic.
    pub fn read<T>(&self, read: impl FnOnce(&Exchange) -> T) -> Option<T> {
        self.exchange.try_borrow().ok().map(|exchange| read(&exchange))
    }

    /// Changes the request; `None` as in [`Shared::read`], and once an attempt has begun.
    pub fn prepare<T>(&self, write: impl FnOnce(&mut Request) -> T) -> Option<T> {
        self.write(|exchange| exchange.prepare().map(write)).flatten()
    }

    /// Changes the exchange; `None` as in [`Shared::read`].
    pub fn write<T>(&self, write: impl FnOnce(&mut Exchange) -> T) -> Option<T> {
        self.exchange.try_borrow_mut().ok().map(|mut exchange| write(&mut exchange))
    }
}

/// A handle that does not keep the exchange.
#[derive(Clone, Debug)]
pub struct WeakShared(Weak<RefCell<Exchange>>);

impl WeakShared {
    /// The handle, while the stream has a filter.
    pub fn upgrade(&self) -> Option<Shared> {
        self.0.upgrade().map(Shared::handle)
    }
}

/// All exchanges of one VM, by id, with the streams that they are of. Holds them weakly.
#[derive(Debug)]
pub struct ExchangeTable {
    /// Begins the id of each.
    birth: String,
    next: u64,
    exchanges: HashMap<u64, (StreamId, Weak<RefCell<Exchange>>)>,
    sweep_at: usize,
}

const SMALLEST_SWEEP: usize = 256;

impl ExchangeTable {
    /// An empty table. `birth` is drawn at random by each VM.
    pub fn new(birth: u64) -> Self {
        Self { birth: format!("{birth:016x}."), next: 0, exchanges: HashMap::new(), sweep_at: SMALLEST_SWEEP }
    }

    /// The exchange of the stream that `host` stands for, if this VM made it.
    pub fn find(&self, host: &dyn Host) -> Option<Shared> {
        self.find_by(&host.filter_state(EXCHANGE_STATE)?)
    }

    /// The same for an attempt, which has read the request's `headers`. Later attempts have the headers that the first one wrote,
    /// which do not name the exchange, and ask for filter state.
    pub fn find_for_attempt(&self, host: &dyn Host, headers: &Headers) -> Option<Shared> {
        match headers.get(EXCHANGE_HEADER) {
            Some(id) => self.find_by(id),
            None => self.find(host),
        }
    }

    fn find_by(&self, id: &[u8]) -> Option<Shared> {
        let number = std::str::from_utf8(id.strip_prefix(self.birth.as_bytes())?).ok()?;
        self.exchanges.get(&number.parse().ok()?)?.1.upgrade().map(Shared::handle)
    }

    /// The exchange of the stream that `host` stands for, made now if there is none. `request_id` is called only then.
    pub fn find_or_insert(&mut self, host: &mut dyn Host, request_id: impl FnOnce() -> Uuid) -> Shared {
        if let Some(found) = self.find(host) {
            return found;
        }
        let exchange = Exchange::new(request_id(), host.now());
        self.insert(host, exchange)
    }

    /// Takes in the exchange of the stream that `host` stands for, in the place of one that it may have had.
    pub fn insert(&mut self, host: &mut dyn Host, exchange: Exchange) -> Shared {
        let shared = Shared::new(exchange);
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let id = format!("{}{number}", self.birth);
        if host.set_filter_state(EXCHANGE_STATE, id.as_bytes()).is_ok() {
            self.sweep();
            self.exchanges.insert(number, (host.stream(), Rc::downgrade(&shared.exchange)));
            // Whatever a client may have sent is overwritten. Without it, attempts ask for the state.
            let _ = host.set_header(Message::Request, EXCHANGE_HEADER, id.as_bytes());
        }
        shared
    }

    /// Ends the streams that live now and fit, and says which.
    pub fn end(&self, now: Micros, fits: impl Fn(&Exchange) -> bool) -> Vec<(StreamId, WeakShared)> {
        let live = self.exchanges.values().filter_map(|(stream, exchange)| Some((*stream, exchange.upgrade()?)));
        let ended = live.filter(|(_, exchange)| {
            exchange.try_borrow_mut().is_ok_and(|mut exchange| {
                let is_new = exchange.ended().is_none() && fits(&exchange);
                if is_new {
                    exchange.end(now);
                }
                is_new && exchange.ended().is_some()
            })
        });
        ended.map(|(stream, exchange)| (stream, WeakShared(Rc::downgrade(&exchange)))).collect()
    }

    /// Streams that live now.
    pub fn live(&self) -> usize {
        self.exchanges.values().filter(|(_, exchange)| exchange.strong_count() > 0).count()
    }

    /// Drops the entries of streams that are gone, at a cost that is constant per insertion over time.
    fn sweep(&mut self) {
        if self.exchanges.len() < self.sweep_at {
            return;
        }
        self.exchanges.retain(|_, (_, exchange)| exchange.strong_count() > 0);
        self.sweep_at = self.exchanges.len().saturating_mul(2).max(SMALLEST_SWEEP);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use weir_config::names::EXCHANGE_HEADER;
    use weir_host::fake::FakeHost;
    use weir_host::{Host as _, Message};

    use super::ExchangeTable;

    #[test]
    fn all_filters_of_a_stream_find_one_exchange() {
        let mut table = ExchangeTable::new(7);
        let mut host = FakeHost { now: 5, ..FakeHost::default() };
        assert!(table.find(&host).is_none());
        let first = table.find_or_insert(&mut host, || Uuid::from_u128(1));
        first.prepare(|request| request.pool_id = Some("pool".into()));
        let again = table.find_or_insert(&mut host.clone(), || Uuid::from_u128(2));
        let seen = again
            .read(|exchange| (exchange.request().id, exchange.request().arrived, exchange.request().pool_id.clone()));
        assert_eq!(seen, Some((Uuid::from_u128(1), 5, Some("pool".into()))));
        let other = table.find_or_insert(&mut FakeHost::default(), || Uuid::from_u128(2));
        assert_eq!(other.read(|exchange| exchange.request().id), Some(Uuid::from_u128(2)));
        drop((first, again));
        assert!(table.find(&host).is_none(), "gone with its last filter");
    }

    #[test]
    fn an_attempt_finds_it_by_what_no_client_can_write() {
        let mut table = ExchangeTable::new(7);
        let mut host = FakeHost::with_request(&[(EXCHANGE_HEADER, "sent by the client")]);
        let _held = table.find_or_insert(&mut host, || Uuid::from_u128(1));
        let headers = host.headers(Message::Request);
        let elsewhere = FakeHost::default();
        let found = |headers: &[(&str, &str)], host| {
            let headers = headers.iter().copied().collect();
            table.find_for_attempt(host, &headers).and_then(|found| found.read(|exchange| exchange.request().id))
        };
        assert!(!headers.text(EXCHANGE_HEADER).contains("client"));
        let known = [(EXCHANGE_HEADER, headers.text(EXCHANGE_HEADER))];
        assert_eq!(found(&known, &elsewhere), Some(Uuid::from_u128(1)));
        assert_eq!(
            found(&[], &host),
            Some(Uuid::from_u128(1)),
            "a later attempt has the headers that the first one wrote"
        );
        assert_eq!(found(&[], &elsewhere), None);
        for forged in ["", "0", "0000000000000007", "0000000000000008.0", ".0", "0000000000000007.x", "\u{7f}"] {
            assert_eq!(found(&[(EXCHANGE_HEADER, forged)], &host), None, "{forged}");
        }
    }

    #[test]
    fn a_reborn_vm_takes_no_stream_of_its_predecessor_for_its_own() {
        let mut host = FakeHost::default();
        let _held = ExchangeTable::new(7).find_or_insert(&mut host, || Uuid::from_u128(1));
        let mut reborn = ExchangeTable::new(8);
        let _new = reborn.find_or_insert(&mut FakeHost::default(), || Uuid::from_u128(2));
        assert!(reborn.find(&host).is_none());
        for rubbish in [&b""[..], b"short", &[0; 17]] {
            let mut host = FakeHost::default();
            assert!(host.set_filter_state("weir.exchange", rubbish).is_ok());
            assert!(reborn.find(&host).is_none());
        }
    }

    #[test]
    fn streams_that_are_gone_take_no_memory() {
        let mut table = ExchangeTable::new(7);
        let held: Vec<_> =
            (0..10).map(|_| table.find_or_insert(&mut FakeHost::default(), || Uuid::from_u128(1))).collect();
        for _ in 0..5000 {
            table.find_or_insert(&mut FakeHost::default(), || Uuid::from_u128(1));
        }
        assert!(table.exchanges.len() <= 300, "{} entries", table.exchanges.len());
        assert_eq!(table.live(), held.len());
    }
}
