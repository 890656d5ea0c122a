use serde_json::Value;

use crate::usage::{Figure, Spelling, Usage};

/// `inputTokens` leaves out what was read from or written to a cache. `totalTokens` counts that in some answers and not in others, so it
/// is not compared.
const FIGURES: &[Spelling] = &[
    (&["inputTokens"], Figure::PlainInput),
    (&["cacheReadInputTokens"], Figure::CachedInput),
    (&["cacheWriteInputTokens"], Figure::CacheWrite),
    (&["cacheDetails", "5m"], Figure::CacheWrite5m),
    (&["cacheDetails", "1h"], Figure::CacheWrite1h),
    (&["outputTokens"], Figure::Output),
];

/// Entries of `cacheDetails` that are read: it has one for each time that a cache keeps.
const MOST_DETAILS: usize = 8;

/// Reads the figures.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    let details = usage.get("cacheDetails").and_then(Value::as_array);
    let Some(details) = details.filter(|details| !details.is_empty()) else {
        return crate::usage::read(FIGURES, usage);
    };
    let written = details
        .iter()
        .take(MOST_DETAILS)
        .filter_map(|detail| Some((detail.get("ttl")?.as_str()?.to_owned(), detail.get("inputTokens")?.clone())));
    let mut by_time = usage.clone();
    if let Some(fields) = by_time.as_object_mut() {
        fields.insert("cacheDetails".into(), Value::Object(written.collect()));
    }
    crate::usage::read(FIGURES, &by_time)
}
