use serde_json::{Map, Value, json};

use crate::usage::{Figure, Spelling, Usage};

/// OpenAI's own names, and those of servers that speak its schema: DeepSeek's `prompt_cache_hit_tokens`, Moonshot's `cached_tokens`,
/// Qwen's and other gateways' figures of what was written to a cache, and the names of OpenAI's Responses and of Anthropic.
const FIGURES: &[Spelling] = &[
    (&["prompt_tokens"], Figure::Input),
    (&["input_tokens"], Figure::Input),
    (&["prompt_cache_miss_tokens"], Figure::PlainInput),
    (&["prompt_tokens_details", "cached_tokens"], Figure::CachedInput),
    (&["input_tokens_details", "cached_tokens"], Figure::CachedInput),
    (&["prompt_cache_hit_tokens"], Figure::CachedInput),
    (&["cached_tokens"], Figure::CachedInput),
    (&["num_cached_tokens"], Figure::CachedInput),
    (&["cache_read_input_tokens"], Figure::CachedInput),
    (&["prompt_tokens_details", "cache_write_tokens"], Figure::CacheWrite),
    (&["input_tokens_details", "cache_write_tokens"], Figure::CacheWrite),
    (&["cache_write_tokens"], Figure::CacheWrite),
    (&["cache_creation_input_tokens"], Figure::CacheWrite),
    (&["prompt_tokens_details", "cache_creation_input_tokens"], Figure::CacheWrite),
    (&["prompt_tokens_details", "cache_creation_tokens"], Figure::CacheWrite),
    (&["cache_creation", "ephemeral_5m_input_tokens"], Figure::CacheWrite5m),
    (&["prompt_tokens_details", "cache_creation", "ephemeral_5m_input_tokens"], Figure::CacheWrite5m),
    (&["cache_creation", "ephemeral_1h_input_tokens"], Figure::CacheWrite1h),
    (&["prompt_tokens_details", "cache_creation", "ephemeral_1h_input_tokens"], Figure::CacheWrite1h),
    (&["completion_tokens"], Figure::Output),
    (&["output_tokens"], Figure::Output),
    (&["completion_tokens_details", "reasoning_tokens"], Figure::Reasoning),
    (&["output_tokens_details", "reasoning_tokens"], Figure::Reasoning),
    (&["reasoning_tokens"], Figure::Reasoning),
    (&["completion_tokens_details", "thinking_tokens"], Figure::Reasoning),
    (&["output_tokens_details", "thinking_tokens"], Figure::Reasoning),
    (&["total_tokens"], Figure::Total),
];

/// Reads the figures.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    crate::usage::read(FIGURES, usage)
}

/// OpenAI's `usage`. Of writes to a cache and of reasoning it says only what there was.
pub(super) fn write(usage: &Usage) -> Value {
    let counted = usage.counted();
    let (input, output) = (counted.input.unwrap_or(0), counted.output.unwrap_or(0));
    let mut input_details = Map::new();
    input_details.insert("cached_tokens".into(), counted.cached_input.unwrap_or(0).into());
    if let Some(written) = counted.written_to_cache().filter(|written| *written > 0) {
        input_details.insert("cache_write_tokens".into(), written.into());
    }
    let mut value = json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": counted.total.unwrap_or(input.saturating_add(output)),
        "prompt_tokens_details": input_details,
    });
    if let (Some(reasoning), Some(fields)) =
        (counted.reasoning.filter(|reasoning| *reasoning > 0), value.as_object_mut())
    {
        fields.insert("completion_tokens_details".into(), json!({"reasoning_tokens": reasoning}));
    }
    value
}
