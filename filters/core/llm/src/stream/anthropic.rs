//! Anthropic's events.

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::Writer;
