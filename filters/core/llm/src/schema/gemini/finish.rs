use crate::chat::Finish;
use crate::error::ProviderError;

/// What a candidate's `finishReason` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The answer goes on.
    None,
    /// It ended, for this reason.
    Ended(Finish),
    /// The model wrote what its own server could not read: there is no answer.
    Failed,
}

/// Reads the word. One that is not known says that the answer ended, and no more.
pub(super) fn reason_of(word: &str) -> Reason {
    Reason::Ended(match word {
        "" | "FINISH_REASON_UNSPECIFIED" => return Reason::None,
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE" => return Reason::Failed,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE" | "MODEL_ARMOR" => {
            Finish::ContentFilter
        }
        word if word.starts_with("IMAGE_") => Finish::ContentFilter,
        _ => Finish::Stop,
    })
}

impl Reason {
    /// The end that it stands for. A call of a tool has no reason of its own there.
    pub(super) fn finish(self, called_a_tool: bool) -> Option<Finish> {
        match self {
            Self::None | Self::Failed => None,
            Self::Ended(Finish::Stop) if called_a_tool => Some(Finish::ToolCalls),
            Self::Ended(finish) => Some(finish),
        }
    }
}

/// The error that a failed answer is.
pub(super) fn failed(word: &str) -> ProviderError {
    ProviderError::protocol(format!("the provider's model could not finish its answer ({word})"))
}

/// The word for it in this schema.
pub(super) fn word_of(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter => "SAFETY",
    }
}
