use serde_json::{Value, json};

use crate::usage::{Figure, Spelling, Usage};

/// What was cached is part of the input, and reasoning part of the output. How long a cache keeps what was written says nothing of its
/// price here.
const FIGURES: &[Spelling] = &[
    (&["input_tokens"], Figure::Input),
    (&["input_tokens_details", "cached_tokens"], Figure::CachedInput),
    (&["input_tokens_details", "cache_write_tokens"], Figure::CacheWrite),
    (&["output_tokens"], Figure::Output),
    (&["output_tokens_details", "reasoning_tokens"], Figure::Reasoning),
    (&["total_tokens"], Figure::Total),
];

/// Reads the figures.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    crate::usage::read(FIGURES, usage)
}

/// The same as clients read them; their types want every field.
pub(super) fn write(usage: &Usage) -> Value {
    let counted = usage.counted();
    let (input, output) = (counted.input.unwrap_or(0), counted.output.unwrap_or(0));
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": counted.cached_input.unwrap_or(0),
            "cache_write_tokens": counted.written_to_cache().unwrap_or(0),
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": counted.reasoning.unwrap_or(0)},
        "total_tokens": counted.total.unwrap_or(input.saturating_add(output)),
    })
}
