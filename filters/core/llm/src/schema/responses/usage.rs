use serde::Deserialize;
use serde_json::{Value, json};

use crate::usage::Usage;

/// The figures of an answer: what was cached is part of the input, and reasoning part of the output.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Figures {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    input_tokens_details: Option<InputDetails>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

/// Reads the figures; `None` if the input, which every answer has, is not among them: nothing must not count as zero.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    let figures = Figures::deserialize(usage).ok()?;
    Some(Usage {
        input: figures.input_tokens?,
        cached_input: figures.input_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
        output: figures.output_tokens.unwrap_or(0),
    })
}

/// The same as clients read them; their types want every field.
pub(super) fn write(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached_input, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input.saturating_add(usage.output),
    })
}
