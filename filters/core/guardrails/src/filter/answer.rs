use weir_config::Action;
use weir_host::{Flow, Host, Message};
use weir_llm::error::ClientError;
use weir_llm::text;

use super::events::EventEditor;
use super::{GuardrailsStream, Response, Watch, refusal, shape};
use crate::scan::Direction;

/// Headers that describe a body which is replaced.
const OF_THE_BODY: [&str; 4] = ["content-encoding", "content-md5", "digest", "etag"];

impl GuardrailsStream {
    /// Decides by its headers how an answer is read.
    pub(super) fn begin_response(&mut self, host: &mut dyn Host, watch: Watch) -> Flow {
        let status = host.header_text(Message::Response, ":status").unwrap_or_default();
        // Errors are not what a model says.
        if !status.starts_with('2') {
            return Flow::Continue;
        }
        let schema = watch.operation.schema();
        let encoding = host.header_text(Message::Response, "content-encoding").unwrap_or_default();
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            return self.refuse(&refusal::response_not_inspectable("it is compressed"), schema);
        }
        let content_type = host.header_text(Message::Response, "content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            self.response = Response::Gathering;
            return Flow::Pause;
        }
        if media_type.eq_ignore_ascii_case("text/event-stream") {
            host.remove_header(Message::Response, "content-length");
            self.response = Response::Events(Box::new(EventEditor::new(watch.profile, schema)));
            return Flow::Continue;
        }
        self.refuse(&refusal::response_not_inspectable("it is neither JSON nor an event stream"), schema)
    }

    /// Reads and edits an answer that is held whole, its headers too.
    pub(super) fn edit_answer(&mut self, host: &mut dyn Host, watch: &Watch, held: usize) -> Flow {
        let schema = watch.operation.schema();
        let Ok(body) = host.body(Message::Response, 0, held) else {
            return self.refuse(&refusal::response_not_inspectable("it could not be read"), schema);
        };
        let texts = text::response_texts(schema, watch.operation, &body);
        let Some(texts) = texts.ok().filter(|_| shape::is_answer(schema, &body)) else {
            return self.replace_answer(host, watch, &refusal::response_not_inspectable("it is no valid answer"));
        };
        let (mut findings, mut edits) = (Vec::new(), Vec::new());
        for text in texts {
            let verdict = watch.profile.apply(Direction::Output, &text.value);
            if verdict.action >= Action::Redact {
                edits.push((text.span, verdict.text.into_owned()));
            }
            findings.extend(verdict.findings);
        }
        if findings.is_empty() {
            return Flow::Continue;
        }
        self.record(&findings);
        self.tell_findings(host);
        if findings.iter().any(|finding| finding.action == Action::Block) {
            return self.replace_answer(host, watch, &refusal::blocked("The answer", &findings));
        }
        if edits.is_empty() {
            return Flow::Continue;
        }
        self.set_answer(host, watch, &shape::without_probabilities(text::with_texts(&body, &edits)))
    }

    /// Puts an error in the place of an answer whose headers are held.
    fn replace_answer(&mut self, host: &mut dyn Host, watch: &Watch, error: &ClientError) -> Flow {
        self.note_refusal(error);
        let set = host
            .set_header(Message::Response, ":status", error.status.to_string().as_bytes())
            .and_then(|()| host.set_header(Message::Response, "content-type", b"application/json"));
        if set.is_err() {
            return Flow::Reply(refusal::reply(error, watch.operation.schema()));
        }
        self.set_answer(host, watch, &error.body(watch.operation.schema()))
    }

    fn set_answer(&mut self, host: &mut dyn Host, watch: &Watch, body: &[u8]) -> Flow {
        for name in OF_THE_BODY {
            host.remove_header(Message::Response, name);
        }
        let set = host
            .set_header(Message::Response, "content-length", body.len().to_string().as_bytes())
            .and_then(|()| host.set_body(Message::Response, body));
        if set.is_err() {
            let error = refusal::response_not_inspectable("it cannot be replaced");
            return self.refuse(&error, watch.operation.schema());
        }
        Flow::Continue
    }
}
