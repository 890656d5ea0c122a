//! `test` and `lint`: everything, one after the other, with times.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::{self, cargo};
use crate::{console, r#gen, installing, node, setup, wasm};

/// Steps that were run, and how they went.
struct Report {
    title: &'static str,
    steps: Vec<(&'static str, Duration, Result<()>)>,
}

/// Sets up, builds, and runs every suite. A suite that fails does not keep the next from running.
pub(crate) fn test(root: &Path) -> Result<()> {
    let mut report = Report { title: "Tests", steps: Vec::new() };
    report.step("set up", || setup::setup(root).and_then(|()| node::setup(root).map(drop)));
    report.step("build the filters, the programs and the tests", || build(root));
    // Nothing below makes sense without these.
    if report.failed() == 0 {
        report.step("unit, property and structure tests", || workspace_tests(root));
        report.step("Envoy accepts envoy/*.yaml", || command::run(weir_dev(root).arg("validate")));
        report
            .step("end to end, with the fuzz targets beside it", || beside(|| fuzz_targets(root), || end_to_end(root)));
        report.step("installing", || installing::test(root));
        report.step("console", || console::unit_tests(root));
        report.step("console in a browser", || console::browser_tests(root));
    }
    report.end()
}

/// Everything that needs no running part.
pub(crate) fn lint(root: &Path) -> Result<()> {
    let mut report = Report { title: "Lints", steps: Vec::new() };
    report.step("format", || command::run(cargo(root).args(["fmt", "--all", "--check"])));
    report.step("format of the fuzz targets", || {
        command::run(cargo(root).args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
    });
    report.step("clippy", || {
        command::run(workspace(&mut cargo(root), "clippy").args(["--all-targets", "--", "--deny", "warnings"]))
    });
    report.step("clippy of the filters for wasm", || {
        setup::wasm_target()?;
        let module = ["clippy", "--quiet", "--package", "weir-module", "--target", "wasm32-wasip1"];
        command::run(cargo(root).args(module).args(["--", "--deny", "warnings"]))
    });
    report.step("generated files", || r#gen::generate(root, true));
    report.step("console", || console::lint(root));
    report.end()
}

/// All at once: a filter's build ends in a long step on one processor. Each has a folder of its own to build in.
fn build(root: &Path) -> Result<()> {
    let programs = || {
        command::run(cargo(root).args(["build", "--package", "weir", "--package", "weir-dev"]))?;
        command::run(workspace(&mut cargo(root), "test").arg("--no-run"))
    };
    beside(|| beside(|| wasm::build(root), || wasm::build_with_crash_trigger(root)), programs)
}

/// With a Postgres of their own, named by WEIR_TEST_DATABASE_URL. Property tests see the same values each time; run alone, without
/// this seed, they see others.
fn workspace_tests(root: &Path) -> Result<()> {
    let mut tests = weir_dev(root);
    tests.env("PROPTEST_RNG_SEED", "1");
    tests.args(["postgres", "--"]).arg(cargo(root).get_program());
    command::run(workspace(&mut tests, "test").arg("--no-fail-fast"))
}

/// Cargo's command for all but the module, which is for wasm only.
fn workspace<'a>(cargo: &'a mut Command, command: &str) -> &'a mut Command {
    cargo.args([command, "--quiet", "--workspace", "--exclude", "weir-module"])
}

/// Two systems side by side: one for the files that mostly wait, and one for all else.
fn end_to_end(root: &Path) -> Result<()> {
    let folder = root.join("tests/e2e");
    let mut waiting = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if mostly_waits(&name) {
            waiting.push(name);
        }
    }
    waiting.sort();
    let program = node::setup(root)?.program;
    let mut first = pytest(root, &program);
    first.args(&waiting);
    let mut all_else = pytest(root, &program);
    all_else.args(waiting.iter().map(|name| format!("--ignore={name}")));
    beside(move || command::run_apart(&mut first), || command::run(&mut all_else))
}

/// For what was killed, stopped or filled up to come back, or for the minute in which a limit counts.
fn mostly_waits(file: &str) -> bool {
    file.starts_with("test_faults_") || file == "test_quota.py"
}

/// What they compute, the end-to-end tests leave to be had: those mostly wait, and come first wherever both want a processor.
fn fuzz_targets(root: &Path) -> Result<()> {
    let mut nice = Command::new("nice");
    nice.current_dir(root).arg("-n10").arg(std::env::current_exe()?);
    command::run_apart(nice.args(["fuzz", "--repeat"]))
}

/// Runs both at the same time; an error if one of them fails.
fn beside(one: impl FnOnce() -> Result<()> + Send, other: impl FnOnce() -> Result<()>) -> Result<()> {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        other.and(one.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

fn pytest(root: &Path, node: &Path) -> Command {
    let mut pytest = Command::new(setup::tools(root).join("bin/python"));
    pytest.current_dir(root.join("tests/e2e")).args(["-m", "pytest"]);
    // Compiled files of the tests would lie in the repository.
    pytest.env("PYTHONDONTWRITEBYTECODE", "1");
    pytest.env("WEIR_DEV_BINARY", command::target(root).join("debug/weir-dev"));
    pytest.env("WEIR_WASM", command::target(root).join("weir.wasm"));
    pytest.env("WEIR_WASM_CRASH_TRIGGER", wasm::crash_trigger(root));
    pytest.env("WEIR_TOOLS_DIR", setup::tools(root));
    pytest.env("WEIR_NODE", node);
    pytest
}

fn weir_dev(root: &Path) -> Command {
    let mut command = Command::new(command::target(root).join("debug/weir-dev"));
    command.current_dir(root).env("WEIR_TOOLS_DIR", setup::tools(root));
    command
}

impl Report {
    fn step(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        println!("\n━━ {name}");
        let begin = Instant::now();
        let outcome = step();
        if let Err(error) = &outcome {
            eprintln!("Error: {error:#}");
        }
        self.steps.push((name, begin.elapsed(), outcome));
    }

    fn failed(&self) -> usize {
        self.steps.iter().filter(|(_, _, outcome)| outcome.is_err()).count()
    }

    /// Prints the summary; an error if a step failed.
    fn end(self) -> Result<()> {
        println!("\n━━ {}", self.title);
        for (name, time, outcome) in &self.steps {
            let mark = if outcome.is_ok() { "ok    " } else { "FAILED" };
            println!("{mark} {:7.1} s  {name}", time.as_secs_f32());
        }
        let total: Duration = self.steps.iter().map(|(_, time, _)| *time).sum();
        println!("       {:7.1} s  in all", total.as_secs_f32());
        match self.failed() {
            0 => Ok(()),
            count => bail!("{count} of {} steps failed", self.steps.len()),
        }
    }
}
