//! The proxy filter: which profile holds for a stream, and what of it has to be read.

mod answer;
mod deltas;
mod events;
mod path;
mod refusal;
mod request;
mod shape;
mod template;

use std::rc::Rc;

use weir_exchange::Shared;
use weir_host::{Flow, Host, Level, Message, StreamFilter};
use weir_llm::error::ClientError;
use weir_llm::{Operation, Schema};

use crate::ProfileCache;
use crate::scan::{Direction, Finding, Profile};
use events::EventEditor;

/// Response header that tells what was found, for example `CREDIT_CARD:redact=1`. A stream's headers leave before its text is
/// read: there it tells about the request alone.
pub const FINDINGS_HEADER: &str = "x-weir-guardrails";

/// The guardrails' part in one stream.
#[derive(Debug)]
pub struct GuardrailsStream {
    shared: Option<Shared>,
    cache: Rc<ProfileCache>,
    /// What holds for this stream; `None` if nothing does.
    watch: Option<Watch>,
    request: Request,
    response: Response,
}

/// What is watched.
#[derive(Clone, Debug)]
struct Watch {
    profile: Profile,
    operation: Operation,
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

/// How far the response is.
#[derive(Debug)]
enum Response {
    /// Nothing in it is to be read.
    Passing,
    /// Held until it is here whole.
    Gathering,
    /// A stream, edited event by event.
    Events(Box<EventEditor>),
}

impl GuardrailsStream {
    pub(crate) fn new(shared: Option<Shared>, cache: Rc<ProfileCache>) -> Self {
        Self { shared, cache, watch: None, request: Request::Decided, response: Response::Passing }
    }

    /// Finds out what holds for the stream; `None`: nothing does.
    fn watch(&self, host: &mut dyn Host) -> Result<Option<Watch>, (ClientError, Schema)> {
        let asked = self.operation(host);
        let schema = match &asked {
            Ok(operation) => operation.schema(),
            Err(schema) => *schema,
        };
        let principal = self.shared.as_ref().and_then(|shared| shared.read(|exchange| exchange.principal.clone()));
        let Some(principal) = principal.flatten() else {
            return Err((refusal::unavailable("nobody said who is calling, so no guardrail profile is known"), schema));
        };
        let Some(named) = &principal.guardrail_profile else { return Ok(None) };
        let profile = self.cache.ready(named).map_err(|error| {
            host.log(Level::Error, &format!("weir.guardrails: profile {:?} cannot be used: {error}", named.id));
            (refusal::unavailable("the caller's guardrail profile cannot be used"), schema)
        })?;
        match asked {
            Ok(operation) if operation.has_body() => Ok(Some(Watch { profile, operation })),
            Ok(_) => Ok(None),
            Err(_) => Err((refusal::request_not_inspectable(), schema)),
        }
    }

    /// What the client asks for, or at least the schema it speaks.
    fn operation(&self, host: &dyn Host) -> Result<Operation, Schema> {
        let known = self.shared.as_ref().and_then(|shared| shared.read(|exchange| exchange.operation)).flatten();
        if let Some(known) = known {
            return Ok(known);
        }
        let method = host.header_text(Message::Request, ":method").unwrap_or_default();
        let path = host.header_text(Message::Request, ":path").unwrap_or_default();
        let anthropic = host.header(Message::Request, "anthropic-version").is_some();
        Operation::of(&method, &path, anthropic).map_err(|_| Schema::of_path(&path, anthropic))
    }

    fn record(&self, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        if let Some(shared) = &self.shared {
            shared.write(|exchange| {
                for finding in findings {
                    exchange.add_finding(finding.finding.name(), finding.action.name());
                }
            });
        }
    }

    fn refuse(&mut self, error: &ClientError, schema: Schema) -> Flow {
        self.note_refusal(error);
        Flow::Reply(refusal::reply(error, schema))
    }

    fn note_refusal(&self, error: &ClientError) {
        if let Some(shared) = &self.shared {
            shared.write(|exchange| exchange.refusal = Some(error.code));
        }
    }

    /// Tells the client what was found so far; what a provider says under that name is removed.
    fn tell_findings(&self, host: &mut dyn Host) {
        let told = self.shared.as_ref().and_then(|shared| {
            shared.read(|exchange| {
                let told: Vec<_> = exchange
                    .findings
                    .iter()
                    .map(|(finding, action, count)| format!("{finding}:{action}={count}"))
                    .collect();
                told.join(", ")
            })
        });
        // A response whose headers are out of reach cannot be told anything more.
        let _ = match told.filter(|told| !told.is_empty()) {
            Some(told) => host.set_header(Message::Response, FINDINGS_HEADER, told.as_bytes()),
            None => {
                host.remove_header(Message::Response, FINDINGS_HEADER);
                Ok(())
            }
        };
    }
}

impl StreamFilter for GuardrailsStream {
    fn on_request_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        let watch = match self.watch(host) {
            Ok(Some(watch)) => watch,
            Ok(None) => return Flow::Continue,
            Err((error, schema)) => return self.refuse(&error, schema),
        };
        self.watch = Some(watch.clone());
        if !watch.profile.watches(Direction::Input) || end_of_stream {
            return Flow::Continue;
        }
        let body = self.shared.as_ref().and_then(|shared| shared.read(|exchange| exchange.body.clone())).flatten();
        match body {
            Some(body) => self.decide_request(host, &watch, &body),
            None => {
                self.request = Request::Gathering;
                Flow::Pause
            }
        }
    }

    fn on_request_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
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
                return self.refuse(&refusal::unavailable("its body could not be read"), watch.operation.schema());
            };
            if let Flow::Reply(reply) = self.decide_request(host, &watch, &body) {
                return Flow::Reply(reply);
            }
        }
        self.replace_request(host)
    }

    fn on_response_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        self.tell_findings(host);
        let Some(watch) = self.watch.clone() else { return Flow::Continue };
        // An embedding's answer has no text.
        if end_of_stream || !watch.profile.watches(Direction::Output) || watch.operation == Operation::Embeddings {
            return Flow::Continue;
        }
        self.begin_response(host, watch)
    }

    fn on_response_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        match (&self.response, &self.watch) {
            (Response::Gathering, Some(_)) if !end_of_stream => Flow::Pause,
            (Response::Gathering, Some(watch)) => {
                let watch = watch.clone();
                self.response = Response::Passing;
                self.edit_answer(host, &watch, held)
            }
            (Response::Events(_), _) => self.edit_events(host, held, end_of_stream),
            _ => Flow::Continue,
        }
    }
}
