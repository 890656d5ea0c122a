use weir_exchange::{AnswerCheck, Checked};
use weir_host::{Flow, Host, Message, StreamFilter};
use weir_llm::error::ClientError;
use weir_llm::{Schema, equal_bytes};

use super::check::Check;
use super::known::Known;
use super::{Watch, refusal};

/// Headers that describe a body which is replaced.
const OF_THE_BODY: [&str; 4] = ["content-encoding", "content-md5", "digest", "etag"];

/// One answer that nobody has checked where it arrived.
#[derive(Debug)]
pub(super) struct AnswerStream {
    known: Known,
    schema: Schema,
    check: Check,
    state: State,
}

/// How far the answer is.
#[derive(Debug)]
enum State {
    /// Nothing in it is to be read.
    Passing,
    /// Held until it is here whole.
    Gathering,
    /// A stream, edited event by event.
    Streaming,
}

impl StreamFilter for AnswerStream {
    fn on_response_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        if end_of_stream { Flow::Continue } else { self.begin(host) }
    }

    fn on_response_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        match self.state {
            State::Gathering if !end_of_stream => Flow::Pause,
            State::Gathering => {
                self.state = State::Passing;
                self.whole(host, held)
            }
            State::Streaming => self.piece(host, held, end_of_stream),
            State::Passing => Flow::Continue,
        }
    }
}

impl AnswerStream {
    pub(super) fn new(known: Known, watch: Watch) -> Self {
        let schema = watch.operation.schema();
        Self { known: known.clone(), schema, check: Check::new(known, watch), state: State::Passing }
    }

    /// Decides by its headers how an answer is read.
    fn begin(&mut self, host: &mut dyn Host) -> Flow {
        let status = host.header_text(Message::Response, ":status").unwrap_or_default();
        // Errors are not what a model says.
        if !status.starts_with('2') {
            return Flow::Continue;
        }
        let encoding = host.header_text(Message::Response, "content-encoding").unwrap_or_default();
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            return self.refuse("it is compressed");
        }
        let content_type = host.header_text(Message::Response, "content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            self.state = State::Gathering;
            return Flow::Pause;
        }
        if media_type.eq_ignore_ascii_case("text/event-stream") {
            host.remove_header(Message::Response, "content-length");
            self.state = State::Streaming;
            return Flow::Continue;
        }
        self.refuse("it is neither JSON nor an event stream")
    }

    /// An answer that is held whole, its headers too.
    fn whole(&mut self, host: &mut dyn Host, held: usize) -> Flow {
        let Ok(body) = host.body(Message::Response, 0, held) else { return self.refuse("it could not be read") };
        match self.check.whole(&body) {
            Checked::Passes => Flow::Continue,
            Checked::Edited(body) => self.set(host, &body),
            Checked::Refused(error) => self.replace(host, &error),
            Checked::Unreadable(error) => Flow::Reply(refusal::reply(&error, self.schema)),
        }
    }

    fn piece(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        let Ok(piece) = host.body(Message::Response, 0, held) else { return self.refuse("it could not be read") };
        let edited = self.check.piece(&piece, end_of_stream);
        if !equal_bytes(&edited, &piece) && host.set_body(Message::Response, &edited).is_err() {
            return self.refuse("it cannot be replaced");
        }
        Flow::Continue
    }

    fn refuse(&self, why: &str) -> Flow {
        self.known.refuse(&refusal::response_not_inspectable(why), self.schema)
    }

    /// Puts an error in the place of an answer whose headers are held.
    fn replace(&mut self, host: &mut dyn Host, error: &ClientError) -> Flow {
        let set = host
            .set_header(Message::Response, ":status", error.status.to_string().as_bytes())
            .and_then(|()| host.set_header(Message::Response, "content-type", b"application/json"));
        if set.is_err() {
            return Flow::Reply(refusal::reply(error, self.schema));
        }
        self.set(host, &error.body(self.schema))
    }

    fn set(&mut self, host: &mut dyn Host, body: &[u8]) -> Flow {
        for name in OF_THE_BODY {
            host.remove_header(Message::Response, name);
        }
        let set = host
            .set_header(Message::Response, "content-length", body.len().to_string().as_bytes())
            .and_then(|()| host.set_body(Message::Response, body));
        match set {
            Ok(()) => Flow::Continue,
            Err(_) => self.refuse("it cannot be replaced"),
        }
    }
}
