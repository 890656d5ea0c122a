//! Two habits of Envoy (1.40) that a plugin's configuration must be delivered around.
//!
//! - While it fetches a module Envoy refuses every plugin that needs it, and says no more than "Unable to create Wasm plugin".
//!   The same configuration is to be sent again until the code is there. A pool is refused likewise, whose upstream plugin
//!   cannot be made yet, and no later change would bring it.
//! - A configuration that it refused, sent again unchanged, is acknowledged without being applied: Envoy compares it with the
//!   last one that it received, not with the last one that it took. So each one sent differs from all before it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use envoy_types::pb::envoy::config::core::v3::{BackoffStrategy, TypedExtensionConfig};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::ReloadConfig;
use envoy_types::pb::google::protobuf::{Any, Duration as WireDuration};
use envoy_types::util::pack_any;
use prost::{Message as _, Name as _};
use tokio::time::Instant;

/// Makes each configuration that is sent another one, where it changes nothing: in the nanoseconds of the longest wait
/// between two reloads of a VM that died, which Envoy rounds to milliseconds.
pub(crate) struct Stamp(AtomicU32);

impl Default for Stamp {
    /// Begins somewhere else in each process, since Envoy outlives the control plane.
    fn default() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(AtomicU32::new(now.subsec_nanos()))
    }
}

impl Stamp {
    pub(crate) fn plugin(&self, body: &Any) -> Any {
        let nanos = self.0.fetch_add(1, Ordering::Relaxed) % 1_000_000_000;
        stamped(body, i32::try_from(nanos).unwrap_or(0)).unwrap_or_else(|_| body.clone())
    }
}

fn stamped(body: &Any, nanos: i32) -> Result<Any, prost::DecodeError> {
    let mut plugin = TypedExtensionConfig::decode(body.value.as_slice())?;
    let config = plugin.typed_config.take().unwrap_or_default();
    if config.type_url != Wasm::type_url() {
        // A native filter needs no module, and is refused for good.
        return Ok(body.clone());
    }
    let mut wasm = Wasm::decode(config.value.as_slice())?;
    if let Some(config) = &mut wasm.config {
        config.reload_config = Some(ReloadConfig {
            backoff: Some(BackoffStrategy {
                base_interval: Some(WireDuration { seconds: 1, nanos: 0 }),
                max_interval: Some(WireDuration { seconds: 10, nanos }),
            }),
        });
    }
    plugin.typed_config = Some(pack_any(wasm));
    Ok(pack_any(plugin))
}

/// When plugins and clusters that one Envoy refused are sent again, and when their refusal is news.
#[derive(Default)]
pub(crate) struct Retry {
    /// Whether this Envoy has taken any plugin, and so has the module.
    loaded: bool,
    /// How often each was refused in a row.
    refusals: BTreeMap<Arc<str>, u32>,
    at: Option<Instant>,
}

impl Retry {
    /// Refusals in a row that are put down to a module on its way: about 20 s. Envoy itself tries a failed fetch again
    /// after 10 s.
    const LOADING: u32 = 15;

    /// A plugin was taken.
    pub(crate) fn accepted(&mut self) {
        self.loaded = true;
    }

    /// The configuration changed: what was refused is another one now.
    pub(crate) fn restart(&mut self) {
        self.refusals.clear();
    }

    /// Plans the next attempt, and says whether the refusal is to be reported: once, and not while the module may still be
    /// on its way.
    pub(crate) fn refused(&mut self, names: &[Arc<str>]) -> bool {
        let mut count = 0;
        for name in names {
            let refusals = self.refusals.entry(name.clone()).or_default();
            *refusals += 1;
            count = count.max(*refusals);
        }
        if count <= Self::LOADING || !self.loaded {
            self.at = Some(Instant::now() + Duration::from_millis(25 << count.min(6)));
        }
        count == if self.loaded { 1 } else { Self::LOADING }
    }

    /// Waits until what was refused is to be sent again; for ever if nothing was.
    pub(crate) async fn due(&mut self) {
        match self.at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
        self.at = None;
    }
}
