//! The control plane's domain: what tenants, providers, pools and policies are, and which rules hold for them.
//!
//! Knows no database, no HTTP and no Envoy. The store writes these types, the API and xDS read them. A `…Settings`
//! type is what an administrator decides about a resource; its `check` names every field that breaks a rule.

pub mod actor;
pub mod api_key;
pub mod audit_head;
pub mod base_url;
pub mod calendar;
pub mod capabilities;
pub mod catalogue;
pub mod change;
pub mod currency;
pub mod department;
pub mod deployment;
pub mod destination;
pub mod encryption;
pub mod field;
pub mod finding_key;
pub mod gateway;
pub mod guardrails;
pub mod identity;
pub mod json;
pub mod labels;
pub mod ledger;
pub mod limit;
pub mod node;
pub mod operations;
pub mod page;
pub mod permission;
pub mod presets;
pub mod resource;
pub mod role;
pub mod routing;
pub mod schemas;
pub mod secret;
pub mod service_account;
pub mod service_token;
pub mod sign_in;
pub mod signing;
pub mod sketch;
pub mod snapshot;
pub mod tenant;
pub mod usage_line;
pub mod usage_summary;
pub mod ways_in;
