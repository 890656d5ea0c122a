//! OpenAI's chat completions.

mod read;
mod response;
mod write;

pub(super) use read::read_request;
pub(crate) use response::{finish_of, finish_reason, usage_json};
pub(super) use response::{read_response, write_response};
pub(super) use write::write_request;
