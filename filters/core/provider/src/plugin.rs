use std::cell::RefCell;
use std::collections::HashMap;
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

/// The plugin in one VM.
#[derive(Debug, Default)]
pub struct ProviderPlugin {
    /// Deployments by the text that they were read from.
    deployments: RefCell<HashMap<Vec<u8>, Rc<Deployment>>>,
    /// The one that was asked for last: often it is again.
    last: RefCell<Option<(Vec<u8>, Rc<Deployment>)>>,
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
    pub(crate) fn deployment(&self, json: &[u8]) -> Result<Rc<Deployment>, ConfigError> {
        if let Ok(last) = self.last.try_borrow()
            && let Some((known, deployment)) = &*last
            && equal_bytes(known, json)
        {
            return Ok(Rc::clone(deployment));
        }
        let deployment = self.find_or_read(json)?;
        if let Ok(mut last) = self.last.try_borrow_mut() {
            *last = Some((json.to_vec(), Rc::clone(&deployment)));
        }
        Ok(deployment)
    }

    fn find_or_read(&self, json: &[u8]) -> Result<Rc<Deployment>, ConfigError> {
        if let Ok(known) = self.deployments.try_borrow()
            && let Some(deployment) = known.get(json)
        {
            return Ok(Rc::clone(deployment));
        }
        let deployment = Rc::new(parse::<Deployment>(json)?);
        if let Ok(mut known) = self.deployments.try_borrow_mut() {
            if known.len() >= MOST_DEPLOYMENTS {
                known.clear();
            }
            known.insert(json.to_vec(), Rc::clone(&deployment));
        }
        Ok(deployment)
    }
}
