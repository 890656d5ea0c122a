//! Weir's benchmarks: `cargo xtask bench`, or `make bench`.

mod filters;
mod gateway;
mod instructions;
mod ledger;
mod parts;
mod policy;
mod processors;
mod usage;

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    Filters(filters::Filters),
    Gateway(gateway::Gateway),
    Instructions(instructions::Instructions),
    Ledger(ledger::Ledger),
    Policy(policy::Policy),
    Usage(usage::Usage),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().benchmark {
        Benchmark::Filters(filters) => filters.run(),
        Benchmark::Gateway(gateway) => gateway.run().await,
        Benchmark::Instructions(instructions) => instructions.run().await,
        Benchmark::Ledger(ledger) => ledger.run().await,
        Benchmark::Policy(policy) => policy.run().await,
        Benchmark::Usage(usage) => usage.run().await,
    }
}

/// A folder of its own for a run, gone at the end. Postgres may run as another user, who must reach it.
fn folder() -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new().prefix("weir-bench-").tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// The time below which this part of all lie (the nearest rank); zero of none.
fn quantile(times: &[Duration], at: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    let rank = (at * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
