//! `weir.quota`: whether a caller's limits allow one more request.
//!
//! A limit is so many requests in each fixed window on UTC boundaries. The control plane leases units of a counter ahead of
//! use; a lease lies in Envoy's shared data ([`Lease`]), so that all workers of one Envoy draw from it and most requests ask
//! nobody. What the control plane refuses is remembered for the rest of the window. A request that several limits apply to
//! takes one unit of each or none of any.
//!
//! This crate knows no tokens and no money, only requests.
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

mod counter;
mod filter;
mod lease;
#[cfg(test)]
mod tests;
mod window;

pub use filter::{QuotaPlugin, QuotaStream};
pub use lease::Lease;
pub use window::Window;
