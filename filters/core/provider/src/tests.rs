//! Attempts from end to end.

mod answers;
mod compressed;
mod destinations;
mod echoes;
mod failures;
mod metadata;
mod requests;

use std::rc::Rc;

use uuid::Uuid;
use weir_config::{Capabilities, CredentialPlacement, Deployment, ProviderConfig};
use weir_exchange::{Exchange, Shared};
use weir_host::fake::FakeHost;
use weir_host::{Message, Reply};
use weir_test_proxy::{Hop, Passed};

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
        next_prices: Vec::new(),
        capabilities: Capabilities::default(),
        outside_except: None,
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
    hop: Hop,
    sent: Vec<u8>,
}

impl Attempt {
    /// Sends `body` to `deployment`; an error is the refusal.
    fn send(mut host: FakeHost, exchange: Option<Shared>, deployment: &str, body: &str) -> Result<Self, Reply> {
        host.properties.insert(METADATA.into(), metadata(deployment));
        let headers = weir_host::Host::headers(&host, Message::Request);
        let mut hop = Hop::new(plugin().attempt(exchange, headers));
        match hop.headers(&mut host, Message::Request, false) {
            Passed::Nothing => {}
            Passed::Reply(reply, _) => return Err(reply),
            other => panic!("the headers left before the body was known: {other:?}"),
        }
        let (first, second) = body.as_bytes().split_at(body.len() / 2);
        assert_eq!(hop.piece(&mut host, Message::Request, first, false), Passed::Nothing);
        match hop.piece(&mut host, Message::Request, second, true) {
            Passed::On { body: sent, .. } => Ok(Self { host, hop, sent }),
            Passed::Reply(reply, _) => Err(reply),
            other => panic!("waits at the end of the body: {other:?}"),
        }
    }

    fn request_header(&self, name: &str) -> Option<String> {
        weir_host::Host::header_text(&self.host, Message::Request, name)
    }

    fn sent_body(&self) -> String {
        String::from_utf8(self.sent.clone()).unwrap()
    }

    /// The answer's headers come, more follows: nothing leaves yet.
    fn begin_answer(&mut self, headers: &[(&str, &str)]) {
        self.host.headers[1] = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(self.hop.headers(&mut self.host, Message::Response, false), Passed::Nothing);
    }

    /// A piece that leaves at once.
    #[track_caller]
    fn passes(&mut self, piece: &str) {
        let passed = self.hop.piece(&mut self.host, Message::Response, piece.as_bytes(), false);
        assert!(matches!(passed, Passed::On { .. }), "{passed:?}");
    }

    /// Answers in these pieces, and says what the client gets: the status seen by the router, and the pieces.
    fn answer(mut self, headers: &[(&str, &str)], pieces: &[&[u8]]) -> Received {
        let mut received = Received::default();
        if pieces.is_empty() {
            self.host.headers[1] = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let passed = self.hop.headers(&mut self.host, Message::Response, true);
            assert!(matches!(passed, Passed::On { .. }), "nothing else would come: {passed:?}");
            received.start(&self.host);
            return received;
        }
        self.begin_answer(headers);
        for (index, piece) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len();
            match self.hop.piece(&mut self.host, Message::Response, piece, last) {
                Passed::On { headers, body, .. } => {
                    if headers {
                        received.start(&self.host);
                    }
                    received.pieces.push(String::from_utf8(body).unwrap());
                }
                Passed::Nothing => assert!(!last, "waits at the end of the answer"),
                other => panic!("a local reply is not retried: {other:?}"),
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
