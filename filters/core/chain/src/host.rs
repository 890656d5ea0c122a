use std::cell::RefCell;
use std::rc::Rc;

use weir_host::{Base, CallId, Headers, Host, HostError, Level, Message, Micros};

/// The proxy as the filters of one chain see it during one callback: headers that one of them has read are not asked for
/// again, and the length of a body that one of them replaced is known to the next.
pub(crate) struct StageHost<'a> {
    host: &'a mut dyn Host,
    read: RefCell<[Option<Rc<Headers>>; 2]>,
    replaced: [Option<usize>; 2],
}

fn index(of: Message) -> usize {
    match of {
        Message::Request => 0,
        Message::Response => 1,
    }
}

impl<'a> StageHost<'a> {
    pub(crate) fn new(host: &'a mut dyn Host) -> Self {
        Self { host, read: RefCell::default(), replaced: [None; 2] }
    }

    /// The length of the body that was put in place since this was last asked.
    pub(crate) fn replaced(&mut self, of: Message) -> Option<usize> {
        self.replaced.get_mut(index(of)).and_then(Option::take)
    }

    /// The headers, if one of the filters has read them all and none has changed any since.
    fn known(&self, of: Message) -> Option<Rc<Headers>> {
        self.read.try_borrow().ok()?.get(index(of))?.clone()
    }

    fn know(&self, of: Message, headers: Option<&Rc<Headers>>) {
        if let Ok(mut read) = self.read.try_borrow_mut()
            && let Some(known) = read.get_mut(index(of))
        {
            *known = headers.cloned();
        }
    }
}

impl Base for StageHost<'_> {
    fn now(&self) -> Micros {
        self.host.now()
    }
    fn log(&mut self, level: Level, message: &str) {
        self.host.log(level, message);
    }
    fn count(&mut self, metric: &str, by: u64) {
        self.host.count(metric, by);
    }
    fn shared(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.host.shared(key)
    }
    fn set_shared(&mut self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), HostError> {
        self.host.set_shared(key, value, cas)
    }
    fn call(&mut self, cluster: &str, method: &str, message: &[u8], timeout_ms: u64) -> Result<CallId, HostError> {
        self.host.call(cluster, method, message, timeout_ms)
    }
}

impl Host for StageHost<'_> {
    fn header(&self, of: Message, name: &str) -> Option<Vec<u8>> {
        match self.known(of) {
            Some(headers) => headers.get(name).map(<[u8]>::to_vec),
            None => self.host.header(of, name),
        }
    }
    fn headers(&self, of: Message) -> Rc<Headers> {
        if let Some(known) = self.known(of) {
            return known;
        }
        let headers = self.host.headers(of);
        // None at all means that they are out of reach.
        self.know(of, Some(&headers).filter(|headers| !headers.is_empty()));
        headers
    }
    fn set_headers(&mut self, of: Message, headers: &Headers) -> Result<(), HostError> {
        self.know(of, None);
        self.host.set_headers(of, headers)
    }
    fn set_header(&mut self, of: Message, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.know(of, None);
        self.host.set_header(of, name, value)
    }
    fn remove_header(&mut self, of: Message, name: &str) {
        self.know(of, None);
        self.host.remove_header(of, name);
    }
    fn body(&self, of: Message, start: usize, length: usize) -> Result<Vec<u8>, HostError> {
        self.host.body(of, start, length)
    }
    fn set_body(&mut self, of: Message, bytes: &[u8]) -> Result<(), HostError> {
        self.host.set_body(of, bytes)?;
        if let Some(replaced) = self.replaced.get_mut(index(of)) {
            *replaced = Some(bytes.len());
        }
        Ok(())
    }
    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.host.property(path)
    }
    fn set_filter_state(&mut self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.host.set_filter_state(name, value)
    }
    fn filter_state(&self, name: &str) -> Option<Vec<u8>> {
        self.host.filter_state(name)
    }
    fn clear_route_cache(&mut self) {
        self.host.clear_route_cache();
    }
}
