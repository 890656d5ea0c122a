use std::rc::Rc;

use weir_config::GuardrailsConfig;
use weir_exchange::Shared;
use weir_host::Callouts;

use crate::ProfileCache;
use crate::filter::GuardrailsStream;

/// The plugin `weir.guardrails`.
#[derive(Clone, Debug, Default)]
pub struct GuardrailsPlugin {}

impl GuardrailsPlugin {
    /// With this configuration.
    pub fn new(_config: GuardrailsConfig) -> Self {
        Self::default()
    }

    /// Its part in one stream. `shared` is the stream's exchange; without one the request is refused, since nobody can say
    /// which profile holds for it. `cache` and `callouts` are the VM's.
    pub fn stream(&self, shared: Option<Shared>, cache: Rc<ProfileCache>, callouts: Callouts) -> GuardrailsStream {
        GuardrailsStream::new(shared, cache, callouts)
    }
}
