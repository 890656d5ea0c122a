//! Builds the filters as they are shipped.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::{self, cargo};
use crate::imports;

/// Builds `target/weir.wasm` and refuses a module that Envoy would not load.
pub(crate) fn build(root: &Path) -> Result<()> {
    command::run(cargo(root).args([
        "build",
        "--package",
        "weir-module",
        "--profile",
        "wasm",
        "--target",
        "wasm32-wasip1",
    ]))?;
    let target = command::target(root);
    let built = target.join("wasm32-wasip1/wasm/weir.wasm");
    let module = fs::read(&built).with_context(|| built.display().to_string())?;
    let unknown = imports::unknown(&module)?;
    if !unknown.is_empty() {
        bail!("weir.wasm imports what Envoy does not offer: {}", unknown.join(", "));
    }
    let copy = target.join("weir.wasm");
    // Envoy and the control plane may be reading the old one: replace it, never write into it.
    let temporary = target.join("weir.wasm.new");
    fs::write(&temporary, &module).with_context(|| temporary.display().to_string())?;
    fs::rename(&temporary, &copy)?;
    println!("{}: {} KB, imports checked", copy.display(), module.len() / 1024);
    Ok(())
}
