//! A proxy with filters in it: one stream, its body in pieces, each filter in turn, held and let go as Envoy does it.

use std::fmt;
use std::rc::Rc;

use crate::input::{anthropic, chat, openai, responses};
use uuid::Uuid;
use weir_config::{Capabilities, CredentialPlacement, Deployment, GuardrailProfile, GuardrailsConfig, ProviderConfig};
use weir_exchange::{Exchange, NamedProfile, Principal, Shared};
use weir_guardrails::{GuardrailsPlugin, GuardrailsStream, ProfileCache};
use weir_host::fake::FakeHost;
use weir_host::{Flow, Host, Message, Reply, StreamFilter};
use weir_llm::{Schema, Usage, read_head};
use weir_provider::ProviderPlugin;

/// Where an endpoint's deployment stands.
const METADATA: &str = "xds.upstream_host_metadata.filter_metadata.weir.deployment";
/// What is in the credential's slot.
pub const CREDENTIAL: &str = "the-operators-secret";
/// The model's name at the provider.
pub const UPSTREAM_MODEL: &str = "real-model";

thread_local! {
    /// As in a VM: a profile is made ready once.
    static CACHE: Rc<ProfileCache> = Rc::default();
}

/// One request through guardrails and provider, until it is sent.
pub struct Proxy {
    host: FakeHost,
    shared: Shared,
    guardrails: GuardrailsStream,
    /// The attempt's filter, once there is an attempt.
    attempt: Box<dyn StreamFilter>,
}

/// What a client gets, and what is recorded of it.
#[derive(Clone, PartialEq)]
pub struct Outcome {
    /// Of the answer, or of the reply in its place.
    pub status: String,
    /// The headers beside it.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// The provider's figures.
    pub usage: Option<Usage>,
    /// Characters of output that were counted.
    pub characters: u64,
    /// Whether the answer ended as its protocol says.
    pub complete: bool,
    /// The recorded code.
    pub refusal: Option<&'static str>,
    /// Type, action, count.
    pub findings: Vec<(&'static str, &'static str, u32)>,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
        formatter
            .debug_struct("Outcome")
            .field("status", &self.status)
            .field("headers", &headers)
            .field("body", &text(&self.body))
            .field("usage", &self.usage)
            .field("characters", &self.characters)
            .field("complete", &self.complete)
            .field("refusal", &self.refusal)
            .field("findings", &self.findings)
            .finish()
    }
}

impl Proxy {
    /// Sends a request for chat by a client of one schema to a provider of another. `Err`: it was refused.
    pub fn send(client: Schema, provider: Schema, profile: GuardrailProfile, body: &[u8]) -> Result<Self, Reply> {
        let (path, operation) = match client.name() {
            "openai" => ("/v1/chat/completions", chat(openai())),
            "openai_responses" => ("/v1/responses", chat(responses())),
            _ => ("/v1/messages", chat(anthropic())),
        };
        let length = body.len().to_string();
        let mut host = FakeHost::with_request(&[
            (":method", "POST"),
            (":path", path),
            ("content-type", "application/json"),
            ("content-length", &length),
            ("x-envoy-attempt-count", "1"),
            ("x-weir-credential-1", CREDENTIAL),
        ]);
        host.now = 5_000_000;
        host.properties.insert(METADATA.into(), metadata(provider));
        let mut exchange = Exchange::new(Uuid::nil(), 0);
        exchange.operation = Some(operation);
        exchange.head = read_head(operation, body).ok();
        exchange.body = Some(Rc::new(body.to_vec()));
        let named = Rc::new(NamedProfile { id: "p".into(), profile });
        exchange.principal = Some(Rc::new(Principal { guardrail_profile: Some(named), ..Principal::default() }));
        let shared = Shared::new(exchange);
        let mut guardrails =
            GuardrailsPlugin::new(GuardrailsConfig {}).stream(Some(shared.clone()), CACHE.with(Rc::clone));
        host.hold(Message::Request, body);
        pass_request(&mut guardrails, &mut host)?;
        let headers = host.headers(Message::Request);
        let mut attempt = Rc::new(ProviderPlugin::new(ProviderConfig {})).attempt(Some(shared.clone()), headers);
        pass_request(attempt.as_mut(), &mut host)?;
        Ok(Self { host, shared, guardrails, attempt })
    }

    /// The body that was sent to the provider.
    pub fn sent_body(&self) -> &[u8] {
        &self.host.bodies[0]
    }

    /// A header that was sent to the provider.
    pub fn sent_header(&self, name: &str) -> Option<String> {
        self.host.header_text(Message::Request, name)
    }

    /// Answers with status 200 and this body in these pieces; the end comes with an empty piece of its own, as Envoy has it.
    pub fn answer(mut self, content_type: &str, pieces: &[&[u8]]) -> Outcome {
        self.host.headers[1] = vec![
            (":status".into(), b"200".to_vec()),
            ("content-type".into(), content_type.into()),
            ("content-length".into(), b"5".to_vec()),
        ];
        let mut upstream = Hop::default();
        let mut downstream = Hop::default();
        assert_eq!(self.attempt.on_response_headers(&mut self.host, false), Flow::Pause, "nothing may leave yet");
        let mut body = Vec::new();
        for (index, piece) in pieces.iter().chain([&&b""[..]]).enumerate() {
            let end = index == pieces.len();
            let flow = upstream.take(&mut self.host, self.attempt.as_mut(), piece, end);
            let Some(passed) = flow else {
                assert!(!end, "the provider's filter waits at the end");
                continue;
            };
            let passed = match passed {
                Ok(passed) => passed,
                // It is not retried: only guardrails, for which the next provider is no help, end an answer here.
                Err(reply) => {
                    assert_eq!(reply.code, "response_not_inspectable", "an upstream filter's reply is not retried");
                    return self.outcome(Some(reply), body);
                }
            };
            if !downstream.begun {
                downstream.begun = true;
                match self.guardrails.on_response_headers(&mut self.host, false) {
                    Flow::Continue | Flow::Pause => {}
                    Flow::Reply(reply) => return self.outcome(Some(reply), body),
                }
            }
            match downstream.take(&mut self.host, &mut self.guardrails, &passed, end) {
                Some(Ok(passed)) => body.extend_from_slice(&passed),
                Some(Err(reply)) => return self.outcome(Some(reply), body),
                None => assert!(!end, "guardrails wait at the end"),
            }
        }
        self.outcome(None, body)
    }

    fn outcome(self, reply: Option<Reply>, body: Vec<u8>) -> Outcome {
        let mut outcome = self.shared.read(|exchange| Outcome {
            status: String::new(),
            headers: self.host.headers[1].clone(),
            body,
            usage: exchange.usage.reported,
            characters: exchange.usage.output_characters,
            complete: exchange.answer_complete,
            refusal: exchange.refusal,
            findings: exchange.findings.clone(),
        });
        let mut outcome = outcome.take().expect("nobody has the exchange");
        outcome.status = self.host.header_text(Message::Response, ":status").unwrap_or_default();
        if let Some(reply) = reply {
            outcome.status = reply.status.to_string();
            outcome.body = reply.body;
        }
        outcome
    }
}

/// Gives the request that `host` holds to a filter.
fn pass_request(filter: &mut dyn StreamFilter, host: &mut FakeHost) -> Result<(), Reply> {
    if let Flow::Reply(reply) = filter.on_request_headers(host, false) {
        return Err(reply);
    }
    let held = host.bodies[0].len();
    match filter.on_request_body(host, held, true) {
        Flow::Continue => Ok(()),
        Flow::Pause => panic!("a filter waits at the end of the body"),
        Flow::Reply(reply) => Err(reply),
    }
}

/// What one filter holds of a body.
#[derive(Debug, Default)]
struct Hop {
    begun: bool,
    held: Vec<u8>,
}

impl Hop {
    /// Gives a piece to a filter: what it lets go, `None` while it holds.
    fn take(
        &mut self,
        host: &mut FakeHost,
        filter: &mut dyn StreamFilter,
        piece: &[u8],
        end: bool,
    ) -> Option<Result<Vec<u8>, Reply>> {
        self.held.extend_from_slice(piece);
        let held = self.held.len();
        // Moved, as in Envoy, so that what a filter does is all that takes work.
        host.bodies[1] = std::mem::take(&mut self.held);
        let flow = filter.on_response_body(host, held, end);
        let passed = std::mem::take(&mut host.bodies[1]);
        match flow {
            Flow::Continue => Some(Ok(passed)),
            Flow::Pause => {
                self.held = passed;
                None
            }
            Flow::Reply(reply) => Some(Err(reply)),
        }
    }
}

fn metadata(provider: Schema) -> Vec<u8> {
    let placement = provider.credential_header();
    let deployment = Deployment {
        id: "d".into(),
        provider_id: "p".into(),
        provider_name: "n".into(),
        schema: provider.name().into(),
        also_speaks: Vec::new(),
        authority: "provider.example".into(),
        scheme: "https".into(),
        base_path: "/v1".into(),
        query: String::new(),
        model: UPSTREAM_MODEL.into(),
        credential: Some(CredentialPlacement {
            slot: "x-weir-credential-1".into(),
            header: placement.header.into(),
            prefix: placement.prefix.into(),
        }),
        price: None,
        capabilities: Capabilities::default(),
        requires: Vec::new(),
    };
    serde_json::to_vec(&deployment).expect("a deployment is JSON")
}
