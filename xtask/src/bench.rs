//! `bench`: the tables of performance, of what is built as it is shipped.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::{self, cargo};
use crate::{setup, wasm};

/// The benchmarks, in the order in which they are run.
const BENCHMARKS: [&str; 4] = ["gateway", "filters", "ledger", "policy"];

/// Sets up, builds, and runs every benchmark, one after the other: each has the machine to itself.
pub(crate) fn bench(root: &Path) -> Result<()> {
    setup::setup(root)?;
    wasm::build(root)?;
    let packages = ["--package", "weir", "--package", "weir-dev", "--package", "weir-bench"];
    command::run(cargo(root).args(["build", "--release"]).args(packages))?;
    let target = command::target(root);
    for benchmark in BENCHMARKS {
        let mut bench = Command::new(target.join("release/weir-bench"));
        bench.arg(benchmark).current_dir(root);
        bench.env("WEIR_WASM", target.join("weir.wasm")).env("WEIR_TOOLS_DIR", setup::tools(root));
        command::run(&mut bench)?;
    }
    Ok(())
}
