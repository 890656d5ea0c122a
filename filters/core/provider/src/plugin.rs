use std::rc::Rc;

use weir_config::{Price, ProviderConfig};
use weir_exchange::Shared;

use crate::ProviderStream;

/// The plugin under one configuration.
#[derive(Debug)]
pub struct ProviderPlugin {
    pub(crate) config: ProviderConfig,
}

impl ProviderPlugin {
    /// With this configuration.
    pub fn new(config: ProviderConfig) -> Self {
        Self { config }
    }

    /// A filter for one attempt. `exchange` is the stream's, if this VM has it.
    pub fn stream(self: &Rc<Self>, exchange: Option<Shared>) -> ProviderStream {
        ProviderStream::new(Rc::clone(self), exchange)
    }

    /// The price of a deployment, shared with whoever settles the request.
    pub(crate) fn price(&self, deployment: &str) -> Option<Rc<Price>> {
        self.config.deployments.get(deployment)?.price.clone().map(Rc::new)
    }
}
