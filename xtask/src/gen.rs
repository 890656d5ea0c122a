//! Makes the files that are generated and checked in.

use std::path::Path;

use anyhow::{Context, Result, bail};

const PROTO: &str = "proto/weir/dataplane/v1/dataplane.proto";
const PROTO_OUT: &str = "proto/src/gen";

/// Writes all generated files below `root`, or only compares them if `check`.
pub(crate) fn generate(root: &Path, check: bool) -> Result<()> {
    let made = tempfile::tempdir().context("no temporary folder")?;
    protobuf(root, made.path())?;
    let mut stale = Vec::new();
    for entry in std::fs::read_dir(made.path())? {
        let entry = entry?;
        let target = root.join(PROTO_OUT).join(entry.file_name());
        let new = std::fs::read(entry.path())?;
        if std::fs::read(&target).ok().as_deref() == Some(new.as_slice()) {
            continue;
        }
        if check {
            stale.push(target.display().to_string());
        } else {
            std::fs::write(&target, new)?;
        }
    }
    if !stale.is_empty() {
        bail!("not up to date, run `make gen`: {}", stale.join(", "));
    }
    Ok(())
}

/// The messages for everybody; the gRPC client and server only with the crate's feature `grpc`.
fn protobuf(root: &Path, out: &Path) -> Result<()> {
    let descriptors = protox::compile([root.join(PROTO)], [root.join("proto")]).context(PROTO)?;
    tonic_prost_build::configure()
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .build_transport(true)
        .out_dir(out)
        .compile_fds(descriptors)
        .context(PROTO)
}
