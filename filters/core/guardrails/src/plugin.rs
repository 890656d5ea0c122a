use std::collections::BTreeMap;
use std::rc::Rc;

use weir_config::{Check, ConfigError, GuardrailsConfig};
use weir_exchange::Shared;

use crate::Profile;
use crate::filter::GuardrailsStream;
use crate::scan::Engines;

/// The plugin `weir.guardrails` under one configuration.
#[derive(Clone, Debug)]
pub struct GuardrailsPlugin {
    revision: u64,
    profiles: Rc<BTreeMap<String, Profile>>,
}

impl GuardrailsPlugin {
    /// Makes every profile ready. The error names the field of the first that cannot be.
    pub fn new(config: GuardrailsConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let (mut profiles, mut engines) = (BTreeMap::new(), Engines::default());
        for (id, profile) in &config.profiles {
            let compiled = Profile::compile_with(profile, &mut engines)
                .map_err(|error| ConfigError::new(format!("profiles.{id}.{}", error.field), error.reason))?;
            profiles.insert(id.clone(), compiled);
        }
        Ok(Self { revision: config.revision, profiles: Rc::new(profiles) })
    }

    /// Its part in one stream, under the configuration of now. `shared` is the stream's exchange; without one the request is
    /// refused, since nobody can say which profile holds for it.
    pub fn stream(&self, shared: Option<Shared>) -> GuardrailsStream {
        GuardrailsStream::new(shared, Rc::clone(&self.profiles), self.revision)
    }
}
