use std::rc::Rc;

use weir_config::Deployment;
use weir_config::names::{METADATA_DEPLOYMENT, METADATA_NAMESPACE};
use weir_exchange::{AnswerChecks, Attempt, Body, Exchange, Party, Shared, Step};
use weir_host::{Flow, Headers, Host, Level, Message};
use weir_llm::error::ClientError;
use weir_llm::usage::request_tokens;
use weir_llm::{Operation, Schema, equal_bytes};

use crate::ProviderPlugin;
use crate::answer::{Answer, Asked};
use crate::credential::Credential;
use crate::destination;
use crate::headers::{Upstream, originals};
use crate::refusal::{reply, unavailable};
use crate::request::{ClientBody, body_for, head_of, path_of, schema_of};

/// Envoy's count of attempts, which the route configuration asks for (`include_request_attempt_count`).
const ATTEMPT_COUNT: &str = "x-envoy-attempt-count";

/// One attempt.
#[derive(Debug)]
pub(crate) struct ProviderStream {
    plugin: Rc<ProviderPlugin>,
    exchange: Option<Shared>,
    /// As Envoy hands them to the attempt, with all credentials of the pool; none once the attempt has begun.
    headers: Rc<Headers>,
    client: Schema,
    /// What the answer passes, in the client's schema.
    checks: Option<AnswerChecks>,
    begun: Option<Begun>,
    answer: Option<Answer>,
}

/// What is known once the attempt's headers were seen.
#[derive(Debug)]
struct Begun {
    deployment: Rc<Deployment>,
    operation: Operation,
    /// What it speaks, and where it is asked.
    provider: Schema,
    originals: Rc<Headers>,
    credential: Option<Credential>,
}

impl ProviderStream {
    pub(crate) fn new(plugin: Rc<ProviderPlugin>, exchange: Option<Shared>, headers: Rc<Headers>) -> Self {
        let exchange = exchange.map(|exchange| exchange.held_by(Party::Gateway(Step::Attempt)));
        let checks = exchange.as_ref().and_then(|shared| {
            let filters = shared.read(|exchange| exchange.request().answer_filters.clone())?;
            AnswerChecks::of(&filters, shared)
        });
        Self { plugin, exchange, headers, client: Schema::default(), checks, begun: None, answer: None }
    }

    fn begin(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Result<(), ClientError> {
        let headers = std::mem::take(&mut self.headers);
        let originals = self.originals(&headers)?;
        let has_header = |name: &str| originals.get(name).is_some();
        self.client = Schema::of_path(originals.text(":path"), &has_header);
        let operation = Operation::of(originals.text(":method"), originals.text(":path"), &has_header)
            .map_err(|_| ClientError::new(404, "unknown_url", "There is no such operation here."))?;
        self.client = operation.schema();

        let path = ["xds", "upstream_host_metadata", "filter_metadata", METADATA_NAMESPACE, METADATA_DEPLOYMENT];
        let metadata = host.property(&path).unwrap_or_default();
        let deployment = self.plugin.deployment(metadata).map_err(|error| {
            host.log(Level::Error, &format!("weir.provider: the endpoint's metadata says nothing of use: {error}"));
            unavailable(&format!("The gateway has no configuration that it can use for the chosen provider: {error}."))
        })?;
        let now = host.now();
        let attempt = Attempt {
            deployment_id: deployment.id.clone(),
            provider_id: deployment.provider_id.clone(),
            provider_name: deployment.provider_name.clone(),
            upstream_model: deployment.model.clone(),
            price: deployment.price_at(now).cloned(),
            started: now,
            is_checked: self.checks.is_some(),
            ..Attempt::default()
        };
        if let Some(exchange) = &self.exchange {
            if let Some(budget) = exchange.read(Exchange::budget_of_next_attempt).flatten() {
                budget.reserve_another(host)?;
            }
            exchange.write(|exchange| exchange.begin_attempt(attempt));
        }
        destination::check(host, &deployment)?;
        let provider = schema_of(&deployment, operation)?;
        if end_of_stream {
            return Err(ClientError::new(400, "invalid_request", "The request has no body."));
        }
        let credential = credential(&headers, &deployment)?;
        self.begun = Some(Begun { deployment, operation, provider, originals, credential });
        Ok(())
    }

    /// The headers as the client sent them: from the exchange, or the attempt's own if it is the first.
    fn originals(&self, headers: &Headers) -> Result<Rc<Headers>, ClientError> {
        let own = || Rc::new(originals(headers));
        let Some(exchange) = &self.exchange else {
            return match headers.get(ATTEMPT_COUNT) {
                Some(b"1") => Ok(own()),
                _ => Err(unavailable("The gateway lost this request between two providers.")),
            };
        };
        exchange
            .write(|exchange| Rc::clone(exchange.original_headers.get_or_insert_with(own)))
            .ok_or_else(|| unavailable("The gateway lost this request."))
    }

    /// Writes the attempt's headers and body.
    fn send(&mut self, host: &mut dyn Host, held: usize) -> Result<(), ClientError> {
        let lost = || unavailable("The gateway lost this request.");
        let begun = self.begun.take().ok_or_else(lost)?;
        let Begun { deployment, operation, provider, originals, credential } = begun;

        let body = self.client_body(host, operation, originals.text(":path"), held)?;
        let path = path_of(&deployment, operation, provider, body.head.stream)?;
        let upstream_body = body_for(&deployment, operation, provider, &body)?;
        self.plugin.count_left_out(host, &upstream_body.left_out);

        let headers = Upstream {
            deployment: &deployment,
            path: &path,
            client: self.client,
            provider,
            credential: credential.as_ref(),
            body_length: upstream_body.bytes.len(),
        }
        .headers(&originals);
        let written = host
            .set_headers(Message::Request, &headers)
            .and_then(|()| host.set_body(Message::Request, &upstream_body.bytes));
        if written.is_err() {
            host.log(Level::Error, "weir.provider: Envoy refused the headers or the body of an attempt");
            return Err(lost());
        }
        if let Some(exchange) = &self.exchange {
            exchange.write(|exchange| {
                if let Some(attempt) = exchange.attempt_mut() {
                    attempt.is_sent = true;
                }
            });
        }
        let head = body.head;
        let request_id = self.exchange.as_ref().and_then(|exchange| exchange.read(|exchange| exchange.request().id));
        let request_id = request_id.map(|id| id.simple().to_string()).unwrap_or_default();
        let asked = Asked {
            operation,
            client: self.client,
            provider,
            model: head.model,
            stream: head.stream,
            include_usage: head.include_usage,
            id: format!("{}{request_id}", self.client.answer_id_prefix()),
            credential: credential.map(Rc::new),
            tool_names: upstream_body.tool_names,
            echo: upstream_body.echo,
        };
        self.answer = Some(Answer::new(asked, self.checks.take()));
        Ok(())
    }

    /// The client's body as the proxy holds it. A filter of the operator's between Weir's may have changed what the exchange knows of
    /// it; to see that costs a hundredth of a request.
    fn client_body(
        &self,
        host: &dyn Host,
        operation: Operation,
        path: &str,
        held: usize,
    ) -> Result<ClientBody, ClientError> {
        let body = host.body(Message::Request, 0, held).map_err(|_| unavailable("The gateway lost this request."))?;
        let known = self.exchange.as_ref().and_then(|exchange| exchange.read(|exchange| exchange.body().clone()));
        let known = known.unwrap_or_default();
        if let (Some(bytes), Some(head)) = (&known.bytes, &known.head)
            && equal_bytes(bytes, &body)
        {
            return Ok(ClientBody { bytes: Rc::clone(bytes), head: head.clone() });
        }
        // A long body is not kept: one as long as it was, with the model where it stood, is taken for the same.
        let is_known = known.bytes.is_none() && known.length == body.len();
        let head = head_of(operation, path, known.head.filter(|_| is_known), &body)?;
        let body = ClientBody { bytes: Rc::new(body), head };
        self.take_in(operation, &body, known.input_tokens.filter(|_| is_known));
        Ok(body)
    }

    /// Notes a body that is another one than the exchange knew, or too long to be kept and counted later. `counted`: its tokens, if that
    /// was done.
    fn take_in(&self, operation: Operation, body: &ClientBody, counted: Option<u64>) {
        let Some(exchange) = &self.exchange else { return };
        let mut taken = Body::new(Rc::clone(&body.bytes), Some(body.head.clone()));
        taken.input_tokens = match (counted, &taken.bytes) {
            (None, None) => request_tokens(operation, &body.bytes).ok(),
            (counted, _) => counted,
        };
        exchange.write(|exchange| {
            if let Some(attempt) = exchange.attempt_mut() {
                attempt.body = Some(taken);
            }
        });
    }

    fn refuse(&mut self, error: &ClientError) -> Flow {
        self.answer = None;
        self.begun = None;
        Flow::Reply(match &self.exchange {
            Some(exchange) => exchange.refuse(self.client, error),
            None => reply(self.client, error),
        })
    }
}

/// What Envoy has put into the deployment's slot among these headers.
fn credential(headers: &Headers, deployment: &Deployment) -> Result<Option<Credential>, ClientError> {
    let Some(placement) = &deployment.credential else { return Ok(None) };
    match headers.get(&placement.slot).filter(|slot| !slot.is_empty()) {
        Some(slot) => Ok(Some(Credential::new(slot.to_vec()))),
        None => Err(ClientError::new(
            502,
            "upstream_auth_failed",
            format!("The gateway has no credential for the provider {}.", deployment.provider_name),
        )),
    }
}

impl weir_host::StreamFilter for ProviderStream {
    fn on_request_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        match self.begin(host, end_of_stream) {
            Ok(()) => Flow::Pause,
            Err(error) => self.refuse(&error),
        }
    }

    fn on_request_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        if !end_of_stream {
            return Flow::Pause;
        }
        match self.send(host, held) {
            Ok(()) => Flow::Continue,
            Err(error) => self.refuse(&error),
        }
    }

    fn on_response_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        match &mut self.answer {
            Some(answer) => answer.on_headers(host, self.exchange.as_ref(), end_of_stream),
            None => Flow::Continue,
        }
    }

    fn on_response_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        match &mut self.answer {
            Some(answer) => answer.on_body(host, self.exchange.as_ref(), held, end_of_stream),
            None => Flow::Continue,
        }
    }
}
