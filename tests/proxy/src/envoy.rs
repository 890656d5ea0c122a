use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use weir_config::names::{INTERNAL_PREFIX, POOL_HEADER};
use weir_config::plugin;
use weir_gateway::{Root, Worker};
use weir_host::fake::{FakeCall, FakeHost, Header, SharedData};
use weir_host::{CallError, Host, HttpError, Message};

use crate::hop::{Hop, Passed};
use crate::received::{Ended, Received};
use crate::router::{Downstream, Endpoint, route};
use crate::services::{Asked, Served, Services};

/// A client's request.
#[derive(Clone, Debug)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// With its query.
    pub path: String,
    /// Beside those that HTTP needs.
    pub headers: Vec<(String, String)>,
    /// The body as it comes off the wire. None at all: there is no body.
    pub pieces: Vec<Vec<u8>>,
    /// The body ends with trailers.
    pub trailers: bool,
}

impl Request {
    /// A body in one piece.
    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { method: "POST".into(), path: path.into(), headers, pieces: vec![body.into()], trailers: false }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same body in pieces of so many bytes.
    #[must_use]
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.pieces = self.pieces.concat().chunks(bytes.max(1)).map(<[u8]>::to_vec).collect();
        self
    }
}

/// Answers callouts: `Err` is a gRPC status, `None` leaves one open.
pub type Callouts = Box<dyn FnMut(&FakeCall) -> Option<Result<Vec<u8>, u32>>>;

/// One worker: `weir.chain` in its listener, `weir.provider` in front of each provider.
pub struct Envoy {
    listener: Root,
    provider: Root,
    pools: BTreeMap<String, Vec<Endpoint>>,
    /// Time of day, in microseconds.
    pub now: u64,
    /// What all workers share.
    pub shared: SharedData,
    /// Who answers callouts. Nobody at first: each fails as if its cluster were away.
    pub callouts: Callouts,
    /// Who answers questions to HTTP services. Nobody at first.
    pub services: Services,
    /// Callouts are answered when the request's body is here whole, not at once.
    pub callouts_are_late: bool,
    /// The most that is held of a body, in bytes.
    pub limit: usize,
    /// The proxy outside of streams.
    pub root: FakeHost,
    /// Counters of all streams.
    pub counters: BTreeMap<String, u64>,
    /// Log lines of all streams.
    pub logged: Vec<String>,
}

impl fmt::Debug for Envoy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Envoy").field("pools", &self.pools.keys()).finish_non_exhaustive()
    }
}

impl Envoy {
    /// With this configuration of `weir.chain`.
    ///
    /// # Panics
    /// If the configuration is refused.
    pub fn new(chain: &serde_json::Value) -> Self {
        let numbers = Cell::new(0_u64);
        let worker = Worker::new(Box::new(move || {
            numbers.set(numbers.get() + 1);
            numbers.get()
        }));
        let mut root = FakeHost { is_root: true, ..FakeHost::default() };
        let mut configured = |root_id: &str, json: &str| {
            let mut context = Root::new(Rc::clone(&worker));
            context.configure(&mut root, root_id, json.as_bytes()).expect("the configuration is accepted");
            context
        };
        let (listener, provider) = (configured(plugin::CHAIN, &chain.to_string()), configured(plugin::PROVIDER, "{}"));
        let shared = Rc::clone(&root.shared);
        Self {
            listener,
            provider,
            pools: BTreeMap::new(),
            now: 1_800_000_000_000_000,
            shared,
            callouts: Box::new(|_| Some(Err(14))),
            services: Box::new(|_| Served::failing(HttpError::Broken)),
            callouts_are_late: false,
            limit: 64 << 20,
            root,
            counters: BTreeMap::new(),
            logged: Vec::new(),
        }
    }

    /// The route of a pool, with its members.
    pub fn pool(&mut self, id: &str, members: Vec<Endpoint>) {
        self.pools.insert(id.into(), members);
    }

    /// The time of the plugins' ticks has come. What they call is answered at once.
    pub fn tick(&mut self) {
        self.root.now = self.now;
        self.listener.on_tick(&mut self.root);
        for call in std::mem::take(&mut self.root.calls) {
            match (self.callouts)(&call) {
                Some(Ok(bytes)) => self.listener.on_call(&mut self.root, call.id, Ok(&bytes)),
                Some(Err(status)) => self.listener.on_call(&mut self.root, call.id, Err(CallError { status })),
                None => {}
            }
        }
    }

    /// The methods of all gRPC streams that were opened.
    pub fn opened(&self) -> Vec<&str> {
        self.root.opened.iter().map(|(_, method)| method.as_str()).collect()
    }

    /// The other side closes all gRPC streams, with this status.
    pub fn close_streams(&mut self, status: u32) {
        for (stream, _) in self.root.opened.clone() {
            self.listener.on_stream_close(&mut self.root, stream, status);
        }
    }

    /// Everything that a client gets for its request.
    pub fn send(&mut self, request: &Request) -> Received {
        let mut host = FakeHost { now: self.now, shared: Rc::clone(&self.shared), ..FakeHost::default() };
        host.headers[0] = client_headers(request);
        let mut hop = Hop::new(self.listener.stream());
        hop.limit = self.limit;
        let mut client = Client::default();
        let mut asked = Asked::default();
        match self.listen(&mut host, &mut hop, request, &mut asked) {
            Listened::Waits => {}
            Listened::Reply(reply) => client.take(&mut hop, &mut host, reply),
            Listened::Whole(body) => {
                let pool = host.header_text(Message::Request, POOL_HEADER).unwrap_or_default();
                let (callouts, services) = (&mut self.callouts, &mut self.services);
                match self.pools.get(&pool) {
                    Some(members) => route(&mut host, &self.provider, members, &body, self.limit, |host, piece| {
                        let is_piece = matches!(piece, Downstream::Piece { .. });
                        client.take(&mut hop, host, piece);
                        client.hear(host, &mut hop, &mut asked, callouts, services, is_piece);
                    }),
                    None => client.take(&mut hop, &mut host, envoys(404, "route_not_found")),
                }
            }
        }
        for passed in asked.answer_rest(&mut host, &mut hop, &mut self.services) {
            client.pass(&host, passed);
        }
        client.note_end(&mut host);
        hop.log(&mut host);
        asked.answer_late(&mut host, &mut hop, &mut self.services);
        for (name, count) in std::mem::take(&mut host.counters) {
            *self.counters.entry(name).or_default() += count;
        }
        self.logged.extend(host.logged.into_iter().map(|(_, line)| line));
        client.received
    }

    /// The request's way through the listener's filters.
    fn listen(&mut self, host: &mut FakeHost, hop: &mut Hop, request: &Request, asked: &mut Asked) -> Listened {
        let of = Message::Request;
        let mut body = Vec::new();
        let ends_early = request.pieces.is_empty() && !request.trailers;
        let mut passed = vec![hop.headers(host, of, ends_early)];
        self.answer_calls(host, hop, asked, (ends_early, false), &mut passed);
        for (number, piece) in request.pieces.iter().enumerate() {
            if let Some(reply) = through(&mut passed, &mut body) {
                return reply;
            }
            let end = !request.trailers && number + 1 == request.pieces.len();
            passed.push(hop.piece(host, of, piece, end));
            self.answer_calls(host, hop, asked, (end, true), &mut passed);
        }
        if request.trailers {
            if let Some(reply) = through(&mut passed, &mut body) {
                return reply;
            }
            passed.push(hop.trailers(host, of));
            self.answer_calls(host, hop, asked, (true, true), &mut passed);
        }
        if let Some(listened) = through(&mut passed, &mut body) {
            return listened;
        }
        passed.extend(asked.answer_rest(host, hop, &mut self.services));
        through(&mut passed, &mut body).unwrap_or(Listened::Waits)
    }

    /// Answers what was asked so far, and what is asked because of that.
    fn answer_calls(
        &mut self,
        host: &mut FakeHost,
        hop: &mut Hop,
        asked: &mut Asked,
        (is_whole, is_piece): (bool, bool),
        passed: &mut Vec<Passed>,
    ) {
        passed.extend(asked.answer_due(host, hop, &mut self.services, is_piece));
        if self.callouts_are_late && !is_whole {
            return;
        }
        while !host.calls.is_empty() {
            passed.extend(answer_of_control_plane(host, hop, &mut self.callouts));
            passed.extend(asked.answer_due(host, hop, &mut self.services, false));
        }
    }
}

/// Answers what was asked of the control plane so far.
fn answer_of_control_plane(host: &mut FakeHost, hop: &mut Hop, callouts: &mut Callouts) -> Vec<Passed> {
    let mut passed = Vec::new();
    for call in std::mem::take(&mut host.calls) {
        match callouts(&call) {
            Some(Ok(bytes)) => passed.push(hop.call(host, call.id, Ok(&bytes))),
            Some(Err(status)) => passed.push(hop.call(host, call.id, Err(CallError { status }))),
            None => {}
        }
    }
    passed
}

/// Where a request's way through the listener ended.
enum Listened {
    /// A filter holds it.
    Waits,
    /// It is answered.
    Reply(Downstream),
    /// It goes on to the router, with this body.
    Whole(Vec<u8>),
}

/// Takes in what passed; `Some`: the listener is done.
fn through(passed: &mut Vec<Passed>, all: &mut Vec<u8>) -> Option<Listened> {
    for passed in passed.drain(..) {
        match passed {
            Passed::Nothing => {}
            Passed::On { body, end, .. } => {
                all.extend(body);
                if end {
                    return Some(Listened::Whole(std::mem::take(all)));
                }
            }
            Passed::Reply(reply, details) => {
                let headers = reply.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
                return Some(Listened::Reply(Downstream::Reply {
                    status: reply.status,
                    headers,
                    body: reply.body,
                    details,
                }));
            }
            Passed::Reset => return Some(Listened::Reply(Downstream::Broken)),
            Passed::TooLarge => return Some(Listened::Reply(envoys(413, "request_payload_too_large"))),
        }
    }
    None
}

/// A reply of Envoy's own.
fn envoys(status: u16, details: &str) -> Downstream {
    Downstream::Reply { status, headers: Vec::new(), body: details.into(), details: details.into() }
}

/// As the listener lets them in: nothing internal that a client sent.
fn client_headers(request: &Request) -> Vec<Header> {
    let fixed = [
        (":authority", "gateway.example"),
        (":path", request.path.as_str()),
        (":method", request.method.as_str()),
        (":scheme", "http"),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let own = request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes().to_vec()));
    let own = own.filter(|(name, _)| !name.starts_with(INTERNAL_PREFIX) && !name.starts_with("x-envoy-"));
    fixed.chain(own).collect()
}

/// The client's end, behind the listener's filters.
#[derive(Default)]
struct Client {
    received: Received,
    /// The answer's headers have begun their way through the filters.
    begun: bool,
    over: bool,
    details: Option<String>,
}

impl Client {
    fn take(&mut self, hop: &mut Hop, host: &mut FakeHost, piece: Downstream) {
        if self.over {
            return;
        }
        let of = Message::Response;
        match piece {
            Downstream::Headers { end } => {
                self.begun = true;
                let passed = hop.headers(host, of, end);
                self.pass(host, passed);
            }
            Downstream::Piece { bytes, end } => {
                let passed = hop.piece(host, of, &bytes, end);
                self.pass(host, passed);
            }
            Downstream::Reply { status, headers, body, details } => {
                self.details = Some(details);
                if self.begun {
                    return self.reply_directly(status, headers, body);
                }
                host.headers[1] = vec![(":status".into(), status.to_string().into_bytes())];
                host.headers[1].extend(headers);
                host.headers[1].push(("content-length".into(), body.len().to_string().into_bytes()));
                self.take(hop, host, Downstream::Headers { end: body.is_empty() });
                if !body.is_empty() {
                    self.take(hop, host, Downstream::Piece { bytes: body, end: true });
                }
            }
            Downstream::Broken => {
                self.over = true;
                self.received.ended = Ended::Broken;
            }
        }
    }

    /// Takes what goes on because of callouts that are answered.
    fn hear(
        &mut self,
        host: &mut FakeHost,
        hop: &mut Hop,
        asked: &mut Asked,
        callouts: &mut Callouts,
        services: &mut Services,
        is_piece: bool,
    ) {
        let mut passed = asked.answer_due(host, hop, services, is_piece);
        while !host.calls.is_empty() {
            passed.extend(answer_of_control_plane(host, hop, callouts));
            passed.extend(asked.answer_due(host, hop, services, false));
        }
        for passed in passed {
            self.pass(host, passed);
        }
    }

    fn pass(&mut self, host: &FakeHost, passed: Passed) {
        match passed {
            Passed::Nothing => {}
            Passed::On { headers, body, end } => {
                if headers {
                    self.received.headers.clone_from(&host.headers[1]);
                }
                if !body.is_empty() {
                    self.received.pieces.push(body);
                }
                if end {
                    self.over = true;
                    self.received.ended = Ended::Whole;
                }
            }
            Passed::Reply(reply, details) => {
                self.details = Some(details);
                let headers = reply.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
                self.reply_directly(reply.status, headers, reply.body);
            }
            Passed::Reset => {
                self.over = true;
                self.received.ended = Ended::Broken;
            }
            Passed::TooLarge => {
                self.details = Some("response_payload_too_large".into());
                self.reply_directly(500, Vec::new(), Vec::new());
            }
        }
    }

    /// An answer in the place of one whose headers are on their way: it passes no filter. One that has left is broken off.
    fn reply_directly(&mut self, status: u16, headers: Vec<Header>, body: Vec<u8>) {
        self.over = true;
        if !self.received.headers.is_empty() {
            self.received.ended = Ended::Broken;
            return;
        }
        self.received.headers = vec![(":status".into(), status.to_string().into_bytes())];
        self.received.headers.extend(headers);
        self.received.pieces = vec![body];
        self.received.ended = Ended::Whole;
    }

    /// What Envoy knows of the stream when it is over.
    fn note_end(&self, host: &mut FakeHost) {
        let details = self.details.clone().unwrap_or_else(|| match self.received.ended {
            Ended::Whole => "via_upstream".into(),
            Ended::Broken => "upstream_reset_after_response_started".into(),
            Ended::Open => "downstream_remote_disconnect".into(),
        });
        host.properties.insert("response.code".into(), u64::from(self.received.status()).to_le_bytes().to_vec());
        host.properties.insert("response.code_details".into(), details.into_bytes());
    }
}
