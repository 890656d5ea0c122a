use std::cell::{Cell, RefCell};
use std::rc::Rc;

use weir_host::{Base, CallId, Headers, Host, HostError, HttpCall, Level, Message, Micros, StreamId};

/// The proxy as the filters of one chain see it during one callback: the time and the headers are asked for once, since one
/// question for a header costs nearly as much as all of them. Whoever writes one has the next ask anew.
pub(crate) struct StageHost<'a> {
    host: &'a mut dyn Host,
    now: Cell<Option<Micros>>,
    /// The headers of each message, since they were read and nobody wrote any.
    headers: RefCell<[Option<Rc<Headers>>; 2]>,
    bodies: RefCell<[Body; 2]>,
    /// Callouts made since this was last asked.
    made: Vec<CallId>,
}

/// What is known of one message's body.
#[derive(Default)]
struct Body {
    /// All that the proxy holds of it.
    bytes: Option<Vec<u8>>,
    /// Its length, since it was replaced.
    replaced: Option<usize>,
}

/// Bytes of a body that are remembered for the next filter: those of most pieces and answers. A longer one is read again.
const REMEMBERED_BODY: usize = 64 * 1024;

fn index(of: Message) -> usize {
    match of {
        Message::Request => 0,
        Message::Response => 1,
    }
}

impl<'a> StageHost<'a> {
    pub(crate) fn new(host: &'a mut dyn Host) -> Self {
        Self { host, now: Cell::default(), headers: RefCell::default(), bodies: RefCell::default(), made: Vec::new() }
    }

    /// The callouts that were made since this was last asked.
    pub(crate) fn made(&mut self) -> Vec<CallId> {
        std::mem::take(&mut self.made)
    }

    /// The length of the body that was put in place since this was last asked.
    pub(crate) fn replaced(&mut self, of: Message) -> Option<usize> {
        self.bodies.get_mut().get_mut(index(of)).and_then(|body| body.replaced.take())
    }

    /// What was read of this message's headers, if that still holds.
    fn known(&self, of: Message) -> Option<Rc<Headers>> {
        self.headers.try_borrow().ok()?.get(index(of))?.clone()
    }

    fn forget(&mut self, of: Message) {
        if let Some(headers) = self.headers.get_mut().get_mut(index(of)) {
            *headers = None;
        }
    }
}

impl Base for StageHost<'_> {
    fn now(&self) -> Micros {
        let now = self.now.get().unwrap_or_else(|| self.host.now());
        self.now.set(Some(now));
        now
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
        let call = self.host.call(cluster, method, message, timeout_ms)?;
        self.made.push(call);
        Ok(call)
    }
    fn http_call(&mut self, call: &HttpCall<'_>) -> Result<CallId, HostError> {
        let call = self.host.http_call(call)?;
        self.made.push(call);
        Ok(call)
    }
}

impl Host for StageHost<'_> {
    fn stream(&self) -> StreamId {
        self.host.stream()
    }
    fn header(&self, of: Message, name: &str) -> Option<Vec<u8>> {
        self.headers(of).get(name).map(<[u8]>::to_vec)
    }
    fn headers(&self, of: Message) -> Rc<Headers> {
        if let Some(known) = self.known(of) {
            return known;
        }
        let headers = self.host.headers(of);
        // None at all means that they are out of reach, perhaps not for long.
        if !headers.is_empty()
            && let Ok(mut known) = self.headers.try_borrow_mut()
            && let Some(known) = known.get_mut(index(of))
        {
            *known = Some(Rc::clone(&headers));
        }
        headers
    }
    fn set_headers(&mut self, of: Message, headers: &Headers) -> Result<(), HostError> {
        self.forget(of);
        self.host.set_headers(of, headers)
    }
    fn set_header(&mut self, of: Message, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.forget(of);
        self.host.set_header(of, name, value)
    }
    fn remove_header(&mut self, of: Message, name: &str) {
        // Most that are to be removed are not there.
        if self.known(of).is_some_and(|headers| headers.get(name).is_none()) {
            return;
        }
        self.forget(of);
        self.host.remove_header(of, name);
    }
    fn body(&self, of: Message, start: usize, length: usize) -> Result<Vec<u8>, HostError> {
        let Ok(mut bodies) = self.bodies.try_borrow_mut() else { return self.host.body(of, start, length) };
        let Some(known) = bodies.get_mut(index(of)) else { return self.host.body(of, start, length) };
        let end = start.saturating_add(length);
        if let Some(part) = known.bytes.as_ref().and_then(|bytes| bytes.get(start..end)) {
            return Ok(part.to_vec());
        }
        let read = self.host.body(of, start, length)?;
        if start == 0 && length <= REMEMBERED_BODY {
            known.bytes = Some(read.clone());
        }
        Ok(read)
    }
    fn set_body(&mut self, of: Message, bytes: &[u8]) -> Result<(), HostError> {
        let set = self.host.set_body(of, bytes);
        if let Some(body) = self.bodies.get_mut().get_mut(index(of)) {
            body.bytes = (set.is_ok() && bytes.len() <= REMEMBERED_BODY).then(|| bytes.to_vec());
            body.replaced = set.is_ok().then_some(bytes.len()).or(body.replaced);
        }
        set
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

#[cfg(test)]
mod tests {
    use weir_host::fake::FakeHost;
    use weir_host::{Host, Message};

    use super::StageHost;

    #[test]
    fn what_one_filter_changed_the_next_one_sees() {
        let mut proxy = FakeHost::with_request(&[("a", "1"), ("b", "2")]);
        let mut host = StageHost::new(&mut proxy);
        let of = Message::Request;
        let seen = |host: &StageHost<'_>, name| host.header_text(of, name);
        assert_eq!(seen(&host, "a").as_deref(), Some("1"));
        host.set_header(of, "a", b"3").unwrap();
        host.remove_header(of, "b");
        host.remove_header(of, "c");
        host.set_header(of, "c", b"4").unwrap();
        assert_eq!([seen(&host, "a"), seen(&host, "b"), seen(&host, "c")], [Some("3".into()), None, Some("4".into())]);
        let all = host.headers(of);
        assert_eq!((all.get("a"), all.get("b"), all.get("c")), (Some(&b"3"[..]), None, Some(&b"4"[..])));
        host.set_headers(of, &[("d", "5")].into_iter().collect()).unwrap();
        assert_eq!([seen(&host, "a"), seen(&host, "d")], [None, Some("5".into())]);
        assert_eq!(proxy.headers[0], [("d".to_owned(), b"5".to_vec())]);
    }

    #[test]
    fn a_body_is_what_the_last_filter_made_of_it() {
        let of = Message::Response;
        let mut proxy = FakeHost::default();
        proxy.bodies[1] = b"abc".to_vec();
        let mut host = StageHost::new(&mut proxy);
        assert_eq!(host.body(of, 0, 3), Ok(b"abc".to_vec()));
        assert_eq!((host.body(of, 1, 2), host.replaced(of)), (Ok(b"bc".to_vec()), None));
        assert!(host.body(of, 0, 4).is_err());
        host.set_body(of, b"other").unwrap();
        assert_eq!((host.body(of, 0, 5), host.body(of, 3, 2)), (Ok(b"other".to_vec()), Ok(b"er".to_vec())));
        assert_eq!((host.replaced(of), host.replaced(of)), (Some(5), None));
        assert_eq!(host.body(Message::Request, 0, 1).ok(), None);
        assert_eq!(proxy.bodies[1], b"other");
    }
}
