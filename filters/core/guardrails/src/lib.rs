//! Guardrails: whether text may pass, and how.
//!
//! [`scan`] is the pure engine: a [`Profile`] made of an administrator's rules finds what it looks for in a text, and says
//! what happens to it. [`stream`] does the same for text that arrives in pieces, holding back only what could still become a
//! finding. [`GuardrailsPlugin`] and [`GuardrailsStream`] are the proxy filter around both. Requests are read whole and edited
//! in place; whole answers too; streamed answers are edited event by event.
//!
//! What a profile's rules do not find, its judges may: services of the operator's that are asked about whole texts while a message
//! waits.
//!
//! The engine knows no wire format: where text stands in requests, answers and events is `weir-llm`'s to say. It keeps no
//! text beyond a call, and nothing that it finds is ever logged: findings are types, places and counts.

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

mod address;
mod cache;
mod consequence;
mod custom;
mod detect;
mod filter;
mod json_text;
mod judge;
mod merge;
mod plugin;
mod restore;
pub mod scan;
pub mod stream;
mod view;
pub mod words;

pub use cache::ProfileCache;
pub use custom::check_custom;
pub use filter::GuardrailsStream;
pub use plugin::GuardrailsPlugin;
pub use restore::Pseudonym;
pub use scan::{Direction, Finding, Profile, Verdict, all_rules};
pub use words::learned_scores;
