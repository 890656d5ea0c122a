use serde_json::Value;

/// What may be left out for a provider of another schema, by its path without indices. The answer is then dearer, slower, less exact or
/// without a reference, but it is an answer to what was asked.
///
/// | path | what it asks for |
/// |---|---|
/// | `…cache_control` | caching |
/// | `context_management…`, `compaction…`, `diagnostics…` | care for long conversations |
/// | `service_tier`, `speed`, `output_config.task_budget` | speed and effort |
/// | `thinking.…` | how reasoning is shown, or a kind of it that is not known |
/// | `metadata.…` | what the vendor notes beside the user |
/// | `tools[].input_examples`, `.defer_loading`, `.eager_input_streaming` | how a tool is shown to the model |
/// | `…citations` | references: those of earlier answers, and that a document's are wanted |
/// | `messages[].content[].caller` | who made an earlier call |
const HINTS: &[&str] = &[
    "context_management",
    "compaction",
    "diagnostics",
    "service_tier",
    "speed",
    "output_config.task_budget",
    "tools[].input_examples",
    "tools[].defer_loading",
    "tools[].eager_input_streaming",
    "messages[].content[].caller",
];

/// See [`HINTS`]. Beside these, lists of nothing, and callers of a tool that are the model itself.
pub(super) fn is_hint(path: &str, value: &Value) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    match path {
        "betas" | "mcp_servers" | "fallbacks" => is_empty(value),
        "tools[].allowed_callers" => value.as_array().is_some_and(|all| all.iter().all(|one| one == "direct")),
        _ => {
            HINTS.contains(&path)
                || matches!(last, "cache_control" | "citations")
                || path.starts_with("thinking.")
                || path.starts_with("metadata.")
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
}
