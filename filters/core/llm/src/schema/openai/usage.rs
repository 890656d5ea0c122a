use serde::Deserialize;
use serde_json::{Value, json};

use crate::usage::Usage;

/// OpenAI's `usage`; embeddings have no completion tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct OpenAiUsage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptTokensDetails>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct PromptTokensDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

impl OpenAiUsage {
    /// The figures; `None` if the input, which every answer has, is not among them: nothing must not count as zero.
    pub(crate) fn stated(self) -> Option<Usage> {
        Some(Usage {
            input: self.prompt_tokens?,
            cached_input: self.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
            output: self.completion_tokens.unwrap_or(0),
        })
    }
}

/// Reads the figures.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    OpenAiUsage::deserialize(usage).ok()?.stated()
}

/// OpenAI's `usage`.
pub(super) fn write(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": {"cached_tokens": usage.cached_input},
    })
}
