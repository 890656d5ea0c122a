use serde_json::{Map, Value};

/// When a setting of this schema may be left out for a provider of another.
enum Hint {
    /// Always: it is about caching, speed, storage, labels or how precisely something is read.
    Always,
    /// Where it is zero, which is what holds anyway.
    Zero,
    /// Where it is one.
    One,
    /// Where it is false.
    False,
    /// Where it is empty.
    Empty,
    /// Where it asks for text alone.
    TextAlone,
}

/// Paths without indices. What is not here is refused where the target has no word for it.
const HINTS: &[(&str, Hint)] = &[
    ("metadata", Hint::Always),
    ("prediction", Hint::Always),
    ("prompt_cache_key", Hint::Always),
    ("prompt_cache_options", Hint::Always),
    ("prompt_cache_retention", Hint::Always),
    ("safety_identifier", Hint::Always),
    ("seed", Hint::Always),
    ("service_tier", Hint::Always),
    ("store", Hint::Always),
    ("stream_options.include_obfuscation", Hint::Always),
    ("verbosity", Hint::Always),
    // Beside the newer spelling, which counts.
    ("max_tokens", Hint::Always),
    // The model is not told who of several speaks.
    ("messages[].name", Hint::Always),
    // What servers add to their answers and clients send back with the history.
    ("messages[].annotations", Hint::Always),
    ("messages[].reasoning", Hint::Always),
    ("messages[].reasoning_content", Hint::Always),
    ("messages[].reasoning_details", Hint::Always),
    ("messages[].tool_calls[].index", Hint::Always),
    // The schema itself says what is wanted; its description only repeats it, and strict is what others do anyway.
    ("response_format.json_schema.description", Hint::Always),
    ("response_format.json_schema.strict", Hint::Always),
    ("messages[].content[].image_url.detail", Hint::Always),
    // Prompt caching, in the words of another schema that some clients use here.
    ("messages[].cache_control", Hint::Always),
    ("messages[].content[].cache_control", Hint::Always),
    ("tools[].cache_control", Hint::Always),
    ("tools[].function.cache_control", Hint::Always),
    ("frequency_penalty", Hint::Zero),
    ("presence_penalty", Hint::Zero),
    ("top_logprobs", Hint::Zero),
    ("logprobs", Hint::False),
    ("n", Hint::One),
    ("logit_bias", Hint::Empty),
    ("modalities", Hint::TextAlone),
];

/// Hints about caching, speed, storage and labels, and settings that say what holds anyway.
pub(super) fn is_hint(path: &str, value: &Value) -> bool {
    HINTS.iter().find(|(hint, _)| *hint == path).is_some_and(|(_, hint)| match hint {
        Hint::Always => true,
        Hint::Zero => value.as_f64() == Some(0.0),
        Hint::One => value.as_u64() == Some(1),
        Hint::False => *value == Value::Bool(false),
        Hint::Empty => value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty),
        Hint::TextAlone => value.as_array().is_some_and(|all| all.iter().all(|one| one == "text")),
    })
}
