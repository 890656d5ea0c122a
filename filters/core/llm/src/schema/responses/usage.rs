use serde_json::{Value, json};

use crate::usage::{Figure, Spelling, Usage};

/// The schema's own names, of which what was cached is part of the input and reasoning part of the output, and those of servers that
/// mix in what chat completions have.
const FIGURES: &[Spelling] = &[
    (&["input_tokens"], Figure::Input),
    (&["prompt_tokens"], Figure::Input),
    (&["input_tokens_details", "cached_tokens"], Figure::CachedInput),
    (&["prompt_tokens_details", "cached_tokens"], Figure::CachedInput),
    (&["prompt_cache_hit_tokens"], Figure::CachedInput),
    (&["cached_tokens"], Figure::CachedInput),
    (&["input_tokens_details", "cache_write_tokens"], Figure::CacheWrite),
    (&["prompt_tokens_details", "cache_write_tokens"], Figure::CacheWrite),
    (&["cache_write_tokens"], Figure::CacheWrite),
    (&["output_tokens"], Figure::Output),
    (&["completion_tokens"], Figure::Output),
    (&["output_tokens_details", "reasoning_tokens"], Figure::Reasoning),
    (&["completion_tokens_details", "reasoning_tokens"], Figure::Reasoning),
    (&["reasoning_tokens"], Figure::Reasoning),
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
