use std::mem::take;

use weir_gateway::{Action, Stream};
use weir_host::fake::FakeHost;
use weir_host::{CallError, CallId, HttpAnswer, HttpError, Message, Reply};

/// One filter on a stream's way, and what Envoy holds of the stream's messages until it lets them go.
///
/// The host has the headers of both messages; a filter sees a body only while it is called, as Envoy shows it: all that was held
/// together with the new piece, or the new piece alone.
#[derive(Debug)]
pub struct Hop {
    filter: Stream,
    held: [Held; 2],
    /// The answer's headers are here: what a callout lets go is the answer.
    response_begun: bool,
    /// The most that is held of a body, in bytes.
    pub limit: usize,
}

#[derive(Debug, Default)]
struct Held {
    /// The headers wait here.
    headers: bool,
    /// The message ends with what is held.
    end: bool,
    bytes: Vec<u8>,
}

/// What came of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The filter holds the message.
    Nothing,
    /// This goes on.
    On {
        /// The headers are among it.
        headers: bool,
        /// Bytes of the body.
        body: Vec<u8>,
        /// The message ends with it.
        end: bool,
    },
    /// The filter answers in the provider's place, with these details for the access log.
    Reply(Reply, String),
    /// The filter broke the stream off.
    Reset,
    /// More was to be held than may be: Envoy refuses it.
    TooLarge,
}

fn index(of: Message) -> usize {
    match of {
        Message::Request => 0,
        Message::Response => 1,
    }
}

impl Hop {
    /// A filter, with buffers of 64 MiB.
    pub fn new(filter: impl Into<Stream>) -> Self {
        Self { filter: filter.into(), held: Default::default(), response_begun: false, limit: 64 << 20 }
    }

    /// A message begins; its headers are in the host.
    pub fn headers(&mut self, host: &mut FakeHost, of: Message, end: bool) -> Passed {
        self.held[index(of)] = Held { headers: true, end, bytes: Vec::new() };
        let action = match of {
            Message::Request => self.filter.on_request_headers(host, end),
            Message::Response => {
                self.response_begun = true;
                self.filter.on_response_headers(host, end)
            }
        };
        self.after(host, of, action)
    }

    /// A piece of the message's body is here.
    pub fn piece(&mut self, host: &mut FakeHost, of: Message, piece: &[u8], end: bool) -> Passed {
        let held = &mut self.held[index(of)];
        held.bytes.extend_from_slice(piece);
        held.end = end;
        let length = held.bytes.len();
        host.bodies[index(of)] = take(&mut held.bytes);
        let action = match of {
            Message::Request => self.filter.on_request_body(host, length, end),
            Message::Response => self.filter.on_response_body(host, length, end),
        };
        self.take_back(host, of);
        self.after(host, of, action)
    }

    /// The message ends with trailers.
    pub fn trailers(&mut self, host: &mut FakeHost, of: Message) -> Passed {
        let held = &mut self.held[index(of)];
        held.end = true;
        host.bodies[index(of)] = take(&mut held.bytes);
        let action = match of {
            Message::Request => self.filter.on_request_trailers(host),
            Message::Response => self.filter.on_response_trailers(host),
        };
        self.take_back(host, of);
        self.after(host, of, action)
    }

    /// A callout of the filter's to the control plane is answered: what of the message that is on its way goes on then.
    pub fn call(&mut self, host: &mut FakeHost, call: CallId, answer: Result<&[u8], CallError>) -> Passed {
        self.answered(host, |filter, host| filter.on_call(host, call, answer))
    }

    /// The same for one to an HTTP service.
    pub fn http_answer(&mut self, host: &mut FakeHost, call: CallId, answer: Result<&HttpAnswer, HttpError>) -> Passed {
        self.answered(host, |filter, host| filter.on_http_answer(host, call, answer))
    }

    /// What the filter holds the request for may have come.
    pub fn wake(&mut self, host: &mut FakeHost) -> Passed {
        self.answered(host, |filter, host| filter.on_wake(host))
    }

    fn answered(&mut self, host: &mut FakeHost, tell: impl FnOnce(&mut Stream, &mut FakeHost)) -> Passed {
        let of = if self.response_begun { Message::Response } else { Message::Request };
        host.bodies[index(of)] = take(&mut self.held[index(of)].bytes);
        tell(&mut self.filter, host);
        self.take_back(host, of);
        let resumed = match of {
            Message::Request => &mut host.resumed,
            Message::Response => &mut host.response_resumed,
        };
        let action = if take(resumed) > 0 { Action::Continue } else { Action::Pause };
        self.after(host, of, action)
    }

    /// The stream is over.
    pub fn log(&mut self, host: &mut FakeHost) {
        self.filter.on_log(host);
    }

    /// A filter may have replaced the body while it was called; outside of callbacks there is none to see.
    fn take_back(&mut self, host: &mut FakeHost, of: Message) {
        self.held[index(of)].bytes = take(&mut host.bodies[index(of)]);
    }

    fn after(&mut self, host: &mut FakeHost, of: Message, action: Action) -> Passed {
        if let Some((reply, details)) = host.replies.pop() {
            return Passed::Reply(reply, details);
        }
        if take(&mut host.resets) > 0 {
            return Passed::Reset;
        }
        let held = &mut self.held[index(of)];
        match action {
            Action::Continue => {
                Passed::On { headers: take(&mut held.headers), body: take(&mut held.bytes), end: held.end }
            }
            Action::Pause if held.bytes.len() > self.limit => Passed::TooLarge,
            Action::Pause => Passed::Nothing,
        }
    }
}
