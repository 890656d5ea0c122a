//! The control plane's side of `weir.dataplane.v1`: what the filters inside Envoy ask, and what they must forget.
//!
//! Everything a call may see comes from the gateway's token ([`Gateways`]), never from the message. The calls themselves are
//! the store's; the one thing decided here is when a VM is told to forget ([`watch`]): a revoked key at once, a changed
//! catalog only when that Envoy has the routes that the new catalog leads to.
//!
//! Knows no SQL and no Envoy configuration. Never logs a key, a token or a prompt.

mod convert;
mod failure;
mod gateways;
mod guard;
mod hub;
mod identity;
mod module;
mod own;
mod progress;
mod service;
mod watch;

pub use failure::chain;
pub use gateways::Gateways;
pub use guard::guarded;
pub use hub::ChangeHub;
pub use module::{Module, router};
pub use progress::Progress;
pub use service::Service;
