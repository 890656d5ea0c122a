use std::rc::Rc;

use weir_auth::AuthPlugin;
use weir_chain::Chain;
use weir_config::{
    AuthConfig, ChainConfig, ConfigError, GuardrailsConfig, MeteringConfig, QuotaConfig, RouteConfig, parse, plugin,
};
use weir_exchange::Shared;
use weir_guardrails::GuardrailsPlugin;
use weir_host::{Flow, Host, Message, Reply, StreamFilter, StreamHost};
use weir_metering::MeteringPlugin;
use weir_provider::ProviderPlugin;
use weir_quota::QuotaPlugin;
use weir_route::RoutePlugin;

use crate::Worker;

/// How often the `Watch` stream is looked after, in milliseconds.
const WATCH_TICK_MS: u32 = 200;

/// What one root context runs, configured.
#[derive(Clone, Debug)]
pub(crate) enum Plugin {
    /// Before its configuration was accepted.
    Unconfigured,
    /// One or more plugins of the listener.
    Downstream(Rc<Downstream>),
    Provider(Rc<ProviderPlugin>),
}

/// Plugins of the listener, in the order in which requests pass them.
#[derive(Debug, Default)]
pub(crate) struct Downstream {
    metering: Option<MeteringPlugin>,
    auth: Option<AuthPlugin>,
    route: Option<RoutePlugin>,
    quota: Option<QuotaPlugin>,
    guardrails: Option<GuardrailsPlugin>,
    /// Nothing stands before them: the exchange of each stream is theirs to make.
    is_first: bool,
}

impl Plugin {
    /// What this `root_id` stands for, with this configuration.
    pub(crate) fn configure(root_id: &str, json: &[u8]) -> Result<Self, ConfigError> {
        let alone = ChainConfig::default();
        let chain = match root_id {
            plugin::CHAIN => parse::<ChainConfig>(json)?,
            plugin::METERING => ChainConfig { metering: Some(parse::<MeteringConfig>(json)?), ..alone },
            plugin::AUTH => ChainConfig { auth: Some(parse::<AuthConfig>(json)?), ..alone },
            plugin::ROUTE => ChainConfig { route: Some(parse::<RouteConfig>(json)?), ..alone },
            plugin::QUOTA => ChainConfig { quota: Some(parse::<QuotaConfig>(json)?), ..alone },
            plugin::GUARDRAILS => ChainConfig { guardrails: Some(parse::<GuardrailsConfig>(json)?), ..alone },
            plugin::PROVIDER => return Ok(Self::Provider(Rc::new(ProviderPlugin::new(parse(json)?)))),
            _ => return Err(ConfigError::new("root_id", "names no plugin of this module")),
        };
        // A chain with metering is the whole of what sees a request; others may have one before them.
        let is_first = root_id == plugin::CHAIN && chain.metering.is_some();
        Ok(Self::Downstream(Rc::new(Downstream::new(chain, is_first))))
    }

    /// Its part in the stream that is active now.
    pub(crate) fn stream(&self, worker: &Worker, host: &mut dyn StreamHost) -> Box<dyn StreamFilter> {
        match self {
            Self::Unconfigured => refusing(),
            Self::Downstream(downstream) => downstream.stream(worker, host),
            Self::Provider(provider) => {
                let headers = host.headers(Message::Request);
                let exchange = worker.exchange_of_attempt(host, &headers);
                provider.attempt(exchange, headers)
            }
        }
    }

    /// How often it wants to be called outside of streams, in milliseconds.
    pub(crate) fn tick_ms(&self) -> Option<u32> {
        let watch = self.auth().and_then(AuthPlugin::control_plane).map(|_| WATCH_TICK_MS);
        let flush = self.metering().map(|metering| u32::try_from(metering.flush_ms()).unwrap_or(u32::MAX));
        let settle = self.quota().map(|_| QuotaPlugin::TICK_MS);
        [watch, flush, settle].into_iter().flatten().min()
    }

    pub(crate) fn auth(&self) -> Option<&AuthPlugin> {
        match self {
            Self::Downstream(downstream) => downstream.auth.as_ref(),
            Self::Unconfigured | Self::Provider(_) => None,
        }
    }

    pub(crate) fn quota(&self) -> Option<&QuotaPlugin> {
        match self {
            Self::Downstream(downstream) => downstream.quota.as_ref(),
            Self::Unconfigured | Self::Provider(_) => None,
        }
    }

    pub(crate) fn metering(&self) -> Option<&MeteringPlugin> {
        match self {
            Self::Downstream(downstream) => downstream.metering.as_ref(),
            Self::Unconfigured | Self::Provider(_) => None,
        }
    }
}

impl Downstream {
    fn new(config: ChainConfig, is_first: bool) -> Self {
        Self {
            metering: config.metering.map(MeteringPlugin::new),
            auth: config.auth.map(AuthPlugin::new),
            route: config.route.map(RoutePlugin::new),
            quota: config.quota.map(QuotaPlugin::new),
            guardrails: config.guardrails.map(GuardrailsPlugin::new),
            is_first,
        }
    }

    fn stream(&self, worker: &Worker, host: &mut dyn Host) -> Box<dyn StreamFilter> {
        let shared = if self.is_first { worker.new_exchange(host) } else { worker.exchange(host) };
        let mut stages = self.stages(worker, &shared);
        match (stages.pop(), stages.is_empty()) {
            (Some(only), true) => only,
            (last, _) => Box::new(Chain::new(stages.into_iter().chain(last).collect())),
        }
    }

    fn stages(&self, worker: &Worker, shared: &Shared) -> Vec<Box<dyn StreamFilter>> {
        let mut stages: Vec<Box<dyn StreamFilter>> = Vec::with_capacity(5);
        if let Some(metering) = &self.metering {
            stages.push(Box::new(metering.stream(shared.clone(), Rc::clone(&worker.outbox))));
        }
        if let Some(auth) = &self.auth {
            stages.push(Box::new(auth.stream(shared.clone(), Rc::clone(&worker.principals))));
        }
        if let Some(route) = &self.route {
            stages.push(Box::new(route.stream(shared.clone(), Rc::clone(&worker.bodies))));
        }
        if let Some(quota) = &self.quota {
            stages.push(Box::new(quota.stream(shared.clone(), Rc::clone(&worker.leases))));
        }
        if let Some(guardrails) = &self.guardrails {
            stages.push(Box::new(guardrails.stream(
                Some(shared.clone()),
                Rc::clone(&worker.profiles),
                worker.callouts.clone(),
            )));
        }
        stages
    }
}

/// What stands in for a plugin without a configuration.
pub(crate) fn refusing() -> Box<dyn StreamFilter> {
    Box::new(Refusing)
}

struct Refusing;

impl StreamFilter for Refusing {
    fn on_request_headers(&mut self, _host: &mut dyn Host, _end_of_stream: bool) -> Flow {
        Flow::Reply(Reply {
            status: 503,
            headers: vec![("content-type".into(), "application/json".into())],
            body: br#"{"error":{"message":"The gateway has no configuration.","type":"server_error","param":null,"code":"gateway_not_ready"}}"#.to_vec(),
            code: "gateway_not_ready",
        })
    }
}
