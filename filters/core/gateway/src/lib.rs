//! The plugins put together: what one worker keeps, what one configuration runs, what one stream passes.
//!
//! ```text
//! a proxy's callbacks ─► Root (one plugin, one configuration) ─► Stream (one filter of one stream) ─► the plugins' filters
//! its host calls      ◄─ RootHost ◄──────────────────────────── StreamHost ◄────────────────────────┘
//!                         Worker: exchanges, principals, the `Watch` stream, usage records that are not yet delivered
//! ```
//!
//! A shell moves bytes between its proxy and these types, and decides nothing. Nothing here knows which proxy that is: a shell
//! makes a [`Worker`] for each thread that serves streams, or for each VM, and gives it to every [`Root`] there.
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

mod ending;
mod plugin;
mod root;
mod stream;
mod watcher;
mod worker;

pub use root::Root;
pub use stream::{Action, Stream};
pub use worker::Worker;
