//! Makes the files that are generated and checked in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::cargo;

const PROTO: &str = "proto/weir/dataplane/v1/dataplane.proto";
const PROTO_OUT: &str = "proto/src/gen";
const OPENAPI: &str = "control-plane/api/openapi.json";

/// Writes all generated files below `root`, or only compares them if `check`.
pub(crate) fn generate(root: &Path, check: bool) -> Result<()> {
    let mut files = protobuf(root)?;
    files.push((root.join(OPENAPI), openapi(root)?));
    let stale: Vec<_> =
        files.into_iter().filter(|(path, new)| std::fs::read(path).ok().as_ref() != Some(new)).collect();
    if check && !stale.is_empty() {
        let names: Vec<_> = stale.iter().map(|(path, _)| path.display().to_string()).collect();
        bail!("not up to date, run `make gen`: {}", names.join(", "));
    }
    for (path, new) in stale {
        std::fs::write(&path, new).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// The admin API's document, as the control plane itself tells it.
fn openapi(root: &Path) -> Result<Vec<u8>> {
    let output = cargo(root).args(["run", "--quiet", "--package", "weir", "--", "openapi"]).output()?;
    if !output.status.success() {
        bail!("`weir openapi` failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

/// The messages for everybody; the gRPC client and server only with the crate's feature `grpc`.
fn protobuf(root: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let made = tempfile::tempdir().context("no temporary folder")?;
    let descriptors = protox::compile([root.join(PROTO)], [root.join("proto")]).context(PROTO)?;
    tonic_prost_build::configure()
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .build_transport(true)
        .out_dir(made.path())
        .compile_fds(descriptors)
        .context(PROTO)?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(made.path())? {
        let entry = entry?;
        files.push((root.join(PROTO_OUT).join(entry.file_name()), std::fs::read(entry.path())?));
    }
    Ok(files)
}
