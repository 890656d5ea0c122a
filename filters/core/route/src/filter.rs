use std::rc::Rc;

use weir_config::RouteConfig;
use weir_config::names::{POOL_HEADER, STREAM_HEADER};
use weir_exchange::{Bodies, Body, Catalog, CatalogModel, HeldBody, Party, Principal, Shared, Step, WayIn};
use weir_host::{Flow, Host, Level, Message, Reply, StreamFilter};
use weir_llm::error::{ClientError, RequestError};
use weir_llm::{Kind, Operation, RequestHead, Schema, read_head};

use crate::{media, models, output};

/// Requests refused because too many bodies are held.
const OVERLOADED: &str = "weir_route_overloaded";

/// Bodies of at most so many bytes are let in a little longer than others.
const SHORT_BODY: u64 = 64 * 1024;

/// Seconds after which a request that found no room should come again: about as long as an answer takes.
const RETRY_AFTER_S: u64 = 2;

/// Characters of a model's name that an error repeats.
const NAME_IN_ERRORS: usize = 100;

/// `weir.route` with one configuration.
#[derive(Debug)]
pub struct RoutePlugin {
    config: Rc<RouteConfig>,
}

impl RoutePlugin {
    /// From a configuration that was checked.
    pub fn new(config: RouteConfig) -> Self {
        Self { config: Rc::new(config) }
    }

    /// Its part in one stream. `bodies`: those of the VM.
    pub fn stream(&self, shared: Shared, bodies: Rc<Bodies>) -> RouteStream {
        let held = HeldBody::new(bodies);
        RouteStream {
            config: Rc::clone(&self.config),
            shared: shared.held_by(Party::Gateway(Step::Route)),
            held,
            stage: Stage::Begun,
        }
    }
}

/// Finds the pool for one request.
#[derive(Debug)]
pub struct RouteStream {
    config: Rc<RouteConfig>,
    shared: Shared,
    /// This stream's part of what the VM's streams hold, as long as the stream lasts.
    held: HeldBody,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The headers are not here yet, or the request was answered: nothing goes on.
    Begun,
    /// The body is coming in.
    Reading(Caller),
    /// The pool is chosen.
    Routed,
}

/// Who asks for what.
#[derive(Clone, Debug)]
struct Caller {
    operation: Operation,
    principal: Rc<Principal>,
    ways_shown: Vec<WayIn>,
    catalog: Rc<Catalog>,
}

impl StreamFilter for RouteStream {
    fn on_request_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        let caller = self.shared.read(|exchange| {
            Some(Caller {
                operation: exchange.request().operation?,
                principal: exchange.request().principal.clone()?,
                ways_shown: exchange.request().ways_shown.clone(),
                catalog: exchange.request().catalog.clone()?,
            })
        });
        let Some(caller) = caller.flatten() else {
            host.log(Level::Error, "weir.route: no caller is known; weir.auth must stand before weir.route");
            let path = host.header_text(Message::Request, ":path").unwrap_or_default();
            let schema = Schema::of_path(&path, &|name| host.header(Message::Request, name).is_some());
            return self.refuse(schema, &misconfigured("weir.auth must stand before weir.route"));
        };
        let schema = caller.operation.schema();
        match caller.operation.kind() {
            Kind::ListModels => {
                return answer(models::list(schema, &caller.catalog, &caller.principal));
            }
            Kind::GetModel => {
                let path = host.header_text(Message::Request, ":path").unwrap_or_default();
                let name = caller.operation.model_of_path(&path).unwrap_or_default();
                return match caller.find(&name) {
                    Ok(model) => answer(models::one(schema, model)),
                    Err(error) => self.refuse(schema, &error),
                };
            }
            // weir.quota answers it.
            Kind::OwnLimits | Kind::OwnUsage => {
                self.stage = Stage::Routed;
                return Flow::Continue;
            }
            Kind::Chat | Kind::Embeddings | Kind::BatchEmbeddings | Kind::CountTokens | Kind::Moderation => {}
        }
        if end_of_stream {
            return self.refuse(schema, &ClientError::new(400, "invalid_request", "The request has no body."));
        }
        match media::check_announced(host, self.config.body_limit_bytes) {
            // What is only announced is not counted yet, or a few clients that never send it would shut out all others.
            Ok(announced) if !self.has_room(announced) => self.refuse_overloaded(host, schema),
            Ok(_) => {
                // The headers were read in this callback: to see here that there is none costs nothing.
                host.remove_header(Message::Request, STREAM_HEADER);
                self.stage = Stage::Reading(caller);
                Flow::Pause
            }
            Err(error) => self.refuse(schema, &error),
        }
    }

    fn on_request_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        let caller = match &self.stage {
            Stage::Begun => return Flow::Pause,
            Stage::Routed => return Flow::Continue,
            Stage::Reading(caller) => caller.clone(),
        };
        let schema = caller.operation.schema();
        let length = u64::try_from(held).unwrap_or(u64::MAX);
        if let Err(error) = media::check_length(length, self.config.body_limit_bytes) {
            return self.refuse(schema, &error);
        }
        if !self.has_room(length) {
            return self.refuse_overloaded(host, schema);
        }
        self.held.grow_to(length);
        if !end_of_stream {
            return Flow::Pause;
        }
        match self.route(host, &caller, held) {
            Ok(()) => {
                self.stage = Stage::Routed;
                Flow::Continue
            }
            Err(error) => self.refuse(schema, &error),
        }
    }
}

impl RouteStream {
    /// Reads the whole body and chooses the pool.
    fn route(&self, host: &mut dyn Host, caller: &Caller, held: usize) -> Result<(), ClientError> {
        if held == 0 {
            return Err(ClientError::new(400, "invalid_request", "The request has no body."));
        }
        let body = host.body(Message::Request, 0, held).map_err(|error| {
            host.log(Level::Error, &format!("weir.route: the body could not be read: {error}"));
            misconfigured("the body could not be read")
        })?;
        // To ask for the path costs; few operations have the model in it.
        let path =
            caller.operation.streams().and_then(|_| host.header_text(Message::Request, ":path")).unwrap_or_default();
        let head = read_head(caller.operation, &path, &body).map_err(invalid_request)?;
        let (body, head) = self.bound_output(host, caller, &path, body, head)?;
        let stream = head.stream;
        let pool_id = self.choose(caller, body, head)?;
        set(host, POOL_HEADER, &pool_id)?;
        if stream {
            set(host, STREAM_HEADER, "true")?;
        }
        host.clear_route_cache();
        Ok(())
    }

    /// The body with a maximum of output tokens as the model has it.
    fn bound_output(
        &self,
        host: &mut dyn Host,
        caller: &Caller,
        path: &str,
        body: Vec<u8>,
        head: RequestHead,
    ) -> Result<(Vec<u8>, RequestHead), ClientError> {
        let bounds = caller.find(&head.model).map(|model| output::bounds(model, &caller.principal)).unwrap_or_default();
        let Some(bounded) = head.bounded(caller.operation, &body, bounds) else { return Ok((body, head)) };
        let head = read_head(caller.operation, path, &bounded).map_err(invalid_request)?;
        set(host, "content-length", &bounded.len().to_string())?;
        host.set_body(Message::Request, &bounded).map_err(|error| {
            host.log(Level::Error, &format!("weir.route: the body could not be replaced: {error}"));
            misconfigured("the body could not be replaced")
        })?;
        Ok((bounded, head))
    }

    /// Writes what was read into the exchange, also when it is then refused, since the usage record names the model.
    fn choose(&self, caller: &Caller, body: Vec<u8>, head: RequestHead) -> Result<String, ClientError> {
        let pool_id = caller.find(&head.model).map(|model| model.pool_id.clone());
        let written = self.shared.prepare(|request| {
            request.body = Body::new(Rc::new(body), Some(head));
            request.pool_id = pool_id.as_ref().ok().cloned();
        });
        written.ok_or_else(|| misconfigured("the request's state is in use"))?;
        pool_id
    }

    /// Whether this stream may hold so much of its body.
    fn has_room(&self, length: u64) -> bool {
        let limit = self.config.bodies_in_flight_bytes;
        let spare = if length <= SHORT_BODY { limit / 4 } else { 0 };
        self.held.may_grow_to(length, limit.saturating_add(spare))
    }

    fn refuse_overloaded(&mut self, host: &mut dyn Host, schema: Schema) -> Flow {
        host.count(OVERLOADED, 1);
        self.stage = Stage::Begun;
        let message = "The gateway holds too many large requests at the moment. Try again.";
        let error = ClientError::new(503, "gateway_overloaded", message);
        Flow::Reply(self.shared.refuse_for(schema, &error, RETRY_AFTER_S))
    }

    fn refuse(&mut self, schema: Schema, error: &ClientError) -> Flow {
        self.stage = Stage::Begun;
        Flow::Reply(self.shared.refuse(schema, error))
    }
}

impl Caller {
    /// The model of this name, if the caller's tenant has it and the key may use it. What the tenant does not have does not
    /// exist for it, whoever else has it and whatever the key was allowed.
    fn find(&self, name: &str) -> Result<&CatalogModel, ClientError> {
        let shown: String = name.chars().take(NAME_IN_ERRORS).collect();
        let Some(model) = self.catalog.find(name) else {
            let message = format!("The model `{shown}` does not exist.");
            return Err(ClientError::new(404, "model_not_found", message).with_param("model"));
        };
        if !self.principal.may_use(name) {
            let message = format!("This API key may not use the model `{shown}`.");
            return Err(ClientError::new(403, "model_not_allowed", message).with_param("model"));
        }
        if model.refused_ways_in.contains(&self.principal.way_in) {
            let message = format!("Who asks for the model `{shown}` may not show who they are in this way.");
            return Err(ClientError::new(403, "way_in_refused", message).with_param("model"));
        }
        if let Some(way) = model.required_ways_in.iter().find(|way| !self.ways_shown.contains(way)) {
            let message = format!("Every request for the model `{shown}` must show {}.", way.about());
            return Err(ClientError::new(401, "credential_required", message).with_param("model"));
        }
        Ok(model)
    }
}

fn invalid_request(error: RequestError) -> ClientError {
    let invalid = ClientError::new(400, "invalid_request", error.message);
    match error.param {
        Some(param) => invalid.with_param(param),
        None => invalid,
    }
}

fn set(host: &mut dyn Host, name: &str, value: &str) -> Result<(), ClientError> {
    host.set_header(Message::Request, name, value.as_bytes()).map_err(|error| {
        host.log(Level::Error, &format!("weir.route: {name} could not be set: {error}"));
        misconfigured("the route could not be chosen")
    })
}

fn misconfigured(reason: &str) -> ClientError {
    ClientError::new(503, "gateway_misconfigured", format!("The gateway is not set up correctly: {reason}."))
}

fn answer(body: Vec<u8>) -> Flow {
    let headers = vec![("content-type".into(), "application/json".into())];
    Flow::Reply(Reply { status: 200, headers, body, code: "models" })
}
