use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use weir_config::names::DATAPLANE_SERVICE;
use weir_host::{
    Base, CallId, Contexts, Headers, Host, HostError, HttpCall, Level, Message, Micros, Reply, RootHost, StreamHost,
    StreamId,
};

use crate::sys::{self, Buffer, Map, Stream};

/// The proxy, as the context that is active now sees it.
#[derive(Default)]
pub(crate) struct Proxy {
    /// Which context that is.
    pub(crate) context: u32,
    /// That context is none of a stream's.
    is_root: bool,
    /// The context that Envoy called, where this one was entered from it.
    entered_from: Option<Caller>,
}

/// The SDK hands what answers a callout to the context that Envoy called when it was made.
struct Caller {
    context: u32,
    is_root: bool,
    /// The callouts made in its name.
    calls: Vec<CallId>,
}

impl Proxy {
    /// As this context sees it.
    pub(crate) fn of(context: u32) -> Self {
        Self { context, ..Self::default() }
    }

    /// Outside of streams.
    pub(crate) fn of_root(context: u32) -> Self {
        Self { context, is_root: true, ..Self::default() }
    }

    /// Makes a callout in the name of the context that Envoy called: to Envoy it ends with that one.
    fn calling(&mut self, call: impl FnOnce() -> Result<CallId, HostError>) -> Result<CallId, HostError> {
        let Some(caller) = &mut self.entered_from else { return call() };
        if !caller.is_root {
            return Err(HostError::NotNow);
        }
        sys::enter(caller.context)?;
        let called = call();
        sys::enter(self.context)?;
        let id = called?;
        caller.calls.push(id);
        Ok(id)
    }
}

thread_local! {
    static COUNTERS: RefCell<HashMap<String, u32>> = RefCell::new(HashMap::new());
}

fn map(of: Message) -> Map {
    match of {
        Message::Request => Map::Request,
        Message::Response => Map::Response,
    }
}

fn buffer(of: Message) -> Buffer {
    match of {
        Message::Request => Buffer::RequestBody,
        Message::Response => Buffer::ResponseBody,
    }
}

impl Base for Proxy {
    fn now(&self) -> Micros {
        sys::now_ns() / 1000
    }
    fn log(&mut self, level: Level, message: &str) {
        let number = match level {
            Level::Debug => 1,
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        sys::log(number, message);
    }
    fn count(&mut self, metric: &str, by: u64) {
        let known = COUNTERS.try_with(|counters| {
            let mut counters = counters.try_borrow_mut().ok()?;
            if let Some(id) = counters.get(metric) {
                return Some(*id);
            }
            let id = sys::define_counter(metric)?;
            counters.insert(metric.to_owned(), id);
            Some(id)
        });
        if let Ok(Some(id)) = known {
            sys::increment(id, by);
        }
    }
    fn shared(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        sys::shared(key)
    }
    fn set_shared(&mut self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), HostError> {
        sys::set_shared(key, value, cas.unwrap_or(0))
    }
    fn call(&mut self, cluster: &str, method: &str, message: &[u8], timeout_ms: u64) -> Result<CallId, HostError> {
        let timeout = Duration::from_millis(timeout_ms);
        self.calling(|| {
            hostcalls::dispatch_grpc_call(cluster, DATAPLANE_SERVICE, method, Vec::new(), Some(message), timeout)
                .map_err(|_| HostError::Refused)
        })
    }
    fn http_call(&mut self, call: &HttpCall<'_>) -> Result<CallId, HostError> {
        let HttpCall { cluster, authority, path, body, timeout_ms } = *call;
        let headers = vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", authority),
            (":path", path),
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        let timeout = Duration::from_millis(timeout_ms);
        self.calling(|| {
            hostcalls::dispatch_http_call(cluster, headers, Some(body), Vec::new(), timeout)
                .map_err(|_| HostError::Refused)
        })
    }
}

impl Contexts for Proxy {
    fn in_stream(&mut self, stream: StreamId, act: &mut dyn FnMut(&mut dyn StreamHost)) -> Option<Vec<CallId>> {
        sys::enter(stream).ok()?;
        let caller = Caller { context: self.context, is_root: self.is_root, calls: Vec::new() };
        let mut entered = Self { entered_from: Some(caller), ..Self::of(stream) };
        act(&mut entered);
        if sys::enter(self.context).is_err() {
            self.log(Level::Error, "weir: Envoy refused to go back to the context that it called");
        }
        Some(entered.entered_from.map(|caller| caller.calls).unwrap_or_default())
    }
}

impl Host for Proxy {
    fn stream(&self) -> StreamId {
        self.context
    }
    fn header(&self, of: Message, name: &str) -> Option<Vec<u8>> {
        sys::header(map(of), name)
    }
    fn headers(&self, of: Message) -> Rc<Headers> {
        Rc::new(sys::headers(map(of)))
    }
    fn set_headers(&mut self, of: Message, headers: &Headers) -> Result<(), HostError> {
        sys::set_headers(map(of), headers)
    }
    fn set_header(&mut self, of: Message, name: &str, value: &[u8]) -> Result<(), HostError> {
        sys::set_header(map(of), name, value)
    }
    fn remove_header(&mut self, of: Message, name: &str) {
        sys::remove_header(map(of), name);
    }
    fn body(&self, of: Message, start: usize, length: usize) -> Result<Vec<u8>, HostError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        sys::buffer(buffer(of), start, length).filter(|bytes| bytes.len() == length).ok_or(HostError::Refused)
    }
    fn set_body(&mut self, of: Message, bytes: &[u8]) -> Result<(), HostError> {
        sys::replace_buffer(buffer(of), bytes)
    }
    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        sys::property(path)
    }
    fn set_filter_state(&mut self, name: &str, value: &[u8]) -> Result<(), HostError> {
        sys::set_property(name, value)
    }
    fn filter_state(&self, name: &str) -> Option<Vec<u8>> {
        sys::property(&[name])
    }
    fn clear_route_cache(&mut self) {
        if sys::call_foreign_function("clear_route_cache").is_none() {
            self.log(Level::Error, "weir: Envoy refused to choose the route anew");
        }
    }
}

impl StreamHost for Proxy {
    fn reply(&mut self, reply: &Reply, details: &str) -> Result<(), HostError> {
        sys::reply(reply.status, details, &reply.headers, &reply.body)
    }
    fn resume_request(&mut self) -> Result<(), HostError> {
        sys::resume(Stream::Request)
    }
    fn resume_response(&mut self) -> Result<(), HostError> {
        sys::resume(Stream::Response)
    }
    fn reset(&mut self) -> Result<(), HostError> {
        sys::reset(Stream::Response)
    }
}

impl RootHost for Proxy {
    fn node_property(&self, path: &[&str]) -> Option<String> {
        // Outside of streams Envoy knows them by these longer names only.
        let path = [&["xds"], path].concat();
        sys::property(&path).and_then(|value| String::from_utf8(value).ok())
    }
    fn tick_every(&mut self, period_ms: u32) {
        sys::set_tick_period_ms(period_ms);
    }
    fn open_stream(&mut self, cluster: &str, method: &str) -> Result<CallId, HostError> {
        hostcalls::open_grpc_stream(cluster, DATAPLANE_SERVICE, method, Vec::new()).map_err(|_| HostError::Refused)
    }
    fn send_on_stream(&mut self, stream: CallId, message: &[u8]) -> Result<(), HostError> {
        hostcalls::send_grpc_stream_message(stream, Some(message), false).map_err(|_| HostError::Refused)
    }
    fn cancel_stream(&mut self, stream: CallId) {
        // One that is gone already cannot be cancelled, and need not be.
        let _ = hostcalls::cancel_grpc_stream(stream);
    }
}
