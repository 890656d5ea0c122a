//! A host for tests: what a filter asked is recorded, what it reads is set by the test.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::{
    Base, CallId, Contexts, Headers, Host, HostError, HttpCall, Level, Message, Micros, Reply, RootHost, StreamHost,
    StreamId,
};

/// What all VMs of one proxy share. Clone it into several fakes to have several workers.
pub type SharedData = Rc<RefCell<HashMap<String, (Vec<u8>, u32)>>>;

/// A callout that a filter made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeCall {
    /// As returned to the filter.
    pub id: CallId,
    /// The cluster named.
    pub cluster: String,
    /// The method's name.
    pub method: String,
    /// The encoded message.
    pub message: Vec<u8>,
}

/// A question to an HTTP service that a filter asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeHttpCall {
    /// As returned to the filter.
    pub id: CallId,
    /// The cluster named.
    pub cluster: String,
    /// The host and path asked for.
    pub address: (String, String),
    /// The question.
    pub body: Vec<u8>,
    /// When it is given up, in milliseconds.
    pub timeout_ms: u64,
}

/// A header as tests write it.
pub type Header = (String, Vec<u8>);

/// A stream and its proxy in plain collections.
#[derive(Clone, Debug, Default)]
pub struct FakeHost {
    /// The stream that is being served.
    pub stream: StreamId,
    /// The time that [`Base::now`] tells.
    pub now: Micros,
    /// Request headers; response headers.
    pub headers: [Vec<Header>; 2],
    /// Held request body; held response body.
    pub bodies: [Vec<u8>; 2],
    /// Properties, the path joined by dots.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// Filter state. Clone it from one fake to the next to have several filters on one stream.
    pub filter_state: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    /// Data of all VMs.
    pub shared: SharedData,
    /// Callouts made, in order.
    pub calls: Vec<FakeCall>,
    /// Questions asked of HTTP services, in order.
    pub http_calls: Vec<FakeHttpCall>,
    /// Callouts so far: each has a number of its own.
    pub calls_made: u32,
    /// This is no stream: streams that are entered from here can make callouts.
    pub is_root: bool,
    /// A stream was entered from another one.
    pub cannot_call: bool,
    /// Whether callouts are refused.
    pub refuse_calls: bool,
    /// Log lines.
    pub logged: Vec<(Level, String)>,
    /// Counters.
    pub counters: BTreeMap<String, u64>,
    /// How often the route was to be chosen anew.
    pub route_cache_cleared: usize,
    /// Answers given in the provider's place, with their details.
    pub replies: Vec<(Reply, String)>,
    /// How often the request was let go.
    pub resumed: usize,
    /// How often the answer was let go.
    pub response_resumed: usize,
    /// How often the stream was broken off.
    pub resets: usize,
    /// How often the plugin wants to be called, in milliseconds.
    pub tick_ms: Option<u32>,
    /// gRPC streams that were opened, by method.
    pub opened: Vec<(CallId, String)>,
    /// Messages sent on gRPC streams.
    pub sent: Vec<(CallId, Vec<u8>)>,
    /// gRPC streams that were closed.
    pub cancelled: Vec<CallId>,
}

fn index(of: Message) -> usize {
    match of {
        Message::Request => 0,
        Message::Response => 1,
    }
}

impl FakeHost {
    /// With these request headers.
    pub fn with_request(headers: &[(&str, &str)]) -> Self {
        let mut host = Self::default();
        host.headers[0] = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        host
    }

    fn next_call(&mut self) -> Result<CallId, HostError> {
        if self.cannot_call {
            return Err(HostError::NotNow);
        }
        if self.refuse_calls {
            return Err(HostError::Refused);
        }
        self.calls_made += 1;
        Ok(self.calls_made)
    }

    /// Sets what is held of the body.
    pub fn hold(&mut self, of: Message, bytes: &[u8]) {
        self.bodies[index(of)] = bytes.to_vec();
    }
}

impl Base for FakeHost {
    fn now(&self) -> Micros {
        self.now
    }
    fn log(&mut self, level: Level, message: &str) {
        self.logged.push((level, message.into()));
    }
    fn count(&mut self, metric: &str, by: u64) {
        *self.counters.entry(metric.into()).or_default() += by;
    }
    fn shared(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.shared.borrow().get(key).cloned()
    }
    fn set_shared(&mut self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), HostError> {
        let mut shared = self.shared.borrow_mut();
        let current = shared.get(key).map_or(0, |(_, cas)| *cas);
        // As the proxy does it: a value that is not there yet is made whatever the number, and 0 means "in any case".
        if current != 0 && cas.is_some_and(|cas| cas != 0 && cas != current) {
            return Err(HostError::Conflict);
        }
        shared.insert(key.into(), (value.to_vec(), current + 1));
        Ok(())
    }
    fn call(&mut self, cluster: &str, method: &str, message: &[u8], _timeout_ms: u64) -> Result<CallId, HostError> {
        let id = self.next_call()?;
        self.calls.push(FakeCall { id, cluster: cluster.into(), method: method.into(), message: message.to_vec() });
        Ok(id)
    }
    fn http_call(&mut self, call: &HttpCall<'_>) -> Result<CallId, HostError> {
        let id = self.next_call()?;
        self.http_calls.push(FakeHttpCall {
            id,
            cluster: call.cluster.into(),
            address: (call.authority.into(), call.path.into()),
            body: call.body.to_vec(),
            timeout_ms: call.timeout_ms,
        });
        Ok(id)
    }
}

impl Host for FakeHost {
    fn stream(&self) -> StreamId {
        self.stream
    }
    fn header(&self, of: Message, name: &str) -> Option<Vec<u8>> {
        self.headers[index(of)].iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
    fn headers(&self, of: Message) -> Rc<Headers> {
        Rc::new(self.headers[index(of)].iter().map(|(name, value)| (name, value)).collect())
    }
    fn set_headers(&mut self, of: Message, headers: &Headers) -> Result<(), HostError> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        self.headers[index(of)] = headers.iter().map(|(name, value)| (text(name), value.to_vec())).collect();
        Ok(())
    }
    fn set_header(&mut self, of: Message, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.remove_header(of, name);
        self.headers[index(of)].push((name.into(), value.to_vec()));
        Ok(())
    }
    fn remove_header(&mut self, of: Message, name: &str) {
        self.headers[index(of)].retain(|(known, _)| known != name);
    }
    fn body(&self, of: Message, start: usize, length: usize) -> Result<Vec<u8>, HostError> {
        let body = &self.bodies[index(of)];
        let end = start.checked_add(length).ok_or(HostError::Refused)?;
        body.get(start..end).map(<[u8]>::to_vec).ok_or(HostError::Refused)
    }
    fn set_body(&mut self, of: Message, bytes: &[u8]) -> Result<(), HostError> {
        self.bodies[index(of)] = bytes.to_vec();
        Ok(())
    }
    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.properties.get(&path.join(".")).cloned()
    }
    fn set_filter_state(&mut self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.filter_state.borrow_mut().insert(name.into(), value.to_vec());
        Ok(())
    }
    fn filter_state(&self, name: &str) -> Option<Vec<u8>> {
        self.filter_state.borrow().get(name).cloned()
    }
    fn clear_route_cache(&mut self) {
        self.route_cache_cleared += 1;
    }
}

impl Contexts for FakeHost {
    fn in_stream(&mut self, stream: StreamId, act: &mut dyn FnMut(&mut dyn StreamHost)) -> Option<Vec<CallId>> {
        let own = std::mem::replace(&mut self.stream, stream);
        let could_not_call = std::mem::replace(&mut self.cannot_call, !self.is_root);
        let before = self.calls_made;
        act(self);
        self.stream = own;
        self.cannot_call = could_not_call;
        Some((before..self.calls_made).map(|number| number + 1).collect())
    }
}

impl StreamHost for FakeHost {
    fn reply(&mut self, reply: &Reply, details: &str) -> Result<(), HostError> {
        self.replies.push((reply.clone(), details.into()));
        Ok(())
    }
    fn resume_request(&mut self) -> Result<(), HostError> {
        self.resumed += 1;
        Ok(())
    }
    fn resume_response(&mut self) -> Result<(), HostError> {
        self.response_resumed += 1;
        Ok(())
    }
    fn reset(&mut self) -> Result<(), HostError> {
        self.resets += 1;
        Ok(())
    }
}

impl RootHost for FakeHost {
    fn node_property(&self, path: &[&str]) -> Option<String> {
        self.properties.get(&path.join(".")).and_then(|value| String::from_utf8(value.clone()).ok())
    }
    fn tick_every(&mut self, period_ms: u32) {
        self.tick_ms = Some(period_ms);
    }
    fn open_stream(&mut self, _cluster: &str, method: &str) -> Result<CallId, HostError> {
        if self.refuse_calls {
            return Err(HostError::Refused);
        }
        // Numbers of their own, so that none is a callout's.
        let id = u32::MAX - u32::try_from(self.opened.len()).unwrap_or_default();
        self.opened.push((id, method.into()));
        Ok(id)
    }
    fn send_on_stream(&mut self, stream: CallId, message: &[u8]) -> Result<(), HostError> {
        self.sent.push((stream, message.to_vec()));
        Ok(())
    }
    fn cancel_stream(&mut self, stream: CallId) {
        self.cancelled.push(stream);
    }
}

#[cfg(test)]
mod tests {
    use super::FakeHost;
    use crate::{Base, CAS_ABSENT, HostError};

    #[test]
    fn shared_values_are_compared_and_swapped_as_in_the_proxy() {
        let mut host = FakeHost::default();
        assert_eq!(host.shared("a"), None);
        assert_eq!(host.set_shared("a", b"1", Some(CAS_ABSENT)), Ok(()));
        assert_eq!(host.set_shared("a", b"2", Some(CAS_ABSENT)), Err(HostError::Conflict));
        let (value, cas) = host.shared("a").unwrap_or_default();
        assert_eq!(value, b"1");
        assert_eq!(host.set_shared("a", b"3", Some(cas)), Ok(()));
        assert_eq!(host.set_shared("a", b"4", Some(cas)), Err(HostError::Conflict));
        assert_eq!(host.set_shared("a", b"5", None), Ok(()));
        assert_eq!(host.shared("a").map(|(value, _)| value), Some(b"5".to_vec()));
    }
}
