//! Builds the filters as they are shipped.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{self, cargo};
use crate::imports;

/// Builds `target/weir.wasm` and refuses a module that Envoy would not load.
pub(crate) fn build(root: &Path) -> Result<()> {
    let target = command::target(root);
    let module = compile(root, &target, &[])?;
    if contains(&module, TRIGGER) {
        bail!("weir.wasm contains {TRIGGER:?}, which only the module for tests may");
    }
    publish(&module, &target.join("weir.wasm"))
}

/// Builds a module that ends its VM when a request asks for it: for tests only.
pub(crate) fn build_with_crash_trigger(root: &Path) -> Result<()> {
    // A folder of its own: both modules have one file name, and must never be taken for each other.
    let module = compile(root, &command::target(root).join("crash-trigger"), &["--features", "crash-trigger"])?;
    if !contains(&module, TRIGGER) {
        bail!("the module for tests does not contain {TRIGGER:?}");
    }
    publish(&module, &crash_trigger(root))
}

/// Where the module for tests is.
pub(crate) fn crash_trigger(root: &Path) -> PathBuf {
    command::target(root).join("weir-crash-trigger.wasm")
}

/// Request header that the module for tests knows (`filters/shell`).
const TRIGGER: &str = "crash-the-vm";

fn compile(root: &Path, target: &Path, features: &[&str]) -> Result<Vec<u8>> {
    let options = ["--package", "weir-module", "--profile", "wasm", "--target", "wasm32-wasip1", "--target-dir"];
    command::run(cargo(root).arg("build").args(options).arg(target).args(features))?;
    let built = target.join("wasm32-wasip1/wasm/weir.wasm");
    let module = fs::read(&built).with_context(|| built.display().to_string())?;
    let unknown = imports::unknown(&module)?;
    if !unknown.is_empty() {
        bail!("{} imports what Envoy does not offer: {}", built.display(), unknown.join(", "));
    }
    Ok(module)
}

fn publish(module: &[u8], path: &Path) -> Result<()> {
    // Envoy and the control plane may be reading the old one: replace it, never write into it.
    let temporary = path.with_extension("wasm.new");
    fs::write(&temporary, module).with_context(|| temporary.display().to_string())?;
    fs::rename(&temporary, path)?;
    println!("{}: {} KB, imports checked", path.display(), module.len() / 1024);
    Ok(())
}

fn contains(module: &[u8], text: &str) -> bool {
    module.windows(text.len()).any(|window| window == text.as_bytes())
}
