//! The spelling of calls before there were tools: a client that sends `functions` reads `function_call`, of which an answer has one.

use crate::chat::{Echo, Finish};
use crate::schema::openai::finish::word_of;

/// The fields of a request that tell.
pub(super) const ECHOED: &[&str] = &["functions", "tools"];

/// Whether the client knows no other spelling.
pub(super) fn is_legacy(echo: &Echo) -> bool {
    echo.has("functions") && !echo.has("tools")
}

/// The word for the end of an answer in this spelling, or in the newer one.
pub(super) fn reason(finish: Finish, is_legacy: bool) -> &'static str {
    if is_legacy && finish == Finish::ToolCalls { "function_call" } else { word_of(finish) }
}
