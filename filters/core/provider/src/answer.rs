use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;
use weir_config::names::RETRIED_BELOW_500;
use weir_exchange::{Exchange, Shared};
use weir_host::{Flow, Headers, Host, HostError, Message, Reply};
use weir_llm::error::{ClientError, ProviderError, read_provider_error};
use weir_llm::stream::{Progress, StreamOptions, StreamTranslator};
use weir_llm::{Operation, Schema, chat, same, text, usage_of_value};

use crate::credential::Credential;
use crate::headers::{downstream, tell};
use crate::refusal::{invalid_response, reply, unavailable};

/// How much of an error's body is read.
const ERROR_LIMIT_BYTES: usize = 1024 * 1024;
/// The longest answer that is held whole. Envoy's own buffer limits must be larger for it to be reached.
const WHOLE_LIMIT_BYTES: usize = 32 * 1024 * 1024;
/// How much of a stream is held before its first content.
const OPENING_LIMIT_BYTES: usize = 1024 * 1024;

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

/// What was asked, as far as the answer depends on it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) operation: Operation,
    pub(crate) client: Schema,
    pub(crate) provider: Schema,
    /// As the client named it.
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// The id of a stream that is translated.
    pub(crate) id: String,
    /// What the provider was shown.
    pub(crate) credential: Option<Credential>,
}

/// One provider's answer on its way to the client.
#[derive(Debug)]
pub(crate) struct Answer {
    asked: Asked,
    headers: Rc<Headers>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Until the provider's headers are here.
    Waiting,
    /// The provider said that it failed; its words are collected.
    Failed { status: u16 },
    /// It cannot be an answer, whatever follows; the client's error is written with the first piece of the body.
    Unusable(ClientError),
    /// A whole answer is collected.
    Whole,
    /// A stream whose headers are held until its first content. `read` bytes of what the proxy holds were translated.
    Opening { translator: Box<StreamTranslator>, read: usize, out: Vec<u8> },
    /// A stream that the client gets.
    Streaming { translator: Box<StreamTranslator> },
    /// The client has its error; what the provider still sends is dropped.
    Discarding,
}

impl Answer {
    pub(crate) fn new(asked: Asked) -> Self {
        Self { asked, headers: Rc::default(), state: State::Waiting }
    }

    pub(crate) fn on_headers(&mut self, host: &mut dyn Host, exchange: Option<&Shared>, end_of_stream: bool) -> Flow {
        self.headers = host.headers(Message::Response);
        let status = self.header(":status").parse().unwrap_or(0);
        note(exchange, |exchange| {
            if let Some(attempt) = exchange.attempts.last_mut() {
                attempt.status = status;
            }
        });
        self.state = self.expect(host, status);
        if end_of_stream {
            return self.without_body(host, exchange);
        }
        Flow::Pause
    }

    pub(crate) fn on_body(
        &mut self,
        host: &mut dyn Host,
        exchange: Option<&Shared>,
        held: usize,
        end_of_stream: bool,
    ) -> Flow {
        match std::mem::replace(&mut self.state, State::Discarding) {
            State::Waiting | State::Discarding => {
                if held == 0 {
                    return Flow::Continue;
                }
                self.flow_after(host.set_body(Message::Response, &[]))
            }
            State::Unusable(error) => self.fail(host, exchange, &error),
            State::Failed { status } => {
                if !end_of_stream && held < ERROR_LIMIT_BYTES {
                    self.state = State::Failed { status };
                    return Flow::Pause;
                }
                // Without its words it is still a failure.
                let mut body = host.body(Message::Response, 0, held.min(ERROR_LIMIT_BYTES)).unwrap_or_default();
                // Before its words are shortened, so that no part of a quoted credential is left.
                self.redact(&mut body);
                self.fail_as_provider(host, exchange, &read_provider_error(self.asked.provider, status, &body))
            }
            State::Whole => {
                if held > WHOLE_LIMIT_BYTES {
                    let error = invalid_response("The provider's answer is too long.");
                    return self.fail(host, exchange, &error);
                }
                if !end_of_stream {
                    self.state = State::Whole;
                    return Flow::Pause;
                }
                match host.body(Message::Response, 0, held) {
                    Ok(body) => self.whole(host, exchange, &body),
                    Err(error) => self.flow_after(Err(error)),
                }
            }
            State::Opening { translator, read, out } => {
                match host.body(Message::Response, read, held.saturating_sub(read)) {
                    Ok(new) => self.open(host, exchange, Opening { translator, out, new, held, end_of_stream }),
                    Err(error) => self.flow_after(Err(error)),
                }
            }
            State::Streaming { translator } => match host.body(Message::Response, 0, held) {
                Ok(new) => self.pass(host, exchange, translator, &new, end_of_stream),
                Err(error) => self.flow_after(Err(error)),
            },
        }
    }

    /// What can follow these headers.
    fn expect(&self, host: &dyn Host, status: u16) -> State {
        if status != 200 {
            return State::Failed { status };
        }
        let encoding = self.header("content-encoding");
        if !(encoding.is_empty() || encoding.eq_ignore_ascii_case("identity")) {
            return State::Unusable(invalid_response("The provider compressed its answer though it was asked not to."));
        }
        let is_stream = self.header("content-type").to_ascii_lowercase().starts_with(EVENT_STREAM);
        match (self.asked.stream, is_stream) {
            (false, false) => State::Whole,
            (true, true) => {
                let options = StreamOptions {
                    client_model: self.asked.model.clone(),
                    client_wants_usage: self.asked.include_usage,
                    id: self.asked.id.clone(),
                    created_unix_s: unix_s(host),
                    tool_names: chat::ToolNames::default(),
                };
                let translator = StreamTranslator::new(self.asked.provider, self.asked.client, options);
                State::Opening { translator: Box::new(translator), read: 0, out: Vec::new() }
            }
            (true, false) => State::Unusable(invalid_response("The provider did not stream its answer.")),
            (false, true) => State::Unusable(invalid_response("The provider streamed its answer unasked.")),
        }
    }

    /// Headers only. No body can be written to such an answer. Where the next provider may do better, only the status is,
    /// for the router; else the answer is replaced by a reply, which ends the request.
    fn without_body(&mut self, host: &mut dyn Host, exchange: Option<&Shared>) -> Flow {
        let client = self.asked.client;
        let (status, code, body) = match std::mem::replace(&mut self.state, State::Discarding) {
            State::Failed { status } => {
                let error = read_provider_error(self.asked.provider, status, &[]);
                (error.client_status(), recorded_code(&error), error.to_client(client))
            }
            State::Unusable(error) => (error.status, error.code, error.body(client)),
            _ => {
                let error = invalid_response("The provider's answer is empty.");
                (error.status, error.code, error.body(client))
            }
        };
        note(exchange, |exchange| exchange.refusal = Some(code));
        if matches!(status, 400..500) && !RETRIED_BELOW_500.contains(&status) {
            let headers = vec![("content-type".into(), JSON.into())];
            return Flow::Reply(Reply { status, headers, body, code });
        }
        self.flow_after(host.set_headers(Message::Response, &downstream(&self.headers, status, JSON, Some(0))))
    }

    fn whole(&mut self, host: &mut dyn Host, exchange: Option<&Shared>, body: &[u8]) -> Flow {
        let (client, provider) = (self.asked.client, self.asked.provider);
        let invalid = || invalid_response("The provider's answer is not what its API promises.");
        let outline = match body.trim_ascii_start().first() {
            Some(b'{') => Outline::read(body),
            _ => None,
        };
        let Some(outline) = outline else { return self.fail(host, exchange, &invalid()) };
        // What it says it used is owed, whatever else is wrong with it.
        let usage = outline.usage.and_then(|usage| usage_of_value(provider, usage.get()));
        if let Some(usage) = usage {
            note(exchange, |exchange| exchange.usage.report_whole(usage));
        }
        // Some servers say that they failed under a status that says success.
        if outline.says_error() {
            let mut body = body.to_vec();
            self.redact(&mut body);
            return self.fail_as_provider(host, exchange, &read_provider_error(provider, 200, &body));
        }
        let translated = if client == provider {
            None
        } else {
            match chat::read_response(provider, body) {
                Ok(mut response) => {
                    response.model.clone_from(&self.asked.model);
                    if response.created_unix_s == 0 {
                        response.created_unix_s = unix_s(host);
                    }
                    Some(chat::write_response(client, &response))
                }
                Err(_) => return self.fail(host, exchange, &invalid()),
            }
        };
        let answer = translated.as_deref().unwrap_or(body);
        let characters = match usage.and_then(|usage| usage.counted().output) {
            Some(1..) => 0,
            Some(0) | None => text::response_characters(client, self.asked.operation, answer),
        };
        let now = host.now();
        note(exchange, |exchange| {
            exchange.usage.output_characters = characters;
            exchange.first_token = Some(now);
            exchange.answer_complete = true;
        });
        let headers = self.good(exchange, JSON, Some(answer.len()));
        let written = write_good(host, exchange, &headers).and_then(|()| match &translated {
            Some(translated) => host.set_body(Message::Response, translated),
            None => Ok(()),
        });
        self.flow_after(written)
    }

    fn open(&mut self, host: &mut dyn Host, exchange: Option<&Shared>, opening: Opening) -> Flow {
        let Opening { mut translator, mut out, new, held, end_of_stream } = opening;
        let mut progress = translator.push(&new, &mut out);
        if end_of_stream && !progress.content {
            progress = merge(progress, translator.finish(&mut out));
        }
        take_in(exchange, &progress);
        if progress.content || progress.complete {
            let now = host.now();
            note(exchange, |exchange| exchange.first_token = Some(now));
            let headers = self.good(exchange, EVENT_STREAM, None);
            self.redact_error(&progress, &mut out);
            if end_of_stream {
                self.end(exchange, translator.as_mut(), &mut out);
            } else {
                self.state = State::Streaming { translator };
            }
            let written = write_good(host, exchange, &headers);
            return self.flow_after(written.and_then(|()| host.set_body(Message::Response, &out)));
        }
        if let Some(error) = progress.error {
            return self.fail_as_provider(host, exchange, &error);
        }
        if end_of_stream {
            let error = invalid_response("The provider's stream ended before its first content.");
            return self.fail(host, exchange, &error);
        }
        if held > OPENING_LIMIT_BYTES {
            let error = invalid_response("The provider's stream has no content.");
            return self.fail(host, exchange, &error);
        }
        self.state = State::Opening { translator, read: held, out };
        Flow::Pause
    }

    fn pass(
        &mut self,
        host: &mut dyn Host,
        exchange: Option<&Shared>,
        mut translator: Box<StreamTranslator>,
        new: &[u8],
        end_of_stream: bool,
    ) -> Flow {
        let mut out = Vec::with_capacity(new.len());
        let progress = translator.push(new, &mut out);
        take_in(exchange, &progress);
        self.redact_error(&progress, &mut out);
        if end_of_stream {
            self.end(exchange, translator.as_mut(), &mut out);
        } else {
            self.state = State::Streaming { translator };
        }
        // Most pieces of the client's own schema pass as they came.
        self.flow_after(if same(&out, new) { Ok(()) } else { host.set_body(Message::Response, &out) })
    }

    /// The headers of an answer that the client gets.
    fn good(&self, exchange: Option<&Shared>, content_type: &str, length: Option<usize>) -> Headers {
        let mut headers = downstream(&self.headers, 200, content_type, length);
        if let Some(exchange) = exchange {
            exchange.read(|exchange| tell(exchange, &mut headers));
        }
        headers
    }

    /// The provider closed its stream. Without its last event the answer is cut off: the translator ends it with an error event,
    /// so that the client does not take it for whole.
    fn end(&self, exchange: Option<&Shared>, translator: &mut StreamTranslator, out: &mut Vec<u8>) {
        let mut progress = translator.finish(out);
        self.redact_error(&progress, out);
        let is_cut_off = progress.error.take().is_some();
        take_in(exchange, &progress);
        if is_cut_off {
            note(exchange, |exchange| _ = exchange.refusal.get_or_insert("upstream_incomplete"));
        }
    }

    fn fail(&mut self, host: &mut dyn Host, exchange: Option<&Shared>, error: &ClientError) -> Flow {
        let body = error.body(self.asked.client);
        self.write_failure(host, exchange, error.status, error.code, &body)
    }

    fn fail_as_provider(&mut self, host: &mut dyn Host, exchange: Option<&Shared>, error: &ProviderError) -> Flow {
        let mut body = error.to_client(self.asked.client);
        self.redact(&mut body);
        self.write_failure(host, exchange, error.client_status(), recorded_code(error), &body)
    }

    /// Turns the answer into an error in the client's schema. Its headers were held until now, so the router decides by this
    /// status whether the next provider is tried.
    fn write_failure(
        &mut self,
        host: &mut dyn Host,
        exchange: Option<&Shared>,
        status: u16,
        code: &'static str,
        body: &[u8],
    ) -> Flow {
        self.state = State::Discarding;
        note(exchange, |exchange| exchange.refusal = Some(code));
        let headers = downstream(&self.headers, status, JSON, Some(body.len()));
        let written = host.set_headers(Message::Response, &headers);
        self.flow_after(written.and_then(|()| host.set_body(Message::Response, body)))
    }

    /// What the proxy did not take ends the stream: nothing untranslated reaches the client, and nothing waits for more.
    fn flow_after(&self, written: Result<(), HostError>) -> Flow {
        match written {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Reply(reply(
                self.asked.client,
                &unavailable("The gateway could not pass on the provider's answer."),
            )),
        }
    }

    /// Only in the error's own event: what stands before it is the model's, and may have been sent already.
    fn redact_error(&self, progress: &Progress, out: &mut Vec<u8>) {
        if progress.error.is_some() {
            let mut event = out.split_off(progress.error_at.min(out.len()));
            self.redact(&mut event);
            out.append(&mut event);
        }
    }

    fn redact(&self, text: &mut Vec<u8>) {
        if let Some(credential) = &self.asked.credential {
            credential.redact(text);
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.text(name)
    }
}

struct Opening {
    translator: Box<StreamTranslator>,
    out: Vec<u8>,
    new: Vec<u8>,
    held: usize,
    end_of_stream: bool,
}

/// A whole answer, as far as it says that it is none. Reading it also shows that it is one JSON document.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    /// What it says it used, if it says so once.
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

impl<'a> Outline<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Error<'a> {
            #[serde(borrow, default)]
            error: Option<&'a RawValue>,
        }
        let once = serde_json::from_slice(body).ok();
        // Figures that stand twice are none, but no reason to refuse the answer.
        once.or_else(|| serde_json::from_slice(body).ok().map(|Error { error }| Self { error, usage: None }))
    }

    fn says_error(&self) -> bool {
        self.error.is_some_and(|error| error.get().starts_with(['{', '"']) && !matches!(error.get(), "{}" | "\"\""))
    }
}

/// Writes the headers of an answer that the client gets, and notes that it did.
fn write_good(host: &mut dyn Host, exchange: Option<&Shared>, headers: &Headers) -> Result<(), HostError> {
    host.set_headers(Message::Response, headers)?;
    note(exchange, |exchange| exchange.answer_headers = Some(headers.len()));
    Ok(())
}

fn unix_s(host: &dyn Host) -> i64 {
    i64::try_from(host.now() / 1_000_000).unwrap_or_default()
}

fn note(exchange: Option<&Shared>, write: impl FnOnce(&mut Exchange)) {
    if let Some(exchange) = exchange {
        exchange.write(write);
    }
}

fn take_in(exchange: Option<&Shared>, progress: &Progress) {
    note(exchange, |exchange| {
        if let Some(usage) = progress.usage {
            exchange.usage.report(usage);
        }
        exchange.usage.is_final = progress.usage_is_final;
        exchange.usage.output_characters = exchange.usage.output_characters.saturating_add(progress.characters);
        exchange.answer_complete |= progress.complete;
        if let Some(error) = &progress.error {
            // A filter behind may have ended the stream before: what the client was told counts.
            exchange.refusal.get_or_insert(recorded_code(error));
        }
    });
}

/// The code of a usage record: one of ours, whatever the provider calls it.
fn recorded_code(error: &ProviderError) -> &'static str {
    match error.status {
        401 | 403 => "upstream_auth_failed",
        429 => "upstream_rate_limited",
        ..=399 | 500.. => "upstream_unavailable",
        _ => "upstream_refused",
    }
}

fn merge(first: Progress, second: Progress) -> Progress {
    let error_at = if first.error.is_some() { first.error_at } else { second.error_at };
    Progress {
        content: first.content || second.content,
        error: first.error.or(second.error),
        error_at,
        usage: match (first.usage, second.usage) {
            (Some(first), Some(second)) => Some(first.followed_by(&second)),
            (first, second) => second.or(first),
        },
        usage_is_final: second.usage_is_final,
        complete: first.complete || second.complete,
        characters: first.characters.saturating_add(second.characters),
    }
}
