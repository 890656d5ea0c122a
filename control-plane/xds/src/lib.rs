//! Turns the committed policy into Envoy's configuration, and delivers it.
//!
//! Data flows one way: a [`Publisher`] is given each new [`Snapshot`](weir_core::snapshot::Snapshot); [`build`] makes Envoy
//! resources from it, without I/O; a [`Session`] for each connected Envoy decides what that Envoy must be told next, without
//! I/O either; [`Ads`] moves bytes between the session and the wire and reports what became of them.
//!
//! Only the delta protocol is served: nothing is sent again after a reconnect, because versions are content hashes. This
//! crate knows neither the database nor who asks: the runtime hands it snapshots and a function that authenticates a token.

mod build;
mod complaints;
mod open_streams;
mod plugin_delivery;
mod publisher;
mod resource;
mod server;
mod session;

pub use build::{BODY_LIMIT_BYTES, ModuleSource, Settings, build, local_replies_yaml};
pub use publisher::{Publisher, View};
pub use resource::{Resource, ResourceSet, ResourceType, Scope};
pub use server::{Ads, Authenticate, AuthenticationUnavailable};
pub use session::{Outcome, Push, Session};
