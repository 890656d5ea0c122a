//! The admin API and the store behind it, on a real Postgres with a fresh database for each test.

mod app;
mod apply;
mod authorisation;
mod browser;
mod cancelled;
mod contract;
mod credentials;
mod dataplane;
mod events;
mod guardrail_test;
mod idempotency;
mod ledger;
mod lists;
mod login;
mod nodes;
mod operations;
mod postgres;
mod protocol;
mod providers;
mod quota;
mod references;
mod resources;
mod revisions;
mod setup;
mod versions;
mod writers;
