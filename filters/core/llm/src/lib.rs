//! The wire formats of LLM providers, without any I/O.
//!
//! All that is particular to one schema stands in its folder ([`schema`]). Requests and answers are read into one conversation model
//! ([`chat`]) and written from it, so that N schemas need N readers and writers and not N². Where client and provider speak the same schema, bytes are passed on and edited in place: fields
//! that this crate has never heard of survive ([`RequestHead`], [`text`], [`stream`]).
//!
//! It refuses to know who calls, what a token costs, where a provider is and what a filter does: bytes come in, bytes and
//! values go out, and the same input gives the same output.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable
    )
)]

pub mod chat;
mod compare;
pub mod error;
mod event_stream;
mod head;
mod json;
mod node;
mod operation;
mod outline;
mod reader;
pub mod schema;
pub mod sse;
pub mod steps;
pub mod stream;
mod template;
pub mod text;
mod timestamp;
mod unknown_input;
pub mod usage;

pub use compare::{between, equal_bytes};
pub use error::{ClientError, ProviderError, RequestError, ResponseError};
pub use head::{AnswerOptions, Content, HeadRules, JsonType, MessageRules, OutputBounds, RequestHead, read_head};
pub use node::Node;
pub use operation::{NoOperation, Operation, query_of};
pub use outline::AnswerOutline;
pub use schema::{Kind, Schema};
pub use template::Template;
pub use unknown_input::input_beyond_bytes;
pub use usage::{Counted, Facts, Figure, Usage, usage_of_response, usage_of_value};
