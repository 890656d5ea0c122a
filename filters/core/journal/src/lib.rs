//! Delivers what a worker must not lose: usage records, and settlements of leases.
//!
//! ```text
//! push ─► Journal (the VM's memory) ─ a batch on a tick ─► control plane ─ acknowledged ─► gone
//!            └─► its stretch of the proxy's shared data ─ the VM dies ─► another VM's journal ─► …
//! ```
//!
//! Entries are delivered at least once, one batch at a time and in their order; a batch that is not acknowledged goes out again.
//! Each is also kept in the proxy's shared data, at the cost of one write, so that another VM delivers it if this one dies.
//!
//! It refuses to know what an entry says: a [`Kind`] tells how to recognise one, and what to call things.
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

mod adoption;
mod journal;
mod kind;
mod partition;

pub use journal::{Bounds, Delivery, Journal};
pub use kind::Kind;
