//! Answers that are none: what the client is told, with a status by which the router decides whether the next provider is asked.

use weir_config::names::RETRIED_BELOW_500;
use weir_exchange::{Party, Shared};
use weir_host::{Flow, Host, HostError, Message, Reply};
use weir_llm::error::{ClientError, ProviderError, read_provider_error, stream_event};
use weir_llm::stream::Progress;
use weir_llm::{AnswerOutline, Operation};

use super::{Answer, JSON, State, recorded_code, take_in, write};
use crate::headers::downstream;
use crate::refusal::{invalid_response, reply, unavailable};

impl Answer {
    /// Headers only. No body can be written to such an answer. Where the next provider may do better, only the status is,
    /// for the router; else the answer is replaced by a reply, which ends the request.
    pub(super) fn without_body(&mut self, host: &mut dyn Host, exchange: Option<&Shared>) -> Flow {
        self.checks = None;
        let client = self.asked.client;
        let (status, code, body) = match std::mem::replace(&mut self.state, State::Discarding) {
            State::Failed { otherwise: Some(error), .. } | State::Unusable(error) => {
                (error.status, error.code, error.body(client))
            }
            State::Failed { status, otherwise: None } => {
                let error = read_provider_error(self.asked.provider, status, &[]);
                (error.client_status(), recorded_code(&error), error.to_client(client))
            }
            State::Waiting | State::Whole | State::Opening { .. } | State::Streaming { .. } | State::Discarding => {
                let error = invalid_response("The provider's answer is empty.");
                (error.status, error.code, error.body(client))
            }
        };
        write(exchange, |exchange| exchange.decide(Party::Provider, code));
        if matches!(status, 400..500) && !RETRIED_BELOW_500.contains(&status) {
            let headers = vec![("content-type".into(), JSON.into())];
            return Flow::Reply(Reply { status, headers, body, code });
        }
        let headers = downstream(&self.headers, self.asked.credential.as_deref(), status, JSON, Some(0));
        self.flow_after(host.set_headers(Message::Response, &headers))
    }

    pub(super) fn fail(&mut self, host: &mut dyn Host, exchange: Option<&Shared>, error: &ClientError) -> Flow {
        let body = error.body(self.asked.client);
        self.write_failure(host, exchange, error.status, error.code, &body)
    }

    pub(super) fn fail_as_provider(
        &mut self,
        host: &mut dyn Host,
        exchange: Option<&Shared>,
        error: ProviderError,
    ) -> Flow {
        let error = match &self.asked.credential {
            Some(credential) => credential.out_of(error),
            None => error,
        };
        let body = error.to_client(self.asked.client);
        self.write_failure(host, exchange, error.client_status(), recorded_code(&error), &body)
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
        self.checks = None;
        write(exchange, |exchange| exchange.decide(Party::Provider, code));
        let headers = downstream(&self.headers, self.asked.credential.as_deref(), status, JSON, Some(body.len()));
        let written = host.set_headers(Message::Response, &headers);
        self.flow_after(written.and_then(|()| host.set_body(Message::Response, body)))
    }

    /// Ends a stream, part of which the client has, with the error's event. What the provider still sends is dropped.
    pub(super) fn break_off(
        &mut self,
        host: &mut dyn Host,
        exchange: Option<&Shared>,
        error: &ProviderError,
        end_of_stream: bool,
    ) -> Flow {
        self.state = State::Discarding;
        take_in(exchange, &Progress { error: Some(error.clone()), ..Progress::default() });
        let mut event = Vec::new();
        error.write_event(self.asked.client, &mut event);
        let event = self.checked_piece(event, end_of_stream);
        self.flow_after(host.set_body(Message::Response, &event))
    }

    /// Ends a request, of whose answer the client has nothing, as an administrator wants it. What the provider still sends is dropped.
    pub(super) fn end_before_answer(&mut self, host: &mut dyn Host, exchange: Option<&Shared>) -> Flow {
        let now = host.now();
        write(exchange, |exchange| exchange.told_end(now));
        let error = ClientError::new(403, "ended_by_policy", "An administrator has ended this request.");
        self.fail(host, exchange, &error)
    }

    /// Ends a stream, part of which the client has, as an administrator wants it: its last event says so, and what the provider still
    /// sends is dropped. What came with this piece is not read any more.
    pub(super) fn end_by_policy(
        &mut self,
        host: &mut dyn Host,
        exchange: Option<&Shared>,
        end_of_stream: bool,
    ) -> Flow {
        self.state = State::Discarding;
        let now = host.now();
        write(exchange, |exchange| exchange.told_end(now));
        let error = ClientError::new(403, "ended_by_policy", "An administrator has ended this stream.");
        let event = self.checked_piece(stream_event(self.asked.client, &error), end_of_stream);
        self.flow_after(host.set_body(Message::Response, &event))
    }

    /// What the proxy did not take ends the stream: nothing untranslated reaches the client, and nothing waits for more.
    pub(super) fn flow_after(&self, written: Result<(), HostError>) -> Flow {
        match written {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Reply(reply(
                self.asked.client,
                &unavailable("The gateway could not pass on the provider's answer."),
            )),
        }
    }

    /// Whether a document that came where a stream was asked for is an error.
    pub(super) fn says_error(&self, body: &[u8]) -> bool {
        AnswerOutline::read(self.at_provider(), body).is_some_and(|outline| !outline.is_answer)
    }

    /// What was asked, as the provider calls it.
    pub(super) fn at_provider(&self) -> Operation {
        let asked = self.asked.operation;
        Operation::of_kind(asked.kind(), self.asked.provider).unwrap_or(asked)
    }
}
