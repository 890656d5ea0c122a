//! Chores of this repository: `cargo xtask --help`.

mod bench;
mod chart;
mod clean;
mod command;
mod console;
mod fuzz;
mod r#gen;
mod imports;
mod installing;
mod node;
mod release;
mod setup;
mod suites;
mod wasm;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use command::cargo;

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Installs what `run` and `test` start: Envoy, Postgres, the tests' Python packages, Node and its SDKs, the wasm target.
    Setup,
    /// Builds the filters as they are shipped and checks that Envoy can load them.
    Wasm {
        /// Builds the module that tests crash instead.
        #[arg(long)]
        crash_trigger: bool,
    },
    /// Sets up, builds, and starts everything in the foreground.
    Run,
    /// Sets up, builds, and runs every suite.
    Test,
    /// Builds the console, if it has changed.
    Console,
    /// Only the console's tests in a browser; builds what they need.
    ConsoleTest,
    /// Only the tests of installing: the Helm chart, its manifests, images; builds what they need.
    InstallTest,
    /// Writes the manifests in k8s/ from the Helm chart.
    Manifests,
    /// Builds, from Go's sources, the Kubernetes API server that the tests of installing ask if it is there.
    Kubernetes,
    /// Makes what is published of a version, in target/dist.
    Release,
    /// Pictures of every page of the console, into docs/screenshots.
    Screenshots,
    /// Sets up, builds what is measured for release, and prints the tables of performance.
    Bench,
    /// Looks for inputs that break a parser, for so many seconds.
    Fuzz {
        /// One of `fuzz/fuzz_targets`; all without it.
        target: Option<String>,
        /// For each target.
        #[arg(long, default_value_t = fuzz::SECONDS)]
        seconds: u64,
        /// Does not look freely, but tries the inputs that `test` tries: on every machine the same.
        #[arg(long, conflicts_with_all = ["target", "seconds"])]
        repeat: bool,
    },
    /// Formatting, clippy without warnings, generated files up to date.
    Lint,
    /// Writes the generated files.
    Gen {
        /// Only compares, and fails on a difference.
        #[arg(long)]
        check: bool,
    },
    /// Removes the data of `run`, but not the installed tools.
    CleanState,
}

fn main() -> ExitCode {
    match repository().and_then(|root| start(Arguments::parse().chore, &root)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(chore: Chore, root: &Path) -> Result<()> {
    match chore {
        Chore::Setup => setup::setup(root).and_then(|()| node::setup(root).map(drop)),
        Chore::Wasm { crash_trigger: false } => wasm::build(root),
        Chore::Wasm { crash_trigger: true } => wasm::build_with_crash_trigger(root),
        Chore::Run => run(root),
        Chore::Test => suites::test(root),
        Chore::Console => console::build(root).map(drop),
        Chore::ConsoleTest => programs(root).and_then(|()| console::browser_tests(root)),
        Chore::InstallTest => programs(root).and_then(|()| installing::test(root)),
        Chore::Manifests => installing::manifests(root),
        Chore::Kubernetes => installing::kubernetes(root),
        Chore::Release => release::release(root),
        Chore::Screenshots => programs(root).and_then(|()| console::screenshots(root)),
        Chore::Bench => bench::bench(root),
        Chore::Fuzz { repeat: true, .. } => fuzz::repeat(root),
        Chore::Fuzz { target, seconds, repeat: false } => fuzz::explore(root, target.as_deref(), seconds),
        Chore::Lint => suites::lint(root),
        Chore::Gen { check } => r#gen::generate(root, check),
        Chore::CleanState => clean::state(root),
    }
}

fn run(root: &Path) -> Result<()> {
    programs(root)?;
    let console = console::build(root);
    let target = command::target(root);
    let mut weir_dev = std::process::Command::new(target.join("debug/weir-dev"));
    weir_dev.arg("run").current_dir(root).env("WEIR_WASM", target.join("weir.wasm"));
    match console {
        Ok(console) => {
            weir_dev.env("WEIR_CONSOLE_DIR", console);
        }
        // The gateway needs no console.
        Err(error) => println!("The console cannot be built, so its URL leads to the API's documentation: {error:#}"),
    }
    // In our place, so that a signal reaches it and nobody else.
    let error = weir_dev.exec();
    Err(error).context("cannot start weir-dev")
}

/// Sets up and builds what is started.
fn programs(root: &Path) -> Result<()> {
    setup::setup(root)?;
    wasm::build(root)?;
    command::run(cargo(root).args(["build", "--package", "weir", "--package", "weir-dev"]))
}

/// The folder above this crate's.
fn repository() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").context("start this by `cargo xtask`")?;
    let root = Path::new(&manifest).parent().context("no folder above xtask")?;
    Ok(root.to_owned())
}
