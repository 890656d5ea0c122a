//! Makes the files that are generated and checked in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::cargo;
use crate::console;

const PROTO: &str = "proto/weir/dataplane/v1/dataplane.proto";
const PROTO_OUT: &str = "proto/src/gen";
const OPENAPI: &str = "control-plane/api/openapi.json";
const BOOTSTRAP: &str = "envoy/bootstrap.yaml";
const STATIC_EXAMPLE: &str = "envoy/static.yaml";
/// What the static example has as the bootstrap has it: Envoy's own refusals.
const SHARED_KEY: &str = "local_reply_config:";

/// Writes all generated files below `root`, or only compares them if `check`.
pub(crate) fn generate(root: &Path, check: bool) -> Result<()> {
    let mut files = protobuf(root)?;
    files.push((root.join(OPENAPI), openapi(root)?));
    files.push((root.join(STATIC_EXAMPLE), static_example(root)?));
    let stale: Vec<_> =
        files.into_iter().filter(|(path, new)| std::fs::read(path).ok().as_ref() != Some(new)).collect();
    if check && !stale.is_empty() {
        let names: Vec<_> = stale.iter().map(|(path, _)| path.display().to_string()).collect();
        bail!("not up to date, run `make gen`: {}", names.join(", "));
    }
    for (path, new) in stale {
        std::fs::write(&path, new).with_context(|| path.display().to_string())?;
    }
    // Made of the API's document, so after it.
    if check { Ok(()) } else { console::generate(root) }
}

/// The admin API's document, as the control plane itself tells it.
fn openapi(root: &Path) -> Result<Vec<u8>> {
    let output = cargo(root).args(["run", "--quiet", "--package", "weir", "--", "openapi"]).output()?;
    if !output.status.success() {
        bail!("`weir openapi` failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

/// The example without a control plane, with the refusals of the bootstrap. Those are compared with what LDS serves by a test of
/// `weir-xds`.
fn static_example(root: &Path) -> Result<Vec<u8>> {
    let read = |name: &str| std::fs::read_to_string(root.join(name)).with_context(|| name.to_owned());
    let (bootstrap, example) = (read(BOOTSTRAP)?, read(STATIC_EXAMPLE)?);
    let (_, block, _) = around(&bootstrap).context(BOOTSTRAP)?;
    let (before, own, after) = around(&example).context(STATIC_EXAMPLE)?;
    let (from, to) = (indentation(block), indentation(own));
    let mut made = before.to_owned();
    for line in block.lines() {
        let text = line.get(from..).with_context(|| format!("{BOOTSTRAP}: less indented than its key: {line}"))?;
        made.extend([" ".repeat(to).as_str(), text, "\n"]);
    }
    made.push_str(after);
    Ok(made.into_bytes())
}

/// A YAML file around its one [`SHARED_KEY`]: what stands before, the key with everything below it, what stands after.
fn around(yaml: &str) -> Result<(&str, &str, &str)> {
    let key = yaml.match_indices(SHARED_KEY).filter(|(at, _)| yaml[..*at].trim_end_matches(' ').ends_with('\n'));
    let keys: Vec<usize> = key.map(|(at, _)| yaml[..at].trim_end_matches(' ').len()).collect();
    let [start] = keys[..] else { bail!("{} keys {SHARED_KEY}", keys.len()) };
    let (before, rest) = yaml.split_at(start);
    let width = indentation(rest);
    let mut lines = rest.split_inclusive('\n');
    let key_line = lines.next().unwrap_or_default().len();
    let below =
        lines.take_while(|line| !line.trim().is_empty() && indentation(line) > width).map(str::len).sum::<usize>();
    let (block, after) = rest.split_at(key_line + below);
    Ok((before, block, after))
}

fn indentation(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_with_all_below_it() {
        let yaml = "a:\n  # Not local_reply_config: this.\n  local_reply_config:\n    b: 1\n    c:\n    - d\n  e: 2\n";
        let block = "  local_reply_config:\n    b: 1\n    c:\n    - d\n";
        assert_eq!(around(yaml).unwrap(), ("a:\n  # Not local_reply_config: this.\n", block, "  e: 2\n"));
        assert!(around("a: 1\n").is_err() && around(&format!("{yaml}{yaml}")).is_err());
    }

    #[test]
    fn the_static_example_refuses_as_the_bootstrap_does() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let example = static_example(&root).unwrap();
        assert!(std::fs::read(root.join(STATIC_EXAMPLE)).unwrap() == example, "run `make gen`");
        assert!(String::from_utf8(example).unwrap().matches("\"code\":").count() > 20);
    }
}
