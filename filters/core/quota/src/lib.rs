//! `weir.quota`: whether a caller's limits allow one more request.
//!
//! A [`Limit`](weir_config::Limit) is so many units in each window. What a request takes of it at most is estimated at its admission
//! (`Estimate`) and reserved of every limit that applies, or of none (`Reservation`); what it took is known at its end
//! (`Settlement`), and the rest is free again, also if it failed, its client left or nothing of it reached a provider. What a guardrail
//! refused, or asked a judge about, is taken all the same.
//!
//! The control plane leases units of a counter ahead of use; a lease lies in Envoy's shared data ([`Lease`]), so that all workers of
//! one Envoy draw from it and most requests ask nobody. A worker asks once for a counter however many requests lack it; the others
//! wait for the answer ([`Leases`]). What the control plane refuses is remembered for as long as it says. What an Envoy holds and does
//! not use it gives back within seconds, and says what it spent.
//!
//! What callers ask about themselves, how much of their limits is left and what they have used, is asked of the control plane (`own.rs`).
//!
//! A further unit is a variant of [`Unit`](weir_config::Unit), what of it a request may take (`estimate.rs`) and what it took
//! (`settlement.rs`).
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
mod estimate;
mod filter;
mod further;
mod lease;
mod leases;
mod own;
mod refusal;
mod reservation;
mod settlement;
#[cfg(test)]
mod tests;
mod unanswered;
mod windows;

pub use filter::{QuotaPlugin, QuotaStream};
pub use lease::Lease;
pub use leases::Leases;
