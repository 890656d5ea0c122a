//! What is published of a version: programs, module, chart, manifests, what they are made of, and the digests of all.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::command::{self, cargo};
use crate::{console, installing, setup, wasm};

/// Media types of a module as an OCI artifact, by which Istio's `WasmPlugin` takes it.
const MODULE_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const MODULE_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Makes `target/dist`, from nothing.
pub(crate) fn release(root: &Path) -> Result<()> {
    setup::setup(root)?;
    let target = command::target(root);
    let dist = target.join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist).with_context(|| dist.display().to_string())?;
    }
    fs::create_dir_all(&dist)?;
    console::build(root)?;
    wasm::build(root)?;
    let options = ["build", "--locked", "--release", "--package", "weir", "--features", "embed-console"];
    command::run(cargo(root).args(options))?;

    copy(&target.join("release/weir"), &dist.join("weir"))?;
    copy(&target.join("weir.wasm"), &dist.join("weir.wasm"))?;
    let version = env!("CARGO_PKG_VERSION");
    let module = fs::read(target.join("weir.wasm"))?;
    oci_layout(&module, version, &dist.join("weir-wasm-oci"))?;
    installing::package(root, &dist)?;
    for manifest in fs::read_dir(root.join("k8s"))? {
        let path = manifest?.path();
        copy(&path, &dist.join(format!("manifests-{}", name(&path))))?;
    }
    fs::write(dist.join("weir.cdx.json"), components(&metadata(root)?)?)?;
    fs::write(dist.join("SHA256SUMS"), checksums(&dist)?)?;
    println!("{}", dist.display());
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| from.display().to_string())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A folder that a registry's client pushes as it is (`skopeo copy oci:… docker://…`, `oras cp --from-oci-layout …`).
fn oci_layout(module: &[u8], version: &str, folder: &Path) -> Result<()> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).with_context(|| blobs.display().to_string())?;
    let blob = |media_type: &str, bytes: &[u8]| -> Result<Value> {
        let digest = digest(bytes);
        fs::write(blobs.join(&digest), bytes)?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()}))
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(MODULE_CONFIG, b"{}")?,
        "layers": [blob(MODULE_LAYER, module)?],
        "annotations": {"org.opencontainers.image.title": "weir.wasm", "org.opencontainers.image.version": version},
    });
    let mut described = blob(MANIFEST, &serde_json::to_vec(&manifest)?)?;
    described["annotations"] = json!({"org.opencontainers.image.ref.name": version});
    let index = json!({"schemaVersion": 2, "manifests": [described]});
    fs::write(folder.join("index.json"), serde_json::to_vec_pretty(&index)?)?;
    fs::write(folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(())
}

fn metadata(root: &Path) -> Result<Value> {
    let output = cargo(root).args(["metadata", "--format-version", "1", "--locked"]).output()?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A bill of materials (CycloneDX 1.5) of what `weir` and `weir.wasm` are linked with: what they reach, without what only builds and tests
/// use.
fn components(metadata: &Value) -> Result<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = list(&metadata["packages"]);
    let nodes = list(&metadata["resolve"]["nodes"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut reached: Vec<String> = packages
        .iter()
        .filter(|package| package["name"] == "weir" || package["name"] == "weir-module")
        .map(|package| text(&package["id"]))
        .collect();
    let mut at = 0;
    while let Some(id) = reached.get(at).cloned() {
        let node = nodes.iter().find(|node| node["id"] == id.as_str()).with_context(|| id.clone())?;
        for dependency in list(&node["deps"]) {
            let linked = list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let id = text(&dependency["pkg"]);
            if linked && !reached.contains(&id) {
                reached.push(id);
            }
        }
        at += 1;
    }
    let mut components: Vec<Value> = packages
        .iter()
        .filter(|package| !package["source"].is_null() && reached.contains(&text(&package["id"])))
        .map(|package| {
            let (name, version) = (text(&package["name"]), text(&package["version"]));
            let mut component = json!({
                "type": "library",
                "bom-ref": format!("pkg:cargo/{name}@{version}"),
                "name": name,
                "version": version,
                "purl": format!("pkg:cargo/{name}@{version}"),
            });
            if let Some(license) = package["license"].as_str() {
                component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
            }
            component
        })
        .collect();
    components.sort_by_key(|component| text(&component["bom-ref"]));
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "weir", "version": env!("CARGO_PKG_VERSION")}},
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// As `sha256sum --check` reads it.
fn checksums(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    below(folder, &mut files)?;
    files.sort();
    let mut lines = String::new();
    for path in files {
        let shown = path.strip_prefix(folder)?.display().to_string();
        lines += &format!("{}  {shown}\n", digest(&fs::read(&path)?));
    }
    Ok(lines)
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { below(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(path: &Path) -> Value {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn a_layout_leads_from_its_index_to_the_module() {
        let folder = tempfile::tempdir().unwrap();
        oci_layout(b"\0asm", "1.2.3", folder.path()).unwrap();
        let blob = |described: &Value| {
            let (_, hex) = described["digest"].as_str().unwrap().split_once(':').unwrap();
            let path = folder.path().join("blobs/sha256").join(hex);
            assert_eq!(digest(&fs::read(&path).unwrap()), hex);
            path
        };
        let index = json_of(&folder.path().join("index.json"));
        let manifest = json_of(&blob(&index["manifests"][0]));
        assert_eq!(manifest["layers"][0]["mediaType"], MODULE_LAYER);
        assert_eq!(fs::read(blob(&manifest["layers"][0])).unwrap(), b"\0asm");
        assert_eq!(json_of(&blob(&manifest["config"])), json!({}));
    }

    #[test]
    fn the_bill_has_what_is_linked_and_not_what_only_builds_and_tests_use() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let bill: Value = serde_json::from_str(&components(&metadata(&root).unwrap()).unwrap()).unwrap();
        let components = bill["components"].as_array().unwrap();
        let has = |name: &str| components.iter().any(|component| component["name"] == name);
        assert!(has("sqlx") && has("proxy-wasm") && has("tokio"), "what both programs are made of");
        assert!(!has("weir") && !has("protox") && !has("tonic-prost-build"), "what only xtask uses");
        for component in components {
            assert!(component["licenses"][0]["expression"].as_str().is_some_and(|it| !it.contains('/')), "{component}");
        }
    }

    #[test]
    fn checksums_are_of_all_files_but_their_own() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/c"), "").unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(checksums(folder.path()).unwrap(), format!("{empty}  b/c\n"));
    }
}
