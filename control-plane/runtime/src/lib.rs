//! Where the parts of the control plane meet: the only crate that knows the store, the API, xDS and the data plane.
//!
//! [`serve`] connects them: committed changes become snapshots for xDS and news for the data plane ([`changes`]), what Envoys
//! did becomes rows ([`nodes`]). Several control planes on one Postgres need no leader: each follows the same numbered
//! changes. Once it runs, the control plane outlives the database's absence.

mod audit;
mod authentication;
mod changes;
mod commands;
mod connections;
mod database;
mod demo;
mod limit_events;
mod module_file;
mod nodes;
mod open_files;
mod policies;
mod serve;
mod settings;
mod setup;
mod telemetry;
mod tls;
mod usage_import;

pub use audit::{audit_head, verify_audit};
pub use commands::{
    GatewayLine, create_admin, create_gateway, delete_gateway, list_gateways, migrate, openapi, rekey, roles,
    rotate_gateway, token_file,
};
pub use demo::seed_demo;
pub use serve::serve;
pub use settings::{DatabaseSettings, ServeSettings};
pub use telemetry::log_to_stderr;
pub use usage_import::{ImportSummary, import_usage};
pub use weir_xds::local_replies_yaml;
