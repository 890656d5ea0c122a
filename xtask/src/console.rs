//! The console: built once, then only when something in `ui/` has changed; its checks, and its tests in a browser.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{self, is_there, run_quietly};
use crate::{node, setup};

const FOLDER: &str = "ui";
/// What the build makes, and beside it the digest of what it was made of.
const BUILT: &str = "ui/dist";
const STAMP: &str = "ui/dist/.stamp";
/// In `ui/`: what is no source of the console.
const NO_SOURCES: [&str; 3] = ["dist", "node_modules", "e2e"];
/// As Debian and others call it.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The folder of the console's files, for `WEIR_CONSOLE_DIR`. Builds them if `ui/` is not what they were built of.
pub(crate) fn build(root: &Path) -> Result<PathBuf> {
    let wanted = digest(root)?;
    let built = root.join(BUILT);
    if !fs::read_to_string(root.join(STAMP)).is_ok_and(|found| found == wanted) {
        let node = node::find(root)?;
        node.packages(root, FOLDER, "what the console is built with")?;
        println!("Building the console …");
        run_quietly(node.npm(&root.join(FOLDER)).args(["run", "--silent", "build"]))
            .context("cannot build the console")?;
        fs::write(root.join(STAMP), wanted).context(STAMP)?;
    }
    Ok(built)
}

/// Format, rules, types, the generated client.
pub(crate) fn lint(root: &Path) -> Result<()> {
    ["lint", "gen:check", "types"].into_iter().try_for_each(|script| npm(root, script))
}

/// What can be tested without a browser.
pub(crate) fn unit_tests(root: &Path) -> Result<()> {
    npm(root, "test")
}

/// Writes the types of the API's client; [`lint`] compares them.
pub(crate) fn generate(root: &Path) -> Result<()> {
    npm(root, "gen")
}

/// Drives the console in a browser, against all real parts. Without a browser it is skipped, and says so.
pub(crate) fn browser_tests(root: &Path) -> Result<()> {
    with_browser(root, "e2e")
}

/// Writes pictures of every page into `docs/screenshots`, each with few colours, so that all of them stay small.
pub(crate) fn screenshots(root: &Path) -> Result<()> {
    let python = setup::pictures(root)?;
    with_browser(root, "screenshots")?;
    command::run(Command::new(python).arg(root.join("ui/e2e/reduce.py")).arg(root.join("docs/screenshots")))
}

fn npm(root: &Path, script: &str) -> Result<()> {
    let node = node::find(root)?;
    node.packages(root, FOLDER, "what the console is built with")?;
    command::run(node.npm(&root.join(FOLDER)).args(["run", "--silent", script]))
}

/// Runs a script of `ui/` beside a gateway of its own: other ports, another state folder, nothing kept.
fn with_browser(root: &Path, script: &str) -> Result<()> {
    let Some(browser) = browser()? else {
        println!("Skipped: no browser (Debian: apt-get install chromium)");
        return Ok(());
    };
    let console = build(root)?;
    let node = node::find(root)?;
    node.packages(root, FOLDER, "what the console is built with")?;
    // With it comes the OpenID provider that people sign in by.
    node::setup(root)?;
    let state = tempfile::tempdir().context("no temporary folder")?;
    // Postgres runs as another user where we are root.
    command::run(Command::new("chmod").arg("755").arg(state.path()))?;
    let mut npm = node.npm(&root.join(FOLDER));
    npm.args(["run", "--silent", script]);
    npm.env("WEIR_CHROMIUM", browser);
    npm.env("WEIR_CONSOLE_DIR", console);
    npm.env("WEIR_DEV_BINARY", command::target(root).join("debug/weir-dev"));
    npm.env("WEIR_WASM", command::target(root).join("weir.wasm"));
    npm.env("WEIR_TOOLS_DIR", setup::tools(root));
    npm.env("WEIR_STATE_DIR", state.path());
    command::run(&mut npm)
}

/// Chromium, installed where that can be done without asking anybody.
fn browser() -> Result<Option<PathBuf>> {
    let find = || BROWSERS.into_iter().find_map(which);
    if let Some(browser) = find() {
        return Ok(Some(browser));
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !is_root || !is_there("apt-get", "--version") {
        return Ok(None);
    }
    println!("Installing chromium …");
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", "chromium"]).env("DEBIAN_FRONTEND", "noninteractive");
    let installed = run_quietly(Command::new("apt-get").arg("update")).and_then(|()| run_quietly(&mut install));
    if let Err(error) = installed {
        println!("chromium cannot be installed: {error:#}");
    }
    Ok(find())
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Of everything that the console is built of.
fn digest(root: &Path) -> Result<String> {
    let mut sources = BTreeMap::new();
    read(&root.join(FOLDER), &mut sources)?;
    if sources.is_empty() {
        bail!("{FOLDER} is empty");
    }
    let mut hasher = DefaultHasher::new();
    for (path, text) in sources {
        path.strip_prefix(root).unwrap_or(&path).hash(&mut hasher);
        text.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn read(folder: &Path, sources: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if !NO_SOURCES.iter().any(|name| path.ends_with(name)) {
                read(&path, sources)?;
            }
        } else {
            sources.insert(path.clone(), fs::read(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(())
}
