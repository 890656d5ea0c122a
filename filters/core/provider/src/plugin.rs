use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use weir_config::{ConfigError, Deployment, ProviderConfig, parse};
use weir_exchange::Shared;
use weir_host::{Headers, Host, StreamFilter};
use weir_llm::equal_bytes;
use weir_llm::schema::LeftOut;

use crate::left_out::LeftOutCounters;
use crate::stream::ProviderStream;

/// Deployments kept in each VM; more than that, and all are read anew.
const MOST_DEPLOYMENTS: usize = 4096;

/// So many bytes of a deployment's text tell it from most others: its id stands first.
const TELLING_BYTES: usize = 64;

/// A deployment's text, cheap to look up: each attempt does, and texts are long.
#[derive(Debug, Eq)]
struct Text(Vec<u8>);

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        equal_bytes(&self.0, &other.0)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.len().hash(hasher);
        hasher.write(self.0.get(..TELLING_BYTES).unwrap_or(&self.0));
    }
}

/// The plugin in one VM.
#[derive(Debug, Default)]
pub struct ProviderPlugin {
    /// Deployments by the text that they were read from.
    deployments: RefCell<HashMap<Text, Rc<Deployment>>>,
    left_out: LeftOutCounters,
}

impl ProviderPlugin {
    /// With this configuration.
    pub fn new(_config: ProviderConfig) -> Self {
        Self::default()
    }

    /// A filter for one attempt. `exchange` is the stream's, if this VM has it; `headers` are the attempt's request headers.
    pub fn attempt(self: &Rc<Self>, exchange: Option<Shared>, headers: Rc<Headers>) -> Box<dyn StreamFilter> {
        Box::new(ProviderStream::new(Rc::clone(self), exchange, headers))
    }

    /// Counts what a translation left out of a request.
    pub(crate) fn count_left_out(&self, host: &mut dyn Host, left_out: &[LeftOut]) {
        self.left_out.count(host, left_out);
    }

    /// Reads the deployment of an endpoint, once for each text.
    pub(crate) fn deployment(&self, json: Vec<u8>) -> Result<Rc<Deployment>, ConfigError> {
        let text = Text(json);
        if let Ok(known) = self.deployments.try_borrow()
            && let Some(deployment) = known.get(&text)
        {
            return Ok(Rc::clone(deployment));
        }
        let deployment = Rc::new(parse::<Deployment>(&text.0)?);
        if let Ok(mut known) = self.deployments.try_borrow_mut() {
            if known.len() >= MOST_DEPLOYMENTS {
                known.clear();
            }
            known.insert(text, Rc::clone(&deployment));
        }
        Ok(deployment)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use weir_config::ProviderConfig;

    use super::ProviderPlugin;

    #[test]
    fn a_deployment_is_read_once_and_a_changed_one_anew() {
        let plugin = ProviderPlugin::new(ProviderConfig {});
        let first = include_str!("tests/metadata/older.json");
        let changed = first.replace("gpt-real", "gpt-true");
        assert_eq!((first.len(), &first[..64]), (changed.len(), &changed[..64]), "told apart by what follows");
        let read = |text: &str| plugin.deployment(text.as_bytes().to_vec()).expect("a deployment");
        let known = read(first);
        assert_eq!((known.model.as_str(), read(&changed).model.as_str()), ("gpt-real", "gpt-true"));
        assert!(Rc::ptr_eq(&known, &read(first)));
    }
}
