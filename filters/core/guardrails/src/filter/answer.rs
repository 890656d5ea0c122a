use weir_config::Action;
use weir_host::{Flow, Host, Message, StreamFilter};
use weir_llm::error::ClientError;
use weir_llm::text;

use super::edit::Edits;
use super::events::EventEditor;
use super::notes::Notes;
use super::{Watch, edit, refusal};
use crate::scan::Direction;

/// Headers that describe a body which is replaced.
const OF_THE_BODY: [&str; 4] = ["content-encoding", "content-md5", "digest", "etag"];

/// One answer, in the client's schema.
#[derive(Debug)]
pub(super) struct AnswerStream {
    pub(super) notes: Notes,
    watch: Watch,
    pub(super) state: State,
}

/// How far the answer is.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing in it is to be read.
    Passing,
    /// Held until it is here whole.
    Gathering,
    /// A stream, edited event by event.
    Events(Box<EventEditor>),
}

impl StreamFilter for AnswerStream {
    fn on_response_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        self.notes.tell_findings(host);
        if end_of_stream { Flow::Continue } else { self.begin(host) }
    }

    fn on_response_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        match self.state {
            State::Gathering if !end_of_stream => Flow::Pause,
            State::Gathering => {
                self.state = State::Passing;
                self.edit(host, held)
            }
            State::Events(_) => self.edit_events(host, held, end_of_stream),
            State::Passing => Flow::Continue,
        }
    }
}

impl AnswerStream {
    pub(super) fn new(notes: Notes, watch: Watch) -> Self {
        Self { notes, watch, state: State::Passing }
    }

    /// Decides by its headers how an answer is read.
    fn begin(&mut self, host: &mut dyn Host) -> Flow {
        let status = host.header_text(Message::Response, ":status").unwrap_or_default();
        // Errors are not what a model says.
        if !status.starts_with('2') {
            return Flow::Continue;
        }
        let schema = self.watch.operation.schema();
        let encoding = host.header_text(Message::Response, "content-encoding").unwrap_or_default();
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            return self.notes.refuse(&refusal::response_not_inspectable("it is compressed"), schema);
        }
        let content_type = host.header_text(Message::Response, "content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            self.state = State::Gathering;
            return Flow::Pause;
        }
        if media_type.eq_ignore_ascii_case("text/event-stream") {
            host.remove_header(Message::Response, "content-length");
            self.state = State::Events(Box::new(EventEditor::new(self.watch.profile.clone(), schema)));
            return Flow::Continue;
        }
        self.notes.refuse(&refusal::response_not_inspectable("it is neither JSON nor an event stream"), schema)
    }

    /// Reads and edits an answer that is held whole, its headers too.
    fn edit(&mut self, host: &mut dyn Host, held: usize) -> Flow {
        let schema = self.watch.operation.schema();
        let Ok(body) = host.body(Message::Response, 0, held) else {
            return self.notes.refuse(&refusal::response_not_inspectable("it could not be read"), schema);
        };
        let Ok(body_texts) = text::response_texts(schema, self.watch.operation, &body) else {
            // A reply, which ends the request: the provider has answered and will bill it, so the next one is not asked.
            return self.notes.refuse(&refusal::response_not_inspectable("it is no valid answer"), schema);
        };
        let Edits { findings, texts: edits } = edit::of_body(&self.watch.profile, Direction::Output, &body_texts.texts);
        if findings.is_empty() {
            return Flow::Continue;
        }
        self.notes.record(&findings);
        self.notes.tell_findings(host);
        if findings.iter().any(|finding| finding.action == Action::Block) {
            return self.replace(host, &refusal::blocked("The answer", &findings));
        }
        if edits.is_empty() {
            return Flow::Continue;
        }
        self.set(host, &text::edited(&body, &edits, &body_texts.spellings))
    }

    /// Puts an error in the place of an answer whose headers are held.
    fn replace(&mut self, host: &mut dyn Host, error: &ClientError) -> Flow {
        self.notes.refusal(error);
        let set = host
            .set_header(Message::Response, ":status", error.status.to_string().as_bytes())
            .and_then(|()| host.set_header(Message::Response, "content-type", b"application/json"));
        if set.is_err() {
            return Flow::Reply(refusal::reply(error, self.watch.operation.schema()));
        }
        self.set(host, &error.body(self.watch.operation.schema()))
    }

    fn set(&mut self, host: &mut dyn Host, body: &[u8]) -> Flow {
        for name in OF_THE_BODY {
            host.remove_header(Message::Response, name);
        }
        let set = host
            .set_header(Message::Response, "content-length", body.len().to_string().as_bytes())
            .and_then(|()| host.set_body(Message::Response, body));
        if set.is_err() {
            let error = refusal::response_not_inspectable("it cannot be replaced");
            return self.notes.refuse(&error, self.watch.operation.schema());
        }
        Flow::Continue
    }
}
