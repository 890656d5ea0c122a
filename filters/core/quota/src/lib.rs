//! `weir.quota`: whether a caller's limits allow one more request.
//!
//! A limit is so many units in each fixed window on UTC boundaries. The control plane leases units of a counter ahead of use; a
//! lease lies in Envoy's shared data ([`Lease`]), so that all workers of one Envoy draw from it and most requests ask nobody. A
//! worker asks once for a counter however many requests lack it; the others wait for the answer ([`Leases`]). What the control
//! plane refuses is remembered for as long as it says. What an Envoy holds and does not use it gives back within seconds, by
//! settlements, which also say what it spent. A request that several limits apply to takes one unit of each or none of any.
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

mod consumption;
mod counter;
mod filter;
mod lease;
mod leases;
#[cfg(test)]
mod tests;
mod window;

pub use filter::{QuotaPlugin, QuotaStream};
pub use lease::Lease;
pub use leases::Leases;
pub use window::Window;
