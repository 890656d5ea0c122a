//! Runs the fuzz targets in `fuzz/`: freely, for as long as somebody wants to look for what breaks them, or on the same inputs
//! everywhere, as the suite does.
//!
//! On the stable toolchain: the coverage that libFuzzer goes by needs no nightly flags, only the memory sanitizers do, and the
//! code under test is safe Rust.

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{self, cargo, run_quietly};
use crate::setup;

/// `cargo-fuzz` as it is installed beside the other tools.
const VERSION: &str = "0.13.2";
/// Seconds for each target of a free search, where nobody says.
pub(crate) const SECONDS: u64 = 8;
/// Inputs for each target of the suite.
const INPUTS: usize = 40_000;
/// The longest input in bytes: more only makes each one slower.
const LONGEST: usize = 4096;
/// Tells a target the one input that it changes (`fuzz/src/lib.rs`).
const ORIGIN: &str = "WEIR_FUZZ_ORIGIN";

/// Looks for inputs that break one target, or all, one after the other: what reaches new code is kept and changed further. It is
/// kept below the build folder, so that a later run goes on from there; what breaks a target lies in `fuzz/artifacts/`.
///
/// # Errors
///
/// What broke a target, by the targets' names.
pub(crate) fn explore(root: &Path, target: Option<&str>, seconds: u64) -> Result<()> {
    let program = build(root)?;
    each(target.map_or_else(|| targets(root), |target| Ok(vec![target.to_owned()]))?, |target| {
        let found = folder(root).join("corpus").join(target);
        fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
        let mut run = cargo_fuzz(root, &program, "run");
        // New inputs go into the first folder.
        run.arg(target).arg(found).arg(root.join("fuzz/corpus").join(target)).arg("--");
        run.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={LONGEST}"));
        judge(run.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]))
    })
}

/// Changes each input of the kept corpus so and so many times. The inputs are the same on every machine and in every run: they
/// follow from the corpus and a seed alone, not from time, from what an earlier search found, or from which code they reach
/// (`fuzz/src/lib.rs` says why that differs). What breaks a target lies in `fuzz/artifacts/`.
///
/// # Errors
///
/// What broke a target, by the targets' names.
pub(crate) fn repeat(root: &Path) -> Result<()> {
    build(root)?;
    let programs = folder(root).join(host()?).join("release");
    each(targets(root)?, |target| {
        let origins = files(&root.join("fuzz/corpus").join(target))?;
        let artifacts = root.join("fuzz/artifacts").join(target);
        fs::create_dir_all(&artifacts).with_context(|| artifacts.display().to_string())?;
        let runs = INPUTS / origins.len().max(1);
        let change = |origin: &PathBuf| {
            let mut run = Command::new(programs.join(target));
            run.env(ORIGIN, origin).arg(format!("-seed_inputs={}", origin.display()));
            run.arg(format!("-artifact_prefix={}/", artifacts.display()));
            run.arg(format!("-runs={runs}")).arg(format!("-max_len={LONGEST}"));
            // Nothing of how an input was handled has a say in what the next one is. A minute is what no input takes anywhere.
            run.args(["-seed=1", "-len_control=0", "-use_cmp=0", "-use_memmem=0", "-entropic=0", "-reload=0"]);
            judge(run.args(["-timeout=60", "-rss_limit_mb=2048", "-print_final_stats=1"]))
        };
        let outcomes: Vec<Result<Outcome>> = in_parallel(&origins, change);
        outcomes.into_iter().try_fold(Outcome::default(), |sum, outcome| Ok(sum.and(outcome?)))
    })
}

/// Runs each target, tells how it went, and fails in the end if one is broken.
fn each(targets: Vec<String>, run: impl Fn(&str) -> Result<Outcome>) -> Result<()> {
    let mut broken = Vec::new();
    for target in targets {
        let outcome = run(&target)?;
        println!("{target:22} {outcome}");
        if !outcome.is_good {
            broken.push(target);
        }
    }
    match broken.as_slice() {
        [] => Ok(()),
        broken => bail!("broken by an input in fuzz/artifacts: {}", broken.join(", ")),
    }
}

/// One run for each processor at a time; the outcomes in the order of the origins.
fn in_parallel<T: Send>(origins: &[PathBuf], run: impl Fn(&PathBuf) -> T + Sync) -> Vec<T> {
    let at_a_time = std::thread::available_parallelism().map_or(1, usize::from);
    let mut outcomes = Vec::with_capacity(origins.len());
    for some in origins.chunks(at_a_time) {
        std::thread::scope(|scope| {
            let runs: Vec<_> = some.iter().map(|origin| scope.spawn(|| run(origin))).collect();
            outcomes.extend(runs.into_iter().map(|run| run.join().unwrap_or_else(|panic| resume_unwind(panic))));
        });
    }
    outcomes
}

struct Outcome {
    is_good: bool,
    inputs: u64,
    /// Places of the code that were reached; `None` if that was not what the run went by.
    edges: Option<u64>,
}

impl Default for Outcome {
    fn default() -> Self {
        Self { is_good: true, inputs: 0, edges: None }
    }
}

impl Outcome {
    fn and(self, other: Outcome) -> Outcome {
        Outcome { is_good: self.is_good && other.is_good, inputs: self.inputs + other.inputs, edges: None }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:>9} inputs", self.inputs)?;
        if let Some(edges) = self.edges {
            write!(formatter, ", {edges:>6} edges")?;
        }
        if self.is_good { Ok(()) } else { formatter.write_str("  BROKEN") }
    }
}

/// Runs a target to its end.
fn judge(run: &mut Command) -> Result<Outcome> {
    let output = run.output().with_context(|| format!("cannot start {}", run.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // Without the protocol of its search, a line for each new input.
        said.lines().filter(|line| !line.starts_with('#')).for_each(|line| eprintln!("{line}"));
    }
    let number_after = |label: &str| said.rsplit_once(label)?.1.split_whitespace().next()?.parse().ok();
    Ok(Outcome {
        is_good: output.status.success(),
        inputs: number_after("stat::number_of_executed_units:").unwrap_or(0),
        edges: number_after("cov: "),
    })
}

/// Builds all targets; the program that runs them.
fn build(root: &Path) -> Result<PathBuf> {
    setup::setup(root)?;
    let program = install(root)?;
    run_quietly(&mut cargo_fuzz(root, &program, "build"))?;
    Ok(program)
}

/// Installs cargo-fuzz where the other tools are, if it is not there.
fn install(root: &Path) -> Result<PathBuf> {
    let tools = setup::tools(root);
    let program = tools.join("bin/cargo-fuzz");
    let version = Command::new(&program).args(["fuzz", "--version"]).output();
    let is_there = version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim_end().ends_with(VERSION));
    if !is_there {
        println!("Installing cargo-fuzz {VERSION} into {} …", tools.display());
        let mut install = cargo(root);
        install.args(["install", "--quiet", "--locked", "--force", "--version", VERSION, "--root"]);
        run_quietly(install.arg(&tools).arg("cargo-fuzz"))?;
    }
    Ok(program)
}

fn cargo_fuzz(root: &Path, program: &Path, act: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).args(["fuzz", act, "--fuzz-dir", "fuzz", "--sanitizer", "none", "--target-dir"]);
    command.arg(folder(root));
    command
}

/// Where the targets are built.
fn folder(root: &Path) -> PathBuf {
    command::target(root).join("fuzz")
}

fn targets(root: &Path) -> Result<Vec<String>> {
    let sources = files(&root.join("fuzz/fuzz_targets"))?;
    Ok(sources.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect())
}

/// A folder's files by name: the order in which a file system lists them is its own.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// The platform that the targets are built for, by Rust's name of it.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not tell its host")
}
