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
    /// Bytes of the body that was put in place last.
    pub(super) length: Option<usize>,
}

/// How an answer is written whose text can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Events,
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
        Self { known: known.clone(), schema, check: Check::new(known, watch), state: State::Passing, length: None }
    }

    /// Decides by its headers how an answer is read.
    fn begin(&mut self, host: &mut dyn Host) -> Flow {
        match media_of(host) {
            Ok(Some(Media::Json)) => {
                self.state = State::Gathering;
                Flow::Pause
            }
            Ok(Some(Media::Events)) => {
                host.remove_header(Message::Response, "content-length");
                self.state = State::Streaming;
                Flow::Continue
            }
            Ok(None) => Flow::Continue,
            Err(error) => self.known.refuse_answer(&error, self.schema),
        }
    }

    /// An answer that is held whole, its headers too.
    fn whole(&mut self, host: &mut dyn Host, held: usize) -> Flow {
        let Ok(body) = host.body(Message::Response, 0, held) else { return self.refuse("it could not be read") };
        match self.check.whole(&body) {
            Checked::Passes => Flow::Continue,
            Checked::Edited(body) => {
                self.length = Some(body.len());
                set(&self.known, host, &body, self.schema)
            }
            Checked::Refused(error) => replace(&self.known, host, &error, self.schema),
            Checked::Unreadable(error) => Flow::Reply(refusal::reply_to_answer(&error, self.schema)),
        }
    }

    fn piece(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        let Ok(piece) = host.body(Message::Response, 0, held) else { return self.refuse("it could not be read") };
        let edited = self.check.piece(&piece, end_of_stream);
        self.length = Some(edited.len());
        if !equal_bytes(&edited, &piece) && host.set_body(Message::Response, &edited).is_err() {
            return self.refuse("it cannot be replaced");
        }
        Flow::Continue
    }

    fn refuse(&self, why: &str) -> Flow {
        self.known.refuse_answer(&refusal::response_not_inspectable(why), self.schema)
    }
}

/// How the answer whose headers are here is written; `None`: it is an error, and not what a model says. Fails on what cannot be read.
pub(super) fn media_of(host: &mut dyn Host) -> Result<Option<Media>, ClientError> {
    let status = host.header_text(Message::Response, ":status").unwrap_or_default();
    if !status.starts_with('2') {
        return Ok(None);
    }
    let encoding = host.header_text(Message::Response, "content-encoding").unwrap_or_default();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        return Err(refusal::response_not_inspectable("it is compressed"));
    }
    let content_type = host.header_text(Message::Response, "content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Ok(Some(Media::Json))
    } else if media_type.eq_ignore_ascii_case("text/event-stream") {
        Ok(Some(Media::Events))
    } else {
        Err(refusal::response_not_inspectable("it is neither JSON nor an event stream"))
    }
}

/// Puts an error in the place of an answer whose headers are held.
pub(super) fn replace(known: &Known, host: &mut dyn Host, error: &ClientError, schema: Schema) -> Flow {
    let set_headers = host
        .set_header(Message::Response, ":status", error.status.to_string().as_bytes())
        .and_then(|()| host.set_header(Message::Response, "content-type", b"application/json"))
        .and_then(|()| host.set_header(Message::Response, refusal::SHOULD_RETRY, refusal::NO.as_bytes()));
    if set_headers.is_err() {
        return Flow::Reply(refusal::reply_to_answer(error, schema));
    }
    set(known, host, &error.body(schema), schema)
}

fn set(known: &Known, host: &mut dyn Host, body: &[u8], schema: Schema) -> Flow {
    for name in OF_THE_BODY {
        host.remove_header(Message::Response, name);
    }
    let set = host
        .set_header(Message::Response, "content-length", body.len().to_string().as_bytes())
        .and_then(|()| host.set_body(Message::Response, body));
    match set {
        Ok(()) => Flow::Continue,
        Err(_) => known.refuse_answer(&refusal::response_not_inspectable("it cannot be replaced"), schema),
    }
}
