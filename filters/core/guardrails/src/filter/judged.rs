//! What waits for judges: a request, in the listener, and an answer there too. An answer is never held for them in an attempt, where
//! the time for a first byte would go on and another provider be asked.

use std::collections::{BTreeMap, HashSet};

use weir_exchange::Party;
use weir_host::{CallId, Flow, Host, HttpAnswer, HttpError, Message, StreamFilter};
use weir_llm::error::ResponseError;
use weir_llm::sse::Framer;
use weir_llm::text::{self, Role, StreamEvent};
use weir_llm::{Schema, steps};

use super::answer::{Media, media_of, replace};
use super::judging::{Judged, Judging, has_judges};
use super::{GuardrailsStream, Request, Watch, refusal};
use crate::scan::Direction;

/// How much of an answer is held for judges, in bytes. A stream spells a text with fifty times its bytes.
const MOST_HELD_BYTES: usize = 16 * 1024 * 1024;

/// How far an answer is that judges have to see.
#[derive(Debug, Default)]
pub(super) enum HeldAnswer {
    /// There is none, or it was judged.
    #[default]
    None,
    /// Held until it is here whole.
    Gathering(Media),
    /// Held until the judges have answered.
    Judging(Judging),
    /// An error stands in its place: what still comes of it is dropped.
    Refused,
}

impl GuardrailsStream {
    /// Asks the judges about the texts of a request, as it would go on.
    pub(super) fn judge_request(&mut self, host: &mut dyn Host, watch: &Watch, body: &[u8]) -> Flow {
        let Some(profile) = watch.judged.as_ref().filter(|profile| has_judges(profile, Direction::Input)) else {
            return Flow::Continue;
        };
        let Ok(body_texts) = text::request_texts(watch.operation, body) else {
            let error = refusal::unavailable("its text could not be read");
            return self.known.refuse(&error, watch.operation.schema());
        };
        let texts: Vec<_> = body_texts.texts.into_iter().map(|text| text.value).collect();
        let judged = Judging::begin(host, &self.known, &self.callouts, profile, Direction::Input, &texts);
        self.take_request(watch, judged)
    }

    fn take_request(&mut self, watch: &Watch, judged: Judged) -> Flow {
        match judged {
            Judged::Waits(judging) => {
                self.judging = Some(judging);
                Flow::Pause
            }
            Judged::Passes => Flow::Continue,
            Judged::Refused(error) => self.known.refuse(&error, watch.operation.schema()),
        }
    }

    /// More of what was asked about the request is known.
    fn go_on_with_request(&mut self, host: &mut dyn Host, judged: Judged) -> Flow {
        let Some(watch) = self.watch.clone() else { return Flow::Pause };
        match self.take_request(&watch, judged) {
            Flow::Continue if self.request_is_whole => self.replace_request(host),
            // It is replaced when it is here whole.
            Flow::Continue if matches!(self.request, Request::Replacing(_)) => Flow::Pause,
            other => other,
        }
    }

    /// Holds an answer that judges have to see, unless `flow` ends it here.
    pub(super) fn hold_answer(&mut self, host: &mut dyn Host, end_of_stream: bool, flow: Flow) -> Flow {
        let Some(watch) = self.watch.as_ref().filter(|watch| watch.judges_answer() && !end_of_stream) else {
            return flow;
        };
        if matches!(flow, Flow::Reply(_)) {
            return flow;
        }
        match media_of(host) {
            Ok(Some(media)) => {
                self.held = HeldAnswer::Gathering(media);
                Flow::Pause
            }
            // Errors are not what a model says.
            Ok(None) => flow,
            Err(error) => self.known.refuse_answer(&error, watch.operation.schema()),
        }
    }

    /// A piece of an answer that judges have to see is here.
    pub(super) fn judge_answer(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        let HeldAnswer::Gathering(media) = self.held else { return Flow::Pause };
        let Some(watch) = self.watch.clone() else { return Flow::Continue };
        let Some(profile) = &watch.judged else { return Flow::Continue };
        if held > MOST_HELD_BYTES {
            let judged = match self.answer {
                // Its rules cannot be kept either, whatever may be where a judge is silent.
                Some(_) => Judged::Refused(refusal::response_not_inspectable("it is too long")),
                None => Judging::without_texts(host, &self.known, profile, Direction::Output),
            };
            return self.take_answer(host, &watch, judged);
        }
        if !end_of_stream {
            return Flow::Pause;
        }
        self.held = HeldAnswer::None;
        let mut length = held;
        // An answer that was not read where it arrived.
        if let Some(mut answer) = self.answer.take() {
            match answer.on_response_body(host, held, true) {
                Flow::Continue => length = answer.length.unwrap_or(held),
                other => return other,
            }
            if self.known.read(|exchange| exchange.verdict.is_some_and(|it| it.by == Party::Guardrail)) == Some(true) {
                return Flow::Continue;
            }
        }
        let schema = watch.operation.schema();
        let Ok(body) = host.body(Message::Response, 0, length) else {
            return self.known.refuse_answer(&refusal::response_not_inspectable("it could not be read"), schema);
        };
        let texts = match media {
            Media::Json => text::response_texts(schema, watch.operation, &body)
                .map(|texts| texts.texts.into_iter().map(|text| text.value).collect()),
            Media::Events => texts_of_stream(schema, &body),
        };
        let judged = match texts {
            Ok(texts) => Judging::begin(host, &self.known, &self.callouts, profile, Direction::Output, &texts),
            Err(_) => Judged::Refused(refusal::response_not_inspectable("it is no valid answer")),
        };
        self.take_answer(host, &watch, judged)
    }

    fn take_answer(&mut self, host: &mut dyn Host, watch: &Watch, judged: Judged) -> Flow {
        self.held = HeldAnswer::None;
        match judged {
            Judged::Waits(judging) => {
                self.held = HeldAnswer::Judging(judging);
                Flow::Pause
            }
            Judged::Passes => {
                // What was found since belongs into the headers, too.
                self.known.tell_anew();
                Flow::Continue
            }
            Judged::Refused(error) => {
                self.held = HeldAnswer::Refused;
                self.known.decide(&error);
                replace(&self.known, host, &error, watch.operation.schema())
            }
        }
    }

    /// A piece is here of an answer in whose place the client gets an error.
    pub(super) fn drop_piece(&self, host: &mut dyn Host, held: usize) -> Flow {
        if held == 0 || host.set_body(Message::Response, &[]).is_ok() {
            return Flow::Continue;
        }
        let schema = self.watch.as_ref().map(|watch| watch.operation.schema()).unwrap_or_default();
        self.known.refuse_answer(&refusal::response_not_inspectable("it cannot be replaced"), schema)
    }

    /// A judge answered, or will not.
    pub(super) fn judge_answered(
        &mut self,
        host: &mut dyn Host,
        call: CallId,
        answer: Result<&HttpAnswer, HttpError>,
    ) -> Flow {
        if let Some(judging) = self.judging.take() {
            let judged = judging.answered(host, call, answer);
            return self.go_on_with_request(host, judged);
        }
        match (std::mem::take(&mut self.held), self.watch.clone()) {
            (HeldAnswer::Judging(judging), Some(watch)) => {
                let judged = judging.answered(host, call, answer);
                self.take_answer(host, &watch, judged)
            }
            (held, _) => {
                self.held = held;
                Flow::Pause
            }
        }
    }

    /// Judges can be asked that could not be before.
    pub(super) fn ask_again(&mut self, host: &mut dyn Host) -> Flow {
        let Some(judging) = self.judging.take() else { return Flow::Pause };
        let judged = judging.ask(host);
        self.go_on_with_request(host, judged)
    }
}

/// The texts of a stream that is here whole, each put together of its pieces, in the order in which they began.
fn texts_of_stream(schema: Schema, body: &[u8]) -> Result<Vec<String>, ResponseError> {
    let mut texts: Vec<String> = Vec::new();
    let mut places = BTreeMap::new();
    let mut copies = Vec::new();
    let mut unreadable = None;
    let mut framer = Framer::default();
    let mut each = |event: weir_llm::sse::Event<'_>| {
        if event.data.is_empty() || unreadable.is_some() {
            return;
        }
        match StreamEvent::read(schema, event.data) {
            Ok(read) => {
                for text in read.texts {
                    steps::count(text.text.value.len());
                    match text.role {
                        Role::Piece => {
                            let next = texts.len();
                            let place = *places.entry((text.part, text.channel)).or_insert(next);
                            match texts.get_mut(place) {
                                Some(known) => known.push_str(&text.text.value),
                                None => texts.push(text.text.value),
                            }
                        }
                        Role::Whole | Role::Closed => texts.push(text.text.value),
                        Role::Copy => copies.push(text.text.value),
                    }
                }
            }
            Err(error) => unreadable = Some(error),
        }
    };
    let framed = framer.push(body, &mut each).and_then(|()| framer.finish(&mut each));
    match (unreadable, framed) {
        (Some(error), _) => Err(error),
        (None, Err(_)) => Err(ResponseError::new("an event is too long".to_owned())),
        (None, Ok(())) => {
            // Most copies say what came in pieces before, and none has to.
            let known: HashSet<&String> = texts.iter().collect();
            copies.retain(|copy| !known.contains(copy));
            texts.extend(copies);
            Ok(texts)
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_llm::Schema;

    use super::texts_of_stream;

    #[track_caller]
    fn check(schema: &str, events: &[&str], expect: Option<&[&str]>) {
        let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let texts = texts_of_stream(Schema::named(schema).unwrap(), body.as_bytes()).ok();
        let expect = expect.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(texts, expect);
    }

    #[test]
    fn a_judge_sees_each_text_of_a_stream_once_and_whole() {
        let delta =
            |choice: u8, text: &str| format!(r#"{{"choices":[{{"index":{choice},"delta":{{"content":"{text}"}}}}]}}"#);
        let events = [delta(0, "Hel"), delta(1, "other"), delta(0, "lo"), "[DONE]".to_owned()];
        check("openai", &events.each_ref().map(String::as_str), Some(&["Hello", "other"]));
        check("openai", &["{"], None);

        let piece = r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Hello"}"#;
        let end = |text: &str| {
            let content = format!(r#"[{{"type":"output_text","text":"{text}"}}]"#);
            format!(
                r#"{{"type":"response.completed","response":{{"output":[{{"type":"message","content":{content}}}]}}}}"#
            )
        };
        check("openai_responses", &[piece, &end("Hello")], Some(&["Hello"]));
        // What is said to be a copy, and is none.
        check("openai_responses", &[piece, &end("other")], Some(&["Hello", "other"]));
        check("openai_responses", &[&end("other")], Some(&["other"]));
    }
}
