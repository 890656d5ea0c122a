//! Runs the filter cores inside Envoy.
//!
//! ```text
//! Envoy ─ proxy-wasm callbacks ─► root (one plugin, one configuration) ─► stream (one filter of one stream) ─► a core's StreamFilter
//!       ◄─ host calls ─────────── sys ◄─────────────────────────────────── proxy (weir_host's traits) ◄──────┘
//! ```
//!
//! This is the only crate that knows proxy-wasm. It decides nothing about requests: it moves bytes between Envoy and the
//! cores, and keeps what belongs to the VM and outlives a configuration: exchanges, principals, the `Watch` stream, usage
//! records that are not yet delivered.
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

#[cfg(feature = "crash-trigger")]
mod crash;
mod plugin;
mod proxy;
mod root;
mod stream;
mod sys;
mod vm;
mod watcher;

/// Tells the SDK how to make root contexts. To be called once, when the module is initialised.
pub fn start() {
    proxy_wasm::set_root_context(|_| Box::new(root::Root::new()));
}
