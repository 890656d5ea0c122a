//! Asks Envoy itself whether it accepts the configurations that the repository offers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::envoy::{self, TOKEN_FILE, fill, token_file};
use crate::settings::repository;
use crate::tools::Tools;

/// Validates each `.yaml` file of the folder `envoy/`, its placeholders filled in. `module` is the filters' file.
pub fn validate(tools: &Path, module: &Path) -> Result<()> {
    let repository = repository()?;
    let binary = Tools::at(repository.join(tools)).envoy()?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let token = folder.path().join(TOKEN_FILE);
    std::fs::write(&token, token_file("token"))?;
    let module = repository.join(module);
    let mut refused = Vec::new();
    for file in configurations(&repository.join("envoy"))? {
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let filled = fill(&text, &placeholders(&token, &module)?).with_context(|| file.display().to_string())?;
        let copy = folder.path().join("envoy.yaml");
        std::fs::write(&copy, filled)?;
        let mut command = envoy::command(&binary);
        command.args(["--mode", "validate", "--disable-hot-restart", "--log-level", "warning", "--config-path"]);
        // The static example takes its credentials from the environment.
        command.envs([("OPENAI_API_KEY", "none"), ("ANTHROPIC_API_KEY", "none")]);
        let output = command.arg(&copy).output().with_context(|| binary.display().to_string())?;
        let name = file.strip_prefix(&repository).unwrap_or(&file).display();
        if output.status.success() {
            println!("{name}: accepted");
        } else {
            println!("{name}: refused\n{}", String::from_utf8_lossy(&output.stderr));
            refused.push(name.to_string());
        }
    }
    if !refused.is_empty() {
        bail!("Envoy refuses {}", refused.join(", "));
    }
    Ok(())
}

fn configurations(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    if files.is_empty() {
        bail!("no configuration in {}", folder.display());
    }
    Ok(files)
}

fn placeholders<'a>(token: &'a Path, module: &'a Path) -> Result<[(&'static str, &'a str); 16]> {
    Ok([
        ("WEIR_GATEWAY_ADDRESS", "127.0.0.1"),
        ("WEIR_GATEWAY_PORT", "18080"),
        ("WEIR_ENVOY_ADMIN_PORT", "18083"),
        ("WEIR_XDS_ADDRESS", "127.0.0.1"),
        ("WEIR_XDS_PORT", "18082"),
        ("WEIR_TOKEN_SDS_FILE", token.to_str().context("a folder's name is not UTF-8")?),
        ("WEIR_NODE_ID", "local-1"),
        ("WEIR_NODE_CLUSTER", "local"),
        ("WEIR_ENVOY_MAX_HEAP_BYTES", "2147483648"),
        // The static example has the choice of its providers, its one key, and Envoy's admin port besides.
        ("WEIR_ADMIN_PORT", "18083"),
        ("WEIR_KEY_SHA256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("WEIR_OPENAI_HOST", "127.0.0.1"),
        ("WEIR_OPENAI_PORT", "18084"),
        ("WEIR_ANTHROPIC_HOST", "127.0.0.1"),
        ("WEIR_ANTHROPIC_PORT", "18084"),
        ("WEIR_MODULE_FILE", module.to_str().context("a folder's name is not UTF-8")?),
    ])
}
