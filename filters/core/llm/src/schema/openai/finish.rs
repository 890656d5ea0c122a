use crate::chat::Finish;

/// What a `finish_reason` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The answer goes on: some servers say so in every chunk with an empty word.
    None,
    /// It ended, for this reason.
    Ended(Finish),
    /// It ended, for a reason that nobody here knows.
    Unknown,
    /// The server gave up.
    Failed,
}

/// Reads the word. Servers that put this schema before another API let that API's words through.
pub(super) fn reason_of(word: &str) -> Reason {
    Reason::Ended(match word {
        "" | "null" => return Reason::None,
        "error" => return Reason::Failed,
        "stop" | "end_turn" | "eos" | "stop_sequence" => Finish::Stop,
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
        "content_filter" | "safety" | "refusal" => Finish::ContentFilter,
        _ => return Reason::Unknown,
    })
}

impl Reason {
    /// The end that it stands for. An unknown reason is a plain end, and some servers say `stop` after a tool call.
    pub(super) fn finish(self, called_a_tool: bool) -> Option<Finish> {
        match self {
            Self::None | Self::Failed => None,
            Self::Ended(Finish::Stop) | Self::Unknown if called_a_tool => Some(Finish::ToolCalls),
            Self::Ended(finish) => Some(finish),
            Self::Unknown => Some(Finish::Stop),
        }
    }
}

/// The word for it in this schema.
pub(super) fn word_of(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
    }
}
