//! The admin API and the store behind it, on a real Postgres with a fresh database for each test.

mod app;
mod authorisation;
mod cancelled;
mod credentials;
mod dataplane;
mod idempotency;
mod ledger;
mod lists;
mod login;
mod nodes;
mod postgres;
mod protocol;
mod quota;
mod resources;
mod revisions;
