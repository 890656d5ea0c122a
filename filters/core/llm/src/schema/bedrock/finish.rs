use crate::chat::Finish;
use crate::error::ProviderError;

/// What a `stopReason` says. One that is not known says that the answer ended, and no more.
pub(super) fn finish_of(word: &str) -> Result<Finish, ProviderError> {
    Ok(match word {
        "tool_use" => Finish::ToolCalls,
        "stop_sequence" => Finish::StopSequence,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        // The model wrote what its own server could not read: there is no answer.
        "malformed_model_output" | "malformed_tool_use" => {
            let message = format!("the provider's model could not finish its answer ({word})");
            return Err(ProviderError::protocol(message));
        }
        _ => Finish::Stop,
    })
}
