//! `weir.auth`: who is calling.
//!
//! Reads what a client shows (a key, a token that the proxy has verified, a certificate), and turns it into a principal and the models of its
//! tenant: from the VM's [`PrincipalCache`], else by asking the control plane, which never sees the key or the token itself. Everything that is not known for
//! certain is refused. What must be forgotten arrives through [`Watch`]. This crate knows nothing of models' routes, limits
//! or usage: it writes principal and catalog into the stream's exchange, and others act on them.
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

mod bounded;
mod cache;
mod credential;
mod entries;
mod filter;
mod peer;
mod resolve;
mod shown;
#[cfg(test)]
mod tests;
mod watch;

pub use cache::{Identity, Known, PrincipalCache, Ticket, Vouched};
pub use filter::{AuthPlugin, AuthStream};
pub use resolve::{Answer, Denial, MalformedAnswer};
pub use watch::{Watch, WatchError};

/// SHA-256 of a key.
pub type Digest = [u8; 32];
