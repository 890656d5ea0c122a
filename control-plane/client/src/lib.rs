//! The commands that speak to a control plane over its admin API: `weir apply`, `weir export`, `weir revert`.
//!
//! Files hold objects as `apply` takes them ([`manifest`]), and say of a secret where it is, never what it is ([`secrets`]). What
//! became of them is told object by object ([`report`]). Whether a request that got no answer was carried out is not known, and is
//! never told as a success: it is repeated under the same idempotency key.
//!
//! Knows no database and no Envoy.

mod apply;
mod connection;
mod error;
mod export;
mod manifest;
mod report;
mod revert;
mod secrets;

pub use apply::{ApplySettings, apply};
pub use connection::ConnectionSettings;
pub use error::ClientError;
pub use export::{ExportSettings, export};
pub use report::Outcome;
pub use revert::{RevertSettings, revert};
