use std::collections::HashMap;
use std::rc::Rc;

use prost::Message as _;
use sha2::Digest as _;
use weir_config::api_key::KeyForm;
use weir_config::{AuthConfig, AuthSource, ControlPlane, FindingType, StaticPrincipal};
use weir_exchange::{Catalog, CatalogModel, NamedProfile, Party, Principal, Shared, Step};
use weir_host::{CallError, CallId, Flow, Headers, Host, Level, Message, Reply, StreamFilter};
use weir_llm::error::ClientError;
use weir_llm::{NoOperation, Operation, Schema};
use weir_proto::dataplane::ResolveCredentialRequest;

use crate::credential::{client_address, read_keys};
use crate::{Answer, Denial, Digest, Identity, Known, PrincipalCache, Ticket};

/// Look-ups that the control plane did not answer.
const LOOKUPS_FAILED: &str = "weir_auth_lookups_failed";
/// Requests admitted with a principal beyond its lifetime, because the control plane is away.
const STALE_ADMITTED: &str = "weir_auth_stale_admitted";
/// Requests refused for their key.
const REFUSED: &str = "weir_auth_refused";
/// Requests refused without asking, as too many keys that are not known were shown lately.
const LOOKUPS_WITHHELD: &str = "weir_auth_lookups_withheld";

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
            lookup: None,
            admitted: false,
        }
    }
}

/// Finds out who sent one request.
#[derive(Debug)]
pub struct AuthStream {
    settings: Rc<Settings>,
    shared: Shared,
    cache: Rc<PrincipalCache>,
    schema: Schema,
    lookup: Option<Lookup>,
    admitted: bool,
}

#[derive(Debug)]
struct Lookup {
    call: CallId,
    key: Shown,
    ticket: Ticket,
    /// Keys of the request to be tried if this one is unknown.
    rest: Vec<Shown>,
}

/// A key that a client has shown.
#[derive(Clone, Copy, Debug)]
struct Shown {
    digest: Digest,
    has_checksum: bool,
}

impl Shown {
    fn of(key: &[u8]) -> Self {
        Self { digest: sha2::Sha256::digest(key).into(), has_checksum: KeyForm::of(key) == KeyForm::Checked }
    }
}

/// What a wrong base URL and an endpoint that Weir does not have look like: the message tells of both.
fn nothing_here() -> String {
    let mut paths: Vec<String> = Schema::all()
        .flat_map(|schema| schema.endpoints())
        .filter(|endpoint| !endpoint.path.ends_with('/'))
        .map(|endpoint| format!("/v1{}", endpoint.path))
        .collect();
    paths.sort_unstable();
    paths.dedup();
    format!(
        "There is nothing at this URL. Weir serves {}. Some clients put /v1 behind their base URL, others want it in there.",
        paths.join(", ")
    )
}

impl StreamFilter for AuthStream {
    fn on_request_headers(&mut self, host: &mut dyn Host, _end_of_stream: bool) -> Flow {
        let headers = host.headers(Message::Request);
        match self.read_operation(&headers) {
            Ok(operation) => {
                self.schema = operation.schema();
                self.shared.prepare(|request| request.operation = Some(operation));
            }
            Err(reply) => return Flow::Reply(reply),
        }
        match read_keys(&headers) {
            Ok(keys) => self.identify(host, keys.into_iter().rev().map(Shown::of).collect()),
            Err(error) => self.refuse_key(host, error.to_string()),
        }
    }

    fn on_request_body(&mut self, _host: &mut dyn Host, _held: usize, _end_of_stream: bool) -> Flow {
        self.go_on_if_admitted()
    }

    fn on_call(&mut self, host: &mut dyn Host, call: CallId, answer: Result<&[u8], CallError>) -> Flow {
        let Some(lookup) = self.lookup.take_if(|lookup| lookup.call == call) else {
            return self.go_on_if_admitted();
        };
        let answer = match answer {
            Ok(bytes) => Answer::decode(bytes).map_err(|error| (error.to_string(), error.may_use_stale())),
            Err(error) => Err((error.to_string(), !matches!(error.status, PERMISSION_DENIED | UNAUTHENTICATED))),
        };
        match answer {
            Ok(answer) => {
                let config = &self.settings.config;
                match self.cache.answered(lookup.key.digest, lookup.ticket, answer, host.now(), config) {
                    Known::Active(principal, catalog) => self.admit(host, principal, catalog),
                    Known::Denied(Denial::Unknown) if !lookup.rest.is_empty() => self.identify(host, lookup.rest),
                    Known::Denied(denial) => self.deny(host, denial),
                    Known::Outdated(ticket) => self.ask(host, lookup.key, ticket, lookup.rest),
                    Known::Unsure(_) => self.without_answer(host, &lookup.key.digest, false),
                }
            }
            Err((reason, may_be_away)) => {
                host.log(Level::Warn, &format!("weir.auth: a key could not be looked up: {reason}"));
                self.without_answer(host, &lookup.key.digest, may_be_away)
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

    /// Tries keys, the last one first. Only one that nobody knows makes way for the next.
    fn identify(&mut self, host: &mut dyn Host, mut keys: Vec<Shown>) -> Flow {
        while let Some(key) = keys.pop() {
            match self.look_up(host, &key) {
                Known::Active(principal, catalog) => return self.admit(host, principal, catalog),
                Known::Denied(Denial::Unknown) if !keys.is_empty() => {}
                Known::Denied(denial) => return self.deny(host, denial),
                Known::Unsure(ticket) | Known::Outdated(ticket) => return self.ask(host, key, ticket, keys),
            }
        }
        self.deny(host, Denial::Unknown)
    }

    fn look_up(&self, host: &dyn Host, key: &Shown) -> Known {
        let Settings { config, written_here } = &*self.settings;
        match &config.source {
            AuthSource::ControlPlane(_) => self.cache.look_up(&key.digest, host.now(), config),
            AuthSource::Static(_) => match written_here.get(&key.digest).cloned() {
                Some((principal, catalog)) => Known::Active(principal, catalog),
                None => Known::Denied(Denial::Unknown),
            },
        }
    }

    fn ask(&mut self, host: &mut dyn Host, key: Shown, mut ticket: Ticket, rest: Vec<Shown>) -> Flow {
        let settings = Rc::clone(&self.settings);
        let AuthSource::ControlPlane(control_plane) = &settings.config.source else {
            return self.deny(host, Denial::Unknown);
        };
        let Shown { digest, has_checksum } = key;
        if !self.cache.may_ask(&digest, has_checksum, &mut ticket, host.now()) {
            host.count(LOOKUPS_WITHHELD, 1);
            return Flow::Reply(self.shared.refuse_for(self.schema, &not_checked(), 1));
        }
        let (known_catalog_tenant_id, known_catalog_revision) = ticket.known_catalog().unwrap_or_default();
        let request = ResolveCredentialRequest {
            key_sha256: digest.to_vec(),
            known_catalog_tenant_id: known_catalog_tenant_id.to_owned(),
            known_catalog_revision,
            finding_types: FindingType::ALL.map(|finding| finding.name().to_owned()).into(),
            keeps_restrictions: true,
            keeps_limits: true,
        }
        .encode_to_vec();
        match host.call(&control_plane.cluster, "ResolveCredential", &request, control_plane.timeout_ms) {
            Ok(call) => {
                self.lookup = Some(Lookup { call, key, ticket, rest });
                Flow::Pause
            }
            Err(error) => {
                host.log(Level::Warn, &format!("weir.auth: a key could not be looked up: {error}"));
                self.without_answer(host, &digest, true)
            }
        }
    }

    /// Lets the request go on, unless its key may not be used for it. The record of one that may not is the key's all the same.
    fn admit(&mut self, host: &mut dyn Host, principal: Rc<Principal>, catalog: Rc<Catalog>) -> Flow {
        self.shared.prepare(|request| {
            request.principal = Some(Rc::clone(&principal));
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

    fn deny(&mut self, host: &mut dyn Host, denial: Denial) -> Flow {
        self.refuse_key(host, denial.to_string())
    }

    fn refuse_key(&mut self, host: &mut dyn Host, message: String) -> Flow {
        host.count(REFUSED, 1);
        let mut reply = self.shared.refuse(self.schema, &ClientError::new(401, "invalid_api_key", message));
        // RFC 9110, 11.6.1: a 401 names the scheme.
        reply.headers.push(("www-authenticate".into(), "Bearer".into()));
        Flow::Reply(reply)
    }

    /// The control plane gave no answer. `may_be_away`: it is not that it refuses this gateway.
    fn without_answer(&mut self, host: &mut dyn Host, digest: &Digest, may_be_away: bool) -> Flow {
        host.count(LOOKUPS_FAILED, 1);
        if may_be_away
            && let Some((principal, catalog)) = self.cache.unanswered(digest, host.now(), &self.settings.config)
        {
            host.count(STALE_ADMITTED, 1);
            return self.admit(host, principal, catalog);
        }
        Flow::Reply(self.shared.refuse_for(self.schema, &not_checked(), 1))
    }

    fn go_on_if_admitted(&self) -> Flow {
        if self.admitted { Flow::Continue } else { Flow::Pause }
    }
}

fn not_checked() -> ClientError {
    ClientError::new(503, "auth_unavailable", "The API key cannot be checked at the moment. Try again.")
}

/// A principal written in the configuration, by its key's digest.
fn read_static(principal: &StaticPrincipal) -> Option<(Digest, Identity)> {
    let models = principal.models.iter().map(|model| CatalogModel {
        dearest: None,
        name: model.name.clone(),
        pool_id: model.pool_id.clone(),
        created_at_s: 0,
        owner: principal.tenant_id.clone(),
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
