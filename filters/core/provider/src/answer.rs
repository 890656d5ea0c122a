mod failure;

use std::rc::Rc;

use weir_exchange::{AnswerChecks, Attempt, Checked, Exchange, Party, Shared};
use weir_host::{Flow, Headers, Host, HostError, Message};
use weir_llm::chat::{Echo, ToolNames};
use weir_llm::error::{About, ClientError, ProviderError, read_provider_error};
use weir_llm::stream::{Progress, StreamOptions, StreamTranslator};
use weir_llm::{AnswerOutline, Kind, Operation, Schema, chat, equal_bytes, text, usage_of_value};

use crate::credential::Credential;
use crate::encoding::{Decoder, Undecodable};
use crate::headers::downstream;
use crate::refusal::{invalid_response, reply_to_answer};

/// How much of an error's body is read.
const ERROR_LIMIT_BYTES: usize = 1024 * 1024;
/// The longest answer that is held whole. Envoy's own buffer limits must be larger for it to be reached.
const WHOLE_LIMIT_BYTES: usize = 32 * 1024 * 1024;
/// How much of a stream is held before its first content.
const OPENING_LIMIT_BYTES: usize = 1024 * 1024;
/// The longest that one piece of a compressed stream may become.
const DECODED_PIECE_LIMIT_BYTES: usize = 8 * 1024 * 1024;

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
    pub(crate) credential: Option<Rc<Credential>>,
    /// What the client calls tools that have other names there.
    pub(crate) tool_names: ToolNames,
    /// What a translated answer repeats of the request.
    pub(crate) echo: Echo,
}

/// One provider's answer on its way to the client.
#[derive(Debug)]
pub(crate) struct Answer {
    asked: Asked,
    headers: Rc<Headers>,
    /// What it passes on its way to the client; none once it is an error of ours.
    checks: Option<AnswerChecks>,
    /// For a body that is compressed.
    decoder: Option<Decoder>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Until the provider's headers are here.
    Waiting,
    /// The provider said that it failed, or answers in another way than it was asked to; its words are collected. Those that are no
    /// error are answered with `otherwise`.
    Failed { status: u16, otherwise: Option<ClientError> },
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
    pub(crate) fn new(asked: Asked, checks: Option<AnswerChecks>) -> Self {
        Self { asked, headers: Rc::default(), checks, decoder: None, state: State::Waiting }
    }

    pub(crate) fn on_headers(&mut self, host: &mut dyn Host, exchange: Option<&Shared>, end_of_stream: bool) -> Flow {
        self.headers = host.headers(Message::Response);
        let status = self.header(":status").parse().unwrap_or(0);
        let now = host.now();
        update(exchange, |attempt| {
            attempt.status = status;
            attempt.answered = Some(now);
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
            State::Waiting => self.drop_piece(host, held, Vec::new()),
            State::Discarding => {
                let rest = self.checked_piece(Vec::new(), end_of_stream);
                self.drop_piece(host, held, rest)
            }
            State::Unusable(error) => self.fail(host, exchange, &error),
            State::Failed { status, otherwise } => {
                if !end_of_stream && held < ERROR_LIMIT_BYTES {
                    self.state = State::Failed { status, otherwise };
                    return Flow::Pause;
                }
                // Without its words it is still a failure.
                let body = host.body(Message::Response, 0, held.min(ERROR_LIMIT_BYTES)).unwrap_or_default();
                let body = self.decoded(body).unwrap_or_default();
                match otherwise {
                    Some(error) if !self.says_error(&body) => self.fail(host, exchange, &error),
                    _ => self.fail_as_provider(host, exchange, read_provider_error(self.asked.provider, status, &body)),
                }
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
                    Ok(body) => match self.decoded(body) {
                        Ok(body) => self.whole(host, exchange, &body),
                        Err(error) => self.fail(host, exchange, &undecodable(error)),
                    },
                    Err(error) => self.flow_after(Err(error)),
                }
            }
            State::Opening { translator, read, out } => {
                match host.body(Message::Response, read, held.saturating_sub(read)) {
                    Ok(new) => match self.decoded(new) {
                        Ok(new) => self.open(host, exchange, Opening { translator, out, new, held, end_of_stream }),
                        Err(error) => self.fail(host, exchange, &undecodable(error)),
                    },
                    Err(error) => self.flow_after(Err(error)),
                }
            }
            State::Streaming { .. } if is_ended(exchange) => self.end_by_policy(host, exchange, end_of_stream),
            State::Streaming { translator } => match host.body(Message::Response, 0, held) {
                Ok(new) => match self.decoded(new) {
                    Ok(new) => self.pass(host, exchange, translator, &new, end_of_stream),
                    Err(error) => {
                        self.break_off(host, exchange, &ProviderError::protocol(error.to_string()), end_of_stream)
                    }
                },
                Err(error) => self.flow_after(Err(error)),
            },
        }
    }

    /// What can follow these headers.
    fn expect(&mut self, host: &dyn Host, status: u16) -> State {
        let encoding = self.header("content-encoding").trim().to_ascii_lowercase();
        let media_type = self.asked.provider.framing().media_type();
        let is_stream = self.header("content-type").to_ascii_lowercase().starts_with(media_type);
        if !matches!(encoding.as_str(), "" | "identity") {
            let most = if is_stream { DECODED_PIECE_LIMIT_BYTES } else { WHOLE_LIMIT_BYTES };
            self.decoder = Decoder::new(&encoding, most);
        }
        if status != 200 {
            return State::Failed { status, otherwise: None };
        }
        if self.decoder.is_none() && !matches!(encoding.as_str(), "" | "identity") {
            return State::Unusable(invalid_response("The provider compressed its answer though it was asked not to."));
        }
        match (self.asked.stream, is_stream) {
            (false, false) => State::Whole,
            (true, true) => {
                let options = StreamOptions {
                    client_model: self.asked.model.clone(),
                    client_wants_usage: self.asked.include_usage,
                    id: self.asked.id.clone(),
                    created_unix_s: unix_s(host),
                    tool_names: self.asked.tool_names.clone(),
                    echo: self.asked.echo.clone(),
                };
                let mut translator = StreamTranslator::new(self.asked.provider, self.asked.client, options);
                if let Some(credential) = self.asked.credential.clone() {
                    translator = translator.hiding(Rc::new(move |text| credential.hidden_in_error(text)));
                }
                State::Opening { translator: Box::new(translator), read: 0, out: Vec::new() }
            }
            (true, false) => {
                let otherwise = Some(invalid_response("The provider did not stream its answer."));
                State::Failed { status, otherwise }
            }
            (false, true) => State::Unusable(invalid_response("The provider streamed its answer unasked.")),
        }
    }

    /// What came, as it was before the provider compressed it.
    fn decoded(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, Undecodable> {
        match &mut self.decoder {
            Some(decoder) => decoder.push(&bytes),
            None => Ok(bytes),
        }
    }

    fn whole(&mut self, host: &mut dyn Host, exchange: Option<&Shared>, body: &[u8]) -> Flow {
        let (client, provider) = (self.asked.client, self.asked.provider);
        let invalid = || invalid_response("The provider's answer is not what its API promises.");
        let Some(mut outline) = AnswerOutline::read(self.at_provider(), body) else {
            return self.fail(host, exchange, &invalid());
        };
        // What it says it used is owed, whatever else is wrong with it.
        let usage = outline.usage.and_then(|usage| usage_of_value(provider, usage));
        let facts = std::mem::take(&mut outline.facts);
        update(exchange, |attempt| {
            if let Some(usage) = usage {
                attempt.usage.report_whole(usage);
            }
            attempt.usage.note(facts);
        });
        if is_ended(exchange) {
            return self.end_before_answer(host, exchange);
        }
        // Some servers say that they failed under a status that says success.
        if !outline.is_answer {
            return self.fail_as_provider(host, exchange, read_provider_error(provider, 200, body));
        }
        let translated = if client == provider {
            outline.with_model(body, &self.asked.model).or_else(|| self.decoder.is_some().then(|| body.to_vec()))
        } else if self.asked.operation.kind() == Kind::CountTokens {
            match chat::translate_count(provider, client, body) {
                Some(counted) => Some(counted),
                None => return self.fail(host, exchange, &invalid()),
            }
        } else {
            match chat::read_response(provider, body) {
                Ok(mut response) => {
                    response.model.clone_from(&self.asked.model);
                    self.asked.tool_names.restore(&mut response);
                    if response.id.is_empty() {
                        response.id.clone_from(&self.asked.id);
                    }
                    response.echo = std::mem::take(&mut self.asked.echo);
                    if response.created_unix_s == 0 {
                        response.created_unix_s = unix_s(host);
                    }
                    Some(chat::write_response(client, &response))
                }
                Err(_) => return self.fail(host, exchange, &invalid()),
            }
        };
        let hidden = self.asked.credential.as_ref().and_then(|credential| {
            credential.hidden_in(std::str::from_utf8(translated.as_deref().unwrap_or(body)).ok()?)
        });
        let translated = hidden.map(String::into_bytes).or(translated);
        let answer = translated.as_deref().unwrap_or(body);
        let characters = match usage.and_then(|usage| usage.counted().output) {
            Some(1..) => 0,
            Some(0) | None => text::response_characters(client, self.asked.operation, answer),
        };
        let now = host.now();
        update(exchange, |attempt| {
            attempt.usage.output_characters = characters;
            attempt.first_content = Some(now);
            attempt.is_complete = true;
        });
        let (status, translated) = match self.checks.as_mut().map(|checks| checks.whole(answer)) {
            None | Some(Checked::Passes) => (200, translated),
            Some(Checked::Edited(edited)) => (200, Some(edited)),
            Some(Checked::Refused(error)) => (error.status, Some(error.body(client))),
            Some(Checked::Unreadable(error)) => return Flow::Reply(reply_to_answer(client, &error)),
        };
        let length = translated.as_deref().unwrap_or(body).len();
        let written = self.write_headers(host, exchange, status, JSON, Some(length));
        self.flow_after(written.and_then(|()| match &translated {
            Some(translated) => host.set_body(Message::Response, translated),
            None => Ok(()),
        }))
    }

    fn open(&mut self, host: &mut dyn Host, exchange: Option<&Shared>, opening: Opening) -> Flow {
        let Opening { mut translator, mut out, new, held, end_of_stream } = opening;
        let mut progress = translator.push(&new, &mut out);
        if end_of_stream && !progress.content {
            progress = merge(progress, translator.finish(&mut out));
        }
        take_in(exchange, &progress);
        if is_ended(exchange) {
            return self.end_before_answer(host, exchange);
        }
        if progress.content || progress.complete {
            let now = host.now();
            update(exchange, |attempt| attempt.first_content = Some(now));
            let written = self.write_headers(host, exchange, 200, EVENT_STREAM, None);
            if end_of_stream {
                self.end(exchange, translator.as_mut(), &mut out);
            } else {
                self.state = State::Streaming { translator };
            }
            let out = self.checked_piece(out, end_of_stream);
            return self.flow_after(written.and_then(|()| host.set_body(Message::Response, &out)));
        }
        if let Some(error) = progress.error {
            return self.fail_as_provider(host, exchange, error);
        }
        if end_of_stream {
            let error = invalid_response("The provider's stream ended before its first content.");
            return self.fail(host, exchange, &error);
        }
        if held.max(out.len()) > OPENING_LIMIT_BYTES {
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
        if end_of_stream {
            self.end(exchange, translator.as_mut(), &mut out);
        } else {
            self.state = State::Streaming { translator };
        }
        let out = self.checked_piece(out, end_of_stream);
        // Most pieces of the client's own schema pass as they came.
        let as_it_came = self.decoder.is_none() && equal_bytes(&out, new);
        self.flow_after(if as_it_came { Ok(()) } else { host.set_body(Message::Response, &out) })
    }

    /// Writes the headers of an answer that the client gets, with all that is told beside it.
    fn write_headers(
        &self,
        host: &mut dyn Host,
        exchange: Option<&Shared>,
        status: u16,
        content_type: &str,
        length: Option<usize>,
    ) -> Result<(), HostError> {
        let mut headers = downstream(&self.headers, self.asked.credential.as_deref(), status, content_type, length);
        if let Some(exchange) = exchange {
            let now = host.now();
            exchange.read(|exchange| exchange.answer_headers(now).add_to(&mut headers));
        }
        host.set_headers(Message::Response, &headers)?;
        update(exchange, |attempt| attempt.is_passed_on = status == 200);
        Ok(())
    }

    /// What goes on of a piece of a stream that the client gets.
    fn checked_piece(&mut self, piece: Vec<u8>, end_of_stream: bool) -> Vec<u8> {
        match &mut self.checks {
            Some(checks) => checks.piece(piece, end_of_stream),
            None => piece,
        }
    }

    /// Puts `rest` in the place of a piece that the client does not get.
    fn drop_piece(&self, host: &mut dyn Host, held: usize, rest: Vec<u8>) -> Flow {
        match held == 0 && rest.is_empty() {
            true => Flow::Continue,
            false => self.flow_after(host.set_body(Message::Response, &rest)),
        }
    }

    /// The provider closed its stream. Without its last event the answer is cut off: the translator ends it with an error event,
    /// so that the client does not take it for whole.
    fn end(&self, exchange: Option<&Shared>, translator: &mut StreamTranslator, out: &mut Vec<u8>) {
        let mut progress = translator.finish(out);
        let is_cut_off = progress.error.take().is_some();
        take_in(exchange, &progress);
        if is_cut_off {
            write(exchange, |exchange| exchange.decide_if_first(Party::Provider, "upstream_incomplete"));
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

fn unix_s(host: &dyn Host) -> i64 {
    i64::try_from(host.now() / 1_000_000).unwrap_or_default()
}

fn write(exchange: Option<&Shared>, write: impl FnOnce(&mut Exchange)) {
    if let Some(exchange) = exchange {
        exchange.write(write);
    }
}

/// Whether an administrator has ended the stream.
fn is_ended(exchange: Option<&Shared>) -> bool {
    exchange.and_then(|exchange| exchange.read(|exchange| exchange.ended().is_some())).unwrap_or(false)
}

/// Writes into this attempt's part of the exchange.
fn update(exchange: Option<&Shared>, update: impl FnOnce(&mut Attempt)) {
    write(exchange, |exchange| {
        if let Some(attempt) = exchange.attempt_mut() {
            update(attempt);
        }
    });
}

fn take_in(exchange: Option<&Shared>, progress: &Progress) {
    write(exchange, |exchange| {
        if let Some(attempt) = exchange.attempt_mut() {
            let usage = &mut attempt.usage;
            if let Some(figures) = progress.usage {
                usage.report(figures);
            }
            for facts in &progress.facts {
                usage.note(facts.clone());
            }
            usage.is_final = progress.usage_is_final;
            usage.output_characters = usage.output_characters.saturating_add(progress.characters);
            attempt.is_complete |= progress.complete;
        }
        if let Some(error) = &progress.error {
            // A filter behind may have ended the stream before: what the client was told counts.
            exchange.decide_if_first(Party::Provider, recorded_code(error));
        }
    });
}

/// The code of a usage record: one of ours, whatever the provider calls it.
fn recorded_code(error: &ProviderError) -> &'static str {
    match (error.about(), error.client_status()) {
        (About::Credential, _) => "upstream_auth_failed",
        (About::Model, _) => "upstream_model_not_found",
        (_, 429) => "upstream_rate_limited",
        (_, 500..) => "upstream_unavailable",
        _ => "upstream_refused",
    }
}

fn undecodable(error: Undecodable) -> ClientError {
    invalid_response(&format!("The answer cannot be read: {error}."))
}

fn merge(mut first: Progress, second: Progress) -> Progress {
    second.facts.into_iter().for_each(|facts| first.note(facts));
    Progress {
        facts: first.facts,
        content: first.content || second.content,
        error: first.error.or(second.error),
        usage: match (first.usage, second.usage) {
            (Some(first), Some(second)) => Some(first.followed_by(&second)),
            (first, second) => second.or(first),
        },
        usage_is_final: second.usage_is_final,
        complete: first.complete || second.complete,
        characters: first.characters.saturating_add(second.characters),
    }
}
