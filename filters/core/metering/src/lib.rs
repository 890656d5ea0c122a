//! `weir.metering`: one usage record a request.
//!
//! Settles a stream when it is over, whoever ended it: from the provider's own figures where there are any, else from the
//! text that passed, and the record says which. Records wait in the VM's [`Outbox`], a journal
//! that outlives the VM, until the control plane has them in its ledger; when too many wait, new requests are refused, since nothing may go unrecorded. On the way back it names the
//! request and its provider in the response's headers. It stands first in the chain: Envoy calls a filter at a stream's end
//! only if the request had reached it, so only the first sees every refusal.
//!
//! What this crate refuses to know: wire formats and attempts. `weir.provider` writes what it saw into the exchange.
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

mod delivery;
mod filter;
mod log_line;
mod outbox;
mod outcome;
mod record;
#[cfg(test)]
mod tests;

pub use filter::{MeteringPlugin, MeteringStream};
pub use outbox::{Answered, Outbox};
pub use outcome::{Ending, Outcome};
