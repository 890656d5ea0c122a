//! What is built and installed before a benchmark, and what the results were measured on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use weir_dev::tools::Tools;

use crate::gateway::chain::Built;

/// Where the parts are.
#[derive(Args, Debug)]
pub(crate) struct Parts {
    /// `weir-dev`, beside this program if it is not given.
    #[arg(long, env = "WEIR_DEV_BINARY")]
    weir_dev: Option<PathBuf>,
    /// `weir`, beside this program if it is not given.
    #[arg(long, env = "WEIR_BINARY")]
    weir: Option<PathBuf>,
    /// The filters.
    #[arg(long, env = "WEIR_WASM", default_value = "target/weir.wasm")]
    wasm: PathBuf,
    /// Where `cargo xtask setup` installed Envoy and Postgres.
    #[arg(long, env = "WEIR_TOOLS_DIR", default_value = ".weir/tools")]
    tools: PathBuf,
}

impl Parts {
    /// All of them; an error if one is not there.
    pub(crate) fn built(&self) -> Result<Built> {
        let here = std::env::current_exe()?;
        let beside = |name: &str| here.with_file_name(name);
        let existing = |path: PathBuf| {
            path.canonicalize().with_context(|| format!("{} is not there; `make bench` builds it", path.display()))
        };
        Ok(Built {
            weir_dev: existing(self.weir_dev.clone().unwrap_or_else(|| beside("weir-dev")))?,
            weir: existing(self.weir.clone().unwrap_or_else(|| beside("weir")))?,
            wasm: existing(self.wasm.clone())?,
            tools: existing(self.tools.clone())?,
            envoy: None,
        })
    }
}

/// Prints what was run on what, as a Markdown paragraph.
pub(crate) async fn describe(built: &Built, database_url: Option<&str>) -> Result<()> {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let envoy = envoy_version(&Tools::at(&built.tools).envoy()?)?;
    let cores = std::thread::available_parallelism()?;
    print!("`weir-bench {}` on {cores} cores, {}; Envoy {envoy}", command.join(" "), processor());
    if let Some(url) = database_url {
        use sqlx::Connection;
        let mut connection = sqlx::PgConnection::connect(url).await?;
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
        print!(", Postgres {version}");
    }
    println!(".\n");
    Ok(())
}

/// The model's name of the processor, as the kernel tells it.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    model.map_or("an unnamed processor", |name| name.trim_start_matches([' ', '\t', ':'])).to_owned()
}

/// `… version: <commit>/1.40.0/Clean/RELEASE/BoringSSL` → `1.40.0`.
fn envoy_version(envoy: &Path) -> Result<String> {
    let said = Command::new(envoy).arg("--version").output().context("Envoy cannot be started")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split_once("version: ").and_then(|(_, version)| version.split('/').nth(1));
    Ok(version.unwrap_or("of an unknown version").to_owned())
}
