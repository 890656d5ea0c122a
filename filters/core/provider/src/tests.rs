//! Attempts from end to end, against a fake proxy that holds and lets go as Envoy does.

mod answers;
mod compressed;
mod failures;
mod metadata;
mod requests;

use std::rc::Rc;

use uuid::Uuid;
use weir_config::{Capabilities, CredentialPlacement, Deployment, ProviderConfig};
use weir_exchange::{Exchange, Shared};
use weir_host::fake::FakeHost;
use weir_host::{Flow, Message, Reply, StreamFilter};

use crate::ProviderPlugin;

const OPENAI: &str = "on-openai";
const ANTHROPIC: &str = "on-anthropic";
const METADATA: &str = "xds.upstream_host_metadata.filter_metadata.weir.deployment";

fn plugin() -> Rc<ProviderPlugin> {
    Rc::new(ProviderPlugin::new(ProviderConfig {}))
}

/// What the endpoint of a deployment carries.
fn metadata(id: &str) -> Vec<u8> {
    let deployment = |schema: &str, slot: &str, header: &str, prefix: &str, model: &str| Deployment {
        id: id.into(),
        provider_id: format!("{model}-provider"),
        provider_name: model.into(),
        schema: schema.into(),
        also_speaks: Vec::new(),
        authority: format!("{model}.example"),
        scheme: "https".into(),
        base_path: "/base/v1".into(),
        query: String::new(),
        model: model.into(),
        credential: Some(CredentialPlacement { slot: slot.into(), header: header.into(), prefix: prefix.into() }),
        price: None,
        capabilities: Capabilities::default(),
        requires: Vec::new(),
    };
    let deployment = match id {
        OPENAI => deployment("openai", "x-weir-credential-1", "Authorization", "Bearer ", "gpt-real"),
        ANTHROPIC => deployment("anthropic", "x-weir-credential-2", "x-api-key", "", "claude-real"),
        other => return other.into(),
    };
    serde_json::to_vec(&deployment).unwrap()
}

fn exchange() -> Shared {
    Shared::new(Exchange::new(Uuid::nil(), 0))
}

/// A client's request as it comes to the first attempt, the slots filled.
fn client(path: &str, more: &[(&str, &str)]) -> FakeHost {
    let mut headers = vec![
        (":method", "POST"),
        (":path", path),
        (":authority", "gateway.example"),
        (":scheme", "http"),
        ("content-type", "application/json"),
        ("user-agent", "client/1"),
        ("x-envoy-attempt-count", "1"),
    ];
    headers.extend(more);
    let mut host = FakeHost::with_request(&headers);
    fill_slots(&mut host);
    host.now = 5_000_000;
    host
}

/// What the credential injectors do before each attempt.
fn fill_slots(host: &mut FakeHost) {
    for (slot, value) in [("x-weir-credential-1", "secret-one"), ("x-weir-credential-2", "secret-two")] {
        weir_host::Host::set_header(host, Message::Request, slot, value.as_bytes()).unwrap();
    }
}

/// One attempt, its request sent.
struct Attempt {
    host: FakeHost,
    filter: Box<dyn StreamFilter>,
}

impl Attempt {
    /// Sends `body` to `deployment`; an error is the refusal.
    fn send(mut host: FakeHost, exchange: Option<Shared>, deployment: &str, body: &str) -> Result<Self, Reply> {
        host.properties.insert(METADATA.into(), metadata(deployment));
        let headers = weir_host::Host::headers(&host, Message::Request);
        let mut filter = plugin().attempt(exchange, headers);
        match filter.on_request_headers(&mut host, false) {
            Flow::Pause => {}
            Flow::Reply(reply) => return Err(reply),
            Flow::Continue => panic!("the headers left before the body was known"),
        }
        let (first, _) = body.split_at(body.len() / 2);
        host.hold(Message::Request, first.as_bytes());
        assert_eq!(filter.on_request_body(&mut host, first.len(), false), Flow::Pause);
        host.hold(Message::Request, body.as_bytes());
        match filter.on_request_body(&mut host, body.len(), true) {
            Flow::Continue => Ok(Self { host, filter }),
            Flow::Reply(reply) => Err(reply),
            Flow::Pause => panic!("waits at the end of the body"),
        }
    }

    fn request_header(&self, name: &str) -> Option<String> {
        weir_host::Host::header_text(&self.host, Message::Request, name)
    }

    fn sent_body(&self) -> String {
        String::from_utf8(self.host.bodies[0].clone()).unwrap()
    }

    /// Answers in these pieces, and says what the client gets: the status seen by the router, and the pieces.
    fn answer(mut self, headers: &[(&str, &str)], pieces: &[&[u8]]) -> Received {
        self.host.headers[1] = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut received = Received::default();
        let mut started = false;
        if pieces.is_empty() {
            assert_eq!(
                self.filter.on_response_headers(&mut self.host, true),
                Flow::Continue,
                "nothing else would come"
            );
            received.start(&self.host);
            return received;
        }
        assert_eq!(self.filter.on_response_headers(&mut self.host, false), Flow::Pause);
        let mut held = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            held.extend_from_slice(piece);
            self.host.hold(Message::Response, &held);
            let last = index + 1 == pieces.len();
            match self.filter.on_response_body(&mut self.host, held.len(), last) {
                Flow::Continue => {
                    if !started {
                        started = true;
                        received.start(&self.host);
                    }
                    received.pieces.push(String::from_utf8(std::mem::take(&mut self.host.bodies[1])).unwrap());
                    held.clear();
                }
                Flow::Pause => assert!(!last, "waits at the end of the answer"),
                Flow::Reply(_) => panic!("a local reply is not retried"),
            }
        }
        received
    }
}

/// What the client gets of an answer.
#[derive(Debug, Default)]
struct Received {
    headers: Vec<(String, String)>,
    pieces: Vec<String>,
}

impl Received {
    fn start(&mut self, host: &FakeHost) {
        let headers = host.headers[1].iter();
        self.headers = headers.map(|(name, value)| (name.clone(), String::from_utf8(value.clone()).unwrap())).collect();
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn status(&self) -> &str {
        self.header(":status").unwrap_or_default()
    }

    fn body(&self) -> String {
        self.pieces.concat()
    }
}
