//! Makes the files that are generated and checked in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::cargo;
use crate::{chart, console};

const PROTO: &str = "proto/weir/dataplane/v1/dataplane.proto";
const PROTO_OUT: &str = "proto/src/gen";
const OPENAPI: &str = "control-plane/api/openapi.json";
/// The table of roles, for people.
const ROLES: &str = "docs/roles.md";
/// Configurations of Envoy's that have its own refusals in them.
const WITH_REPLIES: [&str; 2] = ["envoy/bootstrap.yaml", "envoy/static.yaml"];
/// The first of them as the Helm chart has it: a chart reads nothing outside of its folder.
const CHART_BOOTSTRAP: &str = "helm/weir/files/bootstrap.yaml";
/// What the rest of the chart's generated files are made of.
const CHART: &str = "helm/weir";
/// The key of Envoy's own refusals.
const SHARED_KEY: &str = "local_reply_config:";

/// Writes all generated files below `root`, or only compares them if `check`.
pub(crate) fn generate(root: &Path, check: bool) -> Result<()> {
    let mut files = protobuf(root)?;
    // The control plane is built with them.
    if !check {
        write_changed(&files)?;
    }
    files.push((root.join(OPENAPI), control_plane_says(root, "openapi")?));
    files.push((root.join(ROLES), control_plane_says(root, "roles")?));
    let replies = String::from_utf8(control_plane_says(root, "local-replies")?).context("not text")?;
    for name in WITH_REPLIES {
        files.push((root.join(name), with_replies(root, name, &replies)?));
    }
    files.push((root.join(CHART_BOOTSTRAP), with_replies(root, WITH_REPLIES[0], &replies)?));
    files.extend(of_chart(&root.join(CHART))?);
    if check {
        let names: Vec<_> = stale(&files).map(|(path, _)| path.display().to_string()).collect();
        if !names.is_empty() {
            bail!("not up to date, run `make gen`: {}", names.join(", "));
        }
        return Ok(());
    }
    write_changed(&files)?;
    // Made of the API's document, so after it.
    console::generate(root)
}

/// What is made of the chart's values.
fn of_chart(chart: &Path) -> Result<[(PathBuf, Vec<u8>); 2]> {
    let [values, readme, schema] = ["values.yaml", "README.md", "values.schema.json"].map(|name| chart.join(name));
    let text = std::fs::read_to_string(&values).with_context(|| values.display().to_string())?;
    let table = std::fs::read_to_string(&readme).with_context(|| readme.display().to_string())?;
    let made = (chart::readme(&table, &text)?, chart::schema(&text)?);
    Ok([(readme, made.0.into_bytes()), (schema, made.1.into_bytes())])
}

fn stale(files: &[(PathBuf, Vec<u8>)]) -> impl Iterator<Item = &(PathBuf, Vec<u8>)> {
    files.iter().filter(|(path, new)| std::fs::read(path).ok().as_ref() != Some(new))
}

fn write_changed(files: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    for (path, new) in stale(files) {
        std::fs::write(path, new).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// What the control plane itself tells.
fn control_plane_says(root: &Path, command: &str) -> Result<Vec<u8>> {
    let output = cargo(root).args(["run", "--quiet", "--package", "weir", "--", command]).output()?;
    if !output.status.success() {
        bail!("`weir {command}` failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

/// A configuration of Envoy's with the refusals that LDS serves.
fn with_replies(root: &Path, name: &str, replies: &str) -> Result<Vec<u8>> {
    let yaml = std::fs::read_to_string(root.join(name)).with_context(|| name.to_owned())?;
    let (before, own, after) = around(&yaml).context(name.to_owned())?;
    let width = indentation(own);
    let mut made = before.to_owned();
    for line in replies.lines() {
        made.extend([" ".repeat(width).as_str(), line, "\n"]);
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

    /// What LDS serves is compared with the bootstrap by a test of `weir-xds`.
    #[test]
    fn the_static_example_refuses_as_the_bootstrap_does() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let [bootstrap, example] = WITH_REPLIES.map(|name| {
            let yaml = std::fs::read_to_string(root.join(name)).unwrap();
            let (_, block, _) = around(&yaml).unwrap();
            let width = indentation(block);
            block.lines().map(|line| line[width..].to_owned()).collect::<Vec<_>>()
        });
        assert!(bootstrap == example, "run `make gen`");
        assert!(bootstrap.iter().filter(|line| line.contains("\"code\":")).count() > 20);
    }
}
