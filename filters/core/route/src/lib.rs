//! `weir.route`: which pool serves a request.
//!
//! Holds a request's headers until its body is here, reads the body once for all plugins, turns the model's name into a
//! pool by the catalog of the caller's tenant, and lets Envoy choose the route anew by that pool. Answers the lists of
//! models itself. This crate knows no provider and no attempt: a pool is only an id here.
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

mod filter;
mod media;
mod models;
mod output;
#[cfg(test)]
mod tests;

pub use filter::{RoutePlugin, RouteStream};
