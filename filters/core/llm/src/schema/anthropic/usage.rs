use serde::Deserialize;
use serde_json::{Value, json};

use crate::usage::Usage;

/// Anthropic's `usage`: its `input_tokens` leaves out what was read from or written to the cache.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct AnthropicUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

impl AnthropicUsage {
    /// The figures; `None` if there are none. The last event of a stream may have the output alone.
    pub(crate) fn stated(self) -> Option<Usage> {
        if self.input_tokens.is_none() && self.output_tokens.is_none() {
            return None;
        }
        let cached_input = self.cache_read_input_tokens.unwrap_or(0);
        let uncached_input = self.input_tokens.unwrap_or(0);
        Some(Usage {
            input: uncached_input
                .saturating_add(self.cache_creation_input_tokens.unwrap_or(0))
                .saturating_add(cached_input),
            cached_input,
            output: self.output_tokens.unwrap_or(0),
        })
    }
}

/// Reads the figures.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    AnthropicUsage::deserialize(usage).ok()?.stated()
}

/// Anthropic's `usage`. What was written to a cache cannot be told apart from plain input any more.
pub(super) fn write(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached_input),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_input,
        "output_tokens": usage.output,
    })
}
