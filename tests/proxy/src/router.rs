use std::cell::RefCell;
use std::rc::Rc;

use weir_config::Deployment;
use weir_config::names::{CREDENTIAL_SLOT_PREFIX, RETRIED_BELOW_500};
use weir_gateway::Root;
use weir_host::fake::{FakeHost, Header};
use weir_host::{Host, Message};

use crate::answer::{Answer, End, Provider, Sent};
use crate::hop::{Hop, Passed};

/// Where an endpoint's deployment stands among the properties of an attempt.
const METADATA: &str = "xds.upstream_host_metadata.filter_metadata.weir.deployment";

/// One member of a pool.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The endpoint's metadata: a deployment as JSON, or what a test puts there.
    pub metadata: Vec<u8>,
    /// What the credential injectors of the pool put into which slots.
    pub credentials: Vec<(String, String)>,
    /// Whoever is there.
    pub provider: Rc<RefCell<dyn Provider>>,
}

impl Endpoint {
    /// A deployment whose provider this is, and the content of its credential's slot.
    ///
    /// # Panics
    /// If the deployment is no JSON.
    pub fn new(deployment: &Deployment, credential: &str, provider: Rc<RefCell<dyn Provider>>) -> Self {
        let slots = deployment.credential.iter().map(|placement| (placement.slot.clone(), credential.to_owned()));
        let metadata = serde_json::to_vec(deployment).expect("a deployment is JSON");
        Self { metadata, credentials: slots.collect(), provider }
    }
}

/// What the router hands to the listener's filters, piece by piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Downstream {
    Headers {
        end: bool,
    },
    Piece {
        bytes: Vec<u8>,
        end: bool,
    },
    /// Envoy itself, or an attempt's filter, answers.
    Reply {
        status: u16,
        headers: Vec<Header>,
        body: Vec<u8>,
        details: String,
    },
    Broken,
}

/// Tries the endpoints in their order with the request that `host` has, and hands on what comes of the last.
pub(crate) fn route(
    host: &mut FakeHost,
    provider: &Root,
    endpoints: &[Endpoint],
    body: &[u8],
    limit: usize,
    mut hand_on: impl FnMut(&mut FakeHost, Downstream),
) {
    for (number, endpoint) in endpoints.iter().enumerate() {
        let mut attempt =
            Attempt { hop: Hop::new(provider.stream()), may_retry: number + 1 < endpoints.len(), begun: false };
        attempt.hop.limit = limit;
        begin(host, endpoint, number);
        if attempt.run(host, endpoint, body, &mut hand_on) {
            return;
        }
    }
}

/// All attempts share one map of headers; each begins with its endpoint's metadata, and the slots of the pool filled.
fn begin(host: &mut FakeHost, endpoint: &Endpoint, number: usize) {
    host.headers[0].retain(|(name, _)| !name.starts_with(CREDENTIAL_SLOT_PREFIX));
    let count = ("x-envoy-attempt-count".to_owned(), (number + 1).to_string());
    for (name, value) in endpoint.credentials.iter().chain([&count]) {
        // The fake refuses no header.
        let _ = host.set_header(Message::Request, name, value.as_bytes());
    }
    host.properties.insert(METADATA.into(), endpoint.metadata.clone());
    host.headers[1].clear();
}

struct Attempt {
    hop: Hop,
    may_retry: bool,
    /// The answer's headers went on: no other attempt can answer.
    begun: bool,
}

impl Attempt {
    /// Whether something of it went on to the client; if not, the next endpoint is tried.
    fn run(
        &mut self,
        host: &mut FakeHost,
        endpoint: &Endpoint,
        body: &[u8],
        hand_on: &mut impl FnMut(&mut FakeHost, Downstream),
    ) -> bool {
        let Some(sent) = self.send(host, body, hand_on) else { return true };
        let Some(answer) = endpoint.provider.borrow_mut().answer(&sent) else {
            return self.failed(host, 503, "upstream_reset_before_response_started", hand_on);
        };
        self.receive(host, answer, hand_on)
    }

    fn send(
        &mut self,
        host: &mut FakeHost,
        body: &[u8],
        hand_on: &mut impl FnMut(&mut FakeHost, Downstream),
    ) -> Option<Sent> {
        let of = Message::Request;
        let mut sent = Sent { headers: Vec::new(), body: Vec::new() };
        let mut take = |host: &mut FakeHost, passed| match passed {
            Passed::Nothing => true,
            Passed::On { body, .. } => {
                sent.body.extend(body);
                true
            }
            Passed::Reply(reply, details) => {
                hand_on(host, of_reply(reply.status, reply.headers, reply.body, details));
                false
            }
            Passed::Reset => {
                hand_on(host, Downstream::Broken);
                false
            }
            Passed::TooLarge => {
                hand_on(host, of_reply(413, Vec::new(), Vec::new(), "request_payload_too_large".into()));
                false
            }
        };
        let passed = self.hop.headers(host, of, body.is_empty());
        if !take(host, passed) {
            return None;
        }
        if !body.is_empty() {
            // In two pieces, as a body comes that was not whole when the attempt began.
            let (first, second) = body.split_at(body.len() / 2);
            for (piece, end) in [(first, false), (second, true)] {
                let passed = self.hop.piece(host, of, piece, end);
                if !take(host, passed) {
                    return None;
                }
            }
        }
        sent.headers.clone_from(&host.headers[0]);
        Some(sent)
    }

    fn receive(
        &mut self,
        host: &mut FakeHost,
        answer: Answer,
        hand_on: &mut impl FnMut(&mut FakeHost, Downstream),
    ) -> bool {
        let Answer { headers, pieces, end } = answer;
        let of = Message::Response;
        host.headers[1] = headers;
        let ends_early = pieces.is_empty() && end == End::WithLastPiece;
        let passed = self.hop.headers(host, of, ends_early);
        if let Some(over) = self.pass_on(host, passed, hand_on) {
            return over;
        }
        let last = pieces.len();
        for (number, piece) in pieces.into_iter().enumerate() {
            let is_end = end == End::WithLastPiece && number + 1 == last;
            let passed = self.hop.piece(host, of, &piece, is_end);
            if let Some(over) = self.pass_on(host, passed, hand_on) {
                return over;
            }
        }
        let passed = match end {
            End::WithLastPiece => return true,
            End::Alone => self.hop.piece(host, of, &[], true),
            End::WithTrailers => self.hop.trailers(host, of),
            End::Broken => return self.failed(host, 503, "upstream_reset_before_response_started", hand_on),
            End::Silent => return self.failed(host, 504, "upstream_response_timeout", hand_on),
        };
        self.pass_on(host, passed, hand_on).unwrap_or(true)
    }

    /// `Some`: the attempt is over, and whether something of it went on.
    fn pass_on(
        &mut self,
        host: &mut FakeHost,
        passed: Passed,
        hand_on: &mut impl FnMut(&mut FakeHost, Downstream),
    ) -> Option<bool> {
        match passed {
            Passed::Nothing => None,
            Passed::On { headers, body, end } => {
                if headers {
                    if self.may_retry && is_retried(host) {
                        return Some(false);
                    }
                    self.begun = true;
                    hand_on(host, Downstream::Headers { end: end && body.is_empty() });
                }
                if !body.is_empty() || (end && !headers) {
                    hand_on(host, Downstream::Piece { bytes: body, end });
                }
                end.then_some(true)
            }
            // A filter's reply is not retried.
            Passed::Reply(reply, details) => {
                hand_on(host, of_reply(reply.status, reply.headers, reply.body, details));
                Some(true)
            }
            Passed::Reset => {
                hand_on(host, Downstream::Broken);
                Some(true)
            }
            Passed::TooLarge => Some(self.failed(host, 500, "response_payload_too_large", hand_on)),
        }
    }

    fn failed(
        &self,
        host: &mut FakeHost,
        status: u16,
        details: &str,
        hand_on: &mut impl FnMut(&mut FakeHost, Downstream),
    ) -> bool {
        match (self.begun, self.may_retry) {
            (true, _) => hand_on(host, Downstream::Broken),
            (false, true) => return false,
            (false, false) => hand_on(host, of_reply(status, Vec::new(), b"upstream failed".to_vec(), details.into())),
        }
        true
    }
}

fn is_retried(host: &FakeHost) -> bool {
    let status = host.header_text(Message::Response, ":status").and_then(|status| status.parse::<u16>().ok());
    status.is_some_and(|status| status >= 500 || RETRIED_BELOW_500.contains(&status))
}

fn of_reply(status: u16, headers: Vec<(String, String)>, body: Vec<u8>, details: String) -> Downstream {
    let headers = headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
    Downstream::Reply { status, headers, body, details }
}
