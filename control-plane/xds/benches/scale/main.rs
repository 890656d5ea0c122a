//! What the delivery of configuration costs at scale: `cargo bench -p weir-xds --bench scale`.
//!
//! The publisher and the discovery service run in a process of their own, whose CPU and memory are told apart from those of the
//! simulated Envoys. They take in all that is sent and acknowledge it, and do nothing with it.

mod envoys;
mod policy;
mod serve;

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    /// Which part of the benchmark; both, if it is not said.
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    scale: Scale,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Part {
    /// The control plane: tells its address, changes the policy for each line that it reads, and tells figures at the end.
    Serve(Scale),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Scale {
    /// Tenants, who own the pools in equal parts.
    #[arg(long, default_value_t = 1000)]
    tenants: usize,
    /// Pools.
    #[arg(long, default_value_t = 10_000)]
    pools: usize,
    /// Members of each pool.
    #[arg(long, default_value_t = 2)]
    members: usize,
    /// Providers of each tenant; each has a credential.
    #[arg(long, default_value_t = 3)]
    providers: usize,
    /// Connected Envoys.
    #[arg(long, default_value_t = 300)]
    envoys: usize,
    /// Whether each Envoy serves one tenant only, instead of all.
    #[arg(long)]
    one_tenant: bool,
    /// Changes in a second.
    #[arg(long, default_value_t = 10)]
    rate: u32,
    /// Seconds of changes.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Port to serve on, for an Envoy that is started by hand; 0: any.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Path of the filters' module, for an Envoy that is started by hand.
    #[arg(long, default_value = "/weir.wasm")]
    module: String,
}

fn main() {
    let Arguments { part, scale, .. } = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    match part {
        Some(Part::Serve(scale)) => runtime.block_on(serve::run(&scale)),
        None => runtime.block_on(envoys::run(&scale)),
    }
}

/// The time below which this part of all lie (the nearest rank); zero of none.
fn quantile(times: &mut [Duration], at: f64) -> Duration {
    times.sort();
    let rank = (at * times.len() as f64).ceil() as usize;
    times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
