use serde_json::{Value, json};

use crate::usage::{Figure, Spelling, Usage};

/// Anthropic's own names, whose `input_tokens` leaves out what was read from or written to the cache, and those of servers that mix
/// OpenAI's in.
const FIGURES: &[Spelling] = &[
    (&["input_tokens"], Figure::PlainInput),
    (&["prompt_tokens"], Figure::Input),
    (&["cache_read_input_tokens"], Figure::CachedInput),
    (&["prompt_tokens_details", "cached_tokens"], Figure::CachedInput),
    (&["input_tokens_details", "cached_tokens"], Figure::CachedInput),
    (&["prompt_cache_hit_tokens"], Figure::CachedInput),
    (&["cached_tokens"], Figure::CachedInput),
    (&["cache_creation_input_tokens"], Figure::CacheWrite),
    (&["cache_write_tokens"], Figure::CacheWrite),
    (&["prompt_tokens_details", "cache_write_tokens"], Figure::CacheWrite),
    (&["cache_creation", "ephemeral_5m_input_tokens"], Figure::CacheWrite5m),
    (&["cache_creation", "ephemeral_1h_input_tokens"], Figure::CacheWrite1h),
    (&["output_tokens"], Figure::Output),
    (&["completion_tokens"], Figure::Output),
    (&["output_tokens_details", "thinking_tokens"], Figure::Reasoning),
    (&["output_tokens_details", "reasoning_tokens"], Figure::Reasoning),
    (&["completion_tokens_details", "reasoning_tokens"], Figure::Reasoning),
    (&["reasoning_tokens"], Figure::Reasoning),
    (&["total_tokens"], Figure::Total),
];

/// Rounds of a server's own tools in one answer that are read.
const MOST_ITERATIONS: usize = 1_000;

/// Reads the figures. Where server tools or a compaction made several rounds of one answer (`iterations`), each is billed, and the figures
/// of the whole may be those of the last rounds only: the sum of all holds where it is more.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    let whole = crate::usage::read(FIGURES, usage);
    let Some(iterations) = usage.get("iterations").and_then(Value::as_array) else { return whole };
    let read = iterations.iter().take(MOST_ITERATIONS).filter_map(|iteration| crate::usage::read(FIGURES, iteration));
    match (whole, read.reduce(|sum, more| sum.plus(&more))) {
        (Some(whole), Some(sum)) => Some(whole.at_least(&sum)),
        (whole, sum) => whole.or(sum),
    }
}

/// Anthropic's `usage`. Of writes for an hour and of reasoning it says only what there was.
pub(super) fn write(usage: &Usage) -> Value {
    let counted = usage.counted();
    let cached_input = counted.cached_input.unwrap_or(0);
    let written = counted.written_to_cache();
    let input = counted.input.unwrap_or(0);
    let mut value = json!({
        "input_tokens": input.saturating_sub(cached_input).saturating_sub(written.unwrap_or(0)),
        "cache_creation_input_tokens": written.unwrap_or(0),
        "cache_read_input_tokens": cached_input,
        "output_tokens": counted.output.unwrap_or(0),
    });
    let Some(fields) = value.as_object_mut() else { return value };
    if let Some(hour) = counted.cache_write_1h.filter(|hour| *hour > 0) {
        let minutes = counted.cache_write.unwrap_or(0);
        let split = json!({"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour});
        fields.insert("cache_creation".into(), split);
    }
    if let Some(reasoning) = counted.reasoning.filter(|reasoning| *reasoning > 0) {
        fields.insert("output_tokens_details".into(), json!({"thinking_tokens": reasoning}));
    }
    value
}
