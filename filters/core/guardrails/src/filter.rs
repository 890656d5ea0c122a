//! The proxy filter: which profile holds for a stream, and what of it has to be read.
//!
//! The request is read in the listener. The answer is read where it arrives, by the [`AnswerFilter`] that the listener's filter
//! leaves in the exchange; only if nobody took that up is it read in the listener too.

mod answer;
mod check;
mod deltas;
mod edit;
mod events;
mod judged;
mod judging;
mod known;
mod refusal;
mod request;
mod waiting;

use std::rc::Rc;

use weir_exchange::{AnswerCheck, AnswerFilter, Exchange, FindingKey, NamedProfile, Shared};
use weir_host::{CallId, Callouts, Flow, Host, HttpAnswer, HttpError, Level, Message, Micros, StreamFilter};
use weir_llm::error::ClientError;
use weir_llm::{Operation, Schema};

use crate::ProfileCache;
use crate::scan::{Direction, Profile};
use answer::AnswerStream;
use check::Check;
use judged::HeldAnswer;
use judging::{Judging, has_judges};
use known::Known;

/// The guardrails' part in one stream.
#[derive(Debug)]
pub struct GuardrailsStream {
    known: Known,
    cache: Rc<ProfileCache>,
    callouts: Callouts,
    /// What holds for this stream; `None` if nothing does.
    watch: Option<Watch>,
    request: Request,
    /// The request's end is here.
    request_is_whole: bool,
    /// Judges who have not answered about the request.
    judging: Option<Judging>,
    /// The answer, if it comes unwatched.
    answer: Option<AnswerStream>,
    /// The answer, if judges have to see it.
    held: HeldAnswer,
}

/// What is watched.
#[derive(Clone, Debug)]
struct Watch {
    profile: Profile,
    operation: Operation,
    /// The profile again, if it has judges.
    judged: Option<Rc<NamedProfile>>,
}

/// How far the request is.
#[derive(Debug)]
enum Request {
    /// Decided: it passes as it is, or was refused.
    Decided,
    /// Held until it is here whole.
    Gathering,
    /// Held until it is here whole, to be replaced by this.
    Replacing(Rc<Vec<u8>>),
}

impl GuardrailsStream {
    pub(crate) fn new(shared: Option<Shared>, cache: Rc<ProfileCache>, callouts: Callouts) -> Self {
        Self {
            known: Known(shared),
            cache,
            callouts,
            watch: None,
            request: Request::Decided,
            request_is_whole: false,
            judging: None,
            answer: None,
            held: HeldAnswer::None,
        }
    }

    /// Finds out what holds for the stream; `None`: nothing does.
    fn watch(&self, host: &mut dyn Host) -> Result<Option<Watch>, (ClientError, Schema)> {
        let asked = self.operation(host);
        let schema = match &asked {
            Ok(operation) => operation.schema(),
            Err(schema) => *schema,
        };
        let principal = self.known.read(|exchange| exchange.request().principal.clone());
        let Some(principal) = principal.flatten() else {
            return Err((refusal::unavailable("nobody said who is calling, so no guardrail profile is known"), schema));
        };
        let Some(named) = &principal.guardrail_profile else { return Ok(None) };
        let profile = self.cache.ready(named).map_err(|error| {
            host.log(Level::Error, &format!("weir.guardrails: profile {:?} cannot be used: {error}", named.id));
            (refusal::unavailable("the caller's guardrail profile cannot be used"), schema)
        })?;
        let profile = profile.with_key(principal.finding_key(host.now()).cloned());
        let request_key = self.known.read(request_key).flatten().filter(|_| profile.gives_pseudonyms());
        let profile = profile.with_request_key(request_key);
        match asked {
            Ok(operation) if operation.has_body() => {
                let judged = Some(named).filter(|named| !named.profile.judges.is_empty()).map(Rc::clone);
                Ok(Some(Watch { profile, operation, judged }))
            }
            Ok(_) => Ok(None),
            Err(_) => Err((refusal::request_not_inspectable(), schema)),
        }
    }

    /// What the client asks for, or at least the schema it speaks.
    fn operation(&self, host: &dyn Host) -> Result<Operation, Schema> {
        let known = self.known.read(|exchange| exchange.request().operation).flatten();
        if let Some(known) = known {
            return Ok(known);
        }
        let method = host.header_text(Message::Request, ":method").unwrap_or_default();
        let path = host.header_text(Message::Request, ":path").unwrap_or_default();
        let has_header = |name: &str| host.header(Message::Request, name).is_some();
        Operation::of(&method, &path, &has_header).map_err(|_| Schema::of_path(&path, &has_header))
    }

    /// Has the answer watched where it arrives.
    fn offer(&self, watch: &Watch) {
        if watch.watches_answer() {
            self.known.prepare(|request| request.answer_filters.push(Rc::new(watch.clone())));
        }
    }
}

impl Watch {
    fn watches_answer(&self) -> bool {
        // The answer to anything else has no text.
        (self.profile.watches(Direction::Output) || self.profile.originals().is_some())
            && self.operation.kind().has_output()
    }

    fn judges_answer(&self) -> bool {
        self.judged.as_ref().is_some_and(|profile| has_judges(profile, Direction::Output))
            && self.operation.kind().has_output()
    }

    fn reads_request(&self) -> bool {
        self.profile.watches(Direction::Input)
            || self.judged.as_ref().is_some_and(|profile| has_judges(profile, Direction::Input))
    }
}

impl AnswerFilter for Watch {
    fn check(&self, shared: Shared) -> Box<dyn AnswerCheck> {
        Box::new(Check::new(Known(Some(shared)), self.clone()))
    }
}

impl StreamFilter for GuardrailsStream {
    fn on_request_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        let watch = match self.watch(host) {
            Ok(Some(watch)) => watch,
            Ok(None) => return Flow::Continue,
            Err((error, schema)) => return self.known.refuse(&error, schema),
        };
        self.watch = Some(watch.clone());
        if !watch.reads_request() || end_of_stream {
            self.offer(&watch);
            return Flow::Continue;
        }
        let body = self.known.read(|exchange| exchange.request().body.bytes.clone()).flatten();
        match body {
            Some(body) => self.decide_request(host, &watch, &body),
            None => {
                self.request = Request::Gathering;
                Flow::Pause
            }
        }
    }

    fn on_request_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        self.request_is_whole |= end_of_stream;
        if self.judging.is_some() {
            return Flow::Pause;
        }
        if matches!(self.request, Request::Decided) {
            return Flow::Continue;
        }
        if !end_of_stream {
            return Flow::Pause;
        }
        if matches!(self.request, Request::Gathering)
            && let Some(watch) = self.watch.clone()
        {
            let Ok(body) = host.body(Message::Request, 0, held) else {
                return self
                    .known
                    .refuse(&refusal::unavailable("its body could not be read"), watch.operation.schema());
            };
            if let Flow::Reply(reply) = self.decide_request(host, &watch, &body) {
                return Flow::Reply(reply);
            }
            if self.judging.is_some() {
                return Flow::Pause;
            }
        }
        self.replace_request(host)
    }

    fn on_http_answer(&mut self, host: &mut dyn Host, call: CallId, answer: Result<&HttpAnswer, HttpError>) -> Flow {
        self.judge_answered(host, call, answer)
    }

    fn on_wake(&mut self, host: &mut dyn Host) -> Flow {
        self.ask_again(host)
    }

    fn on_response_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        let flow = self.begin_answer(host, end_of_stream);
        self.hold_answer(host, end_of_stream, flow)
    }

    fn on_response_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        match (&self.held, &mut self.answer) {
            (HeldAnswer::Gathering(_) | HeldAnswer::Judging(_), _) => self.judge_answer(host, held, end_of_stream),
            (HeldAnswer::Refused, _) => self.drop_piece(host, held),
            (HeldAnswer::None, Some(answer)) => answer.on_response_body(host, held, end_of_stream),
            (HeldAnswer::None, None) => Flow::Continue,
        }
    }
}

impl GuardrailsStream {
    /// Has an answer read here that was not where it arrived.
    fn begin_answer(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        if self.known.read(was_checked) == Some(true) {
            return Flow::Continue;
        }
        match self.watch.as_ref().filter(|watch| watch.watches_answer()) {
            Some(watch) => {
                let answer = AnswerStream::new(self.known.clone(), watch.clone());
                self.answer.insert(answer).on_response_headers(host, end_of_stream)
            }
            None => Flow::Continue,
        }
    }
}

/// Under which pseudonyms are made where the tenant has no key. Nobody but the client is told the request's id, and that in the answer.
fn request_key(exchange: &Exchange) -> Option<FindingKey> {
    let id = exchange.request().id.as_bytes();
    FindingKey::new(0, &[id.as_slice(), id.as_slice()].concat(), 0, Micros::MAX)
}

/// Whether a provider's answer was looked at where it arrived. Envoy's own errors never arrive there.
fn was_checked(exchange: &Exchange) -> bool {
    exchange.attempt().is_some_and(|attempt| attempt.is_checked && attempt.status != 0)
}
