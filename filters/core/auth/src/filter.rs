use std::collections::HashMap;
use std::rc::Rc;

use prost::Message as _;
use weir_config::{AuthConfig, AuthSource, ControlPlane, FindingType, StaticPrincipal};
use weir_exchange::{Catalog, CatalogModel, NamedProfile, Party, Principal, Shared, Step, WayIn};
use weir_host::{CallError, CallId, Flow, Headers, Host, Level, Message, Reply, StreamFilter};
use weir_llm::error::ClientError;
use weir_llm::{NoOperation, Operation, Schema, read_head};
use weir_proto::dataplane::ResolveCredentialRequest;

use crate::credential::{CredentialError, client_address, read_keys, read_token, token_failure, without_key_in_query};
use crate::peer::read_peer;
use crate::shown::Shown;
use crate::{Answer, Denial, Digest, Identity, Known, PrincipalCache, Ticket};

/// Look-ups that the control plane did not answer.
const LOOKUPS_FAILED: &str = "weir_auth_lookups_failed";
/// Requests admitted with a principal beyond its lifetime, because the control plane is away.
const STALE_ADMITTED: &str = "weir_auth_stale_admitted";
/// Requests refused for their key.
const REFUSED: &str = "weir_auth_refused";
/// Requests refused without asking, as too many keys that are not known were shown lately.
const LOOKUPS_WITHHELD: &str = "weir_auth_lookups_withheld";

/// Bytes of a request that is read although nobody knows who sent it.
const SHORT_BODY: usize = 64 * 1024;

/// gRPC status codes by which the control plane refuses this gateway itself.
const PERMISSION_DENIED: u32 = 7;
const UNAUTHENTICATED: u32 = 16;

/// `weir.auth` with one configuration.
#[derive(Debug)]
pub struct AuthPlugin {
    settings: Rc<Settings>,
}

#[derive(Debug)]
struct Settings {
    config: AuthConfig,
    written_here: HashMap<Digest, Identity>,
}

impl AuthPlugin {
    /// From a configuration that was checked.
    pub fn new(config: AuthConfig) -> Self {
        let written_here = match &config.source {
            AuthSource::Static(principals) => principals.iter().filter_map(read_static).collect(),
            AuthSource::ControlPlane(_) => HashMap::new(),
        };
        Self { settings: Rc::new(Settings { config, written_here }) }
    }

    /// Whom to watch for what must be forgotten; `None`: the principals are written in the configuration.
    pub fn control_plane(&self) -> Option<&ControlPlane> {
        match &self.settings.config.source {
            AuthSource::ControlPlane(control_plane) => Some(control_plane),
            AuthSource::Static(_) => None,
        }
    }

    /// Its part in one stream. `cache` is the VM's.
    pub fn stream(&self, shared: Shared, cache: Rc<PrincipalCache>) -> AuthStream {
        AuthStream {
            settings: Rc::clone(&self.settings),
            shared: shared.held_by(Party::Gateway(Step::Auth)),
            cache,
            schema: Schema::default(),
            keys: Vec::new(),
            token: None,
            peer: Unread,
            named: None,
            missing: Vec::new(),
            wanted: Vec::new(),
            shown: Vec::new(),
            denied: None,
            lookup: None,
            admitted: false,
            body: Arriving::Nothing,
            unknown: None,
        }
    }
}

/// Finds out who sent one request.
///
/// What a client has shown is tried in an order: a key of Weir's, a token, its certificate, other keys, which anybody may make known. The first that is somebody's says whose the request is.
/// Ways in that are required must be shown as well, by the same tenant.
#[derive(Debug)]
pub struct AuthStream {
    settings: Rc<Settings>,
    shared: Shared,
    cache: Rc<PrincipalCache>,
    schema: Schema,
    /// Keys that were not tried yet, the first one last.
    keys: Vec<Shown>,
    /// A token that was not tried yet.
    token: Option<Shown>,
    peer: PeerState,
    /// Whose the request is, once that is known.
    named: Option<Identity>,
    /// Ways in that must be shown yet.
    missing: Vec<WayIn>,
    /// Ways in that some model requires, and that may be shown besides.
    wanted: Vec<WayIn>,
    /// Ways in that were shown rightly.
    shown: Vec<WayIn>,
    /// Why what was tried is not good.
    denied: Option<(WayIn, Denial, Digest)>,
    lookup: Option<Lookup>,
    admitted: bool,
    body: Arriving,
    /// Somebody whom no rule knows, to be refused once it is known which model they ask for.
    unknown: Option<Unknown>,
}

/// How much of the request is here.
#[derive(Clone, Copy, Debug)]
enum Arriving {
    Nothing,
    /// So many bytes, and more to come.
    Part(usize),
    /// All of it: so many bytes.
    Whole(usize),
}

#[derive(Debug)]
struct Unknown {
    digest: Digest,
    refusal: Reply,
}

/// What is known of the client's certificate. To ask for it is dear, and needed only if nothing else says who it is.
#[derive(Debug)]
enum PeerState {
    Unread,
    Read(Option<Shown>),
}
use PeerState::Unread;

#[derive(Debug)]
struct Lookup {
    call: CallId,
    shown: Shown,
    ticket: Ticket,
}

/// What a wrong base URL and an endpoint that Weir does not have look like: the message tells of both.
fn nothing_here() -> String {
    let mut paths: Vec<String> = Schema::all()
        .flat_map(|schema| schema.endpoints())
        .filter(|endpoint| endpoint.method == "POST" || !endpoint.names_model())
        .map(|endpoint| {
            let version = endpoint.versions.first().copied().unwrap_or_default();
            let model = if endpoint.names_model() { "MODEL" } else { "" };
            [version, endpoint.path, model, endpoint.action].concat()
        })
        .collect();
    paths.sort_unstable();
    paths.dedup();
    format!(
        "There is nothing at this URL. Weir serves {}. Some clients put /v1 behind their base URL, others want it in there.",
        paths.join(", ")
    )
}

impl StreamFilter for AuthStream {
    fn on_request_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        if end_of_stream {
            self.body = Arriving::Whole(0);
        }
        let headers = without_key_in_query(host);
        match self.read_operation(&headers) {
            Ok(operation) => {
                self.schema = operation.schema();
                self.shared.prepare(|request| request.operation = Some(operation));
            }
            Err(reply) => return Flow::Reply(reply),
        }
        let token = match self.settings.config.source {
            AuthSource::ControlPlane(_) => read_token(&headers),
            AuthSource::Static(_) => Ok(None),
        };
        match (read_keys(&headers), token) {
            (Ok(keys), Ok(token)) => {
                self.keys = keys.into_iter().rev().map(Shown::key).collect();
                self.token = token.map(Shown::token);
                self.identify(host)
            }
            (Err(CredentialError::Missing), Ok(token)) => {
                self.token = token.map(Shown::token);
                self.identify(host)
            }
            (Err(error), _) | (_, Err(error)) => self.refuse_key(host, error.to_string()),
        }
    }

    fn on_request_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        self.body = if end_of_stream { Arriving::Whole(held) } else { Arriving::Part(held) };
        match self.unknown.take() {
            Some(unknown) => self.refuse_once_read(host, unknown),
            None => self.go_on_if_admitted(),
        }
    }

    fn on_call(&mut self, host: &mut dyn Host, call: CallId, answer: Result<&[u8], CallError>) -> Flow {
        let Some(lookup) = self.lookup.take_if(|lookup| lookup.call == call) else {
            return self.go_on_if_admitted();
        };
        let answer = match answer {
            Ok(bytes) => Answer::decode(bytes, lookup.ticket.known_entries())
                .map_err(|error| (error.to_string(), error.may_use_stale())),
            Err(error) => Err((error.to_string(), !matches!(error.status, PERMISSION_DENIED | UNAUTHENTICATED))),
        };
        match answer {
            Ok(answer) => {
                let config = &self.settings.config;
                match self.cache.answered(lookup.shown.digest, lookup.ticket, answer, host.now(), config) {
                    Known::Outdated(ticket) => self.ask(host, lookup.shown, ticket),
                    Known::Unsure(_) => self.without_answer(host, &lookup.shown, false),
                    known => {
                        let flow = self.go_on(host, &lookup.shown, known);
                        self.wait_for_model(host, flow)
                    }
                }
            }
            Err((reason, may_be_away)) => {
                host.log(Level::Warn, &format!("weir.auth: a caller could not be looked up: {reason}"));
                self.without_answer(host, &lookup.shown, may_be_away)
            }
        }
    }
}

impl AuthStream {
    /// Reads what the client wants. On an error, `self.schema` is the one that the path belongs to.
    fn read_operation(&mut self, headers: &Headers) -> Result<Operation, Reply> {
        let (method, path) = (headers.text(":method"), headers.text(":path"));
        let has_header = |name: &str| headers.get(name).is_some();
        if has_header("upgrade") {
            // Its body would have no end: Envoy takes what follows for the other protocol.
            self.schema = Schema::of_path(path, &has_header);
            let error = ClientError::new(403, "invalid_request", "No other protocol is spoken here.");
            return Err(self.shared.refuse(self.schema, &error));
        }
        Operation::of(method, path, &has_header).map_err(|error| {
            self.schema = Schema::of_path(path, &has_header);
            match error {
                NoOperation::UnknownPath => {
                    let error = ClientError::new(404, "unknown_url", nothing_here());
                    self.shared.refuse(self.schema, &error)
                }
                NoOperation::WrongMethod { takes } => {
                    let message = format!("This URL takes {takes} only.");
                    let error = ClientError::new(405, "method_not_allowed", message);
                    let mut reply = self.shared.refuse(self.schema, &error);
                    // RFC 9110, 15.5.6: a 405 names the methods that are taken.
                    reply.headers.push(("allow".into(), takes.into()));
                    reply
                }
            }
        })
    }

    /// Tries what the client has shown and was not tried yet, until it is known whose the request is, and all that is required is shown.
    fn identify(&mut self, host: &mut dyn Host) -> Flow {
        while let Some(shown) = self.next(host) {
            match self.look_up(host, &shown) {
                Known::Unsure(ticket) | Known::Outdated(ticket) => return self.ask(host, shown, ticket),
                known => {
                    if let Some(flow) = self.note(host, &shown, known) {
                        return flow;
                    }
                }
            }
        }
        match self.named.take_if(|_| self.missing.is_empty()) {
            Some((principal, catalog)) => self.admit(host, principal, catalog),
            None => self.refuse_unknown(host),
        }
    }

    /// The same, after what was answered about one of them.
    fn go_on(&mut self, host: &mut dyn Host, shown: &Shown, known: Known) -> Flow {
        match self.note(host, shown, known) {
            Some(flow) => flow,
            None => self.identify(host),
        }
    }

    /// What is to be tried next: as long as nobody is known all that was shown, then what is required besides.
    fn next(&mut self, host: &dyn Host) -> Option<Shown> {
        if self.named.is_none() {
            let of_weirs = self.keys.pop_if(|key| key.is_of_weirs());
            return of_weirs.or_else(|| self.token.take()).or_else(|| self.take_peer(host)).or_else(|| self.keys.pop());
        }
        if let Some(way) = self.missing.first().copied() {
            return self.take(way, host);
        }
        while let Some(way) = self.wanted.first().copied() {
            let found = self.take(way, host);
            if found.is_some() {
                return found;
            }
            self.wanted.retain(|wanted| *wanted != way);
        }
        None
    }

    /// What was shown in this way and was not tried yet.
    fn take(&mut self, way: WayIn, host: &dyn Host) -> Option<Shown> {
        match way {
            WayIn::Key => self.keys.pop(),
            WayIn::Token => self.token.take(),
            WayIn::Workload => self.take_peer(host),
        }
    }

    fn take_peer(&mut self, host: &dyn Host) -> Option<Shown> {
        if let AuthSource::Static(_) = self.settings.config.source {
            return None;
        }
        if let Unread = self.peer {
            self.peer = PeerState::Read(read_peer(host, &host.headers(Message::Request)).map(Shown::workload));
        }
        match &mut self.peer {
            PeerState::Read(shown) => shown.take(),
            Unread => None,
        }
    }

    /// Takes in what is known about something that was shown. `None`: what comes next is to be tried.
    fn note(&mut self, host: &mut dyn Host, shown: &Shown, known: Known) -> Option<Flow> {
        match known {
            Known::Active(principal, catalog) => match &self.named {
                None => {
                    let is_open = |way: &WayIn| *way != shown.way();
                    self.missing = principal.required_ways_in.iter().copied().filter(is_open).collect();
                    self.wanted = catalog.required_ways_in().iter().copied().filter(is_open).collect();
                    self.shown.push(shown.way());
                    self.named = Some((principal, catalog));
                }
                Some((named, _)) if named.tenant_id == principal.tenant_id => {
                    self.missing.retain(|way| *way != shown.way());
                    self.wanted.retain(|way| *way != shown.way());
                    self.shown.push(shown.way());
                }
                Some(_) => {
                    return Some(self.refuse_use(host, &ClientError::new(403, "callers_differ", CALLERS_DIFFER)));
                }
            },
            Known::Denied(denial) if denial.makes_way() => {
                // That nothing in it counts says less than what was found before, of a certificate less than of a key.
                let says_more = match self.denied {
                    None => true,
                    Some((_, Denial::Unknown, _)) => denial != Denial::Unknown || shown.way() == WayIn::Key,
                    Some(_) => denial != Denial::Unknown,
                };
                if says_more {
                    self.denied = Some((shown.way(), denial, shown.digest));
                }
            }
            Known::Denied(denial) => return Some(self.deny(host, shown.way(), denial)),
            Known::Unsure(_) | Known::Outdated(_) => return Some(self.without_answer(host, shown, false)),
        }
        if self.missing.is_empty()
            && self.wanted.is_empty()
            && let Some((principal, catalog)) = self.named.take()
        {
            return Some(self.admit(host, principal, catalog));
        }
        None
    }

    fn look_up(&self, host: &dyn Host, shown: &Shown) -> Known {
        let Settings { config, written_here } = &*self.settings;
        match &config.source {
            AuthSource::ControlPlane(_) => self.cache.look_up(&shown.digest, host.now(), config),
            AuthSource::Static(_) => match written_here.get(&shown.digest).cloned() {
                Some((principal, catalog)) => Known::Active(principal, catalog),
                None => Known::Denied(Denial::Unknown),
            },
        }
    }

    fn ask(&mut self, host: &mut dyn Host, shown: Shown, mut ticket: Ticket) -> Flow {
        let settings = Rc::clone(&self.settings);
        let AuthSource::ControlPlane(control_plane) = &settings.config.source else {
            return self.deny(host, shown.way(), Denial::Unknown);
        };
        if !self.cache.may_ask(&shown.digest, shown.vouched(), &mut ticket, host.now()) {
            host.count(LOOKUPS_WITHHELD, 1);
            return Flow::Reply(self.shared.refuse_for(self.schema, &not_checked(), 1));
        }
        let (known_catalog_tenant_id, known_catalog_revision) = ticket.known_catalog().unwrap_or_default();
        let request = ResolveCredentialRequest {
            known_catalog_tenant_id: known_catalog_tenant_id.to_owned(),
            known_catalog_revision,
            finding_types: FindingType::names().map(str::to_owned).collect(),
            keeps_restrictions: true,
            keeps_limits: true,
            keeps_ways_in: true,
            keeps_ways_in_of_models: true,
            refused_since: ticket.refused_since(),
            known_entries_sha256: ticket.known_entries().iter().map(|entries| entries.digest().to_vec()).collect(),
            refused_models: ticket.refused_models().to_vec(),
            ..Default::default()
        };
        let request = shown.ask(request).encode_to_vec();
        match host.call(&control_plane.cluster, "ResolveCredential", &request, control_plane.timeout_ms) {
            Ok(call) => {
                self.lookup = Some(Lookup { call, shown, ticket });
                Flow::Pause
            }
            Err(error) => {
                host.log(Level::Warn, &format!("weir.auth: a caller could not be looked up: {error}"));
                self.without_answer(host, &shown, true)
            }
        }
    }

    /// Lets the request go on, unless its key may not be used for it. The record of one that may not is the key's all the same.
    fn admit(&mut self, host: &mut dyn Host, principal: Rc<Principal>, catalog: Rc<Catalog>) -> Flow {
        let ways_shown = std::mem::take(&mut self.shown);
        self.shared.prepare(|request| {
            request.principal = Some(Rc::clone(&principal));
            request.ways_shown = ways_shown;
            request.catalog = Some(catalog);
        });
        let operation = self.shared.read(|exchange| exchange.request().operation).flatten();
        let operation = operation.map(Operation::name).unwrap_or_default();
        if !principal.may_ask(operation) {
            let message = format!("This API key may not be used for {operation}.");
            return self.refuse_use(host, &ClientError::new(403, "operation_not_allowed", message));
        }
        // Only few keys have such a rule, and to look at the headers once more is dear.
        if !principal.source_cidrs.is_empty()
            && !principal.may_come_from(client_address(&host.headers(Message::Request), principal.trusted_hops))
        {
            let message = "This API key may not be used from this address.";
            return self.refuse_use(host, &ClientError::new(403, "source_not_allowed", message));
        }
        self.admitted = true;
        Flow::Continue
    }

    fn refuse_use(&mut self, host: &mut dyn Host, error: &ClientError) -> Flow {
        host.count(REFUSED, 1);
        Flow::Reply(self.shared.refuse(self.schema, error))
    }

    /// Nothing that was shown is somebody's, or something is missing.
    fn refuse_unknown(&mut self, host: &mut dyn Host) -> Flow {
        if let Some(way) = self.missing.first() {
            let message = format!("Every request must show {} here.", way.about());
            return self.refuse_credential(host, &ClientError::new(401, "credential_required", message));
        }
        match self.denied {
            // A token that is not good was taken for a key that nobody knows.
            None | Some((WayIn::Key, Denial::Unknown, _)) => match token_failure(host) {
                Some(reason) => {
                    let message = format!("The token is not good: {reason}.");
                    self.refuse_credential(host, &ClientError::new(401, "invalid_token", message))
                }
                None if self.denied.is_some() => self.deny(host, WayIn::Key, Denial::Unknown),
                None => self.refuse_key(host, CredentialError::Missing.to_string()),
            },
            Some((way, denial, _)) => self.deny(host, way, denial),
        }
    }

    fn deny(&mut self, host: &mut dyn Host, way: WayIn, denial: Denial) -> Flow {
        let message = denial.to_string();
        match (way, denial) {
            (_, Denial::NoRule | Denial::NoUser) => {
                self.refuse_use(host, &ClientError::new(403, "caller_unknown", message))
            }
            (_, Denial::WayRefused) => self.refuse_use(host, &ClientError::new(403, "way_in_refused", message)),
            (WayIn::Key, _) => self.refuse_key(host, message),
            (WayIn::Workload, Denial::Unknown) => self.refuse_key(host, CredentialError::Missing.to_string()),
            (WayIn::Token | WayIn::Workload, Denial::Revoked | Denial::Disabled) => {
                self.refuse_use(host, &ClientError::new(403, "caller_disabled", CALLER_DISABLED))
            }
            (WayIn::Token | WayIn::Workload, Denial::Unknown | Denial::Expired | Denial::Malformed) => {
                let message = if denial == Denial::Expired { TOKEN_EXPIRED.into() } else { message };
                self.refuse_credential(host, &ClientError::new(401, "invalid_token", message))
            }
        }
    }

    fn refuse_key(&mut self, host: &mut dyn Host, message: String) -> Flow {
        self.refuse_credential(host, &ClientError::new(401, "invalid_api_key", message))
    }

    fn refuse_credential(&mut self, host: &mut dyn Host, error: &ClientError) -> Flow {
        host.count(REFUSED, 1);
        let mut reply = self.shared.refuse(self.schema, error);
        // RFC 9110, 11.6.1: a 401 names the scheme.
        reply.headers.push(("www-authenticate".into(), "Bearer".into()));
        Flow::Reply(reply)
    }

    /// A refusal of somebody whom no rule knows waits for the request, as administrators are told which model it is for. Only who was just
    /// asked for waits, so that few do at a time.
    fn wait_for_model(&mut self, host: &mut dyn Host, flow: Flow) -> Flow {
        match (flow, self.denied) {
            (Flow::Reply(refusal), Some((_, Denial::NoRule | Denial::NoUser, digest))) => {
                self.refuse_once_read(host, Unknown { digest, refusal })
            }
            (flow, _) => flow,
        }
    }

    /// Refuses as soon as the request is here, or turns out to be long.
    fn refuse_once_read(&mut self, host: &mut dyn Host, unknown: Unknown) -> Flow {
        match self.body {
            Arriving::Nothing => {}
            Arriving::Part(length) if length <= SHORT_BODY => {}
            Arriving::Whole(length) if length <= SHORT_BODY => {
                if let Some(model) = self.asked_model(host, length) {
                    self.cache.note_refused_model(&unknown.digest, &model);
                }
                return Flow::Reply(unknown.refusal);
            }
            Arriving::Part(_) | Arriving::Whole(_) => return Flow::Reply(unknown.refusal),
        }
        self.unknown = Some(unknown);
        Flow::Pause
    }

    /// The model that a request names whose body is here.
    fn asked_model(&self, host: &dyn Host, length: usize) -> Option<String> {
        let operation = self.shared.read(|exchange| exchange.request().operation).flatten()?;
        let body = host.body(Message::Request, 0, length).ok().filter(|_| operation.has_body())?;
        let path = host.header_text(Message::Request, ":path").unwrap_or_default();
        read_head(operation, &path, &body).ok().map(|head| head.model)
    }

    /// The control plane gave no answer. `may_be_away`: it is not that it refuses this gateway.
    fn without_answer(&mut self, host: &mut dyn Host, shown: &Shown, may_be_away: bool) -> Flow {
        host.count(LOOKUPS_FAILED, 1);
        if may_be_away
            && let Some((principal, catalog)) = self.cache.unanswered(&shown.digest, host.now(), &self.settings.config)
        {
            host.count(STALE_ADMITTED, 1);
            return self.go_on(host, shown, Known::Active(principal, catalog));
        }
        Flow::Reply(self.shared.refuse_for(self.schema, &not_checked(), 1))
    }

    fn go_on_if_admitted(&self) -> Flow {
        if self.admitted { Flow::Continue } else { Flow::Pause }
    }
}

const CALLERS_DIFFER: &str = "What was shown is of different tenants.";
const CALLER_DISABLED: &str = "You have been disabled here. Ask an administrator.";
const TOKEN_EXPIRED: &str = "The token has expired.";

fn not_checked() -> ClientError {
    ClientError::new(503, "auth_unavailable", "The API key cannot be checked at the moment. Try again.")
}

/// A principal written in the configuration, by its key's digest.
fn read_static(principal: &StaticPrincipal) -> Option<(Digest, Identity)> {
    let models = principal.models.iter().map(|model| CatalogModel {
        name: model.name.clone(),
        pool_id: model.pool_id.clone(),
        owner: principal.tenant_id.clone(),
        ..CatalogModel::default()
    });
    let known = Principal {
        tenant_id: principal.tenant_id.clone(),
        key_id: principal.key_id.clone(),
        guardrail_profile: principal.guardrail_profile.clone().map(|profile| {
            // Nothing but the key that it is written at names it.
            Rc::new(NamedProfile { id: principal.key_id.clone(), profile })
        }),
        ..Principal::default()
    };
    Some((read_digest(&principal.key_sha256)?, (Rc::new(known), Rc::new(Catalog::new(models.collect())))))
}

fn read_digest(hexadecimal: &str) -> Option<Digest> {
    let digits: Vec<u8> = hexadecimal
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit)).collect();
    Digest::try_from(bytes).ok()
}
