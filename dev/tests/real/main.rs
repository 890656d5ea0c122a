//! Parts started for real.

mod postgres;
mod process;
mod provider;
mod responses;
