//! Speaks to the chosen provider: one filter of each attempt, upstream of the router.
//!
//! ```text
//! request   original headers ─► this provider's headers      client's body ─► this provider's body
//! answer    this provider's status, headers, body or stream ─► the client's schema
//! ```
//!
//! All attempts of a request share one header map in Envoy. The first attempt therefore keeps the original headers in the
//! stream's exchange, and every attempt builds its headers from those alone, so that nothing of one provider reaches the next.
//! The body is built anew for each attempt too.
//!
//! An answer's headers are held until it is known that this attempt can answer: until the first event with content of a
//! stream, until the end of a whole answer. Until then a failure becomes a status on which the router tries the next provider.
//! An error that another provider would answer in the same way (a request that cannot be said in the provider's schema) is a
//! reply, which ends the request.
//!
//! This crate knows neither how the provider was chosen nor who is calling.
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

mod answer;
mod credential;
mod destination;
mod encoding;
mod headers;
mod left_out;
mod plugin;
mod refusal;
mod request;
mod stream;

pub use plugin::ProviderPlugin;

#[cfg(test)]
mod tests;
