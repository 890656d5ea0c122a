use serde_json::Value;

use super::Request;
use crate::error::RequestError;
use crate::operation::Schema;

/// Refuses the first field that the other schema cannot say and that is not harmless to leave out.
pub(super) fn refuse_what_cannot_be_said(request: &Request) -> Result<(), RequestError> {
    for (name, value) in &request.others {
        let harmless = match request.origin {
            Schema::OpenAi => is_harmless_of_openai(name, value),
            Schema::Anthropic => is_harmless_of_anthropic(name, value),
        };
        if !harmless {
            return Err(RequestError::new("the provider of this model has no such setting").at(name));
        }
    }
    Ok(())
}

/// Hints about caching, speed, storage and effort, and settings that say what holds anyway.
fn is_harmless_of_openai(name: &str, value: &Value) -> bool {
    match name {
        "metadata"
        | "prediction"
        | "prompt_cache_key"
        | "prompt_cache_options"
        | "prompt_cache_retention"
        | "reasoning_effort"
        | "safety_identifier"
        | "seed"
        | "service_tier"
        | "store"
        | "verbosity" => true,
        "frequency_penalty" | "presence_penalty" | "top_logprobs" => value.as_f64() == Some(0.0),
        "logprobs" => *value == Value::Bool(false),
        "n" => value.as_u64() == Some(1),
        "logit_bias" | "functions" => is_empty(value),
        "modalities" => value.as_array().is_some_and(|all| all.iter().all(|one| one == "text")),
        _ => false,
    }
}

/// As above. Thinking is left to the other provider: the client gets the answer without it.
fn is_harmless_of_anthropic(name: &str, value: &Value) -> bool {
    match name {
        "cache_control" | "context_management" | "diagnostics" | "service_tier" | "speed" | "thinking" => true,
        "betas" | "mcp_servers" => is_empty(value),
        "output_config" => {
            value.as_object().is_some_and(|fields| fields.keys().all(|key| key == "effort" || key == "format"))
        }
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
}
