//! Runs the fuzz targets in `fuzz/` for a bounded time each.
//!
//! On the stable toolchain: the coverage that libFuzzer goes by needs no nightly flags, only the memory sanitizers do, and the
//! code under test is safe Rust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{self, cargo, run_quietly};
use crate::setup;

/// `cargo-fuzz` as it is installed beside the other tools.
const VERSION: &str = "0.13.2";
/// Seconds for each target in the suite.
pub(crate) const SECONDS: u64 = 8;
/// The suite always looks the same way, so that it never fails for what was not changed; to look elsewhere is what longer runs
/// are for.
pub(crate) const SEED: u32 = 1;
/// The longest input in bytes: more only makes each one slower.
const LONGEST: usize = 4096;

/// Fuzzes one target, or all, one after the other. What a target finds new is kept below the build folder, so that a later run
/// goes on from there; what breaks it lies in `fuzz/artifacts/`.
///
/// # Errors
///
/// What broke a target, by the targets' names.
pub(crate) fn fuzz(root: &Path, target: Option<&str>, seconds: u64, seed: Option<u32>) -> Result<()> {
    setup::setup(root)?;
    let program = install(root)?;
    let targets = match target {
        Some(target) => vec![target.to_owned()],
        None => targets(root)?,
    };
    let mut build = cargo_fuzz(root, &program, "build");
    run_quietly(&mut build)?;
    let mut broken = Vec::new();
    for target in targets {
        let outcome = fuzz_one(root, &program, &target, seconds, seed)?;
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

struct Outcome {
    is_good: bool,
    inputs: String,
    coverage: String,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:>9} inputs, {:>6} edges", self.inputs, self.coverage)?;
        if self.is_good { Ok(()) } else { formatter.write_str("  BROKEN") }
    }
}

fn fuzz_one(root: &Path, program: &Path, target: &str, seconds: u64, seed: Option<u32>) -> Result<Outcome> {
    let found = folder(root).join("corpus").join(target);
    fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
    let seeds = root.join("fuzz/corpus").join(target);
    let mut run = cargo_fuzz(root, program, "run");
    // New inputs go into the first folder.
    run.arg(target).arg(found).arg(seeds).arg("--");
    run.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={LONGEST}"));
    if let Some(seed) = seed {
        run.arg(format!("-seed={seed}"));
    }
    run.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    let output = run.output().with_context(|| format!("cannot start cargo-fuzz for {target}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // Without the protocol of its search, a line for each new input.
        said.lines().filter(|line| !line.starts_with('#')).for_each(|line| eprintln!("{line}"));
    }
    let word_after = |label: &str| {
        let after = said.rsplit_once(label).map_or("", |(_, after)| after);
        after.split_whitespace().next().unwrap_or("?").to_owned()
    };
    Ok(Outcome {
        is_good: output.status.success(),
        inputs: word_after("stat::number_of_executed_units:"),
        coverage: word_after("cov: "),
    })
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
    let folder = root.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}
