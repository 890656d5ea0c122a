//! The control plane's domain: what tenants, providers, pools and policies are, and which rules hold for them.
//!
//! Knows no database, no HTTP and no Envoy. The store writes these types, the API and xDS read them.

pub mod encryption;
pub mod node;
pub mod snapshot;
