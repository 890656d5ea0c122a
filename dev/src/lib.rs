//! Starts the real parts of Weir on one machine: for `make run`, the tests and the benchmarks.
//!
//! Each part (Postgres, the control plane, Envoy, a fake provider) has a module that knows how to start and end it;
//! [`run`] puts them together. It knows the control plane by its command line and its REST API only, as a user does.

pub mod admin;
pub mod control_plane;
pub mod envoy;
pub mod greeting;
pub mod parts;
pub mod port_blocking;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod provider;
pub mod reach;
pub mod replay;
pub mod run;
pub mod seed;
pub mod settings;
pub mod state;
pub mod supervised;
pub mod throwaway;
pub mod tools;
pub mod validate;
