//! The seam between a filter's logic and the proxy it runs in.
//!
//! [`Host`] is what a stream filter may ask of its proxy, [`RootHost`] what a plugin may ask outside of any stream, and
//! [`StreamFilter`] is what the shell drives. Nothing here knows proxy-wasm: the shell implements the traits with its host
//! calls, [`fake`] with plain collections for tests. A host call that fails is a value ([`HostError`] or `None`), never a panic.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable
    )
)]

mod callout;
#[expect(clippy::indexing_slicing, reason = "used by tests only")]
pub mod fake;
mod filter;
mod headers;
mod reply;

pub use callout::{CalloutError, Callouts, HttpAnswer, HttpCall, HttpError, MOST_HTTP_ANSWER_BYTES, OpenCallout};
pub use filter::{Flow, StreamFilter};
pub use headers::{HeaderSpan, Headers};
pub use reply::Reply;

use std::rc::Rc;

/// Microseconds since the Unix epoch.
pub type Micros = u64;

/// Which of a stream's two messages a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// What the client sent.
    Request,
    /// What the client will get.
    Response,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For developers.
    Debug,
    /// Worth knowing in operation.
    Info,
    /// Something is off, and was handled.
    Warn,
    /// Something failed that an operator must look at.
    Error,
}

/// A compare-and-swap number that no shared value has in practice: the proxy counts up from 1 with every write.
pub const CAS_ABSENT: u32 = u32::MAX;

/// A callout's identity within one VM.
pub type CallId = u32;

/// A stream's identity within one VM, for as long as it lasts.
pub type StreamId = u32;

/// The host refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The value was changed by somebody else since it was read.
    #[error("the shared value was changed in between")]
    Conflict,
    /// No callout can be made from here, since its answer would go to another stream. The filter is woken where one can.
    #[error("no callout can be made from here")]
    NotNow,
    /// Anything else, for example a header map that is gone by now.
    #[error("the host refused the call")]
    Refused,
}

/// Why a callout brought no answer. The numbers are gRPC status codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the control plane did not answer: gRPC status {status}")]
pub struct CallError {
    /// gRPC status code, never 0.
    pub status: u32,
}

/// What may be asked within and outside of streams.
pub trait Base {
    /// Time of day.
    fn now(&self) -> Micros;
    /// Writes to the proxy's log. Never a prompt, a key or personal data.
    fn log(&mut self, level: Level, message: &str);
    /// Adds to a counter, made on first use.
    fn count(&mut self, metric: &str, by: u64);
    /// Reads what all VMs of this proxy share, with its compare-and-swap number. `None`: there is no value.
    fn shared(&self, key: &str) -> Option<(Vec<u8>, u32)>;
    /// Writes it if nobody did since `cas` was read; `None` as `cas` writes in any case. A value that is not there is made
    /// whatever `cas` is: [`CAS_ABSENT`] thus makes it only if nobody else did.
    fn set_shared(&mut self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), HostError>;
    /// Sends a unary gRPC call of `weir.dataplane.v1.DataPlane` to `cluster`; the answer comes to the caller's `on_call`.
    fn call(&mut self, cluster: &str, method: &str, message: &[u8], timeout_ms: u64) -> Result<CallId, HostError>;
    /// Asks an HTTP service; the answer comes to the caller's `on_http_answer`. Filters ask by [`Callouts`], which bounds how many
    /// are open.
    fn http_call(&mut self, call: &HttpCall<'_>) -> Result<CallId, HostError>;
}

/// What a stream filter may ask.
pub trait Host: Base {
    /// The stream that is being served.
    fn stream(&self) -> StreamId;
    /// The first value of a header; `None` also if the header map is out of reach in this phase.
    fn header(&self, of: Message, name: &str) -> Option<Vec<u8>>;
    /// All headers, in order; empty if out of reach.
    fn headers(&self, of: Message) -> Rc<Headers>;
    /// Replaces all headers.
    fn set_headers(&mut self, of: Message, headers: &Headers) -> Result<(), HostError>;
    /// Overwrites one header with one value.
    fn set_header(&mut self, of: Message, name: &str, value: &[u8]) -> Result<(), HostError>;
    /// Removes a header, whether there or not.
    fn remove_header(&mut self, of: Message, name: &str);
    /// Bytes `start..start + length` of what the proxy holds of the body now: all of them, or an error.
    fn body(&self, of: Message, start: usize, length: usize) -> Result<Vec<u8>, HostError>;
    /// Puts `bytes` in place of everything that the proxy holds of the body now.
    fn set_body(&mut self, of: Message, bytes: &[u8]) -> Result<(), HostError>;
    /// A property of the stream, as raw bytes; `None` if it has none such.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;
    /// Sets filter state. One-part names cross between downstream and upstream filters.
    fn set_filter_state(&mut self, name: &str, value: &[u8]) -> Result<(), HostError>;
    /// Reads filter state.
    fn filter_state(&self, name: &str) -> Option<Vec<u8>>;
    /// Makes the proxy choose the route anew.
    fn clear_route_cache(&mut self);

    /// [`Host::header`] as text; `None` also if it is not UTF-8.
    fn header_text(&self, of: Message, name: &str) -> Option<String> {
        self.header(of, name).and_then(|value| String::from_utf8(value).ok())
    }
    /// [`Host::property`] as text.
    fn property_text(&self, path: &[&str]) -> Option<String> {
        self.property(path).and_then(|value| String::from_utf8(value).ok())
    }
    /// [`Host::property`] as a little-endian number of up to eight bytes, as proxy-wasm gives integers.
    fn property_number(&self, path: &[&str]) -> Option<u64> {
        let bytes = self.property(path)?;
        (bytes.len() <= 8).then(|| bytes.iter().rev().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)))
    }
}

/// What lets the assembly serve a stream while the proxy calls for another, or for none.
pub trait Contexts: Base {
    /// Has `act` serve a stream of this worker that waits, and tells which callouts it made. `None`: the proxy does not have the
    /// stream any more.
    ///
    /// What answers a callout is told to the context that the proxy called. Outside of streams that is the plugin, which hands it
    /// on; from within another stream, which may end before, `act` can make none ([`HostError::NotNow`]).
    fn in_stream(&mut self, stream: StreamId, act: &mut dyn FnMut(&mut dyn StreamHost)) -> Option<Vec<CallId>>;
}

/// What the assembly of a stream's filters may ask beside: it alone ends streams and lets them go.
pub trait StreamHost: Host + Contexts {
    /// Answers the client in the provider's place. `details` tell who did, in the proxy's access log.
    fn reply(&mut self, reply: &Reply, details: &str) -> Result<(), HostError>;
    /// Lets a request go that a callback held.
    fn resume_request(&mut self) -> Result<(), HostError>;
    /// Lets an answer go that a callback held.
    fn resume_response(&mut self) -> Result<(), HostError>;
    /// Breaks the stream off, so that its client cannot take what it got for the whole.
    fn reset(&mut self) -> Result<(), HostError>;
}

/// What a plugin may ask outside of streams, when it is configured and on its tick.
pub trait RootHost: Contexts {
    /// A property of the proxy, for example `["node", "id"]`, as text.
    fn node_property(&self, path: &[&str]) -> Option<String>;
    /// Has the plugin called each time that so many milliseconds have passed.
    fn tick_every(&mut self, period_ms: u32);
    /// Opens a gRPC stream of `weir.dataplane.v1.DataPlane` to `cluster`.
    fn open_stream(&mut self, cluster: &str, method: &str) -> Result<CallId, HostError>;
    /// Sends a message on it.
    fn send_on_stream(&mut self, stream: CallId, message: &[u8]) -> Result<(), HostError>;
    /// Closes it. Nobody is told that it is closed.
    fn cancel_stream(&mut self, stream: CallId);
}
