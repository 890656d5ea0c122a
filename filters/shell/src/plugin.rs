use std::rc::Rc;

use weir_auth::AuthPlugin;
use weir_config::{ConfigError, MeteringConfig, parse, plugin};
use weir_guardrails::GuardrailsPlugin;
use weir_host::{Flow, Host, Reply, StreamFilter};
use weir_metering::MeteringPlugin;
use weir_provider::ProviderPlugin;
use weir_quota::QuotaPlugin;
use weir_route::RoutePlugin;

use crate::proxy::Proxy;
use crate::vm::Vm;

/// How often the `Watch` stream is looked after, in milliseconds.
const WATCH_TICK_MS: u32 = 200;

/// One of the plugins, configured.
#[derive(Clone)]
pub(crate) enum Plugin {
    /// Before its configuration was accepted.
    Unconfigured,
    Auth(Rc<AuthPlugin>),
    Route(Rc<RoutePlugin>),
    Quota(Rc<QuotaPlugin>),
    Guardrails(Rc<GuardrailsPlugin>),
    Metering(Rc<MeteringPlugin>),
    Provider(Rc<ProviderPlugin>),
}

impl Plugin {
    /// The plugin of this `root_id` with this configuration, and how often it wants to be called outside of streams, in
    /// milliseconds.
    pub(crate) fn configure(root_id: &str, json: &[u8]) -> Result<(Self, Option<u32>), ConfigError> {
        let plugin = match root_id {
            plugin::AUTH => {
                let auth = AuthPlugin::new(parse(json)?);
                let tick = auth.control_plane().map(|_| WATCH_TICK_MS);
                return Ok((Self::Auth(Rc::new(auth)), tick));
            }
            plugin::METERING => {
                let config: MeteringConfig = parse(json)?;
                let tick = u32::try_from(config.flush_ms).unwrap_or(u32::MAX);
                return Ok((Self::Metering(Rc::new(MeteringPlugin::new(config))), Some(tick)));
            }
            plugin::ROUTE => Self::Route(Rc::new(RoutePlugin::new(parse(json)?))),
            plugin::QUOTA => Self::Quota(Rc::new(QuotaPlugin::new(parse(json)?))),
            plugin::GUARDRAILS => Self::Guardrails(Rc::new(GuardrailsPlugin::new(parse(json)?))),
            plugin::PROVIDER => Self::Provider(Rc::new(ProviderPlugin::new(parse(json)?))),
            _ => return Err(ConfigError::new("root_id", "names no plugin of this module")),
        };
        Ok((plugin, None))
    }

    /// Its part in the stream that is active now.
    pub(crate) fn stream(&self, host: &mut Proxy) -> Box<dyn StreamFilter> {
        let vm = Vm::here();
        match self {
            Self::Unconfigured => Box::new(Refusing),
            Self::Auth(auth) => Box::new(auth.stream(vm.exchange(host), Rc::clone(&vm.principals))),
            Self::Route(route) => Box::new(route.stream(vm.exchange(host))),
            Self::Quota(quota) => Box::new(quota.stream(vm.exchange(host))),
            Self::Guardrails(guardrails) => {
                Box::new(guardrails.stream(Some(vm.exchange(host)), Rc::clone(&vm.profiles)))
            }
            Self::Metering(metering) => Box::new(metering.stream(vm.exchange(host), Rc::clone(&vm.outbox))),
            Self::Provider(provider) => Box::new(provider.stream(vm.known_exchange(host))),
        }
    }
}

/// Stands in for a plugin without a configuration.
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
