//! Anthropic's messages.

mod read;
mod response;
mod write;

pub(super) use read::read_request;
pub(crate) use response::{finish_of, stop_reason, usage_json};
pub(super) use response::{read_response, write_response};
pub(crate) use write::tool_id;
pub(super) use write::write_request;
