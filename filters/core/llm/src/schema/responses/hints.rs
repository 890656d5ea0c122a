use serde_json::Value;

/// What may be asked to be told beside the answer and does not arise with another provider: it comes with hosted tools, which are refused
/// themselves, or serves this provider's own next request.
const NEEDLESS_INCLUDES: &[&str] = &[
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
];

/// Hints about caching, speed, effort and storage, what an item of an earlier answer brings along, and settings that say what holds
/// anyway. To keep a conversation (`store`), to refer to one and to answer in the background are none: a client relies on them.
pub(super) fn is_hint(path: &str, value: &Value) -> bool {
    match path {
        "background_options"
        | "context_management"
        | "image"
        | "max_tool_calls"
        | "metadata"
        | "prompt_cache_key"
        | "prompt_cache_options"
        | "prompt_cache_retention"
        | "reasoning.context"
        | "reasoning.generate_summary"
        | "reasoning.mode"
        | "reasoning.summary"
        | "safety_identifier"
        | "service_tier"
        | "stream_options"
        | "text.format.description"
        | "text.format.strict"
        | "text.verbosity"
        | "truncation" => true,
        "background" | "store" => *value == Value::Bool(false),
        "top_logprobs" => value.as_u64() == Some(0),
        "include" => {
            let is_needless = |one: &Value| one.as_str().is_some_and(|one| NEEDLESS_INCLUDES.contains(&one));
            value.as_array().is_some_and(|all| all.iter().all(is_needless))
        }
        "tools[].defer_loading" | "tools[].async" | "input[].async" => *value == Value::Bool(false),
        "tools[].allowed_callers" => {
            value.as_array().is_some_and(|callers| callers.iter().all(|caller| caller == "direct"))
        }
        "input[].caller" => value.get("type").is_some_and(|kind| kind == "direct"),
        // What the SDKs' own helpers add to an answer, and send back with it.
        "input[].parsed_arguments" | "input[].content[].parsed" => true,
        "input[].id"
        | "input[].status"
        | "input[].phase"
        | "input[].content[].annotations"
        | "input[].content[].detail"
        | "input[].content[].logprobs"
        | "input[].content[].prompt_cache_breakpoint"
        | "input[].output[].detail"
        | "input[].output[].prompt_cache_breakpoint" => true,
        // A result says by its call what it belongs to.
        "input[].name" => true,
        _ => false,
    }
}
