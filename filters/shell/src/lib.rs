//! Runs the gateway inside Envoy.
//!
//! ```text
//! Envoy ─ proxy-wasm callbacks ─► root, stream (the SDK's contexts) ─► weir_gateway's Root and Stream
//!       ◄─ host calls ─────────── sys ◄──────────────────────────────── proxy (weir_host's traits) ◄──┘
//! ```
//!
//! This is the only crate that knows proxy-wasm. It decides nothing: it moves bytes between Envoy and the gateway, and keeps one
//! [`Worker`](weir_gateway::Worker) for the VM that it runs in.
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
mod proxy;
mod root;
mod stream;
mod sys;
mod vm;

/// Tells the SDK how to make root contexts. To be called once, when the module is initialised.
pub fn start() {
    proxy_wasm::set_root_context(|id| Box::new(root::Configured::new(id)));
}
