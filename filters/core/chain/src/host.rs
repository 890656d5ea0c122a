use std::cell::RefCell;
use std::rc::Rc;

use weir_host::{Base, CallId, Headers, Host, HostError, Level, Message, Micros};

/// The proxy as the filters of one chain see it during one callback: headers are asked for once, since one question costs
/// nearly as much as all of them, and the length of a body that one filter replaced is known to the next.
pub(crate) struct StageHost<'a> {
    host: &'a mut dyn Host,
    read: RefCell<[Read; 2]>,
    replaced: [Option<usize>; 2],
}

/// What was read of one message's headers.
#[derive(Default)]
struct Read {
    headers: Option<Rc<Headers>>,
    /// Those that were set or removed since.
    changed: Vec<String>,
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

    /// All headers as they were read; read now if they were not.
    fn read(&self, of: Message) -> Rc<Headers> {
        let Ok(mut read) = self.read.try_borrow_mut() else { return self.host.headers(of) };
        let Some(read) = read.get_mut(index(of)) else { return self.host.headers(of) };
        if let Some(headers) = &read.headers {
            return Rc::clone(headers);
        }
        let headers = self.host.headers(of);
        // None at all means that they are out of reach, perhaps not for long.
        read.headers = Some(Rc::clone(&headers)).filter(|headers| !headers.is_empty());
        read.changed.clear();
        headers
    }

    fn is_changed(&self, of: Message, name: &str) -> bool {
        let Ok(read) = self.read.try_borrow() else { return true };
        read.get(index(of)).is_none_or(|read| read.changed.iter().any(|changed| changed == name))
    }

    fn change(&mut self, of: Message, name: &str) {
        if let Some(read) = self.read.get_mut().get_mut(index(of))
            && read.headers.is_some()
        {
            read.changed.push(name.to_owned());
        }
    }

    fn forget(&mut self, of: Message) {
        if let Some(read) = self.read.get_mut().get_mut(index(of)) {
            *read = Read::default();
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
        let headers = self.read(of);
        match self.is_changed(of, name) {
            false => headers.get(name).map(<[u8]>::to_vec),
            true => self.host.header(of, name),
        }
    }
    fn headers(&self, of: Message) -> Rc<Headers> {
        let is_as_read =
            self.read.try_borrow().is_ok_and(|read| read.get(index(of)).is_some_and(|read| read.changed.is_empty()));
        if is_as_read { self.read(of) } else { self.host.headers(of) }
    }
    fn set_headers(&mut self, of: Message, headers: &Headers) -> Result<(), HostError> {
        self.forget(of);
        self.host.set_headers(of, headers)
    }
    fn set_header(&mut self, of: Message, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.change(of, name);
        self.host.set_header(of, name, value)
    }
    fn remove_header(&mut self, of: Message, name: &str) {
        // Most that are to be removed are not there.
        let headers = self.read(of);
        if headers.is_empty() || self.is_changed(of, name) || headers.get(name).is_some() {
            self.change(of, name);
            self.host.remove_header(of, name);
        }
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
}
