use std::rc::Rc;

use weir_config::{MeteringConfig, UsageSink};
use weir_exchange::{AnswerHeaders, Exchange, FINDINGS_HEADER, Party, Shared, Step, Verdict};
use weir_host::{Flow, Host, Level, Message, Micros, Reply, StreamFilter};
use weir_llm::error::ClientError;
use weir_llm::{Operation, Schema};

use crate::log_line::log_line;
use crate::record::record;
use crate::{Ending, Outbox};

/// Requests refused because too many records wait for delivery.
const REFUSED: &str = "weir_metering_refused";
/// Requests without a record, because nobody knows who sent them.
const UNAUTHENTICATED: &str = "weir_requests_unauthenticated";

/// `response.code_details` of an answer that a provider gave and nobody broke off.
const FROM_UPSTREAM: &str = "via_upstream";

/// `weir.metering` with one configuration.
#[derive(Debug)]
pub struct MeteringPlugin {
    pub(crate) config: Rc<MeteringConfig>,
}

impl MeteringPlugin {
    /// From a configuration that was checked.
    pub fn new(config: MeteringConfig) -> Self {
        Self { config: Rc::new(config) }
    }

    /// How often records are delivered, in milliseconds.
    pub fn flush_ms(&self) -> u64 {
        self.config.flush_ms
    }

    /// Its part in one stream. `outbox` is the VM's.
    pub fn stream(&self, shared: Shared, outbox: Rc<Outbox>) -> MeteringStream {
        MeteringStream {
            config: Rc::clone(&self.config),
            shared: shared.held_by(Party::Gateway(Step::Metering)),
            outbox,
            first_byte: None,
            status: None,
            passed_whole: false,
            refused: false,
            logged: false,
        }
    }
}

/// Records one request.
#[derive(Debug)]
pub struct MeteringStream {
    config: Rc<MeteringConfig>,
    shared: Shared,
    outbox: Rc<Outbox>,
    /// When the first byte of a provider's good answer passed here.
    first_byte: Option<Micros>,
    /// Of the answer, once its headers passed here.
    status: Option<u16>,
    /// The end of the answer passed here: all of it was handed to the client's connection.
    passed_whole: bool,
    refused: bool,
    logged: bool,
}

impl StreamFilter for MeteringStream {
    fn on_request_headers(&mut self, host: &mut dyn Host, _end_of_stream: bool) -> Flow {
        if !self.outbox.is_full(&self.config) {
            return Flow::Continue;
        }
        self.refused = true;
        host.count(REFUSED, 1);
        let path = host.header_text(Message::Request, ":path").unwrap_or_default();
        let schema = Schema::of_path(&path, &|name| host.header(Message::Request, name).is_some());
        let message = "Usage cannot be recorded at the moment. Try again.";
        let error = ClientError::new(503, "metering_unavailable", message);
        Flow::Reply(self.shared.refuse_for(schema, &error, 1))
    }

    fn on_request_body(&mut self, _host: &mut dyn Host, _held: usize, _end_of_stream: bool) -> Flow {
        if self.refused { Flow::Pause } else { Flow::Continue }
    }

    fn on_response_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        if self.shared.read(Exchange::has_passed_on) == Some(true) {
            self.status = Some(200);
            return Flow::Continue;
        }
        let status = host.header_text(Message::Response, ":status").and_then(|status| status.parse().ok()).unwrap_or(0);
        self.status = Some(status);
        let now = host.now();
        let headers = self.shared.read(|exchange| exchange.answer_headers(now)).unwrap_or_default();
        if end_of_stream && status >= 400 {
            return Flow::Reply(self.fill_in(status, &headers));
        }
        // Another may have written it in Weir's place.
        host.remove_header(Message::Response, FINDINGS_HEADER);
        for (name, value) in headers.iter() {
            if host.set_header(Message::Response, name, value.as_bytes()).is_err() {
                host.log(Level::Warn, &format!("weir.metering: the response header {name} could not be set"));
            }
        }
        Flow::Continue
    }

    fn on_response_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        self.passed_whole |= end_of_stream;
        if held > 0 && self.first_byte.is_none() {
            self.first_byte = Some(host.now());
        }
        Flow::Continue
    }

    fn on_log(&mut self, host: &mut dyn Host) {
        if self.logged {
            return;
        }
        self.logged = true;
        let ending = self.ending(host);
        let now = host.now();
        let record =
            self.shared.read(|exchange| record(exchange, &ending, self.first_content(exchange, ending.status), now));
        match (record, &self.config.sink) {
            (Some(Some(record)), UsageSink::ControlPlane(_)) => self.outbox.push(host, &self.config, record),
            (Some(Some(record)), UsageSink::Log) => {
                host.log(Level::Info, &format!("weir.usage {}", log_line(&record)));
            }
            (Some(None), _) => host.count(UNAUTHENTICATED, 1),
            (None, _) => host.log(Level::Error, "weir.metering: a stream's state was in use when it ended"),
        }
    }
}

impl MeteringStream {
    /// How the stream ended. Properties are dear: those that cannot say more than what passed here are not asked for.
    fn ending(&self, host: &dyn Host) -> Ending {
        if let Some(status @ 200..300) = self.status
            && self.passed_whole
            && self.shared.read(|exchange| exchange.is_complete() && exchange.verdict.is_none()) == Some(true)
        {
            return Ending { status, details: FROM_UPSTREAM.into(), flags: 0 };
        }
        let details = host.property_text(&["response", "code_details"]).unwrap_or_default();
        let status = host.property_number(&["response", "code"]).and_then(|status| u16::try_from(status).ok());
        let flags = host.property_number(&["response", "flags"]).unwrap_or_default();
        Ending { status: status.unwrap_or_default(), details, flags }
    }

    /// The last provider of a pool failed without a word, and `weir.provider` cannot put a body where there is none: the
    /// client gets the error here.
    fn fill_in(&self, status: u16, headers: &AnswerHeaders) -> Reply {
        let (verdict, schema) = self
            .shared
            .read(|exchange| (exchange.verdict, exchange.request().operation.map(Operation::schema)))
            .unwrap_or_default();
        let code = verdict.map_or("upstream_unavailable", |Verdict { code, .. }| code);
        let error = ClientError::new(status, code, "The provider failed without saying why.");
        let mut reply = self.shared.clone().held_by(Party::Provider).refuse(schema.unwrap_or_default(), &error);
        reply.headers.extend(headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        reply
    }

    /// When content first went to the client. Without a word from `weir.provider` the first byte of a good answer stands
    /// for it, but not that of a stream without text, whose first events carry none. An error has no content, whatever was meant to
    /// go in its place.
    fn first_content(&self, exchange: &Exchange, status: u16) -> Option<Micros> {
        if !(200..300).contains(&status) {
            return None;
        }
        let attempt = exchange.attempt()?;
        let good = (200..300).contains(&attempt.status);
        let has_content = good && (!exchange.body().asks_for_stream() || attempt.usage.output_characters > 0);
        attempt.first_content.or(self.first_byte.filter(|_| has_content))
    }
}
