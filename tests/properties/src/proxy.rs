//! Guardrails and provider on the way of one stream, with what the exchange knows of it in the end.

use std::fmt;
use std::rc::Rc;

use crate::input::{chat, path};
use uuid::Uuid;
use weir_config::{Capabilities, CredentialPlacement, Deployment, GuardrailProfile, GuardrailsConfig, ProviderConfig};
use weir_exchange::{Body, Exchange, NamedProfile, Principal, Shared};
use weir_guardrails::{GuardrailsPlugin, ProfileCache};
use weir_host::fake::FakeHost;
use weir_host::{Callouts, Host, Message, Reply, StreamFilter};
use weir_llm::{Schema, Usage, read_head};
use weir_provider::ProviderPlugin;
use weir_test_proxy::{Hop, Passed};

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
    guardrails: Hop,
    /// The attempt's filter.
    attempt: Hop,
    sent: Vec<u8>,
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
        let (path, operation) = (path(client, body), chat(client));
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
        let request = exchange.prepare().expect("no attempt was made");
        request.operation = Some(operation);
        request.body = Body::new(Rc::new(body.to_vec()), read_head(operation, path, body).ok());
        let named = Rc::new(NamedProfile { id: "p".into(), profile });
        request.principal = Some(Rc::new(Principal { guardrail_profile: Some(named), ..Principal::default() }));
        let shared = Shared::new(exchange);
        let guardrails = GuardrailsPlugin::new(GuardrailsConfig {}).stream(
            Some(shared.clone()),
            CACHE.with(Rc::clone),
            Callouts::default(),
        );
        let mut guardrails = Hop::new(Box::new(guardrails) as Box<dyn StreamFilter>);
        let body = pass_request(&mut guardrails, &mut host, body)?;
        let headers = host.headers(Message::Request);
        let plugin = Rc::new(ProviderPlugin::new(ProviderConfig {}));
        let mut attempt = Hop::new(plugin.attempt(Some(shared.clone()), headers));
        let sent = pass_request(&mut attempt, &mut host, &body)?;
        Ok(Self { host, shared, guardrails, attempt, sent })
    }

    /// The body that was sent to the provider.
    pub fn sent_body(&self) -> &[u8] {
        &self.sent
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
        let passed = self.attempt.headers(&mut self.host, Message::Response, false);
        assert_eq!(passed, Passed::Nothing, "nothing may leave yet");
        let mut body = Vec::new();
        for (index, piece) in pieces.iter().chain([&&b""[..]]).enumerate() {
            let end = index == pieces.len();
            let passed = self.attempt.piece(&mut self.host, Message::Response, piece, end);
            let (headers, piece) = match passed {
                Passed::On { headers, body, .. } => (headers, body),
                Passed::Nothing => {
                    assert!(!end, "the provider's filter waits at the end");
                    continue;
                }
                // It is not retried: only guardrails, for which the next provider is no help, end an answer here.
                Passed::Reply(reply, _) => {
                    assert_eq!(reply.code, "response_not_inspectable", "an upstream filter's reply is not retried");
                    return self.outcome(Some(reply), body);
                }
                Passed::Reset => return self.outcome(None, body),
                Passed::TooLarge => panic!("more is held than may be"),
            };
            let mut steps = Vec::new();
            if headers {
                steps.push(self.guardrails.headers(&mut self.host, Message::Response, false));
            }
            steps.push(self.guardrails.piece(&mut self.host, Message::Response, &piece, end));
            for passed in steps {
                match passed {
                    Passed::Nothing => {}
                    Passed::On { body: passed, .. } => body.extend_from_slice(&passed),
                    Passed::Reply(reply, _) => return self.outcome(Some(reply), body),
                    Passed::Reset => return self.outcome(None, body),
                    Passed::TooLarge => panic!("more is held than may be"),
                }
            }
        }
        self.outcome(None, body)
    }

    fn outcome(self, reply: Option<Reply>, body: Vec<u8>) -> Outcome {
        let mut outcome = self.shared.read(|exchange| Outcome {
            status: String::new(),
            headers: self.host.headers[1].clone(),
            body,
            usage: exchange.attempt().expect("an attempt").usage.reported,
            characters: exchange.attempt().expect("an attempt").usage.output_characters,
            complete: exchange.is_complete(),
            refusal: exchange.verdict.map(|verdict| verdict.code),
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

/// Gives a request to a filter: the body as it goes on.
fn pass_request(hop: &mut Hop, host: &mut FakeHost, body: &[u8]) -> Result<Vec<u8>, Reply> {
    let mut sent = Vec::new();
    let first = hop.headers(host, Message::Request, false);
    let second = match first {
        Passed::Reply(..) => None,
        _ => Some(hop.piece(host, Message::Request, body, true)),
    };
    for passed in [Some(first), second].into_iter().flatten() {
        match passed {
            Passed::Nothing => {}
            Passed::On { body, .. } => sent.extend(body),
            Passed::Reply(reply, _) => return Err(reply),
            Passed::Reset | Passed::TooLarge => panic!("a request that came whole is broken off"),
        }
    }
    Ok(sent)
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
        next_prices: Vec::new(),
        capabilities: Capabilities::default(),
        outside_except: None,
        requires: Vec::new(),
    };
    serde_json::to_vec(&deployment).expect("a deployment is JSON")
}
